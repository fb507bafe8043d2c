"""Label maps keep the grid, the codes and the data type of their image, and nothing of the scan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from distributed_iac.deploy.label_image import label_image, write_image

AFFINE = np.array([[-1.5, 0.2, 0, 10], [0.1, -1.4, 0, -20], [0, 0, 8, 30], [0, 0, 0, 1.0]])


def write_source(path: Path, dtype: Any, kind: Any = nib.Nifti1Image, channels: int = 0) -> None:
    shape = (5, 6, 4, channels) if channels else (5, 6, 4)
    image = kind(np.ones(shape, dtype), AFFINE)
    image.set_qform(AFFINE, code=1)
    image.set_sform(AFFINE, code=2)
    image.header.set_xyzt_units("mm", "sec")
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"Jane Doe"))
    nib.save(image, path)


@pytest.fixture
def labels() -> np.ndarray:
    return np.arange(120, dtype=np.uint8).reshape(5, 6, 4) % 63


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_written_label_map_has_the_sources_affine_and_dtype(
    tmp_path: Path, labels: np.ndarray, dtype: Any, ending: str
) -> None:
    source = tmp_path / f"image{ending}"
    write_source(source, dtype)
    write_image(label_image(labels, source), tmp_path / "out" / "labels.nii.gz")
    written, image = nib.load(tmp_path / "out" / "labels.nii.gz"), nib.load(source)
    np.testing.assert_array_equal(np.asarray(written.dataobj), labels)
    assert written.get_data_dtype() == np.dtype(dtype)
    np.testing.assert_array_equal(written.affine, image.affine)
    for code in ("sform_code", "qform_code", "xyzt_units"):
        assert written.header[code] == image.header[code]
    assert written.header.get_zooms() == image.header.get_zooms()
    assert (written.dataobj.slope, written.dataobj.inter) == (1, 0)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["labels.nii.gz"]


def test_uint8_is_there_for_the_asking(tmp_path: Path, labels: np.ndarray) -> None:
    write_source(tmp_path / "image.nii", np.float64)
    image = label_image(labels, tmp_path / "image.nii", "uint8")
    assert image.get_data_dtype() == np.uint8


def test_a_scaled_source_does_not_scale_its_labels(tmp_path: Path, labels: np.ndarray) -> None:
    source = nib.Nifti1Image(np.ones((5, 6, 4), np.int16), AFFINE)
    source.header.set_slope_inter(2.5, -1024)
    nib.save(source, tmp_path / "image.nii")
    write_image(label_image(labels, tmp_path / "image.nii"), tmp_path / "labels.nii.gz")
    written = nib.load(tmp_path / "labels.nii.gz")
    np.testing.assert_array_equal(np.asarray(written.dataobj), labels)


def test_channels_of_a_source_are_not_axes_of_its_label_map(
    tmp_path: Path, labels: np.ndarray
) -> None:
    write_source(tmp_path / "image.nii", np.int16, channels=4)
    write_image(label_image(labels, tmp_path / "image.nii"), tmp_path / "labels.nii")
    assert nib.load(tmp_path / "labels.nii").shape == (5, 6, 4)


def test_nifti_2_stays_nifti_2(tmp_path: Path, labels: np.ndarray) -> None:
    write_source(tmp_path / "image.nii", np.int16, nib.Nifti2Image)
    write_image(label_image(labels, tmp_path / "image.nii"), tmp_path / "labels.nii.gz")
    assert isinstance(nib.load(tmp_path / "labels.nii.gz"), nib.Nifti2Image)


def test_what_the_scanner_wrote_beside_the_image_is_not_passed_on(
    tmp_path: Path, labels: np.ndarray
) -> None:
    write_source(tmp_path / "image.nii", np.int16)
    write_image(label_image(labels, tmp_path / "image.nii"), tmp_path / "labels.nii")
    assert b"Jane Doe" in (tmp_path / "image.nii").read_bytes()
    assert b"Jane Doe" not in (tmp_path / "labels.nii").read_bytes()


def test_equal_labels_are_equal_files(tmp_path: Path, labels: np.ndarray) -> None:
    write_source(tmp_path / "image.nii", np.int16)
    for name in ("a", "b"):
        write_image(label_image(labels, tmp_path / "image.nii"), tmp_path / name / "x.nii.gz")
    assert (tmp_path / "a/x.nii.gz").read_bytes() == (tmp_path / "b/x.nii.gz").read_bytes()


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, labels: np.ndarray) -> None:
    write_source(tmp_path / "image.nii", np.int16)
    (tmp_path / "labels.nii").mkdir()
    with pytest.raises(OSError, match="labels"):
        write_image(label_image(labels, tmp_path / "image.nii"), tmp_path / "labels.nii")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image.nii", "labels.nii"]
