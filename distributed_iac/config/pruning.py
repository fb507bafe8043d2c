"""Settings of stability, of the signal guard and of the four pruning policies.

::

    LTH                                                     # the arm of a run that names none
    PruningSettings()                                       # js, careful: prunes on evidence alone
    PruningSettings(policy="none")                          # the full-length search
    PruningSettings(policy="schedule", schedule=ScheduleSettings(at=(10, 20, 30)))

Only the numbers that name a paper are published. The papers' own window, threshold and patience
are not available to us; ours follow from what was measured on a small real problem (alpha
trained by Adam at 3e-2): the Jensen-Shannon divergence fell from 3e-2 at epoch 15 to 1e-3 at
epoch 55, an edge's final operation was among its top three from epoch 25 and on top from
epoch 40.
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

    window: Annotated[int, Field(ge=2)] = 5
    """Epochs of the mean P and, as far back, of Q. Our choice: long
    enough to average over single batches, short enough for a first verdict after ten epochs."""
    tau: Annotated[float, Field(gt=0, lt=1)] = 0.01
    """Largest Jensen-Shannon divergence, in bits, of a stable edge. Our choice: on the line
    through the two measured values it is reached at about epoch 28, after the final operations
    have entered the top three (25). For small changes JS is 0.18 times chi-square, so 0.01 is a
    typical relative change of the weights by a quarter within one window."""
    patience: Count = 3
    """Epochs in a row at or below tau that make an edge stable. Our choice; counted anew after
    every pruning of the edge."""
    warmup: Annotated[int, Field(ge=0)] = 10
    """Epochs before the first verdict. Our choice: twice the window, the first epoch at which
    the divergence exists; a shorter warm-up than that has no effect."""
    max_wait: Annotated[int, Field(ge=0)] = 10
    """Epochs that an edge stays stable without losing an operation before it is undecided. Our
    choice: two windows, after which nothing that is compared dates from before the wait."""


class SignalSettings(Settings):
    """When one competitor counts as really behind another."""

    guard: Literal["distinguished", "settled"] = "distinguished"
    """distinguished: the run moved them apart beyond what a random walk does, so a search without
    signal prunes nothing. settled: the loser would hardly catch up in `horizon` more epochs, so a
    longer search would end the same; for small data sets, where a search has too few steps to
    distinguish anything. What a cell says about its confidence does not depend on the guard."""
    horizon: Count = 50
    """Epochs that `settled` looks ahead. Our choice: about as many as have passed when the papers
    find the final operations among the top three (45)."""
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


LTH = PruningSettings(
    policy="js",
    stability=StabilitySettings(window=2, tau=0.1, patience=1, warmup=4, max_wait=2),
    signal=SignalSettings(guard="settled", horizon=1),
)
"""The arm ``lth`` of a run that names no arms. Our choice, on planted problems
(``benchmarks/README.md``, the frontier): the epochs before the first pruning are the dearest of a
search, for all operations are still alive. So windows are as short as a fluctuation can be told in,
JS holds back edges in upheaval alone, and the guard asks that a loser would not catch up in the
next epoch. It is the cheap end: with a horizon and a wait of ten epochs a search finds more, for
about half the savings, and takes 40 epochs. Measured with ten architecture steps an epoch at 3e-2;
where alpha moves slower, ``max_wait`` should be longer (``configs/real_size.yaml``), or a search is
over before it has begun."""
