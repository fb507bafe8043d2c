"""Everything a header says about geometry is used or reported, never settled in silence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from distributed_iac.data.faults import CODES, FaultError
from distributed_iac.data.volumes.grid import Grid
from distributed_iac.data.volumes.nifti import open_nifti

SHAPE = (6, 5, 4)
ZOOMS = (1.5, 1.5, 5.0)
LPS = np.diag([-1.5, -1.5, 5.0, 1.0])


def header(affine: Any = LPS, *, sform: int = 1, qform: int = 1, shape: Any = SHAPE) -> Any:
    """An image whose header says the same twice, in mm."""
    image = nib.Nifti1Image(np.ones(shape, np.int16), affine)
    image.set_sform(affine, code=sform)
    image.set_qform(affine, code=qform)
    image.header.set_xyzt_units("mm", "sec")
    return image


def grid_of(tmp_path: Path, image: Any, *patches: tuple[int, bytes]) -> Grid:
    """Read an image's grid, after overwriting bytes of its header."""
    path = tmp_path / "a.nii"
    nib.save(image, path)
    data = bytearray(path.read_bytes())
    for at, content in patches:
        data[at : at + len(content)] = content
    path.write_bytes(data)
    return open_nifti(path).grid


def said(grid: Grid) -> dict[str, str]:
    return {fault.code: fault.reason for fault in grid.faults}


def pixdim(*edges: float) -> tuple[int, bytes]:
    return 80, np.array(edges, "<f4").tobytes()


def turned(degrees: float) -> Any:
    """LPS, rotated about the patient's left-right axis."""
    angle = np.radians(degrees)
    matrix = np.eye(4)
    matrix[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return matrix @ LPS


@pytest.mark.parametrize(("sform", "qform"), [(1, 1), (2, 0), (0, 1), (4, 0)])
def test_a_header_that_says_one_thing_says_nothing_else(
    tmp_path: Path, sform: int, qform: int
) -> None:
    grid = grid_of(tmp_path, header(sform=sform, qform=qform))
    assert said(grid) == {}
    assert (grid.codes, grid.zooms, grid.shape) == ("LPS", ZOOMS, SHAPE)
    np.testing.assert_allclose(grid.affine, LPS, atol=1e-5)


def test_without_sform_and_qform_the_assumption_is_named(tmp_path: Path) -> None:
    grid = grid_of(tmp_path, header(sform=0, qform=0))
    assert grid.codes is None
    assert "assumed to be LAS" in said(grid)["orientation_unknown"]


def test_lengths_of_sform_win_over_pixdim_and_both_are_said(tmp_path: Path) -> None:
    grid = grid_of(tmp_path, header(qform=0), pixdim(1.5, 1.5, 1.0))
    assert grid.zooms == pytest.approx(ZOOMS)
    reason = said(grid)["spacing_contradiction"]
    assert "(1.5, 1.5, 5) mm" in reason
    assert "(1.5, 1.5, 1) mm" in reason


def test_pixdim_decides_where_there_is_no_sform(tmp_path: Path) -> None:
    grid = grid_of(tmp_path, header(sform=0), pixdim(1.5, 1.5, 2.0))
    assert grid.zooms == (1.5, 1.5, 2.0)
    assert np.linalg.norm(grid.affine[:3, 2]) == pytest.approx(2.0)
    assert said(grid) == {}


def test_sform_and_qform_that_disagree_are_both_named(tmp_path: Path) -> None:
    image = header()
    image.header.set_qform(np.diag([1.5, 1.5, 5.0, 1.0]), code=1)
    grid = grid_of(tmp_path, image)
    assert grid.codes == "LPS"
    assert "axes LPS, qform RAS" in said(grid)["transform_contradiction"]


def test_a_qform_that_is_none_is_named_and_not_needed(tmp_path: Path) -> None:
    quaternion = np.array([9.0, 9.0, 9.0], "<f4").tobytes()
    grid = grid_of(tmp_path, header(), (256, quaternion))
    assert grid.codes == "LPS"
    assert "transform_contradiction" in said(grid)


@pytest.mark.parametrize(("unit", "factor"), [("meter", 0.001), ("micron", 1000.0)])
def test_other_units_are_converted(tmp_path: Path, unit: str, factor: float) -> None:
    image = header(np.diag([-1.5 * factor, -1.5 * factor, 5 * factor, 1.0]))
    image.header.set_xyzt_units(unit, "sec")
    grid = grid_of(tmp_path, image)
    assert grid.zooms == pytest.approx(ZOOMS)
    np.testing.assert_allclose(grid.affine, LPS, atol=1e-4)
    assert "(1.5, 1.5, 5) mm" in said(grid).pop("unit_converted")
    assert len(grid.faults) == 1


@pytest.mark.parametrize(
    ("edges", "plausible"),
    [
        ((0.05, 5.0, 40.0), False),
        ((5.0, 0.05, 0.6), False),
        ((0.05, 0.05, 5.0), True),
        ((0.5, 5.0, 5.0), True),
        ((0.7, 1.4, 8.0), True),
        ((1.0, 3.9, 3.9), True),
    ],
)
def test_three_edges_of_which_no_two_are_alike_are_no_scanner_s(
    tmp_path: Path, edges: tuple[float, float, float], plausible: bool
) -> None:
    found = said(grid_of(tmp_path, header(np.diag([*edges, 1.0]))))
    assert ("implausible_spacing" not in found) is plausible


def test_no_unit_means_mm_until_the_edges_are_impossible(tmp_path: Path) -> None:
    plain = header()
    plain.header["xyzt_units"] = 0
    assert said(grid_of(tmp_path, plain)) == {}
    small = header(np.diag([0.0015, 0.0015, 0.005, 1.0]))
    small.header["xyzt_units"] = 0
    assert "no known unit is stated" in said(grid_of(tmp_path, small))["implausible_spacing"]


@pytest.mark.parametrize("unit", [4, 5, 6, 7, 8 + 7])
def test_a_unit_that_there_is_not_is_named_and_mm_assumed(tmp_path: Path, unit: int) -> None:
    image = header()
    image.header["xyzt_units"] = unit
    grid = grid_of(tmp_path, image)
    assert grid.zooms == ZOOMS
    assert f"xyzt_units has {unit % 8}" in said(grid).pop("undefined_field")
    assert len(grid.faults) == 1


@pytest.mark.parametrize("factor", [0.5, -2.0, np.nan, np.inf])
def test_a_direction_of_the_third_axis_that_is_none_is_named(tmp_path: Path, factor: float) -> None:
    grid = grid_of(tmp_path, header(), (76, np.array([factor], "<f4").tobytes()))
    assert "pixdim[0]" in said(grid)["undefined_field"]


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.0])
def test_a_direction_that_nothing_needs_is_not_looked_at(tmp_path: Path, factor: float) -> None:
    grid = grid_of(tmp_path, header(qform=0), (76, np.array([factor], "<f4").tobytes()))
    assert said(grid) == {}


