"""Summaries: patients, not cases; what is undefined is counted, and never becomes zero."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distributed_iac.config.evaluation import EmptyPolicyName
from distributed_iac.errors import DataError
from distributed_iac.evaluation.case_score import CaseScore
from distributed_iac.evaluation.patients_summary import (
    SummaryRow,
    defined_mean,
    foreground_means,
    patient_scores,
    summarise,
)
from distributed_iac.evaluation.patients_table import ScoredModel, merge_patients, patients_table

MODEL = ScoredModel("m", "acdc", "unet", "lth", "lth", 0)
NAN = math.nan


def row(
    patient: str,
    case: str,
    dice: float,
    *,
    target: str = "LV",
    hd95: float | None = None,
    phase: str | None = None,
    policy: EmptyPolicyName = "nan",
) -> CaseScore:
    return CaseScore(
        *(target, dice, hd95, None, None, 1.0, 1.0),
        patient_id=patient,
        case_id=case,
        phase=phase,  # type: ignore[arg-type]
        empty_policy=policy,
    )


def summary(*rows: CaseScore) -> dict[tuple[str, str, str | None], SummaryRow]:
    return {
        (one.metric, one.target, one.phase): one for one in summarise(patients_table(MODEL, rows))
    }


def test_a_patient_with_many_cases_counts_once() -> None:
    rows = summary(row("a", "a1", 1.0), row("a", "a2", 1.0), row("a", "a3", 0.4), row("b", "b1", 0))
    one = rows["dice", "LV", None]
    assert one.mean == pytest.approx((0.8 + 0) / 2)
    assert one.median == pytest.approx(0.4)
    assert one.sd == pytest.approx(0.8 / math.sqrt(2))
    assert one.patients == 2


def test_phases_are_summarised_together_and_apart() -> None:
    rows = summary(
        row("a", "a-ed", 0.9, phase="ED"),
        row("a", "a-es", 0.7, phase="ES"),
        row("b", "b-ed", 0.8, phase="ED"),
        row("b", "b-es", NAN, phase="ES"),
    )
    assert rows["dice", "LV", "ED"].mean == pytest.approx(0.85)
    assert rows["dice", "LV", "ES"].mean == pytest.approx(0.7)
    assert (rows["dice", "LV", "ES"].patients, rows["dice", "LV", "ES"].undefined) == (2, 1)
    both = rows["dice", "LV", None]
    assert both.mean == pytest.approx((0.8 + 0.8) / 2)
    assert (both.undefined, both.undefined_cases) == (0, 1)


def test_what_is_undefined_everywhere_has_no_mean_and_not_zero() -> None:
    one = summary(row("a", "a1", NAN), row("b", "b1", NAN))["dice", "LV", None]
    assert math.isnan(one.mean)
    assert math.isnan(one.median)
    assert math.isnan(one.sd)
    assert (one.patients, one.undefined, one.undefined_cases) == (2, 2, 2)


def test_a_metric_that_was_not_computed_has_no_row() -> None:
    assert set(summary(row("a", "a1", 0.5))) == {("dice", "LV", None)}
    assert ("hd95", "LV", None) in summary(row("a", "a1", 0.5, hd95=NAN))


def test_policies_never_mix() -> None:
    with pytest.raises(DataError, match="policy"):
        summary(row("a", "a1", 0.5), row("b", "b1", 0.5, policy="brats"))


def test_the_foreground_mean_is_over_targets_and_leaves_undefined_ones_out() -> None:
    rows = summarise(
        patients_table(
            MODEL,
            [
                row("a", "a1", 1.0, target="LV"),
                row("b", "b1", 0.6, target="LV"),
                row("a", "a1", 0.4, target="RV"),
                row("b", "b1", NAN, target="RV"),
                row("a", "a1", NAN, target="MYO"),
                row("b", "b1", NAN, target="MYO"),
            ],
        )
    )
    (one,) = foreground_means(rows)
    assert one.mean == pytest.approx((0.8 + 0.4) / 2)
    assert (one.targets, one.undefined) == (3, 1)


SCORES = st.lists(
    st.tuples(st.integers(0, 3), st.floats(0, 1) | st.just(NAN)), min_size=1, max_size=12
)


@settings(max_examples=40, deadline=None)
@given(SCORES, st.randoms(use_true_random=False))
def test_parts_of_workers_give_the_summary_of_one_worker(scores, random) -> None:
    parts = [
        patients_table(MODEL, [row(f"p{patient}", f"p{patient}-{case}", dice)])
        for case, (patient, dice) in enumerate(scores)
    ]
    whole = summarise(merge_patients(parts))
    random.shuffle(parts)
    assert repr(summarise(pa.concat_tables([*parts, parts[0]]))) == repr(whole)


@settings(max_examples=40, deadline=None)
@given(SCORES)
def test_patients_and_their_cases_all_appear(scores) -> None:
    rows = [row(f"p{p}", f"p{p}-{case}", dice) for case, (p, dice) in enumerate(scores)]
    found = patient_scores(patients_table(MODEL, rows), "dice")
    assert {score.patient_id for score in found} == {r.patient_id for r in rows}
    assert sum(score.cases for score in found) == len(rows)
    assert sum(score.undefined for score in found) == sum(math.isnan(r.dice) for r in rows)
    for score in found:
        assert math.isnan(score.value) == (score.undefined == score.cases)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1) | st.just(NAN)), st.randoms(use_true_random=False))
def test_a_mean_does_not_depend_on_the_order_to_the_last_bit(values, random) -> None:
    shuffled = values[:]
    random.shuffle(shuffled)
    assert repr(defined_mean(shuffled)) == repr(defined_mean(values))
