"""How much of a given cell did an arm find: its genes, and its worth?

::

    found = found_of_given(evidence, given, score_rows, settings)
    found[0].share, found[0].interval        # of the gap between a random cell and the given one

The worth is told by test patients: the arm's cells, the given one and random ones were all trained
anew in the same way. A share has a meaning only where the given cell is worth more than a random
one; where the interval of that gap includes 0, nothing hung on the cell, and no share is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from distributed_iac.agreement import Match, gene_agreement
from distributed_iac.comparison.bootstrap import (
    Block,
    Interval,
    expanded_tail,
    mean_interval,
    resampled_means,
)
from distributed_iac.comparison.likeness import SearchEvidence
from distributed_iac.comparison.pairing import MEAN, pair
from distributed_iac.comparison.rows import ScoreRow
from distributed_iac.config.comparison import ComparisonSettings
from distributed_iac.genotype import Genotype

GIVEN, RANDOM = "given", "random"


@dataclass(frozen=True)
class FoundOfGiven:
    """What the searches of one arm and group found of the given cell.

    Args:
        group: ``dataset/backbone``.
        arm: The arm.
        genes: One match a search, with the given cell.
        random: Mean test Dice of random cells, over seeds, patients and targets where the other
            two are defined too.
        found: The same of the arm's cells.
        given: The same of the given cell.
        gap: Interval of ``given - random``; None where it is not known.
        share: ``(found - random) / (given - random)``; None where the gap's interval includes 0.
        interval: Of the share.
    """

    group: str
    arm: str
    genes: tuple[Match, ...]
    random: float | None = None
    found: float | None = None
    given: float | None = None
    gap: Interval | None = None
    share: float | None = None
    interval: Interval | None = None


def found_of_given(
    evidence: Sequence[SearchEvidence],
    given: Genotype,
    rows: Sequence[ScoreRow],
    settings: ComparisonSettings,
) -> tuple[FoundOfGiven, ...]:
    """Compare every arm of every group with the given cell.

    Args:
        evidence: Finished searches.
        given: The cell, of the shape that they search for.
        rows: The patients table.
        settings: Confidence and resampling.
    """
    found = []
    for group, arm in dict.fromkeys((one.group, one.arm) for one in evidence):
        genes = tuple(
            gene_agreement(one.genotype, given)
            for one in evidence
            if (one.group, one.arm) == (group, arm)
        )
        own = [row for row in rows if row.group == group and not row.is_baseline]
        found.append(_worth(FoundOfGiven(group, arm, genes), own, settings))
    return tuple(found)


def _worth(
    found: FoundOfGiven, rows: Sequence[ScoreRow], settings: ComparisonSettings
) -> FoundOfGiven:
    """The same with what the test patients say."""
    of = {
        label: [row for row in rows if row.label == label] for label in (found.arm, GIVEN, RANDOM)
    }
    gained = pair(of[found.arm], of[RANDOM], "dice")
    gap = pair(of[GIVEN], of[RANDOM], "dice")
    common = gained.values.keys() & gap.values.keys()
    if not common:
        return found  # something is not finished
    seeds = tuple(seed for seed in gap.seeds if any(place.seed == seed for place in common))
    gained, gap = (
        replace(
            one,
            seeds=seeds,
            values={place: one.values[place] for place in gap.values if place in common},
        )
        for one in (gained, gap)
    )
    mine, whole = gained.block(MEAN, "difference"), gap.block(MEAN, "difference")
    random = gap.block(MEAN, "against").mean
    rng = np.random.default_rng(settings.seed)
    sure = mean_interval([whole], settings.resample, settings.confidence, settings.resamples, rng)
    differs = sure is not None and sure.low > 0
    return FoundOfGiven(
        found.group,
        found.arm,
        found.genes,
        random=random,
        found=random + mine.mean,
        given=random + whole.mean,
        gap=sure,
        share=mine.mean / whole.mean if differs else None,
        interval=_share_interval(mine, whole, settings) if differs else None,
    )


def _share_interval(mine: Block, whole: Block, settings: ComparisonSettings) -> Interval:
    """Both differences over the same draws of patients and seeds."""
    drawn, gaps = (
        resampled_means(
            [block], settings.resample, settings.resamples, np.random.default_rng(settings.seed)
        )
        for block in (mine, whole)
    )
    tail = expanded_tail(settings.confidence, len(whole.patients) - 1)
    low, high = np.quantile(drawn / gaps, [tail, 1 - tail])
    return Interval(float(low), float(high), settings.confidence, settings.resample)
