"""Solid shapes as masks over a patient's space: organs are made of ellipsoids and tubes.

::

    kidney = Ellipsoid((60, 45, 10), (27, 24, 54), lean=(-0.15, 0.0), lumps=0.05).mask(space)
    aorta = Tube(((12, 30, 180), (10, 34, -80)), (11, 9)).mask(space)

No shape is thinner than the grid can show: half-widths are at least 0.9 of the voxel step, so
that a small organ does not vanish between the slices of a coarse phantom.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from distributed_iac.phantom.space import Box, FloatArray, Mask, Point, Space

_THINNEST = 0.9
"""Smallest half-width in voxel steps. Every ball wider than sqrt(3) / 2 = 0.87 of a step holds a
voxel centre, wherever it lies between them."""

_LUMP_REACH = 4.0
"""Standard deviations of the outline's unevenness that a window allows for."""


@dataclass(frozen=True)
class Ellipsoid:
    """A super-ellipsoid that may be turned, may lean, and has an uneven outline.

    Args:
        centre: Middle (x, y, z) in mm.
        radii: Half-widths (x, y, z) in mm.
        turn: Rotation in the axial plane in degrees, from left towards posterior.
        lean: Shift of the middle per mm towards superior, along (x, y).
        lumps: Standard deviation of the outline as a share of the radius.
        power: 2 is an ellipsoid; more is boxier.
    """

    centre: Point
    radii: Point
    turn: float = 0.0
    lean: tuple[float, float] = (0.0, 0.0)
    lumps: float = 0.0
    power: float = 2.0

    def distance(self, space: Space, box: Box = (slice(None),) * 3) -> FloatArray:
        """Return 0 at the centre to 1 on the surface and beyond, for the voxels of a box."""
        radii = _shown(space, self.radii)
        z = space.z[box] - self.centre[2]
        x = space.x[box] - self.centre[0] - self.lean[0] * z
        y = space.y[box] - self.centre[1] - self.lean[1] * z
        cosine, sine = math.cos(math.radians(self.turn)), math.sin(math.radians(self.turn))
        terms = (
            np.abs((cosine * x + sine * y) / radii[0]) ** self.power
            + np.abs((cosine * y - sine * x) / radii[1]) ** self.power
            + np.abs(z / radii[2]) ** self.power
        )
        distance: FloatArray = terms ** (1.0 / self.power)
        if self.lumps:
            distance = distance + np.float32(self.lumps) * space.wobble[box]
        return distance

    def varied(self, offset: Point, scale: float) -> Ellipsoid:
        """Return the same shape elsewhere and of another size."""
        x, y, z = (scale * radius for radius in self.radii)
        return replace(self, centre=_shift(self.centre, offset, 1.0), radii=(x, y, z))

    def shrunk(self, depth: float) -> Ellipsoid:
        """Return what is left inside a wall of some mm."""
        x, y, z = (max(radius - depth, 0.2 * radius) for radius in self.radii)
        return replace(self, radii=(x, y, z))

    def mask(self, space: Space) -> Mask:
        """Return the voxels inside."""
        bulge = 1.0 + _LUMP_REACH * self.lumps
        radii = _shown(space, self.radii)
        across, up = bulge * max(radii[0], radii[1]), bulge * radii[2]
        reach = (across + abs(self.lean[0]) * up, across + abs(self.lean[1]) * up, up)
        box = space.window(_shift(self.centre, reach, -1.0), _shift(self.centre, reach, 1.0))
        mask = space.nowhere()
        mask[box] = self.distance(space, box) < 1.0
        return mask


@dataclass(frozen=True)
class Tube:
    """A round tube along a polyline.

    Args:
        points: Corners (x, y, z) of the middle line in mm, at least two.
        widths: Radius at each corner in mm; between corners it changes linearly.
    """

    points: tuple[Point, ...]
    widths: tuple[float, ...]

    def varied(self, offset: Point, scale: float) -> Tube:
        """Return the same tube elsewhere and of another width."""
        points = tuple(_shift(point, offset, 1.0) for point in self.points)
        return Tube(points, tuple(scale * width for width in self.widths))

    def shrunk(self, depth: float) -> Tube:
        """Return what is left inside a wall of some mm."""
        return replace(self, widths=tuple(max(w - depth, 0.2 * w) for w in self.widths))

    def mask(self, space: Space) -> Mask:
        """Return the voxels inside."""
        mask = space.nowhere()
        ends = list(zip(self.points, self.widths, strict=True))
        for (start, first), (stop, last) in pairwise(ends):
            _paint_segment(mask, space, start, stop, first, last)
        return mask


Solid: TypeAlias = Ellipsoid | Tube


def _paint_segment(
    mask: Mask, space: Space, start: Point, stop: Point, first: float, last: float
) -> None:
    """Add one conical segment with round ends to a mask."""
    widest = max(first, last)
    reach = _shown(space, (widest, widest, widest))
    lowest = (min(start[0], stop[0]), min(start[1], stop[1]), min(start[2], stop[2]))
    highest = (max(start[0], stop[0]), max(start[1], stop[1]), max(start[2], stop[2]))
    box = space.window(_shift(lowest, reach, -1.0), _shift(highest, reach, 1.0))
    # Axes too coarse for the radius are squeezed, which widens the tube along them.
    squeeze = [widest / shown for shown in reach]
    away = [
        (axis[box] - origin) * factor
        for axis, origin, factor in zip((space.x, space.y, space.z), start, squeeze, strict=True)
    ]
    along = [(b - a) * factor for a, b, factor in zip(start, stop, squeeze, strict=True)]
    squared_length = max(sum(a * a for a in along), 1e-6)
    share = np.clip((away[0] * along[0] + away[1] * along[1] + away[2] * along[2]), 0, None)
    share = np.minimum(share / squared_length, 1.0)
    apart = sum((d - share * a) ** 2 for d, a in zip(away, along, strict=True))
    mask[box] |= apart < (first + share * (last - first)) ** 2


def _shown(space: Space, radii: Point) -> Point:
    """Return radii that the grid can show."""
    z, y, x = (_THINNEST * step for step in space.grid.step)
    return max(radii[0], x), max(radii[1], y), max(radii[2], z)


def _shift(point: Point, offset: Point, sign: float) -> Point:
    return (
        point[0] + sign * offset[0],
        point[1] + sign * offset[1],
        point[2] + sign * offset[2],
    )
