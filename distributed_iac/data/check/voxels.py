"""What one pass over the voxels of a volume finds: intensity range, label counts, fingerprint.

::

    scan = ImageScan(header.grid.shape)
    for block in blocks:
        scan.add(block)
    statistics = scan.result()

Both scans take the voxels in blocks, so that memory does not grow with the volume.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PERCENTILES = (0.5, 50.0, 99.5)
"""The outer two are nnU-Net's clipping points for CT."""

SAMPLE_SIZE = 500_000
"""Voxels that percentiles are taken from, evenly spread. Our choice: at the 0.5th percentile the
standard error of the rank is then 0.01 percentage points; sorting a whole CT takes longer than
reading it."""

_EXAMPLES = 5


@dataclass(frozen=True)
class ImageStatistics:
    """Intensities of one 3-D volume.

    Args:
        minimum: Of the finite voxels; NaN if there is none.
        maximum: Likewise.
        percentiles: At :data:`PERCENTILES`, from an even sample of :data:`SAMPLE_SIZE` voxels.
        nonfinite: Number of voxels that are NaN or infinite as 32-bit floats.
        fingerprint: Hash of shape and values as 32-bit floats; data type, scaling, compression
            and header do not enter, so a re-packed copy has the same one.
    """

    minimum: float
    maximum: float
    percentiles: tuple[float, ...]
    nonfinite: int
    fingerprint: str

    @property
    def is_constant(self) -> bool:
        """Whether every voxel is the same, so that the fingerprint identifies nothing."""
        return not self.minimum < self.maximum


class ImageScan:
    """Accumulates :class:`ImageStatistics` over the blocks of one volume, in stored order."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._stride = _even_stride(shape)
        self._seen = 0
        self._minimum, self._maximum = math.inf, -math.inf
        self._nonfinite = 0
        self._sample: list[NDArray[np.float32]] = []
        self._hash = hashlib.blake2b(repr(shape).encode(), digest_size=16)

    def add(self, block: NDArray[Any]) -> None:
        """Take the next voxels, 1-D and of any real type."""
        with np.errstate(over="ignore"):  # what overflows is counted as infinite below
            values = np.ascontiguousarray(block, dtype="<f4")
        values = values + np.float32(0)  # turns -0.0, which equals 0.0, into its bits too
        self._hash.update(values.data)
        first = -self._seen % self._stride
        self._seen += values.size
        sample = values[first :: self._stride]
        finite = np.isfinite(values)
        if not finite.all():
            self._nonfinite += int(values.size - np.count_nonzero(finite))
            values = values[finite]
            sample = sample[np.isfinite(sample)]
        self._sample.append(sample.copy())
        if values.size:
            self._minimum = min(self._minimum, float(values.min()))
            self._maximum = max(self._maximum, float(values.max()))

    def result(self) -> ImageStatistics:
        """Return the statistics of everything added so far."""
        sample = np.concatenate(self._sample) if self._sample else np.empty(0, np.float32)
        has_values = self._minimum <= self._maximum
        quantiles = np.percentile(sample, PERCENTILES) if sample.size else [math.nan] * 3
        return ImageStatistics(
            minimum=self._minimum if has_values else math.nan,
            maximum=self._maximum if has_values else math.nan,
            percentiles=tuple(float(quantile) for quantile in quantiles),
            nonfinite=self._nonfinite,
            fingerprint=self._hash.hexdigest(),
        )


def _even_stride(shape: tuple[int, ...]) -> int:
    """Smallest sampling step that shares no factor with an axis, so that no column is preferred."""
    step = max(1, math.prod(shape) // SAMPLE_SIZE)
    while any(math.gcd(step, size) > 1 for size in shape):
        step += 1
    return step


@dataclass(frozen=True)
class LabelStatistics:
    """Values of one label volume.

    Args:
        voxels: Integer value to number of voxels, ascending.
        nonfinite: Number of voxels that are NaN or infinite.
        noninteger: Number of voxels between integers.
        examples: A few of the values between integers.
    """

    voxels: Mapping[int, int]
    nonfinite: int
    noninteger: int
    examples: tuple[float, ...]

    def has_foreground(self, ignore: int | None) -> bool:
        """Whether any voxel is neither background nor ignored."""
        return any(value not in (0, ignore) for value in self.voxels)


class LabelScan:
    """Accumulates :class:`LabelStatistics` over the blocks of one label volume."""

    def __init__(self) -> None:
        self._voxels: Counter[int] = Counter()
        self._nonfinite = 0
        self._noninteger = 0
        self._examples: set[float] = set()

    def add(self, block: NDArray[Any]) -> None:
        """Take the next voxels, 1-D and of any real type."""
        self._voxels.update(_counts(block if block.dtype.kind in "iu" else self._integers(block)))

    def _integers(self, block: NDArray[Any]) -> NDArray[np.int64]:
        """Set aside what is no integer, and return the rest."""
        finite = np.isfinite(block) & (np.abs(block) < 2.0**53)
        values = block[finite].astype(np.float64)
        nearest = np.rint(values)
        between = values != nearest
        self._nonfinite += int(block.size - values.size)
        self._noninteger += int(np.count_nonzero(between))
        if between.any() and len(self._examples) < _EXAMPLES:
            self._examples.update(np.unique(values[between])[:_EXAMPLES].tolist())
        integers: NDArray[np.int64] = nearest[~between].astype(np.int64)
        return integers

    def result(self) -> LabelStatistics:
        """Return the statistics of everything added so far."""
        return LabelStatistics(
            voxels=dict(sorted(self._voxels.items())),
            nonfinite=self._nonfinite,
            noninteger=self._noninteger,
            examples=tuple(sorted(self._examples)[:_EXAMPLES]),
        )


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
