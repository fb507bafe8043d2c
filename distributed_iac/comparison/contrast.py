"""Patient-level differences of one arm from another arm, a control or a baseline.

::

    contrasts = contrast(rows, "lth", "full", settings, rng)
    contrasts[0].group, contrasts[0].difference, contrasts[0].p_holm, contrasts[0].equivalence

Per group and over all groups, for the mean over targets and for every target, for Dice and HD95.

* Test: a patient's difference is averaged over the seeds (over all groups: also over backbones),
  so that every patient counts once; then Wilcoxon's signed-rank test.
* Holm's correction: over the groups, separately for each metric and contrast; the rows of single
  targets form a second family over groups and targets. The row over all groups is one test and
  is not corrected.
* Interval and equivalence: bootstrap over patients and seeds, see
  :mod:`distributed_iac.comparison.bootstrap`. Each row makes its own statement; neither is
  corrected for the number of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from distributed_iac.comparison.bootstrap import Block, Interval, fewest_values, mean_interval
from distributed_iac.comparison.equivalence import Better, Equivalence, equivalence
from distributed_iac.comparison.pairing import MEAN, Metric, Pairing, Undefined, pair
from distributed_iac.comparison.remark import Remark
from distributed_iac.comparison.rows import ScoreRow, variants_among
from distributed_iac.comparison.signed_rank import SignedRank, holm, signed_rank
from distributed_iac.config.comparison import ComparisonSettings
from distributed_iac.jobs.job import group_name

ALL_GROUPS = "all groups"
METRICS: tuple[Metric, ...] = get_args(Metric)
BETTER: Mapping[Metric, Better] = {"dice": "higher", "hd95": "lower"}
FEW_SEEDS = 5
"""Below this many seeds the bootstrap's spread between seeds counts for less than 80 %."""


@dataclass(frozen=True)
class Contrast:
    """One row of the comparison: a metric of one target in one group.

    Args:
        candidate: Arm that is judged.
        against: Arm, control or baseline it is compared with.
        group: ``dataset/backbone``, or ``all groups``.
        metric: ``dice`` or ``hd95`` (mm).
        target: Class or region, or ``mean`` over a patient's targets.
        patients: Patients with a defined difference.
        seeds: Seeds on both sides; empty if all seeds share both models.
        candidate_mean: Mean of the candidate over the pairs.
        against_mean: Mean of the other over the pairs.
        difference: Candidate less the other.
        interval: Of the difference; None for one patient.
        test: Signed-rank test over patients.
        p_holm: Its p-value corrected for the family; None over all groups.
        equivalence: Statement against the margin.
        undefined: What could not be compared.
        warnings: What a reader must know.
    """

    candidate: str
    against: str
    group: str
    metric: Metric
    target: str
    patients: int
    seeds: tuple[int, ...]
    candidate_mean: float
    against_mean: float
    difference: float
    interval: Interval | None
    test: SignedRank
    p_holm: float | None
    equivalence: Equivalence
    undefined: Undefined
    warnings: tuple[Remark, ...] = ()


def contrast(
    rows: Sequence[ScoreRow],
    candidate: str,
    against: str,
    settings: ComparisonSettings,
    rng: np.random.Generator,
) -> tuple[Contrast, ...]:
    """Compare two labels wherever both were evaluated.

    Args:
        rows: The patients table.
        candidate: An arm.
        against: Another arm, a control, or the key of a baseline, which is compared with the
            candidate in every backbone of its data set.
        settings: Margins, confidence and resampling.
        rng: Of the bootstrap.

    Returns:
        For each metric the rows of all groups, then one ``all groups`` row if there are several.
        Groups without a single defined pair have none.
    """
    return contrast_pairs(
        lambda metric: _pairings(rows, candidate, against, metric),
        candidate,
        against,
        settings,
        rng,
    )


def contrast_pairs(
    pairs: Callable[[Metric], Mapping[str, Pairing]],
    candidate: str,
    against: str,
    settings: ComparisonSettings,
    rng: np.random.Generator,
) -> tuple[Contrast, ...]:
    """The same for pairs of values that are made already.

    Args:
        pairs: From a metric to pairs by group, each with a defined one.
        candidate: What the first of every pair is called.
        against: What the second is called.
        settings: As above.
        rng: As above.
    """
    found: list[Contrast] = []
    for metric in METRICS:
        pairings = pairs(metric)
        context = _Context(candidate, against, metric, settings, rng)
        headline = [context.row(group, MEAN, [one]) for group, one in pairings.items()]
        found += _corrected(headline)
        if len(pairings) > 1:
            found.append(context.row(ALL_GROUPS, MEAN, list(pairings.values())))
        single = [
            context.row(group, target, [one])
            for group, one in pairings.items()
            for target in one.targets
        ]
        found += _corrected(single)
    return tuple(found)


