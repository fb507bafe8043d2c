"""A case read and judged: fit for preparation, or refused with the reason.

::

    volume = read_case(case, source.labels)          # image finite, label values known

By the same functions as the voxel checks of ``distributed-iac check``, asked once more because
files change between the two commands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distributed_iac.data.contract import Case, LabelScheme
from distributed_iac.data.faults import Fault, refuse_errors
from distributed_iac.data.volumes.duplicates import fingerprint_of
from distributed_iac.data.volumes.label_values import scheme_faults
from distributed_iac.data.volumes.volume import Volume, load_case
from distributed_iac.transient import patiently

HIGHEST_CLASS = 62
"""Classes of a slice are kept as bits of a signed 64-bit integer."""


def read_case(case: Case, scheme: LabelScheme) -> Volume:
    """Load a case and refuse what cannot be trained on or scored.

    Returns:
        The volume; its ``faults`` are what was passed with a warning.

    Raises:
        FaultError: A file cannot be read whole, the files' grids differ, an intensity is not
            finite, or a label value is not of the scheme.
    """
    volume = patiently(lambda: load_case(case))
    faults = list(volume.faults)
    channels = list(zip(case.channels, volume.image, strict=True))
    for path in dict.fromkeys(channel.path for channel in case.channels):
        own = {channel.name: voxels for channel, voxels in channels if channel.path == path}
        nonfinite = {name: v.size - int(np.isfinite(v).sum()) for name, v in own.items()}
        constant = [name for name, v in own.items() if v.min() == v.max()]
        faults += refuse_errors(image_faults(path, nonfinite, constant))
    if case.label is None or volume.counts is None:
        return replace(volume, faults=tuple(faults))
    faults += refuse_errors(scheme_faults(case.label, volume.counts, scheme))
    # A constant image identifies nobody.
    prints = {c.name: fingerprint_of(v) for c, v in channels if v.min() < v.max()}
    return replace(volume, faults=tuple(faults), fingerprints=prints)


def image_faults(path: Path, nonfinite: Mapping[str, int], constant: Sequence[str]) -> list[Fault]:
    """Judge the intensities of an image file.

    Args:
        path: The file.
        nonfinite: Channel name to the number of voxels that are not finite.
        constant: Channels whose voxels all have one value.
    """
    bad = ", ".join(f"{count} voxels of {name}" for name, count in nonfinite.items() if count)
    if bad:
        return [Fault("nonfinite", path, f"{bad} are not finite 32-bit floats (NaN, infinite)")]
    if constant:
        return [Fault("constant_image", path, f"{', '.join(constant)} has one value throughout")]
    return []


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
