"""Cutting into slices loses nothing and puts the patient upright."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nibabel.orientations import aff2axcodes, apply_orientation, axcodes2ornt, io_orientation
from nibabel.orientations import ornt_transform as between
from scipy.spatial.transform import Rotation

from distributed_iac.data.contract import SliceLayout
from distributed_iac.data.volumes.geometry import describe_cut, resolve_layout, slice_geometry
from distributed_iac.data.volumes.grid import Grid
from distributed_iac.data.volumes.plane import CaseGeometry, InPlaneTransform
from distributed_iac.errors import GeometryError

ORIENTATIONS = [
    (axes, signs)
    for axes in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]
sizes = st.tuples(*[st.integers(1, 6)] * 3)
spacings = st.tuples(*[st.floats(0.3, 10.0)] * 3)
angles = st.tuples(*[st.floats(-10.0, 10.0)] * 3)
layouts = st.builds(SliceLayout, st.sampled_from(["LPS", "as_stored"]), st.integers(0, 2))


def affine_of(orientation: Any, zooms: Any, degrees: Any = (0, 0, 0)) -> Any:
    """An affine whose array axis ``i`` runs along world axis ``axes[i]``, mildly rotated."""
    axes, signs = orientation
    matrix = np.zeros((3, 3))
    for column, (axis, sign) in enumerate(zip(axes, signs, strict=True)):
        matrix[axis, column] = sign
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix() @ matrix
    affine[:3, :3] *= zooms
    return affine


@given(st.sampled_from(ORIENTATIONS), spacings, angles, sizes, layouts, st.integers(0, 2))
def test_slices_turn_back_into_the_array_on_disk(
    orientation: Any, zooms: Any, degrees: Any, shape: Any, layout: SliceLayout, lead: int
) -> None:
    geometry = slice_geometry(affine_of(orientation, zooms, degrees), shape, zooms, layout)
    array = np.arange(2**lead * np.prod(shape)).reshape(*[2] * lead, *shape)
    slices = geometry.to_slices(array)
    assert slices.shape[-3:] == geometry.slices_shape
    np.testing.assert_array_equal(geometry.from_slices(slices), array)
    np.testing.assert_array_equal(geometry.to_slices(geometry.from_slices(slices)), slices)


@given(st.sampled_from(ORIENTATIONS), spacings, angles, sizes)
def test_axial_slices_equal_nibabels_lps_array(
    orientation: Any, zooms: Any, degrees: Any, shape: Any
) -> None:
    affine = affine_of(orientation, zooms, degrees)
    array = np.arange(np.prod(shape)).reshape(shape)
    lps = apply_orientation(array, between(io_orientation(affine), axcodes2ornt("LPS")))
    slices = slice_geometry(affine, shape, zooms, SliceLayout("LPS", 2)).to_slices(array)
    np.testing.assert_array_equal(slices, lps.transpose(2, 1, 0))


@pytest.mark.parametrize("orientation", ORIENTATIONS, ids=str)
@pytest.mark.parametrize(
    ("slice_axis", "directions"), [(2, "SPL"), (1, "PIL"), (0, "LIP")], ids=["ax", "cor", "sag"]
)
def test_rows_and_columns_run_where_the_table_says(
    orientation: Any, slice_axis: int, directions: str
) -> None:
    """World coordinates, carried along as an image, grow in the documented direction."""
    zooms, shape = (1.0, 1.5, 2.0), (3, 4, 5)
    affine = affine_of(orientation, zooms)
    world = np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T
    geometry = slice_geometry(affine, shape, zooms, SliceLayout("LPS", slice_axis))
    slices = geometry.to_slices(np.moveaxis(world, -1, 0))
    for array_axis, letter in enumerate(directions, start=1):
        component = "RLAPSI".index(letter) // 2
        step = np.diff(slices[component], axis=array_axis - 1)
        assert (step < 0).all() if letter in "LPI" else (step > 0).all()
        assert np.allclose(abs(step), geometry.spacing[array_axis - 1])


@pytest.mark.parametrize(("slice_axis", "order"), [(2, (2, 1, 0)), (1, (1, 2, 0)), (0, (0, 1, 2))])
def test_as_stored_never_looks_at_the_affine(slice_axis: int, order: Any) -> None:
    zooms, shape = (5.0, 0.7, 0.8), (2, 3, 4)
    geometry = slice_geometry(np.zeros((4, 4)), shape, zooms, SliceLayout("as_stored", slice_axis))
    array = np.arange(24).reshape(shape)
    np.testing.assert_array_equal(geometry.to_slices(array), array.transpose(order))
    assert geometry.spacing == tuple(zooms[axis] for axis in order)


def test_equal_cuts_are_described_alike_and_others_are_not() -> None:
    axial, coronal = "LPS along array axes 2, 1, 0", "LPS along array axes 1, -2, 0"
    assert describe_cut(SliceLayout("LPS", 2)) == axial
    assert describe_cut(SliceLayout("LPS", None, (2, 1, 0))) == axial
    assert describe_cut(SliceLayout("as_stored", 2), "LPS") == axial
    assert describe_cut(SliceLayout("LPS", 1)) == coronal
    assert describe_cut(SliceLayout("LPS", None)) == "LPS", "not decided yet"


def test_kits_slices_are_the_first_axis_untouched() -> None:
    affine = np.array([[0, 0, -0.8, 0], [0, -0.8, 0, 0], [-3.0, 0, 0, 0], [0, 0, 0, 1]])
    assert "".join(aff2axcodes(affine)) == "IPL"
    array = np.arange(60).reshape(3, 4, 5)
    for layout in (SliceLayout("as_stored", 0), SliceLayout("LPS", 2)):
        geometry = slice_geometry(affine, (3, 4, 5), (3.0, 0.8, 0.8), layout)
        slices = geometry.to_slices(array)
        # The stored stack runs head to feet; LPS stacks feet to head; pictures are the same.
        expected = array if layout.reorient == "as_stored" else array[::-1]
        np.testing.assert_array_equal(slices, expected)


@given(st.sampled_from(ORIENTATIONS), spacings, layouts)
def test_json_keeps_every_field(orientation: Any, zooms: Any, layout: SliceLayout) -> None:
    geometry = slice_geometry(affine_of(orientation, zooms), (2, 3, 4), zooms, layout)
    plane = InPlaneTransform.plan((3, 4), (1.0, 1.0), (1.0, 1.0), (4, 4))
    plain = json.dumps(CaseGeometry(geometry, plane).to_json())
    assert CaseGeometry.from_json(json.loads(plain)).slices == geometry


@pytest.mark.parametrize("orientation", ORIENTATIONS[::7], ids=str)
def test_the_slice_axis_is_the_thickest_in_the_frame_of_the_layout(orientation: Any) -> None:
    axes, _ = orientation
    world = (1.0, 5.0, 2.0)  # thick along patient front-back
    zooms = tuple(world[axis] for axis in axes)
    grid = Grid((3, 4, 5), 1, affine_of(orientation, zooms), zooms)
    assert resolve_layout(SliceLayout("LPS", None), [grid]).slice_axis == 1
    stored = resolve_layout(SliceLayout("as_stored", None), [grid]).slice_axis
    assert stored == zooms.index(5.0)


def test_isotropic_volumes_are_cut_along_the_last_axis() -> None:
    grid = Grid((3, 4, 5), 1, np.eye(4), (1.0, 1.0, 0.995))
    assert resolve_layout(SliceLayout("LPS", None), [grid]).slice_axis == 2


@pytest.mark.parametrize("zooms", [(1.5, 1.5, 1.0), (1.0, 1.0, 1.0), (1.0, 1.0, 999.0)])
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("reorient", ["LPS", "as_stored"])
def test_an_axis_of_one_voxel_everywhere_is_the_slice_axis(
    zooms: Any, axis: int, reorient: Any
) -> None:
    """Whatever its spacing: between slices that are not there it says nothing."""
    sizes, edges = np.roll((40, 36, 1), axis - 2), np.roll(zooms, axis - 2)
    grid = Grid(tuple(sizes), 1, np.diag([*edges, 1.0]), tuple(edges))
    assert resolve_layout(SliceLayout(reorient, None), [grid, grid]).slice_axis == axis


def test_one_volume_of_one_slice_among_others_decides_nothing() -> None:
    thick = Grid((30, 30, 9), 1, np.diag([1, 1, 5.0, 1]), (1.0, 1.0, 5.0))
    flat = Grid((1, 30, 30), 1, np.eye(4), (1.0, 1.0, 1.0))
    assert resolve_layout(SliceLayout("LPS", None), [thick, thick, flat]).slice_axis == 2


@given(st.sampled_from(ORIENTATIONS), spacings, angles, sizes, st.integers(0, 2))
def test_as_stored_in_given_axes_cuts_every_orientation_alike(
    orientation: Any, zooms: Any, degrees: Any, shape: Any, axis: int
) -> None:
    """The axis codes of the training images are found again, wherever they lie on disk."""
    affine = affine_of(orientation, zooms, degrees)
    array = np.arange(np.prod(shape)).reshape(shape)
    turn = between(io_orientation(affine), axcodes2ornt("IPL"))
    as_trained = apply_orientation(array, turn)
    expected = slice_geometry(
        np.eye(4), as_trained.shape, (1, 1, 1), SliceLayout("as_stored", axis)
    ).to_slices(as_trained)
    geometry = slice_geometry(affine, shape, zooms, SliceLayout("as_stored", axis, codes="IPL"))
    np.testing.assert_array_equal(geometry.to_slices(array), expected)
    np.testing.assert_array_equal(geometry.from_slices(expected), array)


def test_a_cut_across_a_single_slice_is_refused() -> None:
    geometry = slice_geometry(np.eye(4), (1, 30, 36), (1, 1, 1), SliceLayout("LPS", 2))
    with pytest.raises(GeometryError, match="along array axis 2"):
        geometry.require_pictures(Path("a.nii"))
    whole = slice_geometry(np.eye(4), (30, 36, 1), (1, 1, 1), SliceLayout("LPS", 2))
    whole.require_pictures(Path("a.nii"))


def test_a_fixed_slice_axis_is_kept() -> None:
    layout = SliceLayout("LPS", 1)
    assert resolve_layout(layout, []) == layout


def test_an_open_slice_axis_and_a_flat_affine_are_refused() -> None:
    with pytest.raises(GeometryError, match="slice_axis"):
        slice_geometry(np.eye(4), (2, 2, 2), (1, 1, 1), SliceLayout("LPS", None))
    flat = np.diag([1.0, 1.0, 0.0, 1.0])
    with pytest.raises(GeometryError, match="affine"):
        slice_geometry(flat, (2, 2, 2), (1, 1, 1), SliceLayout("LPS", 2))


def test_an_array_of_another_case_is_refused() -> None:
    geometry = slice_geometry(np.eye(4), (2, 3, 4), (1, 1, 1), SliceLayout("LPS", 2))
    with pytest.raises(GeometryError, match=r"\(2, 3, 4\)"):
        geometry.to_slices(np.zeros((4, 3, 2)))
    with pytest.raises(GeometryError, match=r"\(4, 3, 2\)"):
        geometry.from_slices(np.zeros((2, 3, 4)))


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
def test_named_axes_are_exchanged_and_not_reversed(axes: Any) -> None:
    """As nnU-Net cuts: the array of the file, whatever its header says of directions."""
    array = np.arange(24).reshape(2, 3, 4)
    for affine in (np.eye(4), np.diag([-1.0, -1.0, 1.0, 1.0])):
        geometry = slice_geometry(
            affine, (2, 3, 4), (1, 2, 3), SliceLayout("as_stored", None, axes)
        )
        np.testing.assert_array_equal(geometry.to_slices(array), array.transpose(axes))
        assert geometry.spacing == tuple((1.0, 2.0, 3.0)[axis] for axis in axes)
        np.testing.assert_array_equal(geometry.from_slices(array.transpose(axes)), array)


def test_named_axes_may_be_those_of_the_reoriented_array() -> None:
    array, axes = np.arange(24).reshape(2, 3, 4), (2, 1, 0)
    affine = np.diag([-1.0, 1.0, 1.0, 1.0])  # LAS
    geometry = slice_geometry(affine, (2, 3, 4), (1, 1, 1), SliceLayout("RAS", None, axes))
    np.testing.assert_array_equal(geometry.to_slices(array), array[::-1].transpose(axes))
