"""Volumes are read whole and as stored, or refused with the file's name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from distributed_iac.data import volume
from distributed_iac.data.contract import Case, Channel, SliceLayout
from distributed_iac.data.volume import load_case, load_label, read_header
from distributed_iac.errors import SourceError

LAYOUT = SliceLayout("as_stored", 2)
SHAPE = (5, 6, 7)


def write(path: Path, array: Any, zooms: tuple[float, ...] = (1.5, 1.25, 8.0)) -> Path:
    image = nib.Nifti1Image(array, np.diag([*zooms[:3], 1.0]))
    nib.save(image, path)
    return path


def case(label: Path | None, *channels: Channel) -> Case:
    return Case("a", "a", channels, label, "MR", LAYOUT)


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
    monkeypatch.setattr(volume, "CHUNK_VOXELS", chunk)
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
    order = (2, 0, 3)
    loaded = load_case(case(None, *(Channel(f"c{i}", path, i) for i in order)))
    assert loaded.label is None
    assert loaded.zooms == (1.5, 1.25, 8.0)
    np.testing.assert_array_equal(loaded.image, np.moveaxis(stored[..., order], -1, 0))


def test_a_trailing_axis_of_one_is_no_fourth_dimension(tmp_path: Path, voxels: Any) -> None:
    path = write(tmp_path / "a.nii", voxels[..., None].astype(np.float32))
    assert read_header(path).frames == 1
    assert load_image(Channel("t1", path)).shape == SHAPE


@pytest.mark.parametrize(
    ("values", "dtype"), [((0, 1, 255), np.uint8), ((0, 300), np.int32), ((-1, 2), np.int32)]
)
@pytest.mark.parametrize("stored_as", [np.float64, np.int16])
def test_labels_are_integers_of_the_smallest_type(
    tmp_path: Path, values: tuple[int, ...], dtype: Any, stored_as: Any
) -> None:
    stored = np.resize(np.array(values), SHAPE)
    loaded = load_label(write(tmp_path / "a.nii.gz", stored.astype(stored_as)))
    assert loaded.dtype == dtype
    np.testing.assert_array_equal(loaded, stored)


@pytest.mark.parametrize("bad", [0.5, np.nan, np.inf])
def test_fractional_labels_are_refused(tmp_path: Path, bad: float) -> None:
    stored = np.zeros(SHAPE)
    stored[1, 2, 3] = bad
    with pytest.raises(SourceError, match="whole numbers"):
        load_label(write(tmp_path / "a.nii.gz", stored))


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
@pytest.mark.parametrize("keep", [0, 100, 0.5, 0.98])
def test_a_truncated_file_is_refused_by_name(
    tmp_path: Path, ending: str, keep: float, voxels: Any
) -> None:
    path = write(tmp_path / f"a{ending}", voxels)
    data = path.read_bytes()
    path.write_bytes(data[: int(keep if keep >= 1 else keep * len(data))])
    with pytest.raises(SourceError, match=path.name) as caught:
        load_image(Channel("ct", path))
    assert caught.value.remedy is not None


def test_what_is_no_nifti_file_is_refused(tmp_path: Path, voxels: Any) -> None:
    text = tmp_path / "a.nii.gz"
    text.write_text("<html>404</html>")
    other = tmp_path / "a.mgz"
    nib.save(nib.MGHImage(voxels.astype(np.float32), np.eye(4)), other)
    for path in (text, other, tmp_path / "missing.nii"):
        with pytest.raises(SourceError, match=path.name):
            load_image(Channel("ct", path))


@pytest.mark.parametrize(
    ("shape", "index"), [((5, 6), None), ((5, 6, 7, 3), None), ((5, 6, 7, 3), 3), ((5, 6, 7), 1)]
)
def test_the_number_of_dimensions_must_fit(
    tmp_path: Path, shape: tuple[int, ...], index: int | None
) -> None:
    path = write(tmp_path / "a.nii", np.zeros(shape, np.float32))
    with pytest.raises(SourceError):
        load_image(Channel("ct", path, index))


def test_colour_images_are_refused(tmp_path: Path) -> None:
    rgb = np.zeros(SHAPE, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    with pytest.raises(SourceError, match="real numbers"):
        load_image(Channel("ct", write(tmp_path / "a.nii", rgb)))


def test_image_and_label_must_share_shape_and_spacing(tmp_path: Path, voxels: Any) -> None:
    image = Channel("ct", write(tmp_path / "image.nii", voxels))
    good = write(tmp_path / "good.nii", np.zeros(SHAPE, np.uint8))
    turned = write(tmp_path / "turned.nii", np.zeros(SHAPE[::-1], np.uint8))
    coarse = write(tmp_path / "coarse.nii", np.zeros(SHAPE, np.uint8), (1.5, 1.25, 5.0))
    assert load_case(case(good, image)).shape == SHAPE
    with pytest.raises(SourceError, match=r"turned.*shape"):
        load_case(case(turned, image))
    with pytest.raises(SourceError, match=r"coarse.*voxel size"):
        load_case(case(coarse, image))


def test_a_voxel_size_of_zero_is_refused(tmp_path: Path, voxels: Any) -> None:
    path = write(tmp_path / "a.nii", voxels)
    data = bytearray(path.read_bytes())
    data[80:84] = np.float32(0).tobytes()  # pixdim[1]
    path.write_bytes(data)
    with pytest.raises(SourceError, match="voxel size"):
        read_header(path)
