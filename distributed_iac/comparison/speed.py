"""What a search cost, and how much less than the full-length one: paired by group and seed.

::

    speed_ups = speed(job_rows, settings, planned_epochs=200, rng=rng)
    speed_ups[0].measure, speed_ups[0].ratio, speed_ups[0].interval, speed_ups[0].pairs

A speed-up is the ratio full / lth for the same data set, backbone and seed; several are summed up
by their geometric mean, since halving and doubling must cancel. Intervals are bootstrapped over
the seeds of each group, on logarithms.

A full-length search that did not run all its epochs is no denominator: its ratio is a lower
bound of the true speed-up. It is shown as such and left out of means and intervals.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from distributed_iac.comparison.bootstrap import Block, Interval, mean_interval
from distributed_iac.comparison.contrast import ALL_GROUPS
from distributed_iac.comparison.remark import Remark
from distributed_iac.comparison.rows import JobRow
from distributed_iac.config.comparison import ComparisonSettings

Measure = Literal["seconds", "device_seconds", "op_evaluations", "full_epochs", "epochs"]
MEASURES: tuple[Measure, ...] = get_args(Measure)
FEW_PAIRS = 5
"""Below this many values of a group a bootstrap interval is their range; its coverage is in
:mod:`distributed_iac.comparison.bootstrap`."""
PairState = Literal["complete", "reference cut short"]


@dataclass(frozen=True)
class SpeedPair:
    """Two searches of one group and seed.

    Args:
        group: ``dataset/backbone``.
        seed: Of both.
        candidate: What the shortened search cost.
        reference: What the full-length one cost.
        state: Whether the full-length one ran all its epochs; else the ratio is a lower bound.
    """

    group: str
    seed: int | None
    candidate: float
    reference: float
    state: PairState

    @property
    def ratio(self) -> float:
        """The speed-up."""
        return self.reference / self.candidate


@dataclass(frozen=True)
class SpeedUp:
    """Speed-up by one measure of cost.

    Args:
        group: ``dataset/backbone``, or ``all groups``.
        measure: Of what.
        pairs: All pairs with a known cost.
        ratio: Geometric mean over the complete pairs, over groups with equal weight; None
            without any.
        interval: Of the ratio; None for one complete pair a group.
        warnings: What a reader must know.
    """

    group: str
    measure: Measure
    pairs: tuple[SpeedPair, ...]
    ratio: float | None
    interval: Interval | None
    warnings: tuple[Remark, ...] = ()

    @property
    def complete(self) -> tuple[SpeedPair, ...]:
        """Pairs that count."""
        return tuple(one for one in self.pairs if one.state == "complete")


def speed(
    jobs: Sequence[JobRow],
    settings: ComparisonSettings,
    planned_epochs: int,
    rng: np.random.Generator,
) -> tuple[SpeedUp, ...]:
    """Compare the cost of the two arms' searches.

    Args:
        jobs: The jobs table.
        settings: Arms, confidence and resamples.
        planned_epochs: Epochs of a full-length search whose row does not say.
        rng: Of the bootstrap.

    Returns:
        For each measure the rows of the groups, then ``all groups`` if there are several. A
        measure that nobody recorded (``device_seconds`` on a CPU) has none.
    """
    found: list[SpeedUp] = []
    for measure in MEASURES:
        pairs = _pairs(jobs, settings, planned_epochs, measure)
        groups = sorted({one.group for one in pairs})
        for group in groups:
            own = [one for one in pairs if one.group == group]
            found.append(_summary(group, measure, own, settings, rng))
        if len(groups) > 1:
            found.append(_summary(ALL_GROUPS, measure, pairs, settings, rng))
    return tuple(found)


def cut_short(reference: JobRow, planned_epochs: int) -> bool:
    """Whether a full-length search is not one."""
    if reference.status != "done":
        return True
    return reference.epochs is not None and reference.epochs < (reference.planned or planned_epochs)


def _pairs(
    jobs: Sequence[JobRow],
    settings: ComparisonSettings,
    planned_epochs: int,
    measure: Measure,
) -> list[SpeedPair]:
    searches = [job for job in jobs if job.kind == "search"]
    references = {(job.group, job.seed): job for job in searches if job.arm == settings.reference}
    pairs = []
    for job in searches:
        reference = references.get((job.group, job.seed))
        if job.arm != settings.candidate or job.status != "done" or reference is None:
            continue
        mine, yours = getattr(job, measure), getattr(reference, measure)
        if mine and yours:  # unknown, or nothing was spent: no ratio
            state: PairState = (
                "reference cut short" if cut_short(reference, planned_epochs) else "complete"
            )
            pairs.append(SpeedPair(job.group, job.seed, mine, yours, state))
    return sorted(pairs, key=lambda one: (one.group, -1 if one.seed is None else one.seed))


def _summary(
    group: str,
    measure: Measure,
    pairs: Sequence[SpeedPair],
    settings: ComparisonSettings,
    rng: np.random.Generator,
) -> SpeedUp:
    complete = [one for one in pairs if one.state == "complete"]
    blocks = [
        Block("", ("",), np.array([[math.log(p.ratio)] for p in complete if p.group == name]))
        for name in sorted({one.group for one in complete})
    ]
    raw = mean_interval(blocks, "seeds", settings.confidence, settings.resamples, rng)
    interval = raw and Interval(math.exp(raw.low), math.exp(raw.high), raw.confidence, raw.units)
    ratio = math.exp(float(np.mean([block.mean for block in blocks]))) if blocks else None
    return SpeedUp(group, measure, tuple(pairs), ratio, interval, _warnings(pairs, complete))


def _warnings(pairs: Sequence[SpeedPair], complete: Sequence[SpeedPair]) -> tuple[Remark, ...]:
    found = [
        Remark(
            "a full-length search that was cut short gives a lower bound only, left out of means",
            f"{one.group} seed {one.seed} at least {one.ratio:.2f}x",
        )
        for one in pairs
        if one.state != "complete"
    ]
    freedom = len(complete) - len({one.group for one in complete})
    if complete and not freedom:
        found.append(Remark("one complete pair a group: no interval"))
    elif 0 < freedom < FEW_PAIRS - 1:
        found.append(
            Remark(
                "few pairs: the interval is their range, and too narrow", f"{len(complete)} pairs"
            )
        )
    return tuple(found)
