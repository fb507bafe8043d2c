"""How the header of a NIfTI file becomes a grid of voxels in a patient.

::

    grid = read_grid(path, stored, mended)          # data/volumes/nifti.py calls it for every file
    grid.zooms, grid.codes                          # mm along the array's axes; "LPS"
    [fault.reason for fault in grid.faults]         # what the header leaves open or says twice

Everything a header says about geometry is used or reported. The rules, by the text of the
standard (nifti1.h, "ORIENTATION AND LOCATION IN SPACE"):

* The affine is sform where ``sform_code`` > 0 (method 3), else qform where ``qform_code`` > 0
  (method 2). If both are given and put a corner of the volume at different places, sform is used,
  as in nibabel, and ``transform_contradiction`` says so.
* With both codes 0 (method 1) "no particular spatial orientation" is known. Axes are taken as
  nibabel takes them, LAS with the origin in the middle: ``orientation_unknown``.
* The voxel size is ``pixdim`` for methods 1 and 2. Method 3 does not use ``pixdim`` at all: the
  place of a voxel is the affine's alone, so where the lengths of sform's columns differ from
  ``pixdim``, the columns are taken: ``spacing_contradiction``.
* ``xyzt_units``: metres and micrometres are converted to mm, ``unit_converted``. No unit means mm,
  as in nibabel and ITK; so does one that the standard does not define, ``undefined_field``. Edges
  that no scanner makes, and three of which no two are alike, are ``implausible_spacing``.
* ``pixdim[0]`` is the direction of qform's third axis, 1 or -1. By the standard 0 is 1; anything
  else is taken as 1, as in nibabel, ``undefined_field`` where there is a qform.
* ``pixdim`` is positive by the standard. A sign is ignored, ``negative_spacing``; zero, NaN and
  an affine that does not span space are errors, ``invalid_geometry``.
* Two-dimensional files are one slice; a third voxel edge that they do not state is 1 mm.
* One further axis may be longer than 1: the channels.

Shapes: X x Y x Z the array on disk.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.orientations import aff2axcodes
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from distributed_iac.data.faults import Fault, FaultError

Affine = NDArray[np.float64]
Shape = tuple[int, int, int]
Zooms = tuple[float, float, float]

SPACING_TOLERANCE = 1e-3
"""Relative; headers store float32, and converters round to about four digits."""

PLACE_TOLERANCE = 0.1
"""In units of the smallest voxel edge. Our choice: a tenth of a voxel cannot be seen in a mask."""

PLAUSIBLE_MM = (0.01, 100.0)
"""Voxel edges of scans of people, generously: micro-CT to scout views. Our choice."""

ALIKE = 4.0
"""Largest ratio of the two of three voxel edges that are nearest to each other. Our choice: pixels
are square but for a factor of two or so, and a slab that is cut along its short axis has two long
edges; three edges of which no two are alike are a misplaced point or exchanged fields."""

SHEAR = 0.01
"""Largest cosine between axes that counts as perpendicular, about 0.6 degrees: a column of 512
voxels then ends 5 voxels beside its place. Our choice."""

COIN_TOSS = math.cos(math.radians(40))
"""An axis that is 40 to 50 degrees off is as near to one direction as to another. Our choice."""

_UNSTATED = 0
_UNITS = {1: ("m", 1000.0), 2: ("mm", 1.0), 3: ("micrometres", 0.001)}
"""Spatial part of ``xyzt_units`` to name and mm."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Where the voxels of a file lie.

    Args:
        shape: Spatial shape (X, Y, Z) on disk; Z = 1 for a two-dimensional file.
        frames: Length of the fourth axis; 1 for a file without one.
        affine: Voxel index to patient millimetres (RAS+), (4, 4).
        zooms: Voxel size along the array axes in mm; positive.
        is_oriented: Whether the header says how the axes lie in the patient.
        faults: What the header leaves open or contradicts; warnings all.
    """

    shape: Shape
    frames: int
    affine: Affine
    zooms: Zooms
    is_oriented: bool = True
    faults: tuple[Fault, ...] = ()

    @property
    def codes(self) -> str | None:
        """Nibabel axis codes such as ``LPS``; None where the header does not tell."""
        return axis_codes(self.affine) if self.is_oriented else None


def axis_codes(affine: Affine) -> str:
    """Return the nearest direction of each array axis, as three letters."""
    return "".join(map(str, aff2axcodes(affine)))


def displacement(affine: Affine, other: Affine, shape: Shape) -> float:
    """Return how far apart two affines put the corners of one array, at most, in mm."""
    corners = np.array([[*corner, 1] for corner in product(*((0, size - 1) for size in shape))])
    difference = (other - affine) @ corners.T
    return float(np.linalg.norm(difference[:3], axis=0).max())


def read_grid(path: Path, stored: Any, mended: Any) -> Grid:
    """Judge a header.

    Args:
        path: Of the file, for faults.
        stored: The NIfTI header as its bytes are.
        mended: The same after nibabel's own repairs, which turn a voxel size of 0 into 1.

    Raises:
        FaultError: The volume has no voxels or too many axes, or its geometry is impossible.
    """
    whole = tuple(int(size) for size in stored.get_data_shape())
    shape, frames = _shape(path, whole)
    pixdim = _pixdim(path, stored, len(whole))
    sform, sform_code = mended.get_sform(coded=True)
    affine = np.asarray(mended.get_best_affine(), dtype=np.float64)
    if len(whole) == 2:
        affine = _with_normal(affine)
    _require_space(path, affine)
    zooms = _zooms(pixdim, affine, len(whole)) if sform_code else pixdim
    faults = []
    if min(stored["pixdim"][1 : min(len(whole), 3) + 1]) < 0:
        said = [float(zoom) for zoom in stored["pixdim"][1:4]]
        faults.append(Fault("negative_spacing", path, f"pixdim is {said}"))
    faults += _direction(path, stored)
    if zooms != pixdim:
        reason = f"sform's columns are {millimetres(zooms)} long, pixdim says {millimetres(pixdim)}"
        faults.append(Fault("spacing_contradiction", path, reason))
    if sform is not None and sform_code:
        faults += _compare_transforms(path, mended, affine, shape, zooms)
    is_oriented = sform_code > 0 or int(stored["qform_code"]) > 0
    if is_oriented:
        faults += _skewness(path, affine / [*zooms, 1.0], shape)
    else:
        reason = f"sform_code and qform_code are 0; axes are assumed to be {axis_codes(affine)}"
        faults.append(Fault("orientation_unknown", path, reason))
    grid = Grid(shape, frames, affine, zooms, is_oriented, tuple(faults))
    return _in_millimetres(path, grid, int(stored["xyzt_units"]) & 7)


def _direction(path: Path, stored: Any) -> list[Fault]:
    """Judge qform's ``qfac``."""
    given = float(stored["pixdim"][0])
    if int(stored["qform_code"]) <= 0 or given in (-1, 0, 1):
        return []
    reason = (
        f"pixdim[0], the direction of qform's third axis, is {given:g}, not 1 or -1; taken as 1"
    )
    return [Fault("undefined_field", path, reason)]


