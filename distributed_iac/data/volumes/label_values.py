"""The values of a label file: counted, made whole, and judged.

::

    scan = LabelScan()
    for block in blocks:
        whole = scan.add(block)                     # integers, 1-D
    value_faults(file, scan.result())               # what no label file may hold
    scheme_faults(path, scan.result(), scheme)      # what this source's may not

Values within :data:`TOLERANCE` of a whole number are that number, with a warning: masks that went
through a float format hold 0.9999. Whole numbers on disk that a slope pulls closer together than
that cannot be told apart any more and are refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distributed_iac.data.contract import LabelScheme
from distributed_iac.data.faults import Fault
from distributed_iac.data.volumes.nifti import NiftiFile

TOLERANCE = 1e-3
"""Largest distance from a whole number. Our choice: far above what storing as float32 or scaling
by a 16-bit range leaves, far below what interpolation makes."""

_EXAMPLES = 5


@dataclass(frozen=True)
class LabelStatistics:
    """Values of one label volume.

    Args:
        voxels: Integer value to number of voxels, ascending.
        nonfinite: Number of voxels that are NaN or infinite.
        noninteger: Number of voxels between integers.
        examples: A few of the values between integers.
        rounded: Number of voxels beside an integer, and counted as it.
    """

    voxels: Mapping[int, int]
    nonfinite: int
    noninteger: int
    examples: tuple[float, ...]
    rounded: int = 0

    def has_foreground(self, ignore: int | None) -> bool:
        """Whether any voxel is neither background nor ignored."""
        return any(value not in (0, ignore) for value in self.voxels)


class LabelScan:
    """Accumulates :class:`LabelStatistics` over the blocks of one label volume."""

    def __init__(self) -> None:
        self._voxels: Counter[int] = Counter()
        self._nonfinite = 0
        self._noninteger = 0
        self._rounded = 0
        self._examples: set[float] = set()

    def add(self, block: NDArray[Any]) -> NDArray[np.integer[Any]]:
        """Take the next voxels, 1-D and of any real type.

        Returns:
            Them as integers; 0 where they are none.
        """
        if block.dtype.kind in "iu":
            self._voxels.update(_counts(block))
            return block
        sound = np.isfinite(block) & (np.abs(block) < 2.0**53)
        values = np.where(sound, block, 0).astype(np.float64)
        whole = np.rint(values)
        distance = np.abs(values - whole)
        between = distance > TOLERANCE
        self._nonfinite += int(block.size - np.count_nonzero(sound))
        self._noninteger += int(np.count_nonzero(between))
        self._rounded += int(np.count_nonzero(distance)) - int(np.count_nonzero(between))
        if between.any() and len(self._examples) < _EXAMPLES:
            self._examples.update(np.unique(values[between])[:_EXAMPLES].tolist())
        integers: NDArray[np.int64] = whole.astype(np.int64)
        self._voxels.update(_counts(integers[sound & ~between]))
        return integers

    def result(self) -> LabelStatistics:
        """Return the statistics of everything added so far."""
        return LabelStatistics(
            voxels=dict(sorted(self._voxels.items())),
            nonfinite=self._nonfinite,
            noninteger=self._noninteger,
            examples=tuple(sorted(self._examples)[:_EXAMPLES]),
            rounded=self._rounded,
        )


def value_faults(file: NiftiFile, label: LabelStatistics) -> list[Fault]:
    """Judge whether a label file holds whole numbers."""
    faults = []
    if label.nonfinite:
        reason = f"{label.nonfinite} voxels of the label are NaN or infinite"
        faults.append(Fault("nonfinite", file.path, reason))
    examples = ", ".join(f"{value:.9g}" for value in label.examples)
    collapsed = file.scaling is not None and abs(file.slope) <= 2 * TOLERANCE
    if file.scaling is not None and (label.noninteger or collapsed):
        reason = (
            f"labels must be whole numbers; they are on disk, but the header scales them by "
            f"{file.scaling}, to values such as {examples or 'fractions of a thousandth'}"
        )
        remedy = "Set scl_slope to 1 and scl_inter to 0 if the numbers on disk are the labels"
        faults.append(Fault("noninteger_labels", file.path, reason, remedy))
    elif label.noninteger:
        reason = (
            f"labels must be whole numbers; {label.noninteger} voxels lie between integers, "
            f"such as {examples}"
        )
        faults.append(Fault("noninteger_labels", file.path, reason))
    elif label.rounded:
        reason = f"{label.rounded} voxels lie within {TOLERANCE:g} of the whole numbers taken"
        faults.append(Fault("rounded_labels", file.path, reason))
    return faults


def scheme_faults(path: Path, label: LabelStatistics, scheme: LabelScheme) -> list[Fault]:
    """Judge the whole values of a label file against the source's label scheme."""
    unexpected = {v: count for v, count in label.voxels.items() if v not in scheme.values}
    if unexpected:
        counts = ", ".join(f"{value} (voxels: {count})" for value, count in unexpected.items())
        known = ", ".join(str(value) for value in sorted(scheme.values))
        reason = f"the label holds {counts}; {scheme.convention} has {known}"
        return [Fault("unexpected_labels", path, reason)]
    if not label.has_foreground(scheme.ignore):
        return [Fault("empty_mask", path, "every voxel of the label is background")]
    return []


def _counts(values: NDArray[Any]) -> dict[int, int]:
    """Count integers, by bins where they lie close together as labels do: no sort is needed."""
    if not values.size:
        return {}
    low, high = int(values.min()), int(values.max())
    if high - low < 1 << 16:
        bins = np.bincount(values.astype(np.int64) - low)
        return {low + int(i): int(bins[i]) for i in np.flatnonzero(bins)}
    unique, counts = np.unique(values, return_counts=True)
    return dict(zip(unique.tolist(), counts.tolist(), strict=True))
