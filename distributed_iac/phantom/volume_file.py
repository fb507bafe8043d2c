"""Volumes to NIfTI files: stored orientation, affine, header codes, byte-identical output.

::

    save(path, volume, "IPL", (3.0, 0.78, 0.78))              # from [superior, posterior, left]
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import nibabel as nib
import numpy as np
from nibabel.orientations import apply_orientation, axcodes2ornt, ornt_transform
from numpy.typing import NDArray

DESCRIPTION = b"synthetic phantom"
"""Stands in the header of every file, so that no phantom is taken for a patient."""

Spacing: TypeAlias = tuple[float, float, float]
WORKING = "SPL"
"""Axis codes of every array in this package before it is stored."""

_DIRECTION = {
    "R": (0, 1.0), "L": (0, -1.0),
    "A": (1, 1.0), "P": (1, -1.0),
    "S": (2, 1.0), "I": (2, -1.0),
}  # fmt: skip
"""World axis (RAS+ mm) and sign of each axis code."""


def to_stored(volume: NDArray[Any], codes: str) -> NDArray[Any]:
    """Reorder and flip axes so that array indices run along ``codes``.

    Args:
        volume: Array [superior, posterior, left]; further axes are kept behind.
        codes: nibabel axis codes of the stored array, such as ``LPS``.
    """
    turn = ornt_transform(axcodes2ornt(tuple(WORKING)), axcodes2ornt(tuple(codes)))
    stored: NDArray[Any] = apply_orientation(volume, turn)
    return stored


def stored_zooms(codes: str, spacing: Spacing) -> Spacing:
    """Sort voxel sizes from working order (superior, posterior, left) to the stored axes."""
    by_world = {2: spacing[0], 1: spacing[1], 0: spacing[2]}
    a, b, c = (by_world[_DIRECTION[code][0]] for code in codes)
    return a, b, c


def affine_of(codes: str, zooms: Spacing, origin: Spacing) -> NDArray[np.float64]:
    """Build the voxel-to-world matrix of an axis-aligned array.

    Args:
        codes: Axis codes of the stored array.
        zooms: Voxel size along its axes in mm.
        origin: World position (RAS+ mm) of voxel (0, 0, 0).
    """
    affine = np.zeros((4, 4))
    for column, (code, zoom) in enumerate(zip(codes, zooms, strict=True)):
        row, sign = _DIRECTION[code]
        affine[row, column] = sign * zoom
    affine[:3, 3] = origin
    affine[3, 3] = 1.0
    return affine


def save(
    path: Path,
    volume: NDArray[Any],
    codes: str,
    spacing: Spacing,
    origin: Spacing = (0.0, 0.0, 0.0),
    *,
    qform_code: int = 1,
    sform_code: int = 1,
    frame_seconds: float | None = None,
) -> None:
    """Write a NIfTI-1 file; the array's dtype is the file's, intercept 0, slope 1.

    nibabel compresses without a time stamp or file name, so equal arrays make equal bytes.

    Args:
        path: ``.nii`` or ``.nii.gz`` file; its folder is created.
        volume: Array [superior, posterior, left], 3-D, or 4-D with frames last.
        codes: Axis codes of the stored array.
        spacing: Voxel sizes in mm, in the order of the volume's axes.
        origin: World position (RAS+ mm) of the stored array's voxel (0, 0, 0).
        qform_code: NIfTI code of the quaternion transform; 0 is unknown.
        sform_code: NIfTI code of the matrix transform.
        frame_seconds: Time between frames of a 4-D series.
    """
    affine = affine_of(codes, stored_zooms(codes, spacing), origin)
    image = nib.Nifti1Image(to_stored(volume, codes), affine)
    header = image.header
    header.set_qform(affine, code=qform_code)
    header.set_sform(affine, code=sform_code)
    header.set_xyzt_units("mm", "sec")
    header["descrip"] = DESCRIPTION
    if frame_seconds is not None:
        header.set_zooms((*header.get_zooms()[:3], frame_seconds))
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)
