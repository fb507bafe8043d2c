"""How sure is a mean paired difference? Bootstrap over patients, seeds, or both.

::

    block = Block("acdc", patients=("p1", "p2"), values=differences)      # (S, P)
    interval = mean_interval([block], "patients_and_seeds", 0.95, 5000, rng)

Shape legend: S seeds, P patients, B draws. A block is one group. Several blocks are averaged with
equal weights.

* Patients and seeds are crossed: every seed's network sees every patient. Drawing both with
  replacement and independently is the pigeonhole bootstrap (Owen, The pigeonhole bootstrap,
  2007); it errs on the wide side.
* Blocks of one data set share their patients, so one draw of patients serves them all; seeds are
  drawn per block, because each block's searches are its own.
* A percentile interval of few values is too narrow. Its tails are moved out so that it has
  Student's width: ``Phi(-sqrt(n / (n - 1)) * t)`` with n - 1 degrees of freedom (Hesterberg,
  What teachers should know about the bootstrap, arXiv 1411.5279). With less than about five
  values it becomes their range.

Not corrected: the spread between seeds counts (S - 1) / S of what it should. Coverage of the 95 %
interval, simulated (600 draws of normal effects of patients and residuals with deviation 1):

===================================  =====  =====  =====
patients, one seed                   5      10     20
patients                             0.92   0.94   0.94
-----------------------------------  -----  -----  -----
seeds, 20 patients each              2      3      5
both, seeds do not differ            0.98   0.98   0.96
both, deviation of seeds 0.3         0.95   0.96   0.96
both, deviation of seeds 1           0.79   0.85   0.91
patients only, deviation 0.3         0.87   0.89   0.91
-----------------------------------  -----  -----  -----
one value a seed (speed-ups)         2      3      5
seeds                                0.49   0.74   0.90
===================================  =====  =====  =====
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

import numpy as np
from scipy import stats

from distributed_iac.errors import ConfigError
from distributed_iac.importance.arrays import FloatArray

Units = Literal["patients", "seeds", "patients_and_seeds"]


@dataclass(frozen=True, eq=False)
class Block:
    """Values of one group.

    Args:
        dataset: Whose patients they are.
        patients: ``(P,)`` identifiers, unique within the data set.
        values: ``(S, P)``; NaN where undefined.

    Raises:
        ConfigError: Another shape.
    """

    dataset: str
    patients: tuple[str, ...]
    values: FloatArray

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[1] != len(self.patients):
            raise ConfigError(
                f"values of a block are (seeds, {len(self.patients)})",
                came=str(self.values.shape),
            )

    @property
    def mean(self) -> float:
        """Mean over everything defined; NaN if nothing is."""
        defined = self.values[np.isfinite(self.values)]
        return float(defined.mean()) if len(defined) else float("nan")


@dataclass(frozen=True)
class Interval:
    """A two-sided interval.

    Args:
        low: Lower end.
        high: Upper end.
        confidence: Wanted coverage.
        units: What was drawn.
    """

    low: float
    high: float
    confidence: float
    units: Units


def mean_interval(
    blocks: Sequence[Block],
    units: Units,
    confidence: float,
    resamples: int,
    rng: np.random.Generator,
) -> Interval | None:
    """Bootstrap the mean over blocks of their mean values.

    Args:
        blocks: At least one of them with a defined value, or there is no interval.
        units: What is drawn.
        confidence: In (0, 1).
        resamples: B.
        rng: Of the draws.

    Returns:
        The interval, or None where no unit repeats, so that nothing is known about its spread.
    """
    full = [block for block in blocks if np.isfinite(block.values).any()]
    freedom = _freedom(full, units)
    if freedom < 1:
        return None
    means = resampled_means(full, units, resamples, rng)
    tail = expanded_tail(confidence, freedom)
    low, high = np.nanquantile(means, [tail, 1 - tail])
    return Interval(float(low), float(high), confidence, units)


def expanded_tail(confidence: float, freedom: int) -> float:
    """Probability to leave on each side of a percentile interval.

    Args:
        confidence: Wanted coverage.
        freedom: n - 1.

    Reference:
        Hesterberg, What teachers should know about the bootstrap, arXiv 1411.5279.
    """
    quantile = stats.t.ppf((1 + confidence) / 2, freedom)
    return float(stats.norm.cdf(-np.sqrt((freedom + 1) / freedom) * quantile))


def fewest_values(confidence: float) -> int:
    """With fewer values not even their whole range holds their median as often as wanted.

    Args:
        confidence: Wanted coverage; that of the range of n values is ``1 - 2 ** (1 - n)``.

    Returns:
        6 for 0.95, 5 for 0.9.
    """
    return math.ceil(1 - math.log2(1 - confidence) - 1e-9)


def resampled_means(
    blocks: Sequence[Block], units: Units, resamples: int, rng: np.random.Generator
) -> FloatArray:
    """``(B,)`` the mean in every draw; NaN where a draw has nothing defined."""
    total = np.zeros(resamples)
    by_dataset = sorted(blocks, key=lambda block: block.dataset)
    for _, group in groupby(by_dataset, key=lambda block: block.dataset):
        siblings = list(group)
        known = _patients(siblings)
        drawn = _draw(len(known), resamples, rng if units != "seeds" else None)
        for block in siblings:
            columns = drawn[:, [known[patient] for patient in block.patients]]
            rows = _draw(len(block.values), resamples, rng if units != "patients" else None)
            total += _weighted(block.values, rows, columns)
    result: FloatArray = total / len(blocks)
    return result


def _weighted(values: FloatArray, rows: FloatArray, columns: FloatArray) -> FloatArray:
    """``(B,)`` means of (S, P) values under weights (B, S) and (B, P)."""
    defined = np.isfinite(values)
    summed = ((rows @ np.where(defined, values, 0.0)) * columns).sum(axis=1)
    weight = ((rows @ defined.astype(np.float64)) * columns).sum(axis=1)
    result: FloatArray = np.divide(summed, weight, out=np.full(len(rows), np.nan), where=weight > 0)
    return result


def _draw(count: int, resamples: int, rng: np.random.Generator | None) -> FloatArray:
    """``(B, count)`` how often each unit was drawn; once each where nothing is drawn."""
    if rng is None:
        return np.ones((resamples, count))
    return rng.multinomial(count, np.full(count, 1 / count), size=resamples).astype(np.float64)


def _patients(blocks: Sequence[Block]) -> Mapping[str, int]:
    """Patients of all blocks, numbered."""
    names = sorted({patient for block in blocks for patient in block.patients})
    return {name: number for number, name in enumerate(names)}


def _freedom(blocks: Sequence[Block], units: Units) -> int:
    """How many independent units say something of the spread: their number less the means."""
    if units == "seeds":
        return sum(int(np.isfinite(block.values).any(axis=1).sum()) - 1 for block in blocks)
    defined: dict[str, set[str]] = {}
    for block in blocks:
        columns = np.flatnonzero(np.isfinite(block.values).any(axis=0))
        defined.setdefault(block.dataset, set()).update(block.patients[i] for i in columns)
    return sum(len(names) - 1 for names in defined.values())
