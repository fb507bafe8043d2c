"""Native Dice: exact counts, an explicit word on emptiness, ignore and unannotated honoured."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from distributed_iac.data.contract import LabelScheme, Region
from distributed_iac.errors import GeometryError
from distributed_iac.evaluation.dice import case_dice

SCHEME = LabelScheme("t", {1: "a", 2: "b"}, (Region("both", (1, 2)), Region("b", (2,))), (1, 2))
VOLUMES = arrays(np.uint8, (3, 4, 2), elements=st.integers(0, 2))


def dice(predicted: np.ndarray, label: np.ndarray, **options: object) -> dict[str, float]:
    scheme = options.pop("scheme", SCHEME)
    rows = case_dice(predicted, label, scheme, patient_id="p", case_id="c", **options)  # type: ignore[arg-type]
    return {row.target: row.dice for row in rows}


@settings(max_examples=100, deadline=None)
@given(VOLUMES)
def test_a_perfect_prediction_scores_one_or_is_undefined(label: np.ndarray) -> None:
    for value in dice(label, label).values():
        assert math.isnan(value) or value == 1.0


@settings(max_examples=100, deadline=None)
@given(VOLUMES, VOLUMES)
def test_it_is_symmetric_and_within_bounds(a: np.ndarray, b: np.ndarray) -> None:
    for x, y in zip(dice(a, b).values(), dice(b, a).values(), strict=True):
        assert (math.isnan(x) and math.isnan(y)) or (x == y and 0 <= x <= 1)


def test_one_empty_side_is_zero_and_two_are_undefined() -> None:
    label = np.zeros((2, 2, 2), np.uint8)
    label[0] = 1
    scores = dice(np.zeros_like(label), label)
    assert scores["both"] == 0
    assert math.isnan(scores["b"])


def test_ignored_voxels_do_not_count() -> None:
    scheme = LabelScheme("t", {1: "a"}, ignore=9)
    label = np.array([[[1, 9, 0]]], np.uint8)
    assert dice(np.array([[[1, 1, 0]]], np.uint8), label, scheme=scheme) == {"a": 1.0}


def test_what_is_never_annotated_is_undefined() -> None:
    label = np.zeros((1, 1, 3), np.uint8)
    scores = dice(np.full_like(label, 2), label, unannotated={2})
    assert math.isnan(scores["b"])
    assert scores["both"] == 0


def test_shapes_must_agree() -> None:
    with pytest.raises(GeometryError, match="shape"):
        dice(np.zeros((1, 2, 3), np.uint8), np.zeros((3, 2, 1), np.uint8))
