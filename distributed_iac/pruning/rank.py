"""Stopping when the order of operations stands still, after DARTS+ (arXiv 1909.06035).

::

    RankPolicy(RankSettings(epochs=10)).decide(history).converged

Published: the search stops when the ranking of the architecture parameters of the learnable
operations has been stable for a determined number of epochs, 10 for example. Differs from it in:

1. Ranks are those of the epoch means, not of the values at the end of the epoch, which a search
   with few steps an epoch leaves to its last batch.
2. All edges of all cells must stand still at once; the paper does not say for how many.
3. The paper's other criterion (stop at two skip connections in a cell) is left out: the number
   of skip leaders is reported every epoch instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from distributed_iac.config.pruning import PolicyName, RankSettings
from distributed_iac.genotype import FAMILY, OPERATIONS
from distributed_iac.importance.arrays import FloatArray
from distributed_iac.importance.history import ImportanceHistory
from distributed_iac.pruning.decision import Convergence, PruneDecision

LEARNABLE = tuple(i for i, name in enumerate(OPERATIONS) if FAMILY[name] == "conv")


@dataclass(frozen=True)
class RankPolicy:
    """Prunes nothing; converges when no edge has changed its order for some epochs."""

    settings: RankSettings
    name: ClassVar[PolicyName] = "rank"

    def decide(
        self, history: ImportanceHistory, importance: FloatArray | None = None
    ) -> PruneDecision:
        """Compare the orders of the last epochs."""
        del importance
        wanted = self.settings.epochs
        if history.observed < wanted or not self._stands_still(history, wanted):
            return PruneDecision(self.name, history.epoch)
        edges = int(history.live_edges.sum())
        verdict = Convergence(
            epoch=history.epoch,
            decided_edges=0,
            undecided_edges=edges,
            undecided_nodes=int((history.live_slots.sum(axis=1) > 2).sum()),
            reason=f"the order of the {self.settings.operations} operations of all {edges} edges "
            f"has not changed for {wanted} epochs",
        )
        return PruneDecision(self.name, history.epoch, converged=verdict)

    def _stands_still(self, history: ImportanceHistory, epochs: int) -> bool:
        series = history.operation_series(epochs)
        if self.settings.operations == "learnable":
            series = series[:, :, LEARNABLE]
        order = np.argsort(-series, axis=2, kind="stable")
        return bool((order == order[0]).all())
