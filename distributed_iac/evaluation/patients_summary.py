"""From rows of cases to figures of patients, with what is undefined counted and never zero.

::

    for row in summarise(table):                       # evaluation/patients_table.py
        row.model.name, row.target, row.phase, row.metric, row.mean, row.undefined
    scores = patient_scores(table, "dice")             # for comparisons paired by patient

A patient is the independent unit. The cases of a patient (ACDC: ED and ES; BraTS 2024: visits) are
averaged first and the patients then, so that nobody counts twice; our choice. Where cases have a
phase, each phase is summarised by itself as well. A mean leaves undefined values out and is NaN
where all are: MONAI's reduction answers 0 there, which reads as a very bad Dice or a perfect HD95.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import pyarrow as pa

from distributed_iac.config.evaluation import EmptyPolicyName, MetricName
from distributed_iac.data.contract import Phase
from distributed_iac.errors import DataError
from distributed_iac.evaluation.patients_table import ScoredModel, merge_patients

METRICS: tuple[MetricName, ...] = get_args(MetricName)


@dataclass(frozen=True)
class PatientScore:
    """One metric of one target of one patient.

    Args:
        model: Who was scored.
        target: Class or region.
        phase: Only the cases of this phase; None: all cases.
        patient_id: The patient.
        metric: Which metric.
        value: Mean over the patient's cases with a defined value; NaN without any.
        cases: Of the patient.
        undefined: Those of them without a defined value.
        empty_policy: Of all of the patient's rows.
        tolerance: Of the surface Dice, in mm; else None.
    """

    model: ScoredModel
    target: str
    phase: Phase | None
    patient_id: str
    metric: MetricName
    value: float
    cases: int
    undefined: int
    empty_policy: EmptyPolicyName
    tolerance: float | None


@dataclass(frozen=True)
class SummaryRow:
    """One metric of one target over the patients.

    Args:
        model: Who was scored.
        target: Class or region.
        phase: Only the cases of this phase; None: all cases.
        metric: Which metric.
        mean: Over the patients with a defined value; NaN without any.
        sd: Sample standard deviation over them; NaN with fewer than two.
        median: Over them; NaN without any.
        patients: All of them.
        undefined: Those without a defined value.
        undefined_cases: Cases without a defined value, whoever they belong to.
        empty_policy: Of all rows.
        tolerance: Of the surface Dice, in mm; else None.
    """

    model: ScoredModel
    target: str
    phase: Phase | None
    metric: MetricName
    mean: float
    sd: float
    median: float
    patients: int
    undefined: int
    undefined_cases: int
    empty_policy: EmptyPolicyName
    tolerance: float | None


@dataclass(frozen=True)
class ForegroundMean:
    """Mean over the targets of their means over patients (nnU-Net's ``foreground_mean``).

    Args:
        model: Who was scored.
        phase: Only the cases of this phase; None: all cases.
        metric: Which metric.
        mean: Over the targets with a defined mean; NaN without any.
        targets: All of them.
        undefined: Those without a defined mean.
    """

    model: ScoredModel
    phase: Phase | None
    metric: MetricName
    mean: float
    targets: int
    undefined: int


def defined(values: Iterable[float]) -> list[float]:
    """Leave NaN out."""
    return [value for value in values if not math.isnan(value)]


def defined_mean(values: Iterable[float]) -> float:
    """Mean of what is defined, exact and so independent of order; NaN, never 0, without any."""
    kept = defined(values)
    return math.fsum(kept) / len(kept) if kept else math.nan


def patient_scores(table: pa.Table, metric: MetricName) -> list[PatientScore]:
    """Average each patient's cases.

    Args:
        table: Of :data:`.patients_table.SCHEMA`, in any order, parts possibly repeated.
        metric: Rows in which it was not computed are left out.

    Returns:
        Ordered by model, target, phase (all cases first) and patient.

    Raises:
        DataError: Rows of one model and target follow different conventions.
    """
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = defaultdict(list)
    for row in merge_patients([table]).to_pylist():
        if row[metric] is None:
            continue
        for phase in {None, row["phase"]}:
            groups[row["model"], row["target"], phase or "", row["patient_id"]].append(row)
    _require_one_convention(groups)
    return [_patient_score(rows, key[2] or None, metric) for key, rows in sorted(groups.items())]


def summarise(table: pa.Table) -> list[SummaryRow]:
    """Summarise every metric over the patients.

    Args:
        table: Of :data:`.patients_table.SCHEMA`, in any order, parts possibly repeated.

    Returns:
        Ordered by metric, model, target and phase (all cases first).

    Raises:
        DataError: Rows of one model and target follow different conventions.
    """
    return [
        _summary_row(scores)
        for metric in METRICS
        for scores in _runs(patient_scores(table, metric))
    ]


def foreground_means(rows: Iterable[SummaryRow]) -> list[ForegroundMean]:
    """Average over targets.

    Returns:
        In the order of the first row of each model, phase and metric.
    """
    groups: dict[tuple[ScoredModel, Phase | None, MetricName], list[float]] = defaultdict(list)
    for row in rows:
        groups[row.model, row.phase, row.metric].append(row.mean)
    return [
        ForegroundMean(
            *key, defined_mean(means), len(means), undefined=len(means) - len(defined(means))
        )
        for key, means in groups.items()
    ]


def _patient_score(
    rows: Sequence[Mapping[str, Any]], phase: Phase | None, metric: MetricName
) -> PatientScore:
    first, values = rows[0], [row[metric] for row in rows]
    names = ("model", "dataset", "backbone", "name", "arm", "seed")
    return PatientScore(
        model=ScoredModel(**{name: first[name] for name in names}),
        target=first["target"],
        phase=phase,
        patient_id=first["patient_id"],
        metric=metric,
        value=defined_mean(values),
        cases=len(values),
        undefined=len(values) - len(defined(values)),
        empty_policy=first["empty_policy"],
        tolerance=first["tolerance"] if metric == "surface_dice" else None,
    )


def _summary_row(scores: Sequence[PatientScore]) -> SummaryRow:
    first, values = scores[0], defined(score.value for score in scores)
    return SummaryRow(
        model=first.model,
        target=first.target,
        phase=first.phase,
        metric=first.metric,
        mean=defined_mean(values),
        sd=statistics.stdev(values) if len(values) > 1 else math.nan,
        median=statistics.median(values) if values else math.nan,
        patients=len(scores),
        undefined=len(scores) - len(values),
        undefined_cases=sum(score.undefined for score in scores),
        empty_policy=first.empty_policy,
        tolerance=first.tolerance,
    )


def _runs(scores: Sequence[PatientScore]) -> Iterator[list[PatientScore]]:
    groups: dict[tuple[str, str, Phase | None], list[PatientScore]] = defaultdict(list)
    for score in scores:
        groups[score.model.model, score.target, score.phase].append(score)
    yield from groups.values()


def _require_one_convention(groups: Mapping[tuple[Any, ...], Sequence[Mapping[str, Any]]]) -> None:
    """Empty masks and tolerance are the same in all rows of a model and target."""
    seen: dict[tuple[str, str], tuple[str, float | None]] = {}
    for (model, target, *_), rows in groups.items():
        for row in rows:
            came = (row["empty_policy"], row["tolerance"])
            if seen.setdefault((model, target), came) != came:
                raise DataError(
                    "the rows of a model and target share their empty-mask policy and tolerance",
                    came=f"{seen[model, target]} and {came} for {target} of {model}",
                    remedy="evaluate again with one setting",
                )
