"""Volumes are read whole and as stored, or refused with the file's name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from distributed_iac.data.contract import Case, Channel, SliceLayout
from distributed_iac.data.faults import FaultError
from distributed_iac.data.volumes import nifti
from distributed_iac.data.volumes.volume import load_case, read_grid_of

LAYOUT = SliceLayout("as_stored", 2)
SHAPE = (5, 6, 7)


def write(path: Path, array: Any, zooms: tuple[float, ...] = (1.5, 1.25, 8.0)) -> Path:
    image = nib.Nifti1Image(array, np.diag([*zooms[:3], 1.0]))
    nib.save(image, path)
    return path


def case(label: Path | None, *channels: Channel) -> Case:
    return Case("a", "a", channels, label, "MR", LAYOUT)


def load_label(path: Path) -> Any:
    """A label beside an image of the same grid."""
    stored = nib.load(path)
    image = path.with_name("image.nii")
    nib.save(nib.Nifti1Image(np.ones(stored.shape, np.int16), stored.affine), image)
    return load_case(case(path, Channel("ct", image))).label


def load_image(channel: Channel) -> Any:
    """The only channel of a case, (X, Y, Z)."""
    (image,) = load_case(case(None, channel)).image
    return image


@pytest.fixture
def voxels() -> Any:
    return np.random.default_rng(0).normal(size=SHAPE)


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16, np.uint8])
@pytest.mark.parametrize("chunk", [1, 60, 10**6])
def test_a_channel_is_read_as_stored_in_any_chunking(
    tmp_path: Path, ending: str, dtype: Any, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = np.random.default_rng(0).integers(0, 200, SHAPE).astype(dtype)
    monkeypatch.setattr(nifti, "BLOCK_VOXELS", chunk)
    loaded = load_image(Channel("ct", write(tmp_path / f"a{ending}", stored)))
    assert loaded.dtype == np.float32
    np.testing.assert_array_equal(loaded, stored.astype(np.float32))


def test_scaled_integers_come_out_in_the_sources_units(tmp_path: Path) -> None:
    image = nib.Nifti1Image(np.full(SHAPE, -1000, np.int16), np.eye(4))
    image.header.set_slope_inter(0.5, 10)
    nib.save(image, tmp_path / "a.nii.gz")
    np.testing.assert_allclose(load_image(Channel("ct", tmp_path / "a.nii.gz")), -490.0)


def test_channels_of_a_four_dimensional_file_keep_their_order(tmp_path: Path) -> None:
    stored = np.random.default_rng(0).normal(size=(*SHAPE, 4)).astype(np.float32)
    path = write(tmp_path / "a.nii.gz", stored)
    order = (2, 0, 3, 1)
    loaded = load_case(case(None, *(Channel(f"c{i}", path, i) for i in order)))
    assert loaded.label is None
    assert loaded.zooms == (1.5, 1.25, 8.0)
    np.testing.assert_array_equal(loaded.image, np.moveaxis(stored[..., order], -1, 0))


def test_a_trailing_axis_of_one_is_no_fourth_dimension(tmp_path: Path, voxels: Any) -> None:
    path = write(tmp_path / "a.nii", voxels[..., None].astype(np.float32))
    assert read_grid_of(path).frames == 1
    assert load_image(Channel("t1", path)).shape == SHAPE


@pytest.mark.parametrize(
    ("values", "dtype"), [((0, 1, 255), np.uint8), ((0, 300), np.int64), ((-1, 2), np.int64)]
)
@pytest.mark.parametrize("stored_as", [np.float64, np.int16])
def test_labels_are_integers_of_the_smallest_type(
    tmp_path: Path, values: tuple[int, ...], dtype: Any, stored_as: Any
) -> None:
    stored = np.resize(np.array(values), SHAPE)
    loaded = load_label(write(tmp_path / "a.nii.gz", stored.astype(stored_as)))
    assert loaded.dtype == dtype
    np.testing.assert_array_equal(loaded, stored)


@pytest.mark.parametrize(
    ("bad", "said"), [(0.5, "whole numbers"), (np.nan, "NaN"), (np.inf, "infinite")]
)
def test_fractional_labels_are_refused(tmp_path: Path, bad: float, said: str) -> None:
    stored = np.zeros(SHAPE)
    stored[1, 2, 3] = bad
    with pytest.raises(FaultError, match=said):
        load_label(write(tmp_path / "a.nii.gz", stored))


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("keep", [0, 100, 0.5, 0.98])
def test_a_truncated_file_is_refused_by_name(
    tmp_path: Path, ending: str, keep: float, voxels: Any
) -> None:
    path = write(tmp_path / f"a{ending}", voxels)
    data = path.read_bytes()
    path.write_bytes(data[: int(keep if keep >= 1 else keep * len(data))])
    with pytest.raises(FaultError, match=path.name) as caught:
        load_image(Channel("ct", path))
    assert caught.value.remedy is not None


def test_what_is_no_nifti_file_is_refused(tmp_path: Path, voxels: Any) -> None:
    text = tmp_path / "a.nii.gz"
    text.write_text("<html>404</html>")
    other = tmp_path / "a.mgz"
    nib.save(nib.MGHImage(voxels.astype(np.float32), np.eye(4)), other)
    for path in (text, other, tmp_path / "missing.nii"):
        with pytest.raises(FaultError, match=path.name):
            load_image(Channel("ct", path))


@pytest.mark.parametrize(
    ("shape", "index"),
    [((5,), None), ((5, 6, 7, 3), None), ((5, 6, 7, 3), 3), ((5, 6, 7), 1), ((5, 6, 7, 2, 2), 0)],
)
def test_the_number_of_dimensions_must_fit(
    tmp_path: Path, shape: tuple[int, ...], index: int | None
) -> None:
    path = write(tmp_path / "a.nii", np.zeros(shape, np.float32))
    with pytest.raises(FaultError):
        load_image(Channel("ct", path, index))


def test_colour_images_are_refused(tmp_path: Path) -> None:
    rgb = np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    with pytest.raises(FaultError, match="real numbers"):
        load_image(Channel("ct", write(tmp_path / "a.nii", rgb)))


def test_image_and_label_must_share_shape_and_spacing(tmp_path: Path, voxels: Any) -> None:
    image = Channel("ct", write(tmp_path / "image.nii", voxels))
    good = write(tmp_path / "good.nii", np.zeros(SHAPE, np.uint8))
    turned = write(tmp_path / "turned.nii", np.zeros(SHAPE[::-1], np.uint8))
    coarse = write(tmp_path / "coarse.nii", np.zeros(SHAPE, np.uint8), (1.5, 1.25, 5.0))
    assert load_case(case(good, image)).shape == SHAPE
    with pytest.raises(FaultError, match=r"turned.*shape"):
        load_case(case(turned, image))
    with pytest.raises(FaultError, match=r"coarse.*spacing"):
        load_case(case(coarse, image))


def test_a_voxel_size_of_zero_is_refused(tmp_path: Path, voxels: Any) -> None:
    path = write(tmp_path / "a.nii", voxels)
    data = bytearray(path.read_bytes())
    data[80:84] = np.float32(0).tobytes()  # pixdim[1]
    path.write_bytes(data)
    with pytest.raises(FaultError, match="voxel size"):
        read_grid_of(path)


def test_a_flipped_bit_behind_the_last_voxel_is_found(tmp_path: Path, voxels: Any) -> None:
    """Only the checksum in the trailer shows it."""
    path = write(tmp_path / "a.nii.gz", voxels)
    data = bytearray(path.read_bytes())
    data[-8] ^= 1
    path.write_bytes(data)
    with pytest.raises(FaultError, match="damaged"):
        load_image(Channel("ct", path))


LPS = np.diag([-1.5, -1.25, 8.0, 1.0])
LPS[:3, 3] = (40.0, -7.0, 3.0)
ORIENTATIONS = ["RAS", "LAI", "SPL", "IPR"]


def save_in(path: Path, array: Any, codes: str) -> Path:
    """Store an array of axes LPS in other axes, as nibabel or any viewer does."""
    image = nib.Nifti1Image(array, LPS)
    turn = ornt_transform(io_orientation(LPS), axcodes2ornt(codes))
    nib.save(image.as_reoriented(turn), path)
    return path


@pytest.mark.parametrize("codes", ORIENTATIONS)
@pytest.mark.parametrize("layout", [LAYOUT, SliceLayout("LPS", 2)])
def test_a_file_in_another_orientation_is_turned_onto_the_first_image(
    tmp_path: Path, voxels: Any, codes: str, layout: SliceLayout
) -> None:
    label = np.arange(voxels.size, dtype=np.uint8).reshape(SHAPE)
    first = save_in(tmp_path / "t1.nii", voxels, "LPS")
    second = save_in(tmp_path / "t2.nii.gz", voxels * 2, codes)
    mask = save_in(tmp_path / "seg.nii.gz", label, codes)
    given = case(mask, Channel("t1", first), Channel("t2", second))
    volume = load_case(replace(given, layout=layout))
    np.testing.assert_allclose(volume.image[1], 2 * volume.image[0], rtol=1e-6)
    np.testing.assert_array_equal(volume.label, label)
    np.testing.assert_array_equal(volume.affine, LPS)
    assert {fault.code for fault in volume.faults} == {"reoriented"}


def test_channels_of_one_turned_file_are_turned_each(tmp_path: Path, voxels: Any) -> None:
    first = save_in(tmp_path / "a.nii", voxels, "LPS")
    both = save_in(tmp_path / "b.nii", np.stack([voxels, -voxels], axis=-1), "RAS")
    channels = (Channel("b", both, 1), Channel("a", first), Channel("c", both, 0))
    image = load_case(case(None, *channels)).image
    np.testing.assert_array_equal(image[0], -image[2])
    expected = nib.load(both).get_fdata(dtype=np.float32)[..., 1]
    np.testing.assert_array_equal(image[0], expected)


@pytest.mark.parametrize(
    ("shift", "layout", "outcome"),
    [
        (12.0, SliceLayout("LPS", 2), "affine_mismatch"),
        (0.6, SliceLayout("LPS", 2), "affine_ignored"),
        (12.0, LAYOUT, "affine_ignored"),
        (0.1, SliceLayout("LPS", 2), None),
    ],
)
def test_a_file_at_another_place_is_refused_where_headers_tell(
    tmp_path: Path, voxels: Any, shift: float, layout: SliceLayout, outcome: str | None
) -> None:
    image = save_in(tmp_path / "image.nii", voxels, "LPS")
    affine = LPS.copy()
    affine[0, 3] += shift
    label = tmp_path / "label.nii"
    nib.save(nib.Nifti1Image(np.ones(SHAPE, np.uint8), affine), label)
    given = replace(case(label, Channel("ct", image)), layout=layout)
    if outcome == "affine_mismatch":
        with pytest.raises(FaultError, match="mm away") as caught:
            load_case(given)
        assert caught.value.fault.code == outcome
        return
    found = [fault.code for fault in load_case(given).faults]
    assert found == ([] if outcome is None else [outcome])


def test_a_two_dimensional_file_is_one_slice(tmp_path: Path) -> None:
    image = Channel("us", write(tmp_path / "a.nii.gz", np.ones((40, 36), np.int16)))
    label = write(tmp_path / "seg.nii.gz", np.ones((40, 36), np.uint8))
    volume = load_case(case(label, image))
    assert volume.image.shape == (1, 40, 36, 1)
    assert volume.label is not None
    assert volume.label.shape == (40, 36, 1)
    assert volume.zooms[:2] == (1.5, 1.25)
