"""A pair of volumes: known answers, empty masks under each policy, what does not count."""

from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from distributed_iac.config.evaluation import EmptyPolicyName
from distributed_iac.data.contract import LabelScheme, Region
from distributed_iac.errors import GeometryError
from distributed_iac.evaluation.case_score import TargetScore
from distributed_iac.evaluation.conventions import POLICIES, Conventions
from distributed_iac.evaluation.pair import measure_pair
from distributed_iac.evaluation.surfaces import hd95, surface_dice

REGIONS = LabelScheme("t", {1: "a", 2: "b"}, (Region("both", (1, 2)), Region("b", (2,))), (1, 2))
ONE = LabelScheme("t", {1: "a"})
ZOOMS = (1.5, 2.0, 10.0)
VOLUMES = arrays(np.uint8, (3, 4, 2), elements=st.integers(0, 2))
ALL = frozenset({"dice", "hd95", "surface_dice"})


def conventions(
    policy: EmptyPolicyName = "nan", metrics: frozenset[str] = ALL, tolerance: float = 2.0
) -> Conventions:
    return Conventions(metrics, POLICIES[policy], {"a": tolerance, "b": tolerance})


def measure(
    predicted: np.ndarray,
    label: np.ndarray,
    scheme: LabelScheme = REGIONS,
    conventions: Conventions = conventions(),  # noqa: B008 - frozen
    **options: object,
) -> dict[str, TargetScore]:
    measured = measure_pair(predicted, label, scheme, ZOOMS, conventions, **options)  # type: ignore[arg-type]
    return {one.target: one for one in measured}


def test_shifted_boxes_have_the_values_worked_out_by_hand() -> None:
    label, predicted = np.zeros((12, 8, 6), np.uint8), np.zeros((12, 8, 6), np.uint8)
    label[2:6, 2:6, 1:5] = 1
    predicted[4:8, 2:6, 1:5] = 1
    one = measure(predicted, label, ONE)["a"]
    assert one.dice == 0.5
    assert one.hd95 == pytest.approx(2 * 1.5)
    assert one.label_ml == one.predicted_ml == pytest.approx(64 * 1.5 * 2 * 10 / 1000)
    assert one.tolerance == 2.0
    assert one.surface_dice is not None
    assert 0 < one.surface_dice < 1


def test_regions_join_their_values() -> None:
    label, predicted = np.zeros((6, 6, 4), np.uint8), np.zeros((6, 6, 4), np.uint8)
    label[1:3, 1:5, 1:3], label[3:5, 1:5, 1:3] = 1, 2
    predicted[1:5, 1:5, 1:3] = 1
    measured = measure(predicted, label)
    assert measured["both"].dice == 1
    assert measured["both"].hd95 == 0
    assert measured["b"].dice == 0


@pytest.mark.parametrize(
    ("policy", "both", "one"),
    [
        ("nan", (math.nan, math.nan, math.nan), (0, math.nan, 0)),
        ("brats", (1, 0, 1), (0, 374, 0)),
        ("kits", (1, math.nan, 1), (0, math.nan, 0)),
    ],
)
def test_empty_masks_are_worth_what_their_policy_says(
    policy: EmptyPolicyName, both: tuple[float, ...], one: tuple[float, ...]
) -> None:
    empty, full = np.zeros((3, 3, 3), np.uint8), np.ones((3, 3, 3), np.uint8)
    for predicted, label, wanted in ((empty, empty, both), (full, empty, one), (empty, full, one)):
        got = measure(predicted, label, ONE, conventions(policy))["a"]
        assert (got.dice, got.hd95, got.surface_dice) == pytest.approx(wanted, nan_ok=True)


@pytest.mark.parametrize("policy", list(POLICIES))
def test_what_is_never_annotated_is_undefined_under_every_policy(policy: EmptyPolicyName) -> None:
    label = np.zeros((3, 3, 3), np.uint8)
    measured = measure(np.full_like(label, 2), label, REGIONS, conventions(policy), unannotated={2})
    hidden, partly = measured["b"], measured["both"]
    assert math.isnan(hidden.dice)
    assert math.isnan(hidden.label_ml)
    assert hidden.hd95 is not None
    assert math.isnan(hidden.hd95)
    assert hidden.predicted_ml > 0
    assert partly.dice == 0


def test_ignored_voxels_belong_to_neither_mask() -> None:
    scheme = LabelScheme("t", {1: "a"}, ignore=9)
    label = np.zeros((8, 4, 4), np.uint8)
    label[:3], label[5:] = 1, 9
    predicted = np.zeros_like(label)
    predicted[:3], predicted[6:] = 1, 1
    one = measure(predicted, label, scheme)["a"]
    assert (one.dice, one.hd95, one.surface_dice) == (1, 0, 1)
    assert one.predicted_ml == one.label_ml


