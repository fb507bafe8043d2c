"""The way into the patch and back: exact without resampling, close with it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from distributed_iac.data.contract import SliceLayout
from distributed_iac.data.volumes.geometry import slice_geometry
from distributed_iac.data.volumes.plane import CaseGeometry, InPlaneTransform, resampled_size
from distributed_iac.errors import GeometryError

sides = st.integers(1, 40)
sizes = st.tuples(sides, sides)
patches = st.tuples(st.integers(1, 48), st.integers(1, 48))
ratios = st.floats(0.7, 1.4)
seeds = st.integers(0, 2**32 - 1)


def plan(native: Any, ratio: Any, patch: Any, centre: Any = None) -> InPlaneTransform:
    return InPlaneTransform.plan(native, ratio, (1.0, 1.0), patch, centre)


def ellipse(shape: Any, centre: Any, radii: Any) -> Any:
    y, x = np.indices(shape)
    return ((y - centre[0]) / radii[0]) ** 2 + ((x - centre[1]) / radii[1]) ** 2 < 1


def dice(a: Any, b: Any) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


@given(sizes, patches, seeds, st.integers(0, 3))
def test_without_resampling_the_patch_is_restored_exactly(
    native: Any, patch: Any, seed: int, depth: int
) -> None:
    rng = np.random.default_rng(seed)
    plane = plan(native, (1.0, 1.0), patch, tuple(rng.uniform(0, native)))
    labels = rng.integers(0, 5, (depth + 1, *native)).astype(np.uint8)
    np.testing.assert_array_equal(
        plane.restore_labels(plane.labels(labels)), labels * plane.inside()
    )
    image = rng.normal(size=(2, *native)).astype(np.float32)
    patched = plane.images(image)
    np.testing.assert_array_equal(
        patched[:, *plane.content].ravel(), image[:, plane.inside()].ravel()
    )
    assert patched.sum() == pytest.approx(image[:, plane.inside()].sum(), abs=1e-3)


@given(sizes, patches, st.tuples(ratios, ratios), seeds)
def test_the_patch_covers_all_that_it_can(native: Any, patch: Any, ratio: Any, seed: int) -> None:
    centre = tuple(np.random.default_rng(seed).uniform(0, native))
    plane = plan(native, ratio, patch, centre)
    for resampled, side, shown in zip(plane.resampled, patch, plane.content, strict=True):
        assert shown.stop - shown.start == min(resampled, side)
    if all(r <= p for r, p in zip(plane.resampled, patch, strict=True)):
        assert plane.inside().all()


@given(sizes, st.tuples(ratios, ratios), seeds)
def test_images_equal_scipys_cubic_zoom_clipped_to_their_range(
    native: Any, ratio: Any, seed: int
) -> None:
    image = np.random.default_rng(seed).normal(size=native).astype(np.float32)
    size = resampled_size(native, ratio, (1.0, 1.0))
    factors = [b / a for a, b in zip(native, size, strict=True)]
    expected = image
    if size != native:
        expected = ndimage.zoom(image, factors, order=3, mode="nearest", grid_mode=True)
        expected = np.clip(expected, image.min(), image.max())
    np.testing.assert_allclose(plan(native, ratio, size).images(image), expected, atol=2e-5)


@given(st.tuples(ratios, ratios), st.integers(1, 4), seeds)
def test_label_values_are_never_invented(ratio: Any, classes: int, seed: int) -> None:
    values = np.array([0, 1, 2, 4, 255], np.uint8)[: classes + 1]
    labels = np.random.default_rng(seed).choice(values, (2, 21, 17))
    plane = plan((21, 17), ratio, (24, 24))
    stored = plane.labels(labels)
    assert set(np.unique(stored)) <= {0, *values.tolist()}
    assert set(np.unique(plane.restore_labels(stored))) <= {0, *values.tolist()}


@given(st.tuples(ratios, ratios))
def test_a_slice_of_one_label_stays_one_label(ratio: Any) -> None:
    labels = np.full((1, 30, 30), 7, np.uint8)
    plane = plan((30, 30), ratio, (64, 64))
    assert (plane.labels(labels)[:, *plane.content] == 7).all()
    assert (plane.restore_labels(plane.labels(labels)) == 7).all()


@settings(max_examples=60)
@given(st.floats(1.0, 1.4), st.floats(0.6, 1.6), seeds)
def test_finer_grids_bring_structures_back(ratio: float, shape: float, seed: int) -> None:
    """More than 200 pixels; single ellipses measured 0.998 at worst over 1,500 draws."""
    rng = np.random.default_rng(seed)
    radius = rng.uniform(8.5, 20)
    radii, centre = (radius * shape**0.5, radius / shape**0.5), rng.uniform(30, 34, 2)
    outer = ellipse((64, 64), centre, (radii[0] + 5, radii[1] + 5))
    inner = ellipse((64, 64), centre, radii)
    labels = (outer.astype(np.uint8) + inner)[None]
    plane = plan((64, 64), (ratio, ratio), (96, 96))
    back = plane.restore_labels(plane.labels(labels))
    for value in (1, 2):
        assert dice(back == value, labels == value) >= 0.97


@settings(max_examples=60)
@given(st.floats(0.7, 1.0), st.floats(0.6, 1.6), seeds)
def test_coarser_grids_err_at_the_border_alone(ratio: float, shape: float, seed: int) -> None:
    """At 0.7 half of the pixels are gone, and no label map on such a grid could say more.

    Ellipses of more than 500 stored pixels measured 0.978 at worst, smaller ones 0.945.
    """
    rng = np.random.default_rng(seed)
    radius = rng.uniform(8.5, 24)
    inner = ellipse((64, 64), rng.uniform(30, 34, 2), (radius * shape**0.5, radius / shape**0.5))
    plane = plan((64, 64), (ratio, ratio), (64, 64))
    stored = plane.labels(inner[None].astype(np.uint8))
    back = plane.restore_labels(stored)[0] == 1
    reach = int(np.ceil(1 / ratio))
    assert not (back & ~ndimage.binary_dilation(inner, np.ones((3, 3)), reach)).any()
    assert not (~back & ndimage.binary_erosion(inner, np.ones((3, 3)), reach)).any()
    assert dice(back, inner) >= (0.97 if (stored == 1).sum() > 500 else 0.9)


def test_probabilities_restore_finer_than_labels() -> None:
    """The reason for nnU-Net's order: interpolate first, decide then."""
    native, ratio = (96, 96), 0.7
    y, x = np.indices(native)
    signed = 30 - np.hypot(y - 47.3, x - 48.1)
    truth = signed > 0
    plane = plan(native, (ratio, ratio), (64, 64))
    soft = plane.images(1 / (1 + np.exp(-signed / 2)).astype(np.float32))
    probabilities = np.stack([1 - soft, soft])[None]
    decided = plane.restore_labels((soft[None] > 0.5).astype(np.uint8))[0] == 1
    restored = plane.restore_logits(probabilities, lambda p: p.argmax(0).astype(np.uint8))
    assert dice(restored[0] == 1, truth) > max(0.995, dice(decided, truth))