def _shape(path: Path, whole: tuple[int, ...]) -> tuple[Shape, int]:
    if not whole or min(whole) < 1:
        raise FaultError(Fault("zero_size", path, f"the image has shape {whole}"))
    spatial, rest = whole[:3], whole[3:]
    if len(spatial) < 2 or sum(size > 1 for size in rest) > 1:
        reason = f"a volume has three axes, or four with the channels last; this has shape {whole}"
        raise FaultError(Fault("channel_count", path, reason))
    x, y, *z = spatial
    return (x, y, z[0] if z else 1), math.prod(rest)


def _pixdim(path: Path, stored: Any, axes: int) -> Zooms:
    """Voxel size as stored: nibabel's loader turns zero into 1 mm without a word."""
    said = tuple(float(zoom) for zoom in stored["pixdim"][1:4])
    dx, dy, dz = (abs(zoom) for zoom in said)
    if axes == 2 and not (math.isfinite(dz) and dz > 0):
        dz = 1.0
    if not all(math.isfinite(zoom) and zoom > 0 for zoom in (dx, dy, dz)):
        raise FaultError(Fault("invalid_geometry", path, f"the voxel size is stored as {said} mm"))
    return dx, dy, dz


def _with_normal(affine: Affine) -> Affine:
    """Give a picture's affine the third column that it may lack: 1 mm along its normal."""
    if np.linalg.matrix_rank(affine[:3, :2]) == 2 and np.linalg.matrix_rank(affine[:3, :3]) == 2:
        normal = np.cross(affine[:3, 0], affine[:3, 1])
        affine = affine.copy()
        affine[:3, 2] = normal / np.linalg.norm(normal)
    return affine


