"""Whether the files of a case agree on where their voxels lie.

::

    compare(image_header, label_header)             # None, or (code, reason)
    odd_files({path: header, ...}, candidates)      # the faults of a case's files

Only the gravest difference of a file is named: one of another shape says nothing new by its
spacing, and one of another spacing nothing new by its affine.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import product
from pathlib import Path

import numpy as np
from nibabel.orientations import aff2axcodes

from distributed_iac.data.check.codes import Fault
from distributed_iac.data.volume import SPACING_TOLERANCE, VolumeHeader

PLACE_TOLERANCE = 0.1
"""In units of the smallest voxel edge. Our choice: a tenth of a voxel cannot be seen in a mask."""


def odd_files(headers: Mapping[Path, VolumeHeader], images: Collection[Path]) -> list[Fault]:
    """Return a fault for each file that lies on another grid than the case.

    The case's grid is that of the image that most of its files agree with, the first of equals:
    where one of four channels is odd, that channel is to blame and not the three others.

    Args:
        headers: Of every readable file of the case, label included.
        images: The image files among them; a label never sets the grid.
    """
    candidates = [path for path in headers if path in images]
    if not candidates:
        return []

    def followers(path: Path) -> int:
        return sum(compare(headers[path], other) is None for other in headers.values())

    reference = max(candidates, key=followers)
    faults = []
    for path, header in headers.items():
        difference = compare(headers[reference], header)
        if difference is not None:
            code, reason = difference
            faults.append(Fault(code, path, f"{reason} of {reference.name}"))
    return faults


def compare(reference: VolumeHeader, other: VolumeHeader) -> tuple[str, str] | None:
    """Return the gravest difference as problem code and the reason's beginning, or None."""
    if reference.shape != other.shape:
        return "shape_mismatch", f"shape {other.shape} differs from {reference.shape}"
    if not np.allclose(reference.zooms, other.zooms, rtol=SPACING_TOLERANCE, atol=0):
        return (
            "spacing_mismatch",
            f"spacing {_millimetres(other.zooms)} differs from {_millimetres(reference.zooms)}",
        )
    distance = displacement(reference, other)
    if distance <= PLACE_TOLERANCE * min(reference.zooms):
        return None
    codes = ["".join(aff2axcodes(header.affine)) for header in (other, reference)]
    directions = "" if codes[0] == codes[1] else f", axes {codes[0]} differ from {codes[1]}"
    return (
        "affine_mismatch",
        f"the affine places the volume up to {distance:.4g} mm away from that{directions}",
    )


def displacement(reference: VolumeHeader, other: VolumeHeader) -> float:
    """Return how far apart two affines put the corners of one array, at most, in mm."""
    ends = ((0, size - 1) for size in reference.shape)
    corners = np.array([[*corner, 1] for corner in product(*ends)])
    difference = (other.affine - reference.affine) @ corners.T
    return float(np.linalg.norm(difference[:3], axis=0).max())


def _millimetres(zooms: tuple[float, float, float]) -> str:
    return "(" + ", ".join(f"{edge:.5g}" for edge in zooms) + ") mm"