def test_nothing_is_predicted_outside_the_patch() -> None:
    plane = plan((40, 50), (0.8, 1.3), (16, 24), (8.0, 45.0))
    everything = plane.restore_labels(np.full((1, 16, 24), 3, np.uint8))[0]
    np.testing.assert_array_equal(everything == 3, plane.inside())
    certain = np.ones((1, 2, 16, 24), np.float16)
    restored = plane.restore_logits(certain, lambda p: np.full(p.shape[1:], 3, np.uint8))
    np.testing.assert_array_equal(restored[0] == 3, plane.inside())
    assert 0 < plane.inside().sum() < 40 * 50


def read_back(plane: InPlaneTransform) -> InPlaneTransform:
    slices = slice_geometry(np.eye(4), (*plane.native, 3), (1, 1, 1), SliceLayout("LPS", 2))
    plain = CaseGeometry(slices, plane, (0, 2)).to_json()
    assert plain["depth"] == (0, 2)
    return CaseGeometry.from_json(json.loads(json.dumps(plain))).plane


@given(sizes, st.tuples(ratios, ratios), patches)
def test_json_keeps_the_case_geometry(native: Any, ratio: Any, patch: Any) -> None:
    slices = slice_geometry(np.eye(4), (*native, 3), (1, 1, 1), SliceLayout("LPS", 2))
    geometry = CaseGeometry(slices, plan(native[::-1], ratio, patch))
    assert CaseGeometry.from_json(json.loads(json.dumps(geometry.to_json()))) == geometry


