"""A case keeps its content, its place and its labels on the way into the store and back."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from distributed_iac.data.contract import Case, Channel, LabelScheme, Region, SliceLayout
from distributed_iac.data.prepare.prepared_case import (
    PreparedCase,
    TargetCounts,
    compare_with_native,
    preprocess_case,
)
from distributed_iac.data.store.recipe import Recipe
from distributed_iac.data.volumes.intensity import ZScore
from distributed_iac.errors import DataError, SourceError

SCHEME = LabelScheme("test", {1: "ring", 2: "core"})
ORIENTATIONS = [
    (axes, signs)
    for axes in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]


def recipe(patch: Any = (48, 48), spacing: Any = (1.0, 1.0), crop: Any = "image") -> Recipe:
    return Recipe(spacing, patch, crop, {"LPS": 2}, {"MR": ZScore("all")})


def world_phantom(zooms: Any, orientation: Any = ((0, 1, 2), (1, 1, 1))) -> tuple[Any, Any, Any]:
    """The same patient whatever the orientation of the array: image, label, affine.

    A vessel on the patient's left and front tells the directions apart.
    """
    axes, signs = orientation
    shape = [0, 0, 0]
    affine = np.eye(4)
    affine[:3, :3] = 0
    extent = (40, 44, 4)
    for column, (axis, sign) in enumerate(zip(axes, signs, strict=True)):
        shape[column] = extent[axis]
        affine[axis, column] = sign * zooms[axis]
        affine[axis, 3] = -sign * zooms[axis] * (extent[axis] - 1) / 2 + affine[axis, 3]
    index = np.moveaxis(np.indices(shape), 0, -1)
    x, y, z = np.moveaxis(index @ affine[:3, :3].T + affine[:3, 3], -1, 0)
    radius = np.hypot(x, y)
    label = (radius < 14).astype(np.uint8) + (radius < 9)
    label[abs(z) > 1.2 * zooms[2]] = 0
    image = 100 + 50 * (radius < 14) + 80 * (np.hypot(x + 12, y - 14) < 4) + z
    return image.astype(np.float32), label, affine


def make(tmp_path: Path, image: Any, label: Any, affine: Any, **facts: Any) -> Case:
    paths = tmp_path / "image.nii", tmp_path / "label.nii"
    nib.save(nib.Nifti1Image(image, affine), paths[0])
    if label is not None:
        nib.save(nib.Nifti1Image(label, affine), paths[1])
    usual = {"modality": "MR", "layout": SliceLayout("LPS", 2)}
    label_path = paths[1] if label is not None else None
    return Case("c", "p", (Channel("t1", paths[0]),), label_path, **{**usual, **facts})


@pytest.mark.parametrize("orientation", ORIENTATIONS, ids=str)
def test_every_orientation_gives_the_same_slices_and_its_own_label_back(
    tmp_path: Path, orientation: Any
) -> None:
    reference = preprocess_case(make(tmp_path, *world_phantom((1.0, 1.0, 3.0))), recipe(), SCHEME)
    image, label, affine = world_phantom((1.0, 1.0, 3.0), orientation)
    found = preprocess_case(make(tmp_path, image, label, affine), recipe(), SCHEME)
    np.testing.assert_allclose(found.images, reference.images, atol=2e-3)
    np.testing.assert_array_equal(found.labels, reference.labels)
    np.testing.assert_array_equal(found.native_label, label)
    np.testing.assert_array_equal(found.geometry.restore_labels(found.labels), label)
    np.testing.assert_array_equal(found.affine, affine)


def test_the_picture_is_radiological(tmp_path: Path) -> None:
    """Front on top, and the patient's left on the right side of the picture."""
    image, label, affine = world_phantom((1.0, 1.0, 3.0))
    prepared = preprocess_case(make(tmp_path, image, label, affine), recipe(), SCHEME)
    vessel = prepared.images[1, 0].astype(float) > 1.5 * prepared.images[1, 0].max() / 2
    row, column = np.argwhere(vessel).mean(0)
    # World x = -12 (RAS: left), y = +14 (front).
    assert row < 24
    assert column > 24