def _require_space(path: Path, affine: Affine) -> None:
    if not np.isfinite(affine).all() or np.linalg.matrix_rank(affine[:3, :3]) < 3:
        rows = affine[:3].tolist()
        raise FaultError(Fault("invalid_geometry", path, f"the affine does not span space: {rows}"))


def _zooms(pixdim: Zooms, affine: Affine, axes: int) -> Zooms:
    """Lengths of sform's columns; pixdim's own digits where both agree."""
    columns = np.linalg.norm(affine[:3, :3], axis=0)
    said = np.array(pixdim)[:axes]
    if np.allclose(columns[:axes], said, rtol=SPACING_TOLERANCE, atol=0):
        return pixdim
    dx, dy, dz = (float(length) for length in columns)
    return dx, dy, dz if axes > 2 else pixdim[2]


def _compare_transforms(
    path: Path, header: Any, affine: Affine, shape: Shape, zooms: Zooms
) -> list[Fault]:
    """Compare qform, where there is one, with the sform that is used."""
    try:
        qform, code = header.get_qform(coded=True)
    except (HeaderDataError, ValueError) as error:
        return [Fault("transform_contradiction", path, f"qform is none ({error})")]
    if not code or qform is None:
        return []
    distance = displacement(affine, qform, shape)
    if distance <= PLACE_TOLERANCE * min(zooms):
        return []
    reason = (
        f"sform has the axes {axis_codes(affine)}, qform {axis_codes(qform)}, up to "
        f"{distance:.4g} mm apart"
    )
    return [Fault("transform_contradiction", path, reason)]


def _skewness(path: Path, directions: Affine, shape: Shape) -> list[Fault]:
    """Judge how the axes of more than one voxel lie toward each other and toward the body."""
    matrix = directions[:3, :3] / np.linalg.norm(directions[:3, :3], axis=0)
    long = [axis for axis in range(3) if shape[axis] > 1]
    cosines = np.abs(matrix.T @ matrix - np.eye(3))[np.ix_(long, long)]
    if cosines.size and cosines.max() > SHEAR:
        angle = math.degrees(math.acos(min(float(cosines.max()), 1.0)))
        return [Fault("sheared", path, f"two axes are at {angle:.3g} degrees to each other")]
    nearest = np.abs(matrix).max(axis=0)[long]
    if nearest.size and nearest.min() < COIN_TOSS:
        angle = math.degrees(math.acos(float(nearest.min())))
        reason = f"an axis is {angle:.3g} degrees off; axes are taken as {axis_codes(directions)}"
        return [Fault("oblique", path, reason)]
    return []


def _in_millimetres(path: Path, grid: Grid, unit: int) -> Grid:
    name, factor = _UNITS.get(unit, ("mm", 1.0))
    faults = list(grid.faults)
    if unit not in (_UNSTATED, *_UNITS):
        reason = f"xyzt_units has {unit} for the unit of length, which none has; mm is assumed"
        faults.append(Fault("undefined_field", path, reason))
    if factor != 1:
        dx, dy, dz = (zoom * factor for zoom in grid.zooms)
        stated = "(" + ", ".join(f"{edge:.5g}" for edge in grid.zooms) + f") {name}"
        reason = f"the voxel size is stored as {stated}, taken as {millimetres((dx, dy, dz))}"
        faults.append(Fault("unit_converted", path, reason))
        affine = grid.affine.copy()
        affine[:3] *= factor
        grid = replace(grid, affine=affine, zooms=(dx, dy, dz))
    edges = [zoom for zoom, size in zip(grid.zooms, grid.shape, strict=True) if size > 1]
    if any(not PLAUSIBLE_MM[0] <= edge <= PLAUSIBLE_MM[1] for edge in edges) or _unlike(edges):
        known = (
            f"the unit is {name}" if unit in _UNITS else "no known unit is stated, mm is assumed"
        )
        reason = f"the voxel size is {millimetres(grid.zooms)}; {known}"
        faults.append(Fault("implausible_spacing", path, reason))
    return replace(grid, faults=tuple(faults))


def _unlike(edges: Sequence[float]) -> bool:
    """Whether slices would be cut from three edges of which no two are alike."""
    ordered = sorted(edges)
    return len(ordered) == 3 and min(b / a for a, b in pairwise(ordered)) > ALIKE


def millimetres(zooms: Zooms) -> str:
    """Voxel sizes for people."""
    return "(" + ", ".join(f"{edge:.5g}" for edge in zooms) + ") mm"
