"""Surface metrics: distances worked out by hand, in millimetres, whatever the spacing."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from monai.metrics import DiceMetric, HausdorffDistanceMetric, compute_hausdorff_distance
from scipy import ndimage

from distributed_iac.evaluation.surfaces import hd95, surface_dice

MASKS = arrays(bool, (4, 3, 3))
SMALL_MASKS = arrays(bool, (3, 3, 2))
SPACINGS = st.tuples(*[st.sampled_from([0.5, 1.0, 1.5, 5.0, 10.0])] * 3)


def box(*sides: slice, shape: tuple[int, int, int] = (16, 12, 10)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    mask[sides] = True
    return mask


CUBE = box(slice(2, 8), slice(3, 8), slice(2, 7))


@pytest.mark.parametrize(("axis", "millimetres"), [(0, 2 * 0.75), (1, 2 * 1.25), (2, 2 * 6.0)])
def test_a_cube_shifted_by_two_voxels_is_off_by_two_voxels_of_that_axis(
    axis: int, millimetres: float
) -> None:
    moved = np.roll(CUBE, 2, axis)
    assert hd95(moved, CUBE, (0.75, 1.25, 6.0)) == pytest.approx(millimetres)


def test_hd95_forgives_what_is_rarer_than_one_in_twenty() -> None:
    truth = box(slice(1, 15), slice(1, 11), slice(1, 9), shape=(24, 12, 10))
    spotted = truth.copy()
    spotted[22, 5, 5] = True
    assert hd95(spotted, truth, (1, 1, 1)) == 0
    everywhere = ndimage.binary_dilation(truth, iterations=1)
    assert hd95(everywhere, truth, (1, 1, 1)) >= 1


def test_single_voxels_are_as_far_apart_as_their_centres() -> None:
    a, b = box(slice(1, 2), slice(1, 2), slice(1, 2)), box(slice(4, 5), slice(5, 6), slice(1, 2))
    assert hd95(a, b, (2.0, 3.0, 7.0)) == pytest.approx(math.hypot(3 * 2.0, 4 * 3.0))


def test_surface_dice_counts_the_area_within_the_tolerance() -> None:
    """Two plates of 80 x 80 mm, 6 and 9 mm thick, one face in common: all but the other faces
    and the outer 2 of the 9 mm of wall is within 1 mm; rounded edges add a per cent or two.
    """
    truth, thicker = np.zeros((14, 44, 44), bool), np.zeros((14, 44, 44), bool)
    truth[2:8, 2:42, 2:42], thicker[2:11, 2:42, 2:42] = True, True
    face, around = 80 * 80, 4 * 80
    within = 2 * face + around * 6 + around * (9 - 2)
    share = surface_dice(thicker, truth, (1.0, 2.0, 2.0), 1.0)
    assert share == pytest.approx(within / (4 * face + around * (6 + 9)), abs=0.03)
    assert surface_dice(thicker, truth, (1.0, 2.0, 2.0), 3.0) == 1


def test_a_tolerance_is_in_millimetres_along_the_arrays_own_axes() -> None:
    thin = np.roll(CUBE, 1, 2)
    assert surface_dice(thin, CUBE, (1.0, 1.0, 6.0), 6.0) == 1
    assert surface_dice(thin, CUBE, (1.0, 1.0, 6.0), 5.9) < 1
    assert surface_dice(np.roll(CUBE, 1, 0), CUBE, (1.0, 1.0, 6.0), 1.0) == 1


@settings(max_examples=40, deadline=None)
@given(MASKS, MASKS, SPACINGS)
def test_both_are_symmetric(
    a: np.ndarray, b: np.ndarray, spacing: tuple[float, float, float]
) -> None:
    assume(a.any() and b.any())
    assert hd95(a, b, spacing) == pytest.approx(hd95(b, a, spacing), rel=1e-6)
    here, there = surface_dice(a, b, spacing, 1.2), surface_dice(b, a, spacing, 1.2)
    assert here == pytest.approx(there, rel=1e-5)
    assert 0 <= here <= 1


@settings(max_examples=40, deadline=None)
@given(SMALL_MASKS, SMALL_MASKS, SPACINGS)
def test_on_small_masks_hd95_is_zero_exactly_where_the_surfaces_are_one(
    a: np.ndarray, b: np.ndarray, spacing: tuple[float, float, float]
) -> None:
    """Up to 20 surface voxels the 95th percentile lies above the last but one: none can hide."""
    assume(a.any() and b.any())
    surface_a, surface_b = (mask & ~ndimage.binary_erosion(mask) for mask in (a, b))
    assert (hd95(a, b, spacing) == 0) == bool((surface_a == surface_b).all())


@settings(max_examples=40, deadline=None)
@given(MASKS, SPACINGS)
def test_a_mask_agrees_with_itself(a: np.ndarray, spacing: tuple[float, float, float]) -> None:
    assume(a.any())
    assert hd95(a, a, spacing) == 0
    assert surface_dice(a, a, spacing, 0.01) == 1


def test_the_edge_of_the_array_is_a_surface() -> None:
    filled, half = np.ones((6, 5, 4), bool), np.ones((6, 5, 4), bool)
    half[3:] = False
    assert hd95(filled, half, (1.0, 1.0, 1.0)) == pytest.approx(3)


def test_no_warning_leaves_the_wrapper() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        hd95(CUBE, np.roll(CUBE, 1, 0), (1, 1, 1))
        surface_dice(CUBE, np.roll(CUBE, 1, 0), (1, 1, 1), 1.0)
    assert not caught


class TestWhatMonaiDoesWithEmptyMasks:
    """Why empty masks never reach MONAI; each of these would flatter or blacken a mean."""

    empty = torch.zeros(1, 1, 4, 4, 4)
    full = torch.ones(1, 1, 4, 4, 4)

    @pytest.mark.parametrize(("predicted", "truth"), [(empty, full), (full, empty), (empty, empty)])
    @pytest.mark.filterwarnings("ignore:the (prediction|ground truth) of class", "ignore:.*always_")
    def test_hd95_of_a_missed_structure_is_nan(
        self, predicted: torch.Tensor, truth: torch.Tensor
    ) -> None:
        distance = compute_hausdorff_distance(
            predicted, truth, percentile=95, include_background=True
        )
        assert distance.isnan().all()

    @pytest.mark.filterwarnings("ignore:the (prediction|ground truth) of class", "ignore:.*always_")
    def test_its_mean_leaves_the_missed_structure_out(self) -> None:
        metric = HausdorffDistanceMetric(percentile=95, include_background=True, reduction="mean")
        metric(self.full, self.full)
        metric(self.empty, self.full)
        assert metric.aggregate().item() == 0

    def test_dice_of_a_false_structure_is_nan_by_default(self) -> None:
        metric = DiceMetric(include_background=True, reduction="mean_batch")
        assert metric(self.full, self.empty).isnan().all()

    def test_a_class_that_is_always_undefined_has_mean_zero(self) -> None:
        metric = DiceMetric(include_background=True, reduction="mean_batch", get_not_nans=True)
        metric(self.full, self.empty)
        mean, counted = metric.aggregate()
        assert mean.item() == 0
        assert counted.item() == 0