@pytest.mark.parametrize("spacing", [(0.7, 0.7), (1.4, 1.4), (0.8, 1.25), (1.0, 1.0)])
def test_labels_survive_resampling_to_within_the_grid(tmp_path: Path, spacing: Any) -> None:
    image, label, affine = world_phantom((1.0, 1.0, 3.0))
    case = make(tmp_path, image, label, affine)
    prepared = preprocess_case(case, recipe((64, 64), spacing), SCHEME)
    assert prepared.labels is not None
    restored = prepared.geometry.restore_labels(prepared.labels)
    for value in (1, 2):
        a, b = restored == value, label == value
        # Measured: 1.0 at 0.7 mm; ring 0.943, core 0.976 at 1.4 mm, where half of the pixels go.
        finer = max(spacing) <= 1
        assert 2 * (a & b).sum() / (a.sum() + b.sum()) >= (0.97 if finer or value == 2 else 0.93)
    counts = compare_with_native(prepared, SCHEME)
    assert counts["core"].native == (label == 2).sum()
    assert counts["core"].restored == (restored == 2).sum()
    assert counts["core"].both == ((restored == 2) & (label == 2)).sum()
    assert counts["core"].coverage == 1.0


def test_images_are_normalised_and_stored_as_float16(tmp_path: Path) -> None:
    image, label, affine = world_phantom((1.0, 1.0, 3.0))
    case = make(tmp_path, image, label, affine)
    prepared = preprocess_case(case, recipe((44, 40)), SCHEME)
    assert prepared.images.dtype == np.float16
    assert prepared.images.shape == (4, 1, 44, 40)
    expected = (image - image.mean()) / image.std()
    slices = prepared.geometry.slices.to_slices(expected)
    np.testing.assert_allclose(prepared.images[:, 0], slices, atol=2e-3)


def test_padding_is_zero_and_background(tmp_path: Path) -> None:
    image, label, affine = world_phantom((1.0, 1.0, 3.0))
    prepared = preprocess_case(make(tmp_path, image, label + 1, affine), recipe((64, 64)),
                               LabelScheme("t", {1: "a", 2: "b", 3: "c"}))  # fmt: skip
    assert prepared.labels is not None
    shown = np.zeros((64, 64), bool)
    shown[prepared.geometry.plane.content] = True
    assert (prepared.images[:, :, ~shown] == 0).all()
    assert (prepared.labels[:, ~shown] == 0).all()
    assert (prepared.labels[:, shown] > 0).all()


def test_the_crop_follows_the_image_and_never_the_label(tmp_path: Path) -> None:
    image = np.zeros((60, 60, 3), np.float32)
    image[34:54, 6:26] = 100
    label = np.zeros((60, 60, 3), np.uint8)
    label[2:6, 50:58] = 1  # far away from the brain
    case = make(tmp_path, image, label, np.diag([-1.0, -1.0, 2.0, 1.0]))
    prepared = preprocess_case(case, recipe((24, 24), crop="nonzero"), SCHEME)
    assert prepared.geometry.plane.origin == (6 - 2, 34 - 2)
    counts = compare_with_native(prepared, SCHEME)["ring"]
    # The patch never shows it, and what is all zero is not predicted: nothing comes back.
    assert (counts.coverage, counts.ceiling) == (0.0, 0.0)


def test_a_case_without_a_label_goes_the_same_way(tmp_path: Path) -> None:
    image, label, affine = world_phantom((1.2, 1.0, 3.0))
    labelled = preprocess_case(make(tmp_path, image, label, affine), recipe(), SCHEME)
    blind = preprocess_case(make(tmp_path, image, None, affine), recipe(), SCHEME)
    np.testing.assert_array_equal(blind.images, labelled.images)
    assert blind.labels is None
    assert blind.native_label is None
    assert compare_with_native(blind, SCHEME) == {}


def test_the_ignore_label_is_kept_and_not_counted(tmp_path: Path) -> None:
    scheme = LabelScheme("t", {1: "a"}, ignore=2)
    image, label, affine = world_phantom((1.0, 1.0, 3.0))
    prepared = preprocess_case(make(tmp_path, image, label, affine), recipe((16, 16)), scheme)
    assert prepared.labels is not None
    assert 2 in prepared.labels
    counts = compare_with_native(prepared, scheme)["a"]
    assert counts.native == (label == 1).sum()
    assert counts.restored == counts.both


def test_regions_are_compared_as_unions(tmp_path: Path) -> None:
    scheme = LabelScheme(
        "t", {1: "a", 2: "b"}, (Region("all", (1, 2)), Region("core", (2,))), (1, 2)
    )
    prepared = preprocess_case(make(tmp_path, *world_phantom((1.0, 1.0, 3.0))), recipe(), scheme)
    counts = compare_with_native(prepared, scheme)
    assert prepared.native_label is not None
    assert counts["all"].native == (prepared.native_label > 0).sum()
    assert counts["all"].ceiling == counts["core"].ceiling == 1.0