def test_what_is_not_asked_for_is_none_and_not_nan() -> None:
    label = np.ones((3, 3, 3), np.uint8)
    one = measure(label, label, ONE, conventions(metrics=frozenset({"dice"})))["a"]
    assert one.dice == 1
    assert one.hd95 is None
    assert one.surface_dice is None
    assert one.tolerance is None


def test_a_target_without_a_tolerance_has_no_surface_dice() -> None:
    label = np.ones((3, 3, 3), np.uint8)
    assert measure(label, label)["both"].surface_dice is None
    assert measure(label * 2, label * 2)["b"].surface_dice == 1


@settings(max_examples=40, deadline=None)
@given(VOLUMES, VOLUMES)
def test_exchanging_the_volumes_exchanges_the_volumes_only(a: np.ndarray, b: np.ndarray) -> None:
    for here, there in zip(measure(a, b).values(), measure(b, a).values(), strict=True):
        assert here.label_ml == there.predicted_ml
        assert (here.dice, here.hd95) == pytest.approx((there.dice, there.hd95), nan_ok=True)
        if not math.isnan(here.dice):
            assert 0 <= here.dice <= 1


@settings(max_examples=40, deadline=None)
@given(VOLUMES, VOLUMES, st.tuples(*[st.tuples(st.integers(0, 4), st.integers(0, 4))] * 3))
def test_empty_space_around_changes_nothing(
    a: np.ndarray, b: np.ndarray, padding: tuple[tuple[int, int], ...]
) -> None:
    plain, padded = measure(a, b), measure(np.pad(a, padding), np.pad(b, padding))
    for name, one in plain.items():
        assert asdict(padded[name]) == pytest.approx(asdict(one), nan_ok=True)


@settings(max_examples=40, deadline=None)
@given(VOLUMES, VOLUMES)
def test_the_box_gives_what_the_whole_volume_gives(a: np.ndarray, b: np.ndarray) -> None:
    shape = tuple(slice(2, 2 + n) for n in a.shape)
    whole_a, whole_b = np.zeros((9, 10, 7), np.uint8), np.zeros((9, 10, 7), np.uint8)
    whole_a[shape], whole_b[shape] = a, b
    measured = measure(whole_a, whole_b)["b"]
    guess, truth = whole_a == 2, whole_b == 2
    if guess.any() and truth.any():
        assert measured.hd95 == pytest.approx(hd95(guess, truth, ZOOMS))
        assert measured.surface_dice == pytest.approx(surface_dice(guess, truth, ZOOMS, 2.0))


@settings(max_examples=40, deadline=None)
@given(VOLUMES, VOLUMES, st.permutations([0, 1, 2]))
def test_the_order_of_the_arrays_axes_does_not_matter(
    a: np.ndarray, b: np.ndarray, axes: list[int]
) -> None:
    turned = measure_pair(
        a.transpose(axes),
        b.transpose(axes),
        REGIONS,
        tuple(ZOOMS[axis] for axis in axes),  # type: ignore[arg-type]
        conventions(),
    )
    for one in turned:
        plain = measure(a, b)[one.target]
        assert (one.dice, one.hd95) == pytest.approx((plain.dice, plain.hd95), nan_ok=True)


def test_shapes_must_agree() -> None:
    with pytest.raises(GeometryError, match="shape"):
        measure(np.zeros((1, 2, 3), np.uint8), np.zeros((3, 2, 1), np.uint8))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("thickness", [1.0, 8.0, 999.0])
def test_a_single_slice_is_scored_as_a_picture(axis: int, thickness: float) -> None:
    """A disc of radius 20 mm inside one of 30: outlines 10 mm apart, in the pixels' plane alone."""
    rows, columns = np.indices((80, 80)) - 40
    radius = np.hypot(rows, columns)
    label = np.expand_dims((radius <= 30).astype(np.uint8), axis)
    guess = np.expand_dims((radius <= 20).astype(np.uint8), axis)
    zooms = tuple(np.insert(np.ones(2), axis, thickness).tolist())
    (found,) = measure_pair(guess, label, ONE, zooms, conventions(tolerance=1.0))
    assert found.hd95 == pytest.approx(10, abs=1)
    assert found.surface_dice == 0
    assert found.label_ml == pytest.approx(thickness * (label > 0).sum() / 1000)


def test_one_slice_of_many_is_still_a_solid() -> None:
    """Its lower and upper faces are surface: a volume of two slices is no picture."""
    label = np.zeros((20, 20, 2), np.uint8)
    label[5:15, 5:15, 0] = 1
    moved = np.roll(label, 1, axis=2)
    (found,) = measure_pair(moved, label, ONE, (1.0, 1.0, 4.0), conventions())
    assert found.hd95 == pytest.approx(4.0)