def _pairings(
    rows: Sequence[ScoreRow], candidate: str, against: str, metric: Metric
) -> dict[str, Pairing]:
    """Pairings by group, those without a defined pair left out."""
    mine = [row for row in rows if row.label == candidate]
    yours = [row for row in rows if row.label == against]
    pairings = {}
    for place in {(row.dataset, row.backbone) for row in mine}:
        own = [row for row in mine if (row.dataset, row.backbone) == place]
        rivals = [row for row in yours if row.is_rival_in(*place)]
        for variant in variants_among((*own, *rivals)):
            here = [row for row in own if row.is_in(variant)]
            one = pair(here, [row for row in rivals if row.is_in(variant)], metric)
            if one.values:
                pairings[group_name(*place, variant)] = one
    return dict(sorted(pairings.items()))


@dataclass(frozen=True)
class _Context:
    """What all rows of a metric share."""

    candidate: str
    against: str
    metric: Metric
    settings: ComparisonSettings
    rng: np.random.Generator

    def row(self, group: str, target: str, pairings: Sequence[Pairing]) -> Contrast:
        settings, metric = self.settings, self.metric
        blocks = [one.block(target, "difference") for one in pairings]
        margin = settings.dice_margin if metric == "dice" else settings.hd95_margin
        patients = patient_means(blocks)
        test = signed_rank(patients)
        seeds = sorted({seed for one in pairings for seed in one.seeds if seed is not None})
        alpha = 1 - settings.confidence
        inner = self._interval(blocks, 1 - 2 * alpha)
        enough = len(patients) >= fewest_values(1 - 2 * alpha)
        return Contrast(
            candidate=self.candidate,
            against=self.against,
            group=group,
            metric=metric,
            target=target,
            patients=len(patients),
            seeds=tuple(seeds),
            candidate_mean=_mean(pairings, target, "candidate"),
            against_mean=_mean(pairings, target, "against"),
            difference=float(np.mean([block.mean for block in blocks])),
            interval=self._interval(blocks, settings.confidence),
            test=test,
            p_holm=None,
            equivalence=equivalence(inner if enough else None, margin, BETTER[metric]),
            undefined=sum((one.undefined(target) for one in pairings), start=Undefined()),
            warnings=_warnings(pairings, test, seeds, settings),
        )

    def _interval(self, blocks: Sequence[Block], confidence: float) -> Interval | None:
        settings = self.settings
        return mean_interval(blocks, settings.resample, confidence, settings.resamples, self.rng)


def patient_means(blocks: Sequence[Block]) -> list[float]:
    """One difference a patient: the mean over seeds, then over the blocks of its data set."""
    found: dict[tuple[str, str], list[float]] = {}
    for block in blocks:
        for patient, column in zip(block.patients, block.values.T, strict=True):
            defined = column[np.isfinite(column)]
            if len(defined):
                found.setdefault((block.dataset, patient), []).append(float(defined.mean()))
    return [sum(values) / len(values) for values in found.values()]


def _mean(pairings: Sequence[Pairing], target: str, side: Literal["candidate", "against"]) -> float:
    return float(np.mean([one.block(target, side).mean for one in pairings]))


def _corrected(rows: Sequence[Contrast]) -> list[Contrast]:
    """One family."""
    corrected = holm([row.test.p_value for row in rows])
    return [replace(row, p_holm=p) for row, p in zip(rows, corrected, strict=True)]


def _warnings(
    pairings: Sequence[Pairing],
    test: SignedRank,
    seeds: Sequence[int],
    settings: ComparisonSettings,
) -> tuple[Remark, ...]:
    found = []
    if test.least_p > 1 - settings.confidence:
        found.append(
            Remark(
                f"too few patients for a p-value below {1 - settings.confidence:.2g}",
                f"{test.patients - test.zeros} that differ, not below {test.least_p:.3g}",
            )
        )
    most = max((len(one.seeds) for one in pairings), default=0)
    if len(seeds) == 1:
        found.append(Remark("one seed: nothing is known about other searches", f"seed {seeds[0]}"))
    elif seeds and most < FEW_SEEDS and settings.resample == "patients_and_seeds":
        found.append(
            Remark(
                "few seeds: the interval understates the spread between searches", f"{most} seeds"
            )
        )
    for one in pairings:
        for side, own in (("candidate", one.candidate_only), ("other", one.against_only)):
            if own:
                found.append(Remark(f"seeds of the {side} alone are left out", _list(own)))
    return tuple(dict.fromkeys(found))


def _list(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))
