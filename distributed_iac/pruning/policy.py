"""The contract of every pruning policy, and which one the settings ask for.

::

    policy = policy_from(settings.pruning)
    decision = policy.decide(history)                    # after every observed epoch
    decision = policy.decide(history, perturbation(scores, baseline, history.live_operations))
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

from distributed_iac.config.pruning import PolicyName, PruningSettings
from distributed_iac.importance.arrays import FloatArray
from distributed_iac.importance.history import ImportanceHistory
from distributed_iac.pruning.decision import PruneDecision
from distributed_iac.pruning.js import JsPolicy
from distributed_iac.pruning.rank import RankPolicy
from distributed_iac.pruning.schedule import SchedulePolicy


class PrunePolicy(Protocol):
    """Importance history in, a frozen decision with a reason out.

    Laws, held by one conformance test over all policies:

    1. ``decide`` is a function of its arguments: no state, no clock, no randomness. A search
       continued from a checkpoint of its history therefore decides as an uninterrupted one.
    2. Every decision can be applied: ``history.prune(decision.removals)`` never raises; a live
       edge keeps an operation other than ``none`` and a node its edges.
    3. Renaming cells or the order of equal edges changes a decision by nothing but the names.
    """

    @property
    def name(self) -> PolicyName:
        """The policy's name in settings and reports."""
        ...

    def decide(
        self, history: ImportanceHistory, importance: FloatArray | None = None
    ) -> PruneDecision:
        """Decide after an observed epoch.

        Args:
            history: At least one observed epoch.
            importance: ``(R, O)`` what operations are ranked by, from
                :func:`~distributed_iac.importance.measures.ranking`; None: the mixture weights.
        """
        ...


@dataclass(frozen=True)
class NoPruning:
    """The full-length search that faster ones are measured against: nothing is pruned or stops."""

    name: ClassVar[PolicyName] = "none"

    def decide(
        self, history: ImportanceHistory, importance: FloatArray | None = None
    ) -> PruneDecision:
        """Leave everything as it is."""
        del importance
        return PruneDecision(self.name, history.epoch)


def policy_from(settings: PruningSettings) -> PrunePolicy:
    """The policy that the settings name."""
    if settings.policy == "none":
        return NoPruning()
    if settings.policy == "schedule":
        return SchedulePolicy(settings.schedule)
    if settings.policy == "rank":
        return RankPolicy(settings.rank)
    return JsPolicy(settings.stability, settings.signal, settings.js)
