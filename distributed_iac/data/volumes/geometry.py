"""From the array on disk to upright 2-D slices and exactly back.

::

    layout = resolve_layout(SliceLayout("LPS", None), grids)     # once for a source
    geometry = slice_geometry(affine, shape, zooms, layout)
    slices = geometry.to_slices(array)               # (..., Z, H, W)
    geometry.spacing                                 # (dz, dy, dx) in mm
    geometry.from_slices(slices)                     # the array as on disk, bit for bit

Only axes are permuted and reversed; nothing is interpolated. Of an oblique scan the nearest
axes are taken, as nibabel's ``as_closest_canonical`` does.

=========  ==========  =========================  ==========================
reorient   slice axis  rows run to                columns run to
=========  ==========  =========================  ==========================
LPS        2, axial    posterior                  left
LPS        1, coronal  inferior (head on top)     left
LPS        0, sagittal inferior (head on top)     posterior
as_stored  2           array axis 1               array axis 0
as_stored  1           array axis 2               array axis 0
as_stored  0           array axis 1               array axis 2
=========  ==========  =========================  ==========================

``as_stored`` 2 and 0 give the radiological axial view for ACDC (x, y, z) and for KiTS (z, y, x).
A layout that names its ``axes`` is cut along these instead, nothing reversed, as nnU-Net does.
With ``codes`` an ``as_stored`` layout means the axes of an array of these codes, wherever they lie
on disk.

Shapes: X x Y x Z the array on disk; Z slices of H x W pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from numpy.typing import NDArray

from distributed_iac.data.contract import Axes, SliceLayout
from distributed_iac.data.volumes.grid import Grid
from distributed_iac.errors import GeometryError

TIE = 0.01
"""Relative; among spacings this close to the largest the last axis is the slice axis, so that
isotropic volumes are cut axially after a reorientation to LPS. Our choice."""

# Slice axis to (slice, row, column) axes, and the direction of each: 1 as is, -1 reversed.
_LPS_PLANES: Mapping[int, tuple[Axes, Axes]] = {
    2: ((2, 1, 0), (1, 1, 1)),
    1: ((1, 2, 0), (1, -1, 1)),
    0: ((0, 2, 1), (1, -1, 1)),
}
_STORED_PLANES: Mapping[int, Axes] = {2: (2, 1, 0), 1: (1, 2, 0), 0: (0, 1, 2)}


@dataclass(frozen=True)
class SliceGeometry:
    """A permutation and reversal of array axes that can be undone.

    Args:
        shape: Array shape on disk (X, Y, Z).
        axes: Array axis that becomes slice, row and column.
        steps: 1 where that axis keeps its direction, -1 where it is reversed.
        spacing: (dz, dy, dx) in mm.
    """

    shape: tuple[int, int, int]
    axes: Axes
    steps: Axes
    spacing: tuple[float, float, float]

    @property
    def slices_shape(self) -> tuple[int, int, int]:
        """(Z, H, W)."""
        z, y, x = (self.shape[axis] for axis in self.axes)
        return z, y, x

    def to_slices(self, array: NDArray[Any]) -> NDArray[Any]:
        """View an array (..., X, Y, Z) as slices (..., Z, H, W); no copy is made."""
        self._require("array", array, self.shape)
        lead = array.ndim - 3
        order = (*range(lead), *(lead + axis for axis in self.axes))
        view: NDArray[Any] = array.transpose(order)[self._reversal]
        return view

    def from_slices(self, slices: NDArray[Any]) -> NDArray[Any]:
        """View slices (..., Z, H, W) as the array on disk (..., X, Y, Z)."""
        self._require("slices", slices, self.slices_shape)
        lead = slices.ndim - 3
        back = np.argsort(self.axes)
        order = (*range(lead), *(lead + int(axis) for axis in back))
        view: NDArray[Any] = slices[self._reversal].transpose(order)
        return view

    @property
    def _reversal(self) -> tuple[Any, ...]:
        return (..., *(slice(None, None, step) for step in self.steps))

    def require_pictures(self, path: Path) -> None:
        """Refuse a cut across a single slice: pictures of one pixel's width.

        Raises:
            GeometryError: The volume has one slice, along another axis.
        """
        depth, *sides = self.slices_shape
        if min(sides) == 1 and depth > 1:
            raise GeometryError(
                f"slices are cut along array axis {self.axes[0]}, as in the other volumes",
                came=f"shape {self.shape}, a single slice along another axis",
                where=path,
                remedy="store it in the axes of the others, with a header that says so",
            )

    @staticmethod
    def _require(what: str, array: NDArray[Any], shape: tuple[int, int, int]) -> None:
        if array.shape[-3:] != shape:
            raise GeometryError(
                f"{what} must end in the shape {shape}",
                came=array.shape,
                remedy="pass the array of the case that this geometry belongs to",
            )


def slice_geometry(
    affine: NDArray[np.float64],
    shape: tuple[int, int, int],
    zooms: tuple[float, float, float],
    layout: SliceLayout,
) -> SliceGeometry:
    """Decide how a volume is cut.

    Args:
        affine: Voxel index to patient millimetres in NIfTI's RAS+ frame, (4, 4).
        shape: (X, Y, Z) on disk.
        zooms: Voxel size in mm along X, Y, Z.
        layout: With the slice axis resolved, see :func:`resolve_layout`.

    Raises:
        GeometryError: The affine does not say where the axes point, or the slice axis is open.
    """
    axes, steps = _plane(layout)
    codes = layout.codes if layout.reorient == "as_stored" else layout.reorient
    if codes is not None:
        axes, steps = _towards(codes, affine, axes, steps)
    dz, dy, dx = (float(zooms[axis]) for axis in axes)
    return SliceGeometry(shape, axes, steps, (dz, dy, dx))


def describe_cut(layout: SliceLayout, stored_as: str | None = None) -> str:
    """How slices are cut, for people: ``LPS``, or ``as_stored along array axes 2, 1, 0``.

    Equal cuts are described alike, however a layout says it; an axis that is reversed has a minus.

    Args:
        layout: How.
        stored_as: Axis codes that all arrays had on disk, where they were cut as stored and are
            known: the same slices come of bringing arrays to these codes.
    """
    name = layout.reorient if layout.reorient != "as_stored" else stored_as or "as_stored"
    if layout.axes is None and layout.slice_axis is None:
        return name
    axes = (str(axis * step) for axis, step in zip(*_plane(layout), strict=True))
    return f"{name} along array axes {', '.join(axes)}"


def plain_axes(layout: SliceLayout) -> Axes | None:
    """The axes along which a layout cuts; None where it reverses one of the oriented array's."""
    axes, steps = _plane(layout)
    return axes if steps == (1, 1, 1) else None


