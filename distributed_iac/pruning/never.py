"""The full-length search: nothing is pruned and nothing converges.

::

    NoPruning().decide(history).removals      # ()
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from distributed_iac.config.pruning import PolicyName
from distributed_iac.importance.arrays import FloatArray
from distributed_iac.importance.history import ImportanceHistory
from distributed_iac.pruning.decision import PruneDecision


@dataclass(frozen=True)
class NoPruning:
    """The reference that faster searches are measured against."""

    name: ClassVar[PolicyName] = "none"

    def decide(
        self, history: ImportanceHistory, importance: FloatArray | None = None
    ) -> PruneDecision:
        """Leave everything as it is."""
        del importance
        return PruneDecision(self.name, history.epoch)
