"""What one pass over the voxels of an image finds: intensity range, fingerprint.

::

    scan = ImageScan(header.grid.shape)
    for block in blocks:
        scan.add(block)
    statistics = scan.result()

The scan takes the voxels in blocks, so that memory does not grow with the volume.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distributed_iac.data.volumes.duplicates import VoxelHash

PERCENTILES = (0.5, 50.0, 99.5)
"""The outer two are nnU-Net's clipping points for CT."""

SAMPLE_SIZE = 500_000
"""Voxels that percentiles are taken from, evenly spread. Our choice: at the 0.5th percentile the
standard error of the rank is then 0.01 percentage points; sorting a whole CT takes longer than
reading it."""


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
        self._hash = VoxelHash(shape)

    def add(self, block: NDArray[Any]) -> None:
        """Take the next voxels, 1-D and of any real type."""
        with np.errstate(over="ignore"):  # what overflows is counted as infinite below
            values = np.ascontiguousarray(block, dtype="<f4")
        self._hash.add(values)
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
            fingerprint=self._hash.result(),
        )


def _even_stride(shape: tuple[int, ...]) -> int:
    """Smallest sampling step that shares no factor with an axis, so that no column is preferred."""
    step = max(1, math.prod(shape) // SAMPLE_SIZE)
    while any(math.gcd(step, size) > 1 for size in shape):
        step += 1
    return step