def _plane(layout: SliceLayout) -> tuple[Axes, Axes]:
    """Axes of the reoriented array that become slice, row and column, and their directions."""
    if layout.axes is not None:
        return layout.axes, (1, 1, 1)
    if layout.slice_axis is None or layout.slice_axis not in _LPS_PLANES:
        raise GeometryError(
            "slice_axis must be 0, 1 or 2",
            came=layout.slice_axis,
            remedy="resolve it once for the whole source with resolve_layout",
        )
    if layout.reorient == "as_stored":
        return _STORED_PLANES[layout.slice_axis], (1, 1, 1)
    return _LPS_PLANES[layout.slice_axis]


def resolve_layout(layout: SliceLayout, grids: Iterable[Grid]) -> SliceLayout:
    """Fix the slice axis of a source: the axis of the largest median spacing.

    nnU-Net's rule (``transpose_forward`` of its default planner). Differs from nnU-Net in that
    an axis along which every case has one voxel comes first: a spacing between slices that are
    not there says nothing.

    Args:
        layout: Returned as it is where its slice axis is already fixed.
        grids: Of each case; at least one.

    Raises:
        GeometryError: An affine does not say where the axes point.
    """
    if layout.slice_axis is not None:
        return layout
    grids = list(grids)
    orders = [_axes_to_cut(grid.affine, layout) for grid in grids]
    median = np.median([np.take(g.zooms, o) for g, o in zip(grids, orders, strict=True)], axis=0)
    longest = np.max([np.take(g.shape, o) for g, o in zip(grids, orders, strict=True)], axis=0)
    single = longest == 1
    if single.any():
        median = np.where(single, median, 0)
    largest = np.flatnonzero(median >= median.max() * (1 - TIE))
    return replace(layout, slice_axis=int(largest[-1]))


def _axes_to_cut(affine: NDArray[np.float64], layout: SliceLayout) -> Axes:
    """Axes on disk in the order that ``slice_axis`` counts."""
    if layout.reorient == "as_stored":
        return 0, 1, 2
    return _towards(layout.reorient, affine, (0, 1, 2), (1, 1, 1))[0]


def _towards(codes: str, affine: NDArray[np.float64], axes: Axes, steps: Axes) -> tuple[Axes, Axes]:
    """Translate axes and directions of an array of these codes into those of the array on disk."""
    orientation = io_orientation(affine)
    if np.isnan(orientation).any():
        raise GeometryError(
            "the affine must map the three array axes to three directions",
            came=np.asarray(affine).tolist(),
            remedy="repair sform or qform in the header",
        )
    # Row i: the axis that array axis i becomes, and whether it is reversed on the way.
    transform = ornt_transform(orientation, axcodes2ornt(tuple(codes)))
    stored_axis = {int(target): axis for axis, (target, _) in enumerate(transform)}
    direction = {int(target): int(flip) for target, flip in transform}
    a, b, c = (stored_axis[axis] for axis in axes)
    i, j, k = (direction[axis] * step for axis, step in zip(axes, steps, strict=True))
    return (a, b, c), (i, j, k)
