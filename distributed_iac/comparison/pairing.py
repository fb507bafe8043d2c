"""Two models on the same patients: what can be compared with what.

::

    pairing = pair(lth_rows, full_rows, "dice")
    pairing.block("mean", "difference")      # (S, P), candidate less the other
    pairing.undefined("mean")                # what could not be compared

Values are paired where they are finest: one seed, patient, case and target. Only what is defined
on both sides counts; what is not is counted and reported, because an arm that misses a structure
altogether would otherwise gain from it in HD95. Then: mean over a patient's cases, for ``mean``
also over its targets; what is left is one number a seed and patient. Several cells of one arm and
seed (slots) are averaged first, case by case.

A model that all seeds share (the plain backbone) is paired with every seed of the other side.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from operator import add
from typing import Literal, NamedTuple

import numpy as np

from distributed_iac.comparison.bootstrap import Block
from distributed_iac.comparison.rows import ScoreRow

Metric = Literal["dice", "hd95"]

MEAN = "mean"
"""Name of the mean over a patient's targets."""


class PairKey(NamedTuple):
    """Where a value belongs."""

    seed: int | None
    patient: str
    case: str
    target: str


@dataclass(frozen=True)
class Undefined:
    """Values that could not be compared.

    Args:
        candidate: Undefined for the candidate only.
        against: Undefined for the other only.
        both: Undefined for both.
        unpaired: On one side only: a patient, case or target that the other never saw.
    """

    candidate: int = 0
    against: int = 0
    both: int = 0
    unpaired: int = 0

    def __add__(self, other: Undefined) -> Undefined:
        return Undefined(*map(add, astuple(self), astuple(other)))


@dataclass(frozen=True)
class Pairing:
    """Values of two models at the places that both have.

    Args:
        dataset: Of all of them.
        seeds: Seeds on both sides.
        candidate_only: Seeds that only the candidate has.
        against_only: Seeds that only the other has.
        values: PairKey to the two defined values, candidate first.
        missing: Target to what is not among them.
    """

    dataset: str
    seeds: tuple[int | None, ...]
    candidate_only: tuple[int, ...]
    against_only: tuple[int, ...]
    values: Mapping[PairKey, tuple[float, float]]
    missing: Mapping[str, Undefined]

    def undefined(self, target: str) -> Undefined:
        """What could not be compared of a target, or of all for ``mean``."""
        counts = [count for name, count in self.missing.items() if target in (MEAN, name)]
        return sum(counts, start=Undefined())

    @property
    def targets(self) -> tuple[str, ...]:
        """Targets with a defined pair, by name."""
        return tuple(sorted({place.target for place in self.values}))

    def block(self, target: str, side: Literal["difference", "candidate", "against"]) -> Block:
        """One number a seed and patient.

        Args:
            target: One of them, or ``mean``.
            side: What of the pairs.
        """
        by_target: dict[tuple[int | None, str, str], list[float]] = defaultdict(list)
        for place, (mine, yours) in self.values.items():
            if target in (MEAN, place.target):
                value = {"difference": mine - yours, "candidate": mine, "against": yours}[side]
                by_target[place.seed, place.patient, place.target].append(value)
        by_patient: dict[tuple[int | None, str], list[float]] = defaultdict(list)
        for (seed, patient, _), of_cases in by_target.items():
            by_patient[seed, patient].append(sum(of_cases) / len(of_cases))
        patients = tuple(sorted({patient for _, patient in by_patient}))
        values = np.full((len(self.seeds), len(patients)), np.nan)
        for (seed, patient), of_targets in by_patient.items():
            at = self.seeds.index(seed), patients.index(patient)
            values[at] = sum(of_targets) / len(of_targets)
        return Block(self.dataset, patients, values)


def pair(candidate: Sequence[ScoreRow], against: Sequence[ScoreRow], metric: Metric) -> Pairing:
    """Pair two models' rows on one data set.

    Args:
        candidate: Rows of the one, over all its seeds.
        against: Rows of the other.
        metric: Which column.
    """
    mine, yours = _by_place(candidate, metric), _by_place(against, metric)
    my_seeds, your_seeds = _seeds(mine), _seeds(yours)
    seeds = _common(my_seeds, your_seeds)
    mine, yours = _for_seeds(mine, seeds), _for_seeds(yours, seeds)
    values: dict[PairKey, tuple[float, float]] = {}
    missing: dict[str, Undefined] = defaultdict(Undefined)
    for place in sorted(mine.keys() | yours.keys(), key=repr):
        if place not in mine or place not in yours:
            missing[place.target] += Undefined(unpaired=1)
        elif math.isfinite(mine[place]) and math.isfinite(yours[place]):
            values[place] = (mine[place], yours[place])
        else:
            missing[place.target] += _which(mine[place], yours[place])
    return Pairing(
        dataset=next((row.dataset for row in candidate), ""),
        seeds=seeds,
        candidate_only=_only(my_seeds, seeds, your_seeds),
        against_only=_only(your_seeds, seeds, my_seeds),
        values=values,
        missing=dict(missing),
    )


def mean_score(rows: Sequence[ScoreRow], metric: Metric) -> float:
    """Mean over patients of the mean over their cases and targets; NaN if all are undefined."""
    return pair(rows, rows, metric).block(MEAN, "candidate").mean


def _which(candidate: float, against: float) -> Undefined:
    """Count one pair of which at least one side is undefined."""
    if math.isfinite(candidate):
        return Undefined(against=1)
    return Undefined(candidate=1) if math.isfinite(against) else Undefined(both=1)


def _by_place(rows: Sequence[ScoreRow], metric: Metric) -> dict[PairKey, float]:
    """Average what slots and doubled rows say of one place; NaN where nothing is defined."""
    found: dict[PairKey, list[float]] = defaultdict(list)
    for row in rows:
        place = PairKey(row.seed, row.patient_id, row.case_id, row.target)
        found[place].append(row.dice if metric == "dice" else row.hd95)
    means = {}
    for place, values in found.items():
        defined = [value for value in values if math.isfinite(value)]
        means[place] = sum(defined) / len(defined) if defined else math.nan
    return means


def _seeds(values: Mapping[PairKey, float]) -> frozenset[int | None]:
    return frozenset(place.seed for place in values)


def _common(mine: frozenset[int | None], yours: frozenset[int | None]) -> tuple[int | None, ...]:
    """Seeds of both; those of the one where the other is shared by all seeds."""
    shared = frozenset({None})
    if shared in (mine, yours):
        common = mine | yours if mine == yours else (mine | yours) - shared
    else:
        common = mine & yours
    if not mine or not yours:
        return ()
    return tuple(sorted(common, key=lambda seed: -1 if seed is None else seed))


def _for_seeds(
    values: Mapping[PairKey, float], seeds: Sequence[int | None]
) -> dict[PairKey, float]:
    """The same for these seeds; a shared model's values once for each of them."""
    if _seeds(values) == frozenset({None}):
        return {place._replace(seed=s): value for place, value in values.items() for s in seeds}
    return {place: value for place, value in values.items() if place.seed in seeds}


def _only(
    mine: frozenset[int | None], common: Sequence[int | None], yours: frozenset[int | None]
) -> tuple[int, ...]:
    """Seeds that the other side lacks; none where it lacks everything, which is said elsewhere."""
    if not yours:
        return ()
    return tuple(sorted(seed for seed in mine - set(common) if seed is not None))
