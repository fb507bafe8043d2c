"""Inspect one case: every file read to its end, every fault named once.

::

    finding = inspect_case(case, source.labels)
    finding.problems                                # of this case alone
    finding.facts.images["t1"].percentiles

One fault raises one problem: a truncated file is not also called unreadable or of another shape,
and a mask between integers is not also said to hold unexpected values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from distributed_iac.data.contract import Case, Channel, LabelScheme, Problem
from distributed_iac.data.faults import Fault, FaultError
from distributed_iac.data.volumes.alignment import odd_files
from distributed_iac.data.volumes.duplicates import channel_faults
from distributed_iac.data.volumes.grid import Grid
from distributed_iac.data.volumes.image_scan import ImageScan, ImageStatistics
from distributed_iac.data.volumes.label_values import (
    LabelScan,
    LabelStatistics,
    scheme_faults,
    value_faults,
)
from distributed_iac.data.volumes.nifti import open_nifti, read_blocks
from distributed_iac.data.volumes.reading import fingerprints_of, image_faults
from distributed_iac.data.volumes.volume import require_channels, what_is_missing
from distributed_iac.transient import patiently

Scan = TypeVar("Scan")


@dataclass(frozen=True, eq=False)
class CaseFacts:
    """What the readable files of a case hold.

    Args:
        case: The case itself.
        grid: Of the first readable image file; None if there is none.
        images: Channel name to statistics, for channels read to their end.
        label: None for an unlabelled case and for a label that could not be read to its end.
    """

    case: Case
    grid: Grid | None
    images: Mapping[str, ImageStatistics]
    label: LabelStatistics | None

    @property
    def fingerprints(self) -> dict[str, str]:
        """By channel."""
        return fingerprints_of(self.images)


@dataclass(frozen=True, eq=False)
class CaseFinding:
    """Facts and problems of one case."""

    facts: CaseFacts
    problems: tuple[Problem, ...]


def inspect_case(case: Case, labels: LabelScheme) -> CaseFinding:
    """Read every file of a case once.

    Memory: a block of voxels, whatever the size of the volumes.

    Args:
        case: The case.
        labels: The source's label values.
    """
    by_file: dict[Path, list[Channel]] = {}
    for channel in case.channels:
        by_file.setdefault(channel.path, []).append(channel)
    faults: list[Fault] = []
    grids: dict[Path, Grid] = {}
    images: dict[str, ImageStatistics] = {}
    for path, channels in by_file.items():
        image = _attempt(partial(scan_image, path, channels), case)
        if isinstance(image, Fault):
            faults.append(image)
            continue
        grids[path], found = image
        images |= found
        faults += image_faults(path, found)
    label = None
    if case.label is not None:
        mask = _attempt(partial(scan_label, case.label, labels), case)
        if isinstance(mask, Fault):
            faults.append(mask)
        else:
            grids[case.label], label, spoilt = mask
            faults += spoilt
    faults += odd_files(grids, by_file.keys(), case.layout.reorient)
    faults += (fault for grid in grids.values() for fault in grid.faults)
    first = next((grids[path] for path in by_file if path in grids), None)
    facts = CaseFacts(case, first, images, label)
    faults += channel_faults(case, facts.fingerprints)
    return CaseFinding(facts, tuple(fault.of(case.case_id) for fault in faults))


def _attempt(scan: Callable[[], Scan], case: Case) -> Scan | Fault:
    """Return what a scan finds, or why it cannot be made."""
    try:
        return patiently(scan)
    except FaultError as error:
        return what_is_missing(case, error.fault)


def scan_image(path: Path, channels: list[Channel]) -> tuple[Grid, dict[str, ImageStatistics]]:
    """Read an image file that holds the given channels and no others.

    Returns:
        The grid, and statistics by channel name.

    Raises:
        FaultError: It cannot be read to its end, or holds another number of channels.
    """
    file = open_nifti(path)
    require_channels(file, channels)
    by_frame = {channel.index or 0: channel.name for channel in channels}
    scans = {name: ImageScan(file.grid.shape) for name in by_frame.values()}
    for frame, block in read_blocks(file):
        scans[by_frame[frame]].add(block)
    return file.grid, {name: scan.result() for name, scan in scans.items()}


def scan_label(path: Path, scheme: LabelScheme) -> tuple[Grid, LabelStatistics, list[Fault]]:
    """Read a label file.

    Returns:
        The grid, what the values are, and what is wrong with them: the gravest thing only.

    Raises:
        FaultError: It cannot be read to its end, or is no single volume.
    """
    file = open_nifti(path)
    require_channels(file, None)
    scan = LabelScan()
    for _, block in read_blocks(file):
        scan.add(block)
    label = scan.result()
    faults = value_faults(file, label)
    # One fault raises one problem; what has merely been rounded is whole and is judged on.
    whole = not (label.noninteger or label.nonfinite)
    return file.grid, label, faults + (scheme_faults(path, label, scheme) if whole else [])
