"""What one pass over the voxels of an image finds: intensities, percentiles, fingerprint.

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
from distributed_iac.data.volumes.intensity_scan import Intensities, IntensityScan

PERCENTILES = (0.5, 50.0, 99.5)
"""The outer two are nnU-Net's clipping points for CT."""


@dataclass(frozen=True)
class ImageStatistics:
    """Intensities of one 3-D volume.

    Args:
        intensities: Their range, and what is odd about them.
        percentiles: At :data:`PERCENTILES`, from an even sample of the sound voxels.
        fingerprint: Hash of shape and values as 32-bit floats; data type, scaling, compression
            and header do not enter, so a re-packed copy has the same one.
    """

    intensities: Intensities
    percentiles: tuple[float, ...]
    fingerprint: str

    @property
    def minimum(self) -> float:
        """Of the sound voxels; NaN if there is none."""
        return self.intensities.minimum

    @property
    def maximum(self) -> float:
        """Of the sound voxels; NaN if there is none."""
        return self.intensities.maximum

    @property
    def nonfinite(self) -> int:
        """Number of voxels that are NaN, infinite or too large to be squared as 32-bit floats."""
        return self.intensities.unsound

    @property
    def is_constant(self) -> bool:
        """Whether every voxel is the same, so that the fingerprint identifies nothing."""
        return self.intensities.is_constant


class ImageScan:
    """Accumulates :class:`ImageStatistics` over the blocks of one volume, in stored order."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._intensities = IntensityScan(shape)
        self._hash = VoxelHash(shape)

    def add(self, block: NDArray[Any]) -> None:
        """Take the next voxels, 1-D and of any real type."""
        with np.errstate(over="ignore"):  # what overflows is counted as infinite
            values = np.ascontiguousarray(block, dtype="<f4")
        self._hash.add(values)
        self._intensities.add(values)

    def result(self) -> ImageStatistics:
        """Return the statistics of everything added so far."""
        sample = self._intensities.sample()
        quantiles = np.percentile(sample, PERCENTILES) if sample.size else [math.nan] * 3
        return ImageStatistics(
            intensities=self._intensities.result(),
            percentiles=tuple(float(quantile) for quantile in quantiles),
            fingerprint=self._hash.result(),
        )