def test_a_case_comes_back_as_on_disk() -> None:
    affine = np.diag([1.0, -1.0, 3.0, 1.0])
    labels = np.random.default_rng(0).integers(0, 4, (20, 24, 5)).astype(np.uint8)
    slices = slice_geometry(affine, labels.shape, (1, 1, 3), SliceLayout("LPS", 2))
    geometry = CaseGeometry(slices, plan((24, 20), (1.0, 1.0), (32, 32)))
    stored = geometry.plane.labels(slices.to_slices(labels))
    restored = geometry.restore_labels(stored)
    np.testing.assert_array_equal(restored, labels)
    one_hot = (stored[:, None] == np.arange(4)[None, :, None, None]).astype(np.float32)
    restored = geometry.restore_logits(one_hot, lambda p: p.argmax(0).astype(np.uint8))
    np.testing.assert_array_equal(restored, labels)


@given(sizes, patches, st.tuples(ratios, ratios), seeds)
def test_a_box_is_as_if_it_had_been_cut_out_before(
    native: Any, patch: Any, ratio: Any, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    (top, left) = (int(rng.integers(0, side)) for side in native)
    (bottom, right) = (
        int(rng.integers(start + 1, side + 1))
        for start, side in zip((top, left), native, strict=True)
    )
    inner = (slice(top, bottom), slice(left, right))
    box = ((top, bottom), (left, right))
    boxed = InPlaneTransform.plan(native, ratio, (1.0, 1.0), patch, box=box)
    size = (bottom - top, right - left)
    cut = InPlaneTransform.plan(size, ratio, (1.0, 1.0), patch, box=((0, size[0]), (0, size[1])))
    image = rng.normal(size=(2, *native)).astype(np.float32)
    labels = rng.integers(0, 3, (2, *native)).astype(np.uint8)
    np.testing.assert_array_equal(boxed.images(image), cut.images(image[:, *inner]))
    patches = cut.labels(np.ascontiguousarray(labels[:, *inner]))
    np.testing.assert_array_equal(boxed.labels(labels), patches)
    expected = np.zeros_like(labels)
    expected[:, *inner] = cut.restore_labels(patches)
    np.testing.assert_array_equal(boxed.restore_labels(patches), expected)
    assert read_back(boxed) == boxed


@pytest.mark.parametrize(("size", "before", "behind"), [(7, 4, 5), (8, 4, 4), (16, 0, 0)])
def test_a_box_is_padded_as_nnunet_pads(size: int, before: int, behind: int) -> None:
    """``pad_nd_image``: half of the padding, rounded down, goes before."""
    span = (0, size)
    plane = InPlaneTransform.plan((size, size), (1, 1), (1, 1), (16, 16), box=(span, span))
    assert (plane.origin[0], 16 - before - size) == (-before, behind)


@given(sizes, patches, st.tuples(ratios, ratios), seeds)
def test_the_whole_of_a_slice_reaches_every_pixel_and_agrees_with_the_patch(
    native: Any, patch: Any, ratio: Any, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    plane = plan(native, ratio, patch, tuple(rng.uniform(0, native)))
    whole = plane.whole
    assert whole.inside().all()
    assert all(side >= least for side, least in zip(whole.patch, patch, strict=True))
    rows, columns = (
        slice(start - first, start - first + side)
        for start, first, side in zip(plane.origin, whole.origin, patch, strict=True)
    )
    image = rng.normal(size=native).astype(np.float32)
    np.testing.assert_allclose(plane.images(image), whole.images(image)[rows, columns], atol=1e-5)
    assert whole.whole == whole


def test_only_what_shows_anything_is_worth_a_prediction() -> None:
    plane = plan((60, 80), (1.0, 1.0), (16, 16), (20, 30))
    seen = replace(plane, needed=((14, 40), (25, 35)))
    assert seen.whole.origin == (14, 22)
    assert seen.whole.patch == (26, 16)
    assert read_back(seen) == seen


@pytest.mark.parametrize("box", [None, ((0, 20), (0, 36))])
def test_a_voxel_size_that_would_fill_the_memory_is_refused(box: Any) -> None:
    with pytest.raises(GeometryError, match=r"26666667 x 24[\s\S]*correct the voxel size"):
        InPlaneTransform.plan((40, 36), (1e6, 1.0), (1.5, 1.5), (32, 32), None)
    with pytest.raises(GeometryError, match="at most 16384 pixels"):
        InPlaneTransform.plan((40, 36), (1e6, 1.0), (1.5, 1.5), (32, 32), None, box)
    edge = InPlaneTransform.plan((16_384, 36), (1.5, 1.5), (1.5, 1.5), (32, 32))
    assert edge.resampled == (16_384, 36)