def test_an_axis_of_one_voxel_may_have_any_edge(tmp_path: Path) -> None:
    flat = header(np.diag([1.0, 1.0, 999.0, 1.0]), shape=(6, 5, 1))
    assert said(grid_of(tmp_path, flat)) == {}


def test_the_sign_of_pixdim_is_ignored_aloud(tmp_path: Path) -> None:
    grid = grid_of(tmp_path, header(qform=0), pixdim(1.5, -1.5, 5.0))
    assert grid.zooms == ZOOMS
    assert list(said(grid)) == ["negative_spacing"]


@pytest.mark.parametrize("edge", [0.0, np.nan, np.inf])
def test_an_edge_without_length_is_an_error(tmp_path: Path, edge: float) -> None:
    with pytest.raises(FaultError) as caught:
        grid_of(tmp_path, header(), pixdim(1.5, edge, 5.0))
    assert caught.value.fault.code == "invalid_geometry"


@pytest.mark.parametrize("row", [np.zeros(12), np.full(12, np.nan)])
def test_an_affine_that_spans_no_space_is_an_error(tmp_path: Path, row: Any) -> None:
    with pytest.raises(FaultError, match="does not span space"):
        grid_of(tmp_path, header(), (280, row.astype("<f4").tobytes()))


@pytest.mark.parametrize(
    ("degrees", "codes"), [(5, None), (30, None), (44, "oblique"), (46, "oblique"), (60, None)]
)
def test_only_an_axis_midway_between_two_directions_is_doubtful(
    tmp_path: Path, degrees: float, codes: str | None
) -> None:
    found = said(grid_of(tmp_path, header(turned(degrees))))
    assert list(found) == ([] if codes is None else [codes])


def test_axes_that_are_not_perpendicular_are_named(tmp_path: Path) -> None:
    tilted = LPS.copy()
    tilted[1, 2] = 1.0  # a gantry tilt of 11 degrees
    found = said(grid_of(tmp_path, header(tilted, qform=0)))
    assert "78.7 degrees" in found["sheared"]


@pytest.mark.parametrize("third", [0.0, 1.0, 7.0])
def test_a_picture_is_one_slice_whatever_its_third_edge(tmp_path: Path, third: float) -> None:
    image = header(shape=(6, 5))
    image.header["srow_x"][2] = image.header["srow_y"][2] = image.header["srow_z"][2] = 0
    grid = grid_of(tmp_path, image, pixdim(1.5, 1.5, third))
    assert (grid.shape, grid.frames) == ((6, 5, 1), 1)
    assert grid.zooms == (1.5, 1.5, third or 1.0)
    assert np.linalg.matrix_rank(grid.affine) == 4


@pytest.mark.parametrize(
    ("shape", "frames"), [((6, 5, 4, 1), 1), ((6, 5, 4, 3), 3), ((6, 5, 4, 1, 3), 3)]
)
def test_one_further_axis_may_be_longer_than_one(
    tmp_path: Path, shape: tuple[int, ...], frames: int
) -> None:
    grid = grid_of(tmp_path, header(shape=shape))
    assert (grid.shape, grid.frames) == (SHAPE, frames)


def test_a_pair_of_header_and_voxels_is_read_as_one_file(tmp_path: Path) -> None:
    array = np.arange(120, dtype=np.int16).reshape(SHAPE)
    nib.save(nib.Nifti1Pair(array, LPS), tmp_path / "a.img")
    file = open_nifti(tmp_path / "a.hdr")
    assert (file.voxels.name, file.grid.zooms) == ("a.img", ZOOMS)


def test_what_a_header_leaves_open_never_excludes_a_case() -> None:
    for code in ("orientation_unknown", "transform_contradiction", "spacing_contradiction"):
        assert CODES[code].severity == "warning"