def test_counts_add_up_and_know_nothing_of_an_absent_target() -> None:
    total = TargetCounts(10, 8, 9, 7) + TargetCounts(10, 10, 11, 9)
    assert total == TargetCounts(20, 18, 20, 16)
    assert (total.coverage, total.ceiling) == (0.9, 0.8)
    assert TargetCounts(0, 0, 0, 0).coverage is None
    assert TargetCounts(0, 0, 0, 0).ceiling is None


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        (lambda i, k: (i * np.inf, k), SourceError, "finite"),
        (lambda i, k: (i, k + 3), SourceError, r"the label holds 3 .* has 0, 1, 2"),
        (lambda i, k: (i, k.astype(np.int16) * 200), SourceError, "400"),
        (lambda i, k: (i, k.astype(np.int16) - 1), SourceError, "-1"),
    ],
)
def test_unusable_cases_are_refused_with_the_file(
    tmp_path: Path, change: Any, error: Any, words: str
) -> None:
    image, label, affine = world_phantom((1.0, 1.0, 3.0))
    with np.errstate(invalid="ignore"):
        changed = change(image, label)
    with pytest.raises(error, match=words) as caught:
        preprocess_case(make(tmp_path, *changed, affine), recipe(), SCHEME)
    assert caught.value.where is not None


def test_a_modality_that_no_training_patient_has_is_refused(tmp_path: Path) -> None:
    case = make(tmp_path, *world_phantom((1.0, 1.0, 3.0)), modality="CT")
    with pytest.raises(DataError, match="stratify"):
        preprocess_case(case, recipe(), SCHEME)


def test_prepared_cases_are_plain_arrays(tmp_path: Path) -> None:
    prepared = preprocess_case(make(tmp_path, *world_phantom((1.0, 1.0, 3.0))), recipe(), SCHEME)
    assert isinstance(prepared, PreparedCase)
    assert prepared.labels is not None
    assert prepared.labels.flags.c_contiguous
    assert prepared.images.flags.c_contiguous


def framed(tmp_path: Path) -> Case:
    """A patient in an image that is empty at the first slice and around the body."""
    image, label, affine = world_phantom((1.0, 1.0, 3.0))
    image[:7], image[:, -5:], image[..., 0] = 0, 0, 0
    return make(tmp_path, image, label, affine)


def test_a_box_is_cut_before_anything_is_measured(tmp_path: Path) -> None:
    case = framed(tmp_path)
    found = preprocess_case(case, recipe((48, 48), crop="box"), SCHEME)
    stored = nib.load(case.channels[0].path)
    inner = np.asarray(stored.dataobj)[7:, :-5, 1:]
    slices = found.geometry.slices
    everywhere = np.zeros(stored.shape, np.float32)
    everywhere[7:, :-5, 1:] = (inner - inner.mean()) / inner.std()
    shown = np.zeros(stored.shape, bool)
    shown[7:, :-5, 1:] = True
    expected, seen = slices.to_slices(everywhere), slices.to_slices(shown)
    np.testing.assert_allclose(found.normalised[:, 0][seen], expected[seen], atol=1e-4)
    depth = found.geometry.depth
    assert depth is not None
    assert sorted(len(range(*span)) for span in (depth, *found.geometry.plane.box)) == [3, 33, 39]
    empty = [place for place in range(4) if not depth[0] <= place < depth[1]]
    np.testing.assert_array_equal(found.images[empty], 0)


def test_nothing_is_predicted_outside_of_the_box(tmp_path: Path) -> None:
    found = preprocess_case(framed(tmp_path), recipe((48, 48), crop="box"), SCHEME)
    whole = found.geometry.whole
    everywhere = whole.restore_labels(np.ones((4, *whole.plane.patch), np.uint8))
    inside = np.zeros((40, 44, 4), np.uint8)
    inside[7:, :-5, 1:] = 1
    np.testing.assert_array_equal(everywhere, inside)


@pytest.mark.parametrize("crop", ["image", "nonzero", "box"])
def test_whole_slices_show_what_the_patch_cuts_off(tmp_path: Path, crop: str) -> None:
    image, label, affine = world_phantom((1.0, 1.0, 3.0))
    found = preprocess_case(
        make(tmp_path, image, label, affine), recipe((16, 16), crop=crop), SCHEME
    )
    assert found.images.shape[2:] == (16, 16)
    assert found.whole_images.shape[2:] == (44, 40)
    counts = compare_with_native(found, SCHEME)
    assert counts["ring"].coverage < 0.6
    assert counts["ring"].ceiling == counts["core"].ceiling == 1.0
