"""A scale of the voxels that has no meaning is named or refused, never passed over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from distributed_iac.data.faults import FaultError
from distributed_iac.data.volumes.nifti import open_nifti, read_blocks

Write = Callable[..., Path]
VOXELS = np.arange(60, dtype=np.int16).reshape(5, 4, 3)
NAN, INF = np.nan, np.inf


def scaled(write_nifti: Write, slope: float, inter: float) -> Path:
    path = write_nifti("a.nii", VOXELS)
    plain = bytearray(path.read_bytes())
    plain[112:120] = np.array([slope, inter], "<f4").tobytes()
    path.write_bytes(bytes(plain))
    return path


def read(path: Path) -> tuple[list[str], np.ndarray]:
    """Codes, and the voxels as they are taken."""
    file = open_nifti(path)
    ((_, values),) = read_blocks(file)
    return [fault.code for fault in file.grid.faults], values


@pytest.mark.parametrize(("slope", "inter"), [(1, 0), (0, 0), (0, NAN), (NAN, NAN), (2, 7), (1, 7)])
def test_what_the_standard_defines_is_done_without_a_word(
    write_nifti: Write, slope: float, inter: float
) -> None:
    codes, values = read(scaled(write_nifti, slope, inter))
    assert codes == []
    wanted = VOXELS * slope + inter if slope > 0 else VOXELS
    np.testing.assert_array_equal(values, wanted.ravel(order="F"))


@pytest.mark.parametrize(("slope", "inter"), [(NAN, 0), (0, 7), (0, -1024)])
def test_what_is_left_undone_is_said(write_nifti: Write, slope: float, inter: float) -> None:
    codes, values = read(scaled(write_nifti, slope, inter))
    assert codes == ["undefined_field"]
    np.testing.assert_array_equal(values, VOXELS.ravel(order="F"))


@pytest.mark.parametrize(
    ("slope", "inter"),
    [(NAN, 7), (NAN, INF), (INF, 0), (INF, 7), (-INF, NAN), (2, NAN), (2, INF), (1, -INF)],
)
def test_a_scale_that_nobody_knows_is_refused(
    write_nifti: Write, slope: float, inter: float
) -> None:
    with pytest.raises(FaultError) as caught:
        open_nifti(scaled(write_nifti, slope, inter))
    assert caught.value.fault.code == "unreadable"
