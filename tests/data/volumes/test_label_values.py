"""Label values are counted exactly, made whole where they nearly are, and refused where not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import hypothesis.extra.numpy as arrays
import nibabel
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from distributed_iac.data.faults import Fault
from distributed_iac.data.volumes.label_values import LabelScan, LabelStatistics, value_faults
from distributed_iac.data.volumes.nifti import open_nifti, read_blocks

Write = Callable[..., Path]
cuts = st.lists(st.integers(0, 200), max_size=4)


def scan_label(values: NDArray[np.generic], at: list[int] | None = None) -> LabelStatistics:
    scan = LabelScan()
    for block in np.split(values, sorted(at or [])):
        scan.add(block)
    return scan.result()


@given(
    arrays.arrays(
        st.sampled_from([np.dtype(kind) for kind in ("u1", "i2", "i4", "u8", "f4", "f8")]),
        st.integers(1, 100),
        elements=st.integers(0, 100),
    ),
    cuts,
)
def test_label_counts_are_exact(values: NDArray[np.generic], at: list[int]) -> None:
    found = scan_label(values, at)
    assert found.voxels == Counter(int(value) for value in values.tolist())
    assert (found.nonfinite, found.noninteger) == (0, 0)


def test_negative_and_far_apart_labels_are_counted() -> None:
    values = np.array([-(2**40), -3, -3, 0, 2**50], np.int64)
    assert scan_label(values).voxels == {-(2**40): 1, -3: 2, 0: 1, 2**50: 1}


def test_voxels_that_are_no_label_are_set_aside() -> None:
    values = np.array([0, 1, 0.5, np.nan, np.inf, 1.5, 1.5], np.float32)
    found = scan_label(values)
    assert found.voxels == {0: 1, 1: 1}
    assert (found.nonfinite, found.noninteger) == (2, 3)
    assert found.examples == (0.5, 1.5)


def test_ignored_voxels_are_no_foreground() -> None:
    label = LabelStatistics({0: 5, 9: 2}, 0, 0, ())
    assert label.has_foreground(ignore=None)
    assert not label.has_foreground(ignore=9)


def faults_of(path: Path) -> list[Fault]:
    file, scan = open_nifti(path), LabelScan()
    for _, block in read_blocks(file):
        scan.add(block)
    return value_faults(file, scan.result())


def scaled(path: Path, stored: NDArray[np.uint8], slope: float) -> Path:
    """Whole numbers on disk under a slope; nibabel would choose one of its own."""
    nibabel.save(nibabel.Nifti1Image(stored, np.eye(4)), path)
    data = bytearray(path.read_bytes())
    data[112:116] = np.float32(slope).tobytes()
    path.write_bytes(data)
    return path


STORED = np.arange(3, dtype=np.uint8).repeat(8).reshape(4, 3, 2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("beside", [1e-7, -0.0009])
def test_values_beside_whole_numbers_are_rounded_and_say_so(
    write_nifti: Write, dtype: type, beside: float
) -> None:
    path = write_nifti("a.nii", (STORED + beside).astype(dtype))
    (fault,) = faults_of(path)
    assert fault.code == "rounded_labels"
    values = np.asarray(nibabel.load(path).dataobj).ravel()
    np.testing.assert_array_equal(LabelScan().add(values), STORED.ravel())


def test_digits_of_a_value_between_integers_are_shown(write_nifti: Write) -> None:
    (fault,) = faults_of(write_nifti("a.nii", STORED * 0.9985))
    assert fault.code == "noninteger_labels"
    assert "0.9985, 1.997" in fault.reason


@pytest.mark.parametrize("slope", [1 / 255, 1e-5])
def test_a_slope_between_integers_is_named_as_the_cause(tmp_path: Path, slope: float) -> None:
    """1e-5 would bring every label within the tolerance of 0."""
    (fault,) = faults_of(scaled(tmp_path / "a.nii", STORED, slope))
    assert fault.code == "noninteger_labels"
    assert f"scl_slope {np.float32(slope):.9g}" in fault.reason
    assert "scl_slope to 1" in (fault.remedy or "")


@pytest.mark.parametrize(("stored", "slope"), [(STORED * 2, 0.5), (STORED, 1), (STORED, 3)])
def test_a_slope_that_leads_to_whole_numbers_is_followed(
    tmp_path: Path, stored: NDArray[np.uint8], slope: float
) -> None:
    assert faults_of(scaled(tmp_path / "a.nii", stored, slope)) == []
