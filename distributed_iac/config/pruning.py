"""Settings of stability, of the signal guard and of the four pruning policies.

::

    PruningSettings()                                       # js: JS stability and signal
    PruningSettings(policy="none")                          # the full-length search
    PruningSettings(policy="schedule", schedule=ScheduleSettings(at=(10, 20, 30)))

Only the numbers that name a paper are published. The papers' own window, threshold and patience
are not available to us; ours were chosen on planted problems (``benchmarks/README.md``, the
frontier). The epochs before the first pruning are the dearest of a search: all operations are
still alive. So windows are short, and a search that has moved nothing ends soon.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from distributed_iac.config.base import Count, Settings

PolicyName = Literal["none", "js", "schedule", "rank"]
ImportanceMeasure = Literal["softmax", "softmax_x_beta", "perturbation"]


class StabilitySettings(Settings):
    """When an edge counts as settled; all epochs are epochs with architecture steps."""

    window: Annotated[int, Field(ge=2)] = 2
    """Epochs of the mean P and, as far back, of Q. Our choice: the shortest in which a fluctuation
    shows. Epochs of fewer than about ten architecture steps ask for a longer one."""
    tau: Annotated[float, Field(gt=0, lt=1)] = 0.1
    """Largest Jensen-Shannon divergence, in bits, of a stable edge. Our choice: for small changes
    JS is 0.18 times chi-square, so 0.1 is a relative change of the weights by three quarters within
    one window. Holds back edges in upheaval; how sure a loser is, the signal guard says."""
    patience: Count = 1
    """Epochs in a row at or below tau that make an edge stable. Our choice; counted anew after
    every pruning of the edge."""
    warmup: Annotated[int, Field(ge=0)] = 4
    """Epochs before the first verdict. Our choice: twice the window, the first epoch at which
    the divergence exists; a shorter warm-up than that has no effect."""
    max_wait: Annotated[int, Field(ge=0)] = 2
    """Epochs that an edge stays stable without losing an operation before it is undecided. Our
    choice: one window. It keeps training until the others are decided."""


class SignalSettings(Settings):
    """When one competitor counts as really behind another."""

    guard: Literal["distinguished", "settled"] = "settled"
    """settled: at the fluctuation still seen, the loser would hardly catch up in `horizon` more
    epochs, be its lag the data's doing or chance's. distinguished: the run moved them apart beyond
    what a random walk does, so a search without signal prunes nothing, and one with signal prunes
    late. What a cell says about its confidence does not depend on the guard."""
    horizon: Count = 1
    """Epochs that `settled` looks ahead. Our choice: a cell found by looking further was not worth
    more on planted problems, but cost more. 50 anticipates what is on top after as many epochs as
    the papers let pass until the final operations are among the top three (45)."""
    risk: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Largest probability, for `settled`, that one of a leader's rivals overtakes it within the
    horizon at the present fluctuation, which shrinks in a search that settles. Our choice."""
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.01
    """Level of `distinguished`, and of a discrete cell's confidence: probability that an edge of
    pure noise ever counts as distinguished, over all pairs of its operations and all epochs of a
    search of any length. Our choice."""
    min_ratio: Annotated[float, Field(ge=1)] = 1.5
    """Least weight of the winner in units of the loser's, held in every epoch of the window.
    Our choice: significance alone would in time prune operations that differ by nothing that
    matters. At the measured entropy of 0.999, where the search had learned nothing, the largest
    and smallest of eight weights differ by a factor of about 1.2."""


class JsSettings(Settings):
    """Progressive pruning by JS stability and signal."""

    keep_top: Annotated[int, Field(ge=1, le=7)] = 1
    """Operations an edge keeps in any case, `none` not counted. 1 lets pruning go all the way."""
    keep_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.5
    """Least share of its operations that an edge keeps in one decision: 0.5 gives 7, 4, 2, 1
    with `patience` epochs between. Our choice: the weights that remain have been trained inside
    the larger mixture and must first show that their order survives its loss. 0: all at once."""


class ScheduleSettings(Settings):
    """Pruning at fixed epochs to fixed numbers, after P-DARTS (arXiv 1904.12760)."""

    at: tuple[Count, ...] = (15, 30, 45)
    """Architecture epochs after which is pruned. P-DARTS: three stages of 25 epochs of which
    the first 10 leave the architecture alone."""
    keep: tuple[Count, ...] = (5, 3, 1)
    """Operations kept after each of them (P-DARTS)."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if len(self.at) != len(self.keep) or not self.at:
            raise ValueError(
                f"at and keep need one entry each for every stage (at {len(self.at)}, "
                f"keep {len(self.keep)})"
            )
        if any(later <= earlier for earlier, later in pairwise(self.at)):
            raise ValueError(f"the epochs in at must increase (came {list(self.at)})")
        if any(later >= earlier for earlier, later in pairwise(self.keep)):
            raise ValueError(f"the numbers in keep must decrease (came {list(self.keep)})")
        if self.keep[-1] != 1:
            raise ValueError(f"keep must end with 1 (came {list(self.keep)})")
        return self


class RankSettings(Settings):
    """Stopping when the order of operations stands still, after DARTS+ (arXiv 1909.06035)."""

    epochs: Annotated[int, Field(ge=2)] = 10
    """Epochs over which the order must not change (DARTS+: 10)."""
    operations: Literal["learnable", "all"] = "learnable"
    """Which operations are ranked (DARTS+: the learnable ones)."""


class PruningSettings(Settings):
    """What is pruned when, and how stability is measured and reported under any policy."""

    policy: PolicyName = "js"
    """none: full-length search; js: ours; schedule: as P-DARTS; rank: as DARTS+."""
    importance: ImportanceMeasure = "softmax"
    """By what operations are ranked: their mixture weight; that times the edge's weight; or the
    drop of the validation score without them (DARTS-PT, arXiv 2108.04392)."""
    stability: StabilitySettings = StabilitySettings()
    signal: SignalSettings = SignalSettings()
    js: JsSettings = JsSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    rank: RankSettings = RankSettings()
