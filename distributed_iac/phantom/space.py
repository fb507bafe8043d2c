"""Where the voxels of a phantom lie in a patient, and smooth random fields over them.

::

    grid = WorkingGrid(shape=(24, 64, 64), step=(10.0, 6.0, 6.0), centre=(0.0, 0.0, 0.0))
    space = Space.warped(grid, rng, warp_mm=(4.0, 4.0, 6.0))
    space.x, space.y, space.z         # millimetres towards left, posterior, superior
    space.field(25.0, rng)            # unit-variance random field, 25 mm coarse

Arrays are indexed ``[slice, row, column]``: slices run to the patient's superior, rows to
posterior, columns to left, so ``array[k]`` is an axial slice in radiological view, whatever the
orientation in which a format stores it (:mod:`~distributed_iac.phantom.volume_file`). Points and
radii are written in the order (x, y, z) = (left, posterior, superior).

Only element-wise NumPy and ``einsum`` without BLAS are used here, so that the same seed gives the
same bytes whatever the number of threads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float32]
Mask: TypeAlias = NDArray[np.bool_]
Tissues: TypeAlias = NDArray[np.uint8]
Point: TypeAlias = tuple[float, float, float]
Box: TypeAlias = tuple[slice, ...]

_WARP_LENGTH_MM, _WOBBLE_LENGTH_MM = 60.0, 22.0
"""How far neighbouring voxels move together; coarseness of uneven outlines."""
_CLIP = 2.5
"""Warps are cut at this many standard deviations, so that windows can bound them."""


@dataclass(frozen=True)
class WorkingGrid:
    """A regular stack of axial slices through a full-size patient.

    Args:
        shape: Number of (slices, rows, columns).
        step: Distance of voxel centres in mm, in the same order. It says how coarsely the
            anatomy is sampled and may differ from the voxel size that a file header states:
            small phantoms are whole patients in few voxels.
        centre: Anatomical position (z, y, x) of the grid's middle, in mm.
    """

    shape: tuple[int, int, int]
    step: tuple[float, float, float]
    centre: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def axis(self, index: int) -> FloatArray:
        """Return the voxel centres along one array axis, in mm."""
        count, step, centre = self.shape[index], self.step[index], self.centre[index]
        return ((np.arange(count) - (count - 1) / 2) * step + centre).astype(np.float32)

    def field(self, length_mm: float, rng: np.random.Generator) -> FloatArray:
        """Draw a smooth Gaussian random field.

        White noise on a coarse lattice is blended by Gaussian weights, normalised per voxel so
        that mean 0 and variance 1 hold everywhere, up to the borders.

        Args:
            length_mm: Standard deviation of the blending; finer than a step means a step.
            rng: Source of the white noise.

        Returns:
            Array of the grid's shape, float32.
        """
        weights = [_blend(self.axis(axis), max(length_mm, self.step[axis])) for axis in range(3)]
        knots = rng.standard_normal([w.shape[1] for w in weights], dtype=np.float32)
        knots = np.einsum("ai,ijk->ajk", weights[0], knots)
        knots = np.einsum("bj,ajk->abk", weights[1], knots)
        field: FloatArray = np.einsum("ck,abk->abc", weights[2], knots)
        return field


def _blend(positions: FloatArray, length: float) -> FloatArray:
    """Return (positions, knots) weights whose rows have unit Euclidean norm."""
    margin = 2.0 * length
    start, stop = float(positions[0]) - margin, float(positions[-1]) + margin
    knots = start + length * np.arange(math.ceil((stop - start) / length) + 1)
    weights = np.exp(-0.5 * ((positions[:, None] - knots) / length) ** 2)
    normed: FloatArray = (weights / np.sqrt((weights**2).sum(axis=1, keepdims=True))).astype(
        np.float32
    )
    return normed


@dataclass(frozen=True, eq=False)
class Space:
    """Anatomical coordinates of every voxel of one patient.

    Args:
        grid: The voxels.
        x: Position towards the patient's left in mm, the grid's shape.
        y: Towards posterior.
        z: Towards superior.
        wobble: Unit-variance field that makes outlines uneven.
        slack_mm: Largest distance between a voxel's place on the grid and its coordinates.
    """

    grid: WorkingGrid
    x: FloatArray
    y: FloatArray
    z: FloatArray
    wobble: FloatArray
    slack_mm: float

    @classmethod
    def warped(cls, grid: WorkingGrid, rng: np.random.Generator, *, warp_mm: Point) -> Space:
        """Bend a grid, so that no two patients have the same organs at the same places.

        Args:
            grid: The voxels.
            rng: Source of the patient's individuality.
            warp_mm: Standard deviation of the bending along (x, y, z).
        """
        z, y, x = np.meshgrid(*(grid.axis(axis) for axis in range(3)), indexing="ij")
        bent_x, bent_y, bent_z = (
            axis + np.float32(bend) * np.clip(grid.field(_WARP_LENGTH_MM, rng), -_CLIP, _CLIP)
            for axis, bend in zip((x, y, z), warp_mm, strict=True)
        )
        wobble = grid.field(_WOBBLE_LENGTH_MM, rng)
        return cls(grid, bent_x, bent_y, bent_z, wobble, _CLIP * max(warp_mm))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of (slices, rows, columns)."""
        return self.grid.shape

    def field(self, length_mm: float, rng: np.random.Generator) -> FloatArray:
        """Draw a smooth Gaussian random field over the grid; see :meth:`WorkingGrid.field`."""
        return self.grid.field(length_mm, rng)

    def nowhere(self) -> Mask:
        """Return a mask without a voxel."""
        return np.zeros(self.shape, dtype=np.bool_)

    def window(self, low: Point, high: Point) -> Box:
        """Return the index box that surely holds every voxel between two corners (x, y, z)."""
        box = []
        for axis, (lowest, highest) in enumerate(zip(reversed(low), reversed(high), strict=True)):
            count, step = self.shape[axis], self.grid.step[axis]
            first = self.grid.centre[axis] - (count - 1) / 2 * step
            start = math.floor((lowest - self.slack_mm - first) / step)
            stop = math.ceil((highest + self.slack_mm - first) / step) + 1
            box.append(slice(min(max(start, 0), count), min(max(stop, 0), count)))
        return tuple(box)
