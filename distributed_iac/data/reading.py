"""A case read and judged: fit for preparation, or refused with the reason.

::

    volume = read_case(case, source.labels)          # image finite, label values known

The same judgement as the voxel checks of ``distributed-iac check``, made once more because files
change between the two commands.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from distributed_iac.data.contract import Case, LabelScheme
from distributed_iac.data.volume import Volume, load_case
from distributed_iac.errors import SourceError

HIGHEST_CLASS = 62
"""Classes of a slice are kept as bits of a signed 64-bit integer."""


def read_case(case: Case, scheme: LabelScheme) -> Volume:
    """Load a case and refuse what cannot be trained on or scored.

    Raises:
        SourceError: A file cannot be read whole, the files' grids differ, an intensity is not
            finite, or a label value is not of the scheme.
    """
    volume = load_case(case)
    if not np.isfinite(volume.image).all():
        channel = int(np.argmin(np.isfinite(volume.image).all(axis=(1, 2, 3))))
        bad = int((~np.isfinite(volume.image[channel])).sum())
        raise SourceError(
            "intensities must be finite 32-bit floats",
            came=f"{bad} voxels that are not",
            where=case.channels[channel].path,
            remedy="replace them by the background value, or export the file again",
        )
    if volume.label is not None:
        unknown = sorted(set(label_values(volume.label)) - scheme.values)
        if unknown:
            raise SourceError(
                f"label values must be {sorted(scheme.values)} ({scheme.convention})",
                came=unknown,
                where=case.label,
                remedy="check the release and its label convention, and map or remove the values",
            )
    return volume


def label_values(label: NDArray[np.integer[Any]]) -> list[int]:
    """Values that occur, ascending; plane by plane, which is fast and small for uint8."""
    if label.dtype != np.uint8:
        return [int(value) for value in np.unique(label)]
    planes = (plane.ravel(order="K") for plane in np.moveaxis(label, -1, 0))
    counts = sum(np.bincount(plane, minlength=256) for plane in planes)
    return [int(value) for value in np.flatnonzero(counts)]


def class_bits(labels: NDArray[np.uint8], ignore: int | None) -> list[int]:
    """Bit mask of the classes in each slice of (Z, H, W): bit v for value v, never bit 0."""
    return [
        sum(1 << value for value in label_values(plane[..., None]) if value not in (0, ignore))
        for plane in labels
    ]
