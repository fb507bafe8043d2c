"""When the plain network passes for the one that nnU-Net scored."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_iac.evaluation.case_score import CaseScore
from distributed_iac.evaluation.parity import Parity, hold_parity
from distributed_iac.nets.nnunet_validation import NnUnetScore, Validation, Values

ONE, TWO = frozenset({1}), frozenset({2})
TARGETS: Mapping[str, Values] = {"RV": ONE, "LV": TWO}
LARGE = 4000
VOXEL_ML = {f"p{number}": 0.001 for number in range(10)}
NAN = math.nan


def row(case: str, target: str, dice: float, **facts: Any) -> CaseScore:
    values = {"label_ml": 2.0, "predicted_ml": 2.0, "phase": None, "empty_policy": "nan", **facts}
    return CaseScore(target, dice, None, None, None, patient_id=case, case_id=case, **values)


def validation(
    scores: Mapping[str, Mapping[Values, float]], voxels: int = LARGE, **facts: Any
) -> Validation:
    found = {
        case: {key: NnUnetScore(dice, voxels) for key, dice in one.items()}
        for case, one in scores.items()
    }
    labels = {"labels": {"rv": ONE, "LV": TWO}, **facts}
    return Validation(frozenset(found), found, where=Path("summary.json"), **labels)


def hold(ours: float, theirs: float, voxels: int = LARGE, **facts: Any) -> Parity:
    """One target that differs among nine cases that do not."""
    cases = [f"p{number}" for number in range(10)]
    rows = [row(case, "RV", 0.8) for case in cases[1:]]
    rows.append(row("p0", "RV", ours, **facts))
    scores = {case: {ONE: 0.8} for case in cases} | {"p0": {ONE: theirs}}
    return hold_parity(
        rows, {"RV": ONE}, VOXEL_ML, validation(scores, voxels), tolerance=0.002, checkpoint="final"
    )


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_the_same_scores_are_held(dices: list[float]) -> None:
    rows = [row(f"p{number}", "RV", dice) for number, dice in enumerate(dices)]
    same = validation({f"p{number}": {ONE: dice} for number, dice in enumerate(dices)})
    parity = hold_parity(rows, {"RV": ONE}, VOXEL_ML, same, tolerance=0.0, checkpoint="final")
    assert (parity.verdict, parity.largest, parity.here) == ("held", 0.0, parity.nnunet)


@pytest.mark.parametrize(
    ("ours", "theirs", "voxels", "verdict"),
    [
        (0.805, 0.800, LARGE, "held"),
        (0.826, 0.800, LARGE, "mismatch"),  # the mean moves by 0.0026
        (0.785, 0.800, LARGE, "held"),
        (NAN, NAN, LARGE, "held"),
        (NAN, 0.0, 10**6, "mismatch"),  # nnU-Net found a large thing that is not there
        (0.0, NAN, 0, "mismatch"),  # we found one of 4,000 voxels
    ],
)
def test_what_may_differ(ours: float, theirs: float, voxels: int, verdict: str) -> None:
    assert hold(ours, theirs, voxels).verdict == verdict


@pytest.mark.parametrize(("voxels", "verdict"), [(12, "held"), (4000, "mismatch")])
def test_a_few_stray_voxels_are_rounding_on_either_side(voxels: int, verdict: str) -> None:
    nothing = {"label_ml": 0.0, "predicted_ml": 0.0}
    assert hold(NAN, 0.0, voxels, **nothing).verdict == verdict
    stray = {"label_ml": 0.0, "predicted_ml": voxels * 0.001}
    assert hold(0.0, NAN, 0, **stray).verdict == verdict


def test_a_perfect_score_for_nothing_is_nnunets_undefined() -> None:
    empty = {"label_ml": 0.0, "predicted_ml": 0.0, "empty_policy": "brats"}
    assert hold(1.0, NAN, **empty).verdict == "held"
    assert hold(1.0, NAN, **empty).largest == 0


def test_errors_that_cancel_in_the_mean_are_seen_in_the_cases() -> None:
    rows = [row("p0", "RV", 0.9), row("p1", "RV", 0.7)]
    theirs = validation({"p0": {ONE: 0.8}, "p1": {ONE: 0.8}})
    parity = hold_parity(rows, {"RV": ONE}, VOXEL_ML, theirs, tolerance=0.002, checkpoint="final")
    assert (parity.here, parity.verdict) == (pytest.approx(0.8), "mismatch")


def test_targets_are_matched_by_name_and_else_by_value() -> None:
    rows = [row("p0", "RV", 0.5), row("p0", "LV", 0.9)]
    swapped = validation({"p0": {ONE: 0.9, TWO: 0.5}}, labels={"LV": ONE, "RV": TWO})
    other = validation({"p0": {ONE: 0.5, TWO: 0.9}}, labels={"right": ONE, "left": TWO})
    for theirs in (swapped, other):
        parity = hold_parity(rows, TARGETS, VOXEL_ML, theirs, tolerance=0.0, checkpoint="final")
        assert (parity.verdict, len(parity.pairs)) == ("held", 2)


@pytest.mark.parametrize("missing", [None, validation({}), validation({"q": {ONE: 1.0}})])
def test_without_a_score_of_a_test_case_nothing_is_known(missing: Validation | None) -> None:
    parity = hold_parity(
        [row("p0", "RV", 0.5)], {"RV": ONE}, VOXEL_ML, missing, tolerance=0.1, checkpoint="final"
    )
    assert (parity.verdict, parity.pairs) == ("unknown", ())


def test_another_checkpoint_is_compared_and_never_judged() -> None:
    theirs = validation({"p0": {ONE: 0.9}})
    parity = hold_parity(
        [row("p0", "RV", 0.1)], {"RV": ONE}, VOXEL_ML, theirs, tolerance=0.002, checkpoint="best"
    )
    assert parity.verdict == "not comparable"
    assert "checkpoint_best" in parity.reason


def test_the_table_has_every_pair_and_begins_with_the_worst() -> None:
    rows = list(csv.reader(io.StringIO(hold(0.7, 0.8).table())))
    assert rows[0] == ["case", "target", "nnU-Net", "here", "difference"]
    assert rows[1] == ["p0", "RV", "0.800000", "0.700000", "-0.100000"]
    assert len(rows) == 11
