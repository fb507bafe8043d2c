"""Whether files agree on where their voxels lie, and what is done where they do not.

::

    compare(image_grid, label_grid)                 # None, or (code, reason)
    turn = turn_onto(image_grid, label_grid)        # the label's axes permuted and reversed
    turned(label, turn)                             # on the image's grid, voxel for voxel
    odd_files({path: grid, ...}, candidates, "LPS") # the faults of a case's files
    codes = common_codes(grids.values())            # "IPL", of most cases that are cut as stored
    odd_cases({path: grid, ...}, codes)             # the faults of the others
    unlike_spacings({path: zooms, ...})             # of voxels in another unit than the others'

Nothing is interpolated: a file whose array is that of the case with axes permuted or reversed is
turned onto the case's grid, ``reoriented``; everything else that differs is an error. Two things
are let pass with a warning, ``affine_ignored``, and voxels are then paired by index: a shift of
less than half a voxel, because the nearest voxel is the one of the same index, and any affine
where a format's headers are known not to tell (layouts ``as_stored``: ACDC, KiTS).

Only the gravest difference of a file is named: one of another shape says nothing new by its
spacing, and one of another spacing nothing new by its affine.

Volumes that are cut as they are stored must be stored alike. Where a format's headers do not carry
the anatomy, the array's own axes say how a slice lies, and a volume that somebody has rewritten in
other axes would be cut in another plane. Its header is the only witness of that, so it is heard:
axis codes that differ from those of most volumes are an error. A header that does not tell is taken
on trust, with a warning of its own (``orientation_unknown``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation
from numpy.typing import ArrayLike, NDArray

from distributed_iac.data.contract import Reorient
from distributed_iac.data.faults import Fault
from distributed_iac.data.volumes.grid import (
    PLACE_TOLERANCE,
    SPACING_TOLERANCE,
    Grid,
    axis_codes,
    displacement,
    millimetres,
)

SAME_INDEX = 0.5
"""In voxel edges: below it the nearest voxel of two shifted grids is the one of the same index."""

Turn = NDArray[np.float64]
"""Of nibabel: for each axis of an array the axis that it becomes, and 1 or -1, (3, 2)."""


def odd_files(
    grids: Mapping[Path, Grid], images: Collection[Path], reorient: Reorient
) -> list[Fault]:
    """Return a fault for each file that lies on another grid than the case.

    The case's grid is that of the image that most of its files agree with, the first of equals:
    where one of four channels is odd, that channel is to blame and not the three others.

    Args:
        grids: Of every readable file of the case, label included.
        images: The image files among them; a label never sets the grid.
        reorient: How the case is cut: ``as_stored`` where headers are known not to tell.
    """
    candidates = [path for path in grids if path in images]
    if not candidates:
        return []

    def followers(path: Path) -> int:
        return sum(compare(grids[path], other) is None for other in grids.values())

    reference = max(candidates, key=followers)
    faults = []
    for path, grid in grids.items():
        difference = _judge(grids[reference], grid, reorient)
        if difference is not None:
            code, reason = difference
            faults.append(Fault(code, path, f"{reason} of {reference.name}"))
    return faults


def _judge(reference: Grid, other: Grid, reorient: Reorient) -> tuple[str, str] | None:
    difference = compare(reference, other)
    if difference is None:
        return None
    if turn_onto(reference, other) is not None:
        codes = axis_codes(other.affine), axis_codes(reference.affine)
        return "reoriented", f"axes {codes[0]} differ from {codes[1]}"
    code, reason = difference
    distance = displacement(reference.affine, other.affine, reference.shape)
    harmless = distance < SAME_INDEX * min(reference.zooms)
    if code == "affine_mismatch" and (harmless or reorient == "as_stored"):
        return "affine_ignored", reason
    return difference


def compare(reference: Grid, other: Grid) -> tuple[str, str] | None:
    """Return the gravest difference as problem code and the reason's beginning, or None.

    A grid that its header does not orient lies where the other one lies: it says no different.
    """
    if reference.shape != other.shape:
        return "shape_mismatch", f"shape {other.shape} differs from {reference.shape}"
    if not np.allclose(reference.zooms, other.zooms, rtol=SPACING_TOLERANCE, atol=0):
        return (
            "spacing_mismatch",
            f"spacing {millimetres(other.zooms)} differs from {millimetres(reference.zooms)}",
        )
    if not (reference.is_oriented and other.is_oriented):
        return None
    distance = displacement(reference.affine, other.affine, reference.shape)
    if distance <= PLACE_TOLERANCE * min(reference.zooms):
        return None
    codes = [axis_codes(grid.affine) for grid in (other, reference)]
    directions = "" if codes[0] == codes[1] else f", axes {codes[0]} differ from {codes[1]}"
    return (
        "affine_mismatch",
        f"the affine places the volume up to {distance:.4g} mm away from that{directions}",
    )


def turn_onto(reference: Grid, other: Grid) -> Turn | None:
    """Return how an array's axes are permuted and reversed to lie on another grid exactly.

    Returns:
        None where nothing need be turned, or where no turn makes the grids the same.
    """
    if not (reference.is_oriented and other.is_oriented) or compare(reference, other) is None:
        return None
    turn = io_orientation(np.linalg.inv(reference.affine) @ other.affine)
    if np.isnan(turn).any():
        return None
    order = np.argsort(turn[:, 0])
    x, y, z = (other.shape[axis] for axis in order)
    dx, dy, dz = (other.zooms[axis] for axis in order)
    affine = other.affine @ inv_ornt_aff(turn, other.shape)
    placed = replace(other, shape=(x, y, z), zooms=(dx, dy, dz), affine=affine)
    return turn if compare(reference, placed) is None else None


def turned(array: NDArray[Any], turn: Turn) -> NDArray[Any]:
    """View an array (X, Y, Z) with its axes permuted and reversed."""
    view: NDArray[Any] = apply_orientation(array, turn)
    return view


def common_codes(grids: Iterable[Grid]) -> str | None:
    """Return the axis codes of most volumes, the first of equals; None if no header tells."""
    told = Counter(grid.codes for grid in grids if grid.codes is not None)
    return told.most_common(1)[0][0] if told else None


def odd_cases(grids: Mapping[Path, Grid], codes: str | None) -> list[Fault]:
    """Return a fault for each first image of a case whose axis codes are not those of most.

    Args:
        grids: Of the first image of every case that is cut as stored.
        codes: Of :func:`common_codes`.
    """
    alike = sum(grid.codes == codes for grid in grids.values())
    return [
        Fault(
            "axis_codes_differ",
            path,
            f"the axes are {grid.codes}, those of {alike} of {len(grids)} cases {codes}",
        )
        for path, grid in grids.items()
        if grid.codes not in (None, codes)
    ]


UNLIKE = 8.0
"""How many times larger or smaller an edge is than those of the others before that is said: below
the 10 of a mistaken unit, above what protocols differ by (our choice)."""


def unlike_spacings(zooms: Mapping[Path, ArrayLike]) -> list[Fault]:
    """Return a fault for each first image of a case with edges far from those of most.

    Edges are compared by length, whatever the order of the axes, with the median of all cases.

    Args:
        zooms: Voxel size (3,) along the array axes in mm, of the first image of every case.
    """
    if not zooms:
        return []
    edges = {path: np.sort(each) for path, each in zooms.items()}
    usual = np.median(list(edges.values()), axis=0)
    return [
        Fault(
            "unlike_spacing",
            path,
            f"voxels of {_lengths(own)} mm, of most cases {_lengths(usual)} mm, shortest first",
        )
        for path, own in edges.items()
        if np.abs(np.log(own / usual)).max() > np.log(UNLIKE)
    ]


def _lengths(edges: NDArray[np.floating]) -> str:
    return " x ".join(f"{edge:.4g}" for edge in edges)
