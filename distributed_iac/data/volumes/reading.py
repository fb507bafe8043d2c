"""A case read and judged: fit for preparation, or refused with the reason.

::

    volume = read_case(case, source.labels)          # image finite, label values known

By the same functions as the voxel checks of ``distributed-iac check``, asked once more because
files change between the two commands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from distributed_iac.data.contract import Case, LabelScheme
from distributed_iac.data.faults import Fault, refuse_errors
from distributed_iac.data.volumes.duplicates import channel_faults
from distributed_iac.data.volumes.image_scan import CROWD, LARGEST, ImageStatistics, scan_of
from distributed_iac.data.volumes.intensity import SMALLEST_DEVIATION
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
    scans = {c.name: scan_of(v) for c, v in zip(case.channels, volume.image, strict=True)}
    for path in dict.fromkeys(channel.path for channel in case.channels):
        own = {c.name: scans[c.name] for c in case.channels if c.path == path}
        faults += refuse_errors(image_faults(path, own))
    prints = fingerprints_of(scans)
    faults += channel_faults(case, prints)
    if case.label is not None and volume.counts is not None:
        faults += refuse_errors(scheme_faults(case.label, volume.counts, scheme))
    return replace(volume, faults=tuple(faults), fingerprints=prints)


def fingerprints_of(scans: Mapping[str, ImageStatistics]) -> dict[str, str]:
    """By channel; a constant image identifies nobody."""
    return {name: one.fingerprint for name, one in scans.items() if not one.is_constant}


def image_faults(path: Path, channels: Mapping[str, ImageStatistics]) -> list[Fault]:
    """Judge the intensities of an image file, by channel name; the gravest thing only."""
    bad = ", ".join(
        f"{one.unsound} voxels of {name}" for name, one in channels.items() if one.unsound
    )
    if bad:
        reason = f"{bad} are NaN, infinite or beyond {LARGEST:.2g}, whose square 32-bit floats lack"
        return [Fault("nonfinite", path, reason)]
    constant = [name for name, one in channels.items() if one.is_constant]
    if constant:
        return [Fault("constant_image", path, f"{', '.join(constant)} has one value throughout")]
    faint = [name for name, one in channels.items() if one.is_faint]
    if faint:
        reason = f"{', '.join(faint)} deviates by less than {SMALLEST_DEVIATION:g}"
        return [Fault("faint_image", path, reason)]
    outlying = [
        f"{CROWD:.0%} of {name} lie within {one.core[0]:.5g} and {one.core[1]:.5g}, the others "
        f"reach from {one.minimum:.5g} to {one.maximum:.5g} and make its deviation"
        for name, one in channels.items()
        if one.core is not None
    ]
    return [Fault("outlier_voxels", path, "; ".join(outlying))] if outlying else []


def class_bits(labels: NDArray[np.uint8], ignore: int | None) -> list[int]:
    """Bit mask of the classes in each slice of (Z, H, W): bit v for value v, never bit 0."""
    present = (np.flatnonzero(np.bincount(plane.ravel())) for plane in labels)
    return [
        sum(1 << int(value) for value in values if value not in (0, ignore)) for values in present
    ]
