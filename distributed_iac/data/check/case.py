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

from distributed_iac.data.check.codes import Fault
from distributed_iac.data.check.grid import odd_files
from distributed_iac.data.check.nifti import DamageError, read_blocks, read_header
from distributed_iac.data.check.voxels import (
    ImageScan,
    ImageStatistics,
    LabelScan,
    LabelStatistics,
)
from distributed_iac.data.contract import Case, Channel, LabelScheme, Problem
from distributed_iac.data.volume import VolumeHeader

Scan = TypeVar("Scan")


@dataclass(frozen=True, eq=False)
class CaseFacts:
    """What the readable files of a case hold.

    Args:
        case: The case itself.
        header: Of the first readable image file; None if there is none.
        images: Channel name to statistics, for channels read to their end.
        label: None for an unlabelled case and for a label that could not be read to its end.
    """

    case: Case
    header: VolumeHeader | None
    images: Mapping[str, ImageStatistics]
    label: LabelStatistics | None


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
    missing = "missing_image" if len(by_file) == 1 else "missing_channel"
    faults: list[Fault] = []
    headers: dict[Path, VolumeHeader] = {}
    images: dict[str, ImageStatistics] = {}
    for path, channels in by_file.items():
        image = _attempt(partial(scan_image, path, channels), path, missing)
        if isinstance(image, Fault):
            faults.append(image)
            continue
        headers[path], found = image
        images |= found
        faults += _image_faults(path, found)
    label = None
    if case.label is not None:
        mask = _attempt(partial(scan_label, case.label), case.label, "missing_label")
        if isinstance(mask, Fault):
            faults.append(mask)
        else:
            headers[case.label], label = mask
            faults += label_faults(case.label, label, labels)
    faults += odd_files(headers, by_file.keys())
    header = next((headers[path] for path in by_file if path in headers), None)
    facts = CaseFacts(case, header, images, label)
    return CaseFinding(facts, tuple(fault.of(case.case_id) for fault in faults))


def _attempt(scan: Callable[[], Scan], path: Path, missing: str) -> Scan | Fault:
    """Return what a scan finds, or why it cannot be made."""
    try:
        return scan()
    except FileNotFoundError:
        return Fault(missing, path, "the file does not exist")
    except DamageError as error:
        return error.fault


def scan_image(
    path: Path, channels: list[Channel]
) -> tuple[VolumeHeader, dict[str, ImageStatistics]]:
    """Read an image file that holds the given channels and no others.

    Returns:
        The header, and statistics by channel name.

    Raises:
        FileNotFoundError: There is no such file.
        DamageError: It cannot be read to its end, or holds another number of channels.
    """
    header = read_header(path)
    frames = header.volume.frames
    by_frame = {channel.index or 0: channel.name for channel in channels}
    if set(by_frame) != set(range(frames)):
        names = ", ".join(channel.name for channel in channels)
        raise DamageError(
            Fault(
                "channel_count",
                path,
                f"the file holds {frames} channels where {len(by_frame)} ({names}) belong",
            )
        )
    scans = [ImageScan(header.volume.shape) for _ in range(frames)]
    for frame, block in read_blocks(header):
        scans[frame].add(block)
    return header.volume, {by_frame[frame]: scan.result() for frame, scan in enumerate(scans)}


def scan_label(path: Path) -> tuple[VolumeHeader, LabelStatistics]:
    """Read a label file.

    Raises:
        FileNotFoundError: There is no such file.
        DamageError: It cannot be read to its end, or is no single volume.
    """
    header = read_header(path)
    if header.volume.frames != 1:
        reason = f"the label file holds {header.volume.frames} channels where 1 belongs"
        raise DamageError(Fault("channel_count", path, reason))
    scan = LabelScan()
    for _, block in read_blocks(header):
        scan.add(block)
    return header.volume, scan.result()


def _image_faults(path: Path, images: Mapping[str, ImageStatistics]) -> list[Fault]:
    bad = {name: image.nonfinite for name, image in images.items() if image.nonfinite}
    if not bad:
        return []
    counts = ", ".join(f"{count} voxels of {name}" for name, count in bad.items())
    return [Fault("nonfinite", path, f"{counts} are NaN, infinite or beyond 32-bit floats")]


def label_faults(path: Path, label: LabelStatistics, scheme: LabelScheme) -> list[Fault]:
    """Judge the values of a label file against the source's label scheme."""
    faults = []
    if label.nonfinite:
        reason = f"{label.nonfinite} voxels of the label are NaN or infinite"
        faults.append(Fault("nonfinite", path, reason))
    unexpected = {v: count for v, count in label.voxels.items() if v not in scheme.values}
    if label.noninteger:
        examples = ", ".join(f"{value:.6g}" for value in label.examples)
        reason = f"{label.noninteger} voxels lie between integers, such as {examples}"
        faults.append(Fault("noninteger_labels", path, reason))
    elif unexpected:
        counts = ", ".join(f"{value} (voxels: {count})" for value, count in unexpected.items())
        known = ", ".join(str(value) for value in sorted(scheme.values))
        reason = f"the label holds {counts}; {scheme.convention} has {known}"
        faults.append(Fault("unexpected_labels", path, reason))
    if not faults and not label.has_foreground(scheme.ignore):
        faults.append(Fault("empty_mask", path, "every voxel of the label is background"))
    return faults
