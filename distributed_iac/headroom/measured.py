"""What random cells, each retrained with several seeds, say about a search: numbers, no words.

::

    found = measure(Trial("acdc/unet", cells, seeds, val_dice, by_patient, ...), settings)
    found.share_of_cell.value, found.best.high, found.smallest.value

Shape legend: C cells, S seeds, P val patients. Nothing here knows of test patients but how many
there are.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from distributed_iac.config.comparison import ComparisonSettings
from distributed_iac.headroom.best_cell import most_of_all
from distributed_iac.headroom.crossed import Figure, complete_part
from distributed_iac.headroom.shares import BOTH, CELL, SEED, Shares
from distributed_iac.headroom.visible import Visible
from distributed_iac.importance.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class Trial:
    """Random cells of one group, retrained.

    Args:
        group: ``dataset/backbone``.
        cells: Names of the cells.
        seeds: What each was retrained with.
        val_dice: (C, S) of the best epoch; NaN where a training is missing.
        by_patient: (C, S, P) the same of every val patient, mean over targets; NaN where missing.
        log_genotypes: Logarithm of the number of cells that a search chooses from.
        test_patients: How many the run is going to score.
        planned_seeds: How many seeds the run has.
    """

    group: str
    cells: tuple[str, ...]
    seeds: tuple[int, ...]
    val_dice: FloatArray
    by_patient: FloatArray
    log_genotypes: float
    test_patients: int
    planned_seeds: int


@dataclass(frozen=True)
class Headroom:
    """What was found; numbers of Dice are in [0, 1].

    Args:
        group: ``dataset/backbone``.
        cells: Cells that are complete, and so counted.
        seeds: Seeds that are.
        val_patients: Patients of val that are.
        left_out: Trainings that are missing, and others for their sake.
        mean: Mean val Dice; None without any.
        share_of_cell: Of the variance of val Dice, what is the cell's.
        share_of_seed: What is the seed's, whichever the cell.
        share_of_both: What is neither's alone: how a cell happens to fare with a seed.
        spread_of_cells: Standard deviation between the cells' own values.
        spread_of_seeds: Between trainings of one cell.
        best: The expected best of all cells over a random one, at the most.
        best_of_few: Gain of ``random_search``, the best on val of ``few`` cells, over a random one.
        few: How many those are.
        smallest: Paired difference on the test patients that is seen 8 times of 10.
        test_patients: How many there are.
        planned_seeds: How many seeds the run has.
        enough_seeds: With how many seeds ``best`` would be seen; None: not with 64 times as many.
        enough_patients: With how many test patients.
        margin: Difference of Dice that counts as none.
        confidence: Of the intervals.
    """

    group: str
    cells: int
    seeds: int
    val_patients: int
    left_out: int
    mean: float | None
    share_of_cell: Figure
    share_of_seed: Figure
    share_of_both: Figure
    spread_of_cells: Figure
    spread_of_seeds: Figure
    best: Figure
    best_of_few: Figure
    few: int
    smallest: Figure
    test_patients: int
    planned_seeds: int
    enough_seeds: int | None
    enough_patients: int | None
    margin: float
    confidence: float


def measure(trial: Trial, settings: ComparisonSettings) -> Headroom:
    """Measure one group.

    Args:
        trial: Its trainings.
        settings: Margin, confidence, draws and their seed, number of random cells.
    """
    rng = np.random.default_rng((settings.seed, zlib.crc32(trial.group.encode())))
    rows, columns = complete_part(trial.val_dice)
    values = trial.val_dice[np.ix_(rows, columns)]
    shares = Shares.of(values, settings, rng)
    visible = Visible.of(trial.by_patient[np.ix_(rows, columns)], settings, rng)
    room = max(0.0, 1.0 - float(values.mean())) if values.size else 0.0
    best = _at_most(room, _best(shares.deviation(CELL), trial.log_genotypes))
    run = (trial.planned_seeds, trial.test_patients)
    wanted = best.value or 0.0
    return Headroom(
        group=trial.group,
        cells=len(rows),
        seeds=len(columns),
        val_patients=visible.patients,
        left_out=trial.val_dice.size - values.size,
        mean=float(values.mean()) if values.size else None,
        share_of_cell=shares.share(CELL),
        share_of_seed=shares.share(SEED),
        share_of_both=shares.share(BOTH),
        spread_of_cells=shares.deviation(CELL),
        spread_of_seeds=shares.deviation(SEED, BOTH),
        best=best,
        best_of_few=_at_most(room, shares.best_of(settings.random_cells)),
        few=settings.random_cells,
        smallest=visible.smallest(*run),
        test_patients=trial.test_patients,
        planned_seeds=trial.planned_seeds,
        enough_seeds=visible.enough(wanted, *run, more="seeds"),
        enough_patients=visible.enough(wanted, *run, more="patients"),
        margin=settings.dice_margin,
        confidence=settings.confidence,
    )


def _at_most(room: float, gain: Figure) -> Figure:
    """No Dice is above 1."""
    ends = (gain.value, gain.low, gain.high)
    return Figure(*(None if one is None else min(room, one) for one in ends))


def _best(spread: Figure, log_genotypes: float) -> Figure:
    """The best of all cells."""
    ends = (spread.value, spread.low, spread.high)
    return Figure(
        *(None if one is None else float(most_of_all(one, log_genotypes)) for one in ends)
    )
