"""What one pass over the voxels of an image finds: range, percentiles, outliers, fingerprint.

::

    scan = ImageScan(shape)
    for block in blocks:
        scan.add(block)                             # 1-D, in stored order
    found = scan.result()
    found.unsound, found.is_constant, found.core, found.fingerprint
    scan_of(volume)                                 # the same of an image in memory

The scan takes the voxels in blocks, so that memory does not grow with the volume. The check and
the preparation ask it alike.

Programs mark voxels that they know nothing of by values such as -3.4e38, 1e20 or -32768. One of
them is enough to make the deviation of a volume, by which a z-score divides: all tissue is then
next to equal. Three rules:

* A value above :data:`LARGEST` in size has a square beyond 32-bit floats and counts as not finite.
* A deviation that is smaller than what a z-score divides by at least makes nothing of an image.
* A deviation is made by few voxels where it is longer than the shortest interval that holds
  :data:`CROWD` of them: after the z-score these would lie within one unit, where those of a normal
  distribution fill five. A background of one value that alone is that much is left out first, so
  that a small object in front of it is no outlier. Air around a CT, of -1024 or -3024, and the
  zeros around a head are many voxels, and no outliers whatever their value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from distributed_iac.data.volumes.duplicates import VoxelHash
from distributed_iac.data.volumes.intensity import SMALLEST_DEVIATION
from distributed_iac.data.volumes.nifti import BLOCK_VOXELS

PERCENTILES = (0.5, 50.0, 99.5)
"""The outer two are nnU-Net's clipping points for CT."""

LARGEST = math.sqrt(float(np.finfo(np.float32).max))
"""About 1.8e19."""

CROWD = 0.99
"""Share of the voxels that few are compared with. Our choice: fill values in more than a hundredth
of a volume are its background, by which people mean to see."""

SAMPLE_SIZE = 500_000
"""Voxels that shares are taken from, evenly spread. Our choice: at the 0.5th percentile the
standard error of the rank is then 0.01 percentage points; sorting a whole CT takes longer than
reading it."""


@dataclass(frozen=True)
class ImageStatistics:
    """Of one 3-D volume.

    Args:
        minimum: Of the sound voxels; NaN if there is none.
        maximum: Likewise.
        unsound: Number of voxels that are NaN, infinite or larger than :data:`LARGEST`, as 32-bit
            floats.
        is_faint: Whether they differ, but deviate by less than a z-score divides by at least.
        core: Where all but a few voxels lie, if those few make the deviation; else None.
        percentiles: At :data:`PERCENTILES`, from an even sample of the sound voxels.
        fingerprint: Hash of shape and values as 32-bit floats; data type, scaling, compression
            and header do not enter, so a re-packed copy has the same one.
    """

    minimum: float
    maximum: float
    unsound: int
    is_faint: bool
    core: tuple[float, float] | None
    percentiles: tuple[float, ...]
    fingerprint: str

    @property
    def is_constant(self) -> bool:
        """Whether every voxel is the same, so that the fingerprint identifies nothing."""
        return not self.minimum < self.maximum


class ImageScan:
    """Accumulates :class:`ImageStatistics` over the blocks of one volume, in stored order.

    Args:
        shape: Of the volume.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._stride = _even_stride(shape)
        self._seen = 0
        self._minimum, self._maximum = math.inf, -math.inf
        self._unsound = 0
        self._samples: list[NDArray[np.float32]] = []
        self._moments = _Moments()
        self._hash = VoxelHash(shape)

    def add(self, block: NDArray[Any]) -> None:
        """Take the next voxels, 1-D and of any real type."""
        with np.errstate(over="ignore"):  # what overflows is counted as infinite
            values = np.ascontiguousarray(block, dtype="<f4")
        self._hash.add(values)
        first = -self._seen % self._stride
        self._seen += values.size
        sample = values[first :: self._stride]
        sound = np.abs(values) <= LARGEST
        if not sound.all():
            self._unsound += int(values.size - np.count_nonzero(sound))
            values = values[sound]
            sample = sample[np.abs(sample) <= LARGEST]
        self._samples.append(sample.copy())
        if values.size:
            self._minimum = min(self._minimum, float(values.min()))
            self._maximum = max(self._maximum, float(values.max()))
            self._moments.add(values)

    def result(self) -> ImageStatistics:
        """Return what is known of everything added so far."""
        sample = np.sort(np.concatenate([np.empty(0, np.float32), *self._samples]))
        quantiles = np.percentile(sample, PERCENTILES) if sample.size else [math.nan] * 3
        has_values = self._minimum <= self._maximum
        return ImageStatistics(
            minimum=self._minimum + 0.0 if has_values else math.nan,  # -0.0 equals 0.0
            maximum=self._maximum + 0.0 if has_values else math.nan,
            unsound=self._unsound,
            is_faint=0 < self._moments.deviation < SMALLEST_DEVIATION,
            core=_core(sample, self._moments.deviation),
            percentiles=tuple(float(quantile) for quantile in quantiles),
            fingerprint=self._hash.result(),
        )


def scan_of(volume: NDArray[np.float32]) -> ImageStatistics:
    """Scan a volume (X, Y, Z) in Fortran order, block by block as ``check`` scans its file."""
    scan = ImageScan(volume.shape)
    flat = volume.ravel(order="F")
    for start in range(0, flat.size, BLOCK_VOXELS):
        scan.add(flat[start : start + BLOCK_VOXELS])
    return scan.result()


class _Moments:
    """Number, mean and sum of squared differences from it, of blocks joined one by one.

    Reference: Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing
    sample variances", 1979, Eq. (2.1).
    """

    def __init__(self) -> None:
        self._count, self._mean, self._squares = 0, 0.0, 0.0

    def add(self, values: NDArray[np.float32]) -> None:
        block = values.astype(np.float64)
        mean = float(block.mean())
        block -= mean
        step, count = mean - self._mean, self._count + block.size
        self._squares += float(block @ block) + step**2 * self._count * block.size / count
        self._mean += step * block.size / count
        self._count = count

    @property
    def deviation(self) -> float:
        return math.sqrt(self._squares / self._count) if self._count else 0.0


def _core(ordered: NDArray[np.float32], deviation: float) -> tuple[float, float] | None:
    low, high = _shortest(ordered)
    if low == high:
        ordered = ordered[ordered != low]
        low, high = _shortest(ordered)
        if low == high:  # nothing, or two values as in a mask
            return None
    return (low, high) if high - low < deviation else None


def _shortest(ordered: NDArray[np.float32]) -> tuple[float, float]:
    """The shortest interval with :data:`CROWD` of ascending values; (0, 0) for none."""
    if not ordered.size:
        return 0.0, 0.0
    count = math.ceil(CROWD * ordered.size)
    starts, ends = ordered[: ordered.size - count + 1], ordered[count - 1 :]
    place = int(np.argmin(ends.astype(np.float64) - starts))
    return float(starts[place]), float(ends[place])


def _even_stride(shape: tuple[int, ...]) -> int:
    """Smallest sampling step that shares no factor with an axis, so that no column is preferred."""
    step = max(1, math.prod(shape) // SAMPLE_SIZE)
    while any(math.gcd(step, size) > 1 for size in shape):
        step += 1
    return step
