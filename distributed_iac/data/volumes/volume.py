"""The files of a case, read whole and brought onto one grid, or refused with the way out.

::

    volume = load_case(case)
    volume.image.shape, volume.image.dtype      # (C, X, Y, Z), float32
    volume.label                                # (X, Y, Z), uint8; None for an unlabelled case
    [fault.reason for fault in volume.faults]   # what was passed with a warning
    read_grid_of(path).zooms                    # without decoding a voxel

Arrays keep the axes, the directions and the memory order (Fortran) of the first image's file;
files stored in another orientation are turned (:mod:`.alignment`). :mod:`.geometry` makes slices
of them. Shapes: C channels, X x Y x Z the first image on disk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distributed_iac.data.contract import Case, Channel
from distributed_iac.data.faults import Fault, FaultError, refuse_errors
from distributed_iac.data.volumes.alignment import odd_files, turn_onto, turned
from distributed_iac.data.volumes.grid import Grid
from distributed_iac.data.volumes.label_values import LabelScan, LabelStatistics, value_faults
from distributed_iac.data.volumes.nifti import NiftiFile, open_nifti, read_blocks

Labels = NDArray[np.integer[Any]]


@dataclass(frozen=True, eq=False)
class Volume:
    """A case in memory, its arrays oriented as its first image on disk.

    Args:
        image: (C, X, Y, Z) float32, in the source's units.
        label: (X, Y, Z); uint8 where every value fits, int64 otherwise; None if unlabelled.
        grid: Of the first channel.
        counts: Of the label's values; None if unlabelled.
        faults: What was passed with a warning.
        fingerprints: Of the voxels of each channel of a case that was judged (:mod:`.reading`).
    """

    image: NDArray[np.float32]
    label: Labels | None
    grid: Grid
    counts: LabelStatistics | None
    faults: tuple[Fault, ...]
    fingerprints: Mapping[str, str] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Spatial shape (X, Y, Z)."""
        return self.grid.shape

    @property
    def affine(self) -> NDArray[np.float64]:
        """Of the first channel, (4, 4)."""
        return self.grid.affine

    @property
    def zooms(self) -> tuple[float, float, float]:
        """Of the first channel, in mm along X, Y, Z."""
        return self.grid.zooms


def read_grid_of(path: Path) -> Grid:
    """Read a file's header only.

    Raises:
        FaultError: As :func:`~distributed_iac.data.volumes.nifti.open_nifti`.
    """
    return open_nifti(path).grid


def load_case(case: Case) -> Volume:
    """Read all channels and the label of a case.

    Raises:
        FaultError: A file is missing, damaged or no image, holds another number of channels than
            the case says, lies on another grid, or is a label without whole numbers.
    """
    try:
        return _load(case)
    except FaultError as error:
        fault = what_is_missing(case, error.fault)
        if fault == error.fault:
            raise
        raise FaultError(fault, error.retriable) from error


def what_is_missing(case: Case, fault: Fault) -> Fault:
    """Say of a file that is not there what it is of a case; any other fault is returned as it is.

    Args:
        case: The case.
        fault: Of one of its files, which is called an image where nobody knows more.
    """
    if fault.code != "missing_image":
        return fault
    if fault.path == case.label:
        return replace(fault, code="missing_label")
    alone = len({channel.path for channel in case.channels}) == 1
    return fault if alone else replace(fault, code="missing_channel")


def _load(case: Case) -> Volume:
    files = {path: open_nifti(path) for path in case.files}
    images = {path: files[path] for path in dict.fromkeys(c.path for c in case.channels)}
    for path, file in images.items():
        require_channels(file, [c for c in case.channels if c.path == path])
    if case.label is not None:
        require_channels(files[case.label], None)
    grids = {path: file.grid for path, file in files.items()}
    faults = refuse_errors(odd_files(grids, images, case.layout.reorient))
    grid = grids[case.channels[0].path]
    image = _read_images(case.channels, images, grid)
    own = tuple(fault for path in grids for fault in grids[path].faults)
    if case.label is None:
        return Volume(image, None, grid, None, own + faults)
    label, counts, rounded = _read_label(files[case.label], grid)
    return Volume(image, label, grid, counts, own + faults + rounded)


def require_channels(file: NiftiFile, channels: Sequence[Channel] | None) -> None:
    """Refuse a file that holds other channels than a case says; None for a label.

    Raises:
        FaultError: There are more or fewer.
    """
    frames = file.grid.frames
    if channels is None and frames != 1:
        reason = f"the label file holds {frames} channels where 1 belongs"
        raise FaultError(Fault("channel_count", file.path, reason))
    if channels is not None and {c.index or 0 for c in channels} != set(range(frames)):
        names = ", ".join(channel.name for channel in channels)
        reason = f"the file holds {frames} channels where {len(channels)} ({names}) belong"
        raise FaultError(Fault("channel_count", file.path, reason))


def _read_images(
    channels: Sequence[Channel], files: Mapping[Path, NiftiFile], grid: Grid
) -> NDArray[np.float32]:
    """Read every file once, each channel in Fortran order as on disk: nothing is transposed."""
    x, y, z = grid.shape
    image = np.empty((len(channels), z, y, x), dtype=np.float32)
    for path, file in files.items():
        places = {c.index or 0: i for i, c in enumerate(channels) if c.path == path}
        turn = turn_onto(grid, file.grid)
        target = image if turn is None else np.empty((len(channels), x * y * z), dtype=np.float32)
        flat = target.reshape(len(channels), -1)
        done = dict.fromkeys(places, 0)
        for frame, block in read_blocks(file):
            start = done[frame]
            with np.errstate(over="ignore"):  # becomes infinity, which the caller can see
                flat[places[frame], start : start + block.size] = block
            done[frame] = start + block.size
        if turn is not None:
            for place in places.values():
                stored = flat[place].reshape(file.grid.shape, order="F")
                image[place] = turned(stored, turn).T
    return image.transpose(0, 3, 2, 1)


def _read_label(file: NiftiFile, grid: Grid) -> tuple[Labels, LabelStatistics, tuple[Fault, ...]]:
    scan, done = LabelScan(), 0
    flat: Labels = np.empty(np.prod(file.grid.shape), dtype=np.uint8)
    for _, block in read_blocks(file):
        whole = scan.add(block)
        if flat.dtype == np.uint8 and (whole.min() < 0 or whole.max() > np.iinfo(np.uint8).max):
            flat = flat.astype(np.int64)
        flat[done : done + whole.size] = whole
        done += whole.size
    counts = scan.result()
    rounded = refuse_errors(value_faults(file, counts))
    label, turn = flat.reshape(file.grid.shape, order="F"), turn_onto(grid, file.grid)
    return (label if turn is None else np.asfortranarray(turned(label, turn))), counts, rounded
