"""A beating heart in short-axis view, with the chest around it.

::

    heart = Heart.draw("HCM", rng)
    tissues = draw_chest(space, heart, contraction=1.0)       # end-systole
    labels = LABELS[tissues]

Left ventricle: a half ellipsoid with its base at z = 0 and its apex at z = -length. The right
ventricle is a crescent on the patient's right of it. Blood looks the same in both cavities, in
the atria and in the aorta, and fat is as bright: only place and shape tell them apart. Papillary
muscles lie in the left cavity and count as cavity, as the ACDC annotators count them.

Sizes follow textbook adult hearts; the five groups differ as their names say (ACDC: "NOR" normal,
"DCM" dilated, "HCM" hypertrophic, "MINF" infarcted, "RV" abnormal right ventricle). The exact
numbers are our choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from distributed_iac.phantom.imaging import Look
from distributed_iac.phantom.shapes import Ellipsoid
from distributed_iac.phantom.space import FloatArray, Mask, Space, Tissues


class ChestTissue(IntEnum):
    """What a voxel of the chest consists of."""

    LUNG = 0
    FAT = 1
    MUSCLE = 2
    LIVER = 3
    BONE = 4
    VESSEL = 5
    ATRIUM = 6
    RV_WALL = 7
    RV_CAVITY = 8
    MYOCARDIUM = 9
    LV_CAVITY = 10
    PAPILLARY = 11
    STOMACH = 12
    AIR = 13


LABELS = np.zeros(len(ChestTissue), dtype=np.uint8)
"""ACDC label by tissue: 1 RV cavity, 2 myocardium, 3 LV cavity."""
LABELS[ChestTissue.RV_CAVITY] = 1
LABELS[ChestTissue.MYOCARDIUM] = 2
LABELS[[ChestTissue.LV_CAVITY, ChestTissue.PAPILLARY]] = 3

LOOKS: Mapping[int, Look] = {
    ChestTissue.LUNG: Look(14, 3, 2),
    ChestTissue.FAT: Look(150, 14, 12),
    ChestTissue.MUSCLE: Look(62, 8, 6),
    ChestTissue.LIVER: Look(84, 10, 12),
    ChestTissue.BONE: Look(70, 16, 8),
    ChestTissue.VESSEL: Look(158, 12, 8),
    ChestTissue.ATRIUM: Look(154, 14, 8),
    ChestTissue.RV_WALL: Look(80, 8, 5),
    ChestTissue.RV_CAVITY: Look(150, 22, 12),
    ChestTissue.MYOCARDIUM: Look(80, 12, 10),
    ChestTissue.LV_CAVITY: Look(152, 18, 12),
    ChestTissue.PAPILLARY: Look(96, 14, 8),
    ChestTissue.STOMACH: Look(60, 30, 25),
    ChestTissue.AIR: Look(3),
}
"""Balanced steady-state free precession: blood and fat bright, muscle grey, lung dark."""

GROUPS = ("DCM", "HCM", "MINF", "NOR", "RV")


@dataclass(frozen=True)
class _Group:
    """Typical numbers of a diagnosis group.

    Args:
        lv: Radius of the LV cavity at the base in end-diastole, mm.
        wall: Thickness of the LV wall in end-diastole, mm.
        lv_ejection: Share of the LV cavity's cross-section that is gone at end-systole.
        rv: Size of the RV cavity relative to normal.
        rv_ejection: Share of the RV cavity's cross-section that is gone at end-systole.
    """

    lv: float
    wall: float
    lv_ejection: float
    rv: float = 1.0
    rv_ejection: float = 0.45


_TYPICAL = {
    "NOR": _Group(lv=24, wall=9, lv_ejection=0.60),
    "DCM": _Group(lv=32, wall=7.5, lv_ejection=0.22, rv_ejection=0.3),
    "HCM": _Group(lv=22, wall=14, lv_ejection=0.68),
    "MINF": _Group(lv=28, wall=9, lv_ejection=0.50),
    "RV": _Group(lv=23, wall=9, lv_ejection=0.55, rv=1.28, rv_ejection=0.28),
}


@dataclass(frozen=True)
class Heart:
    """One patient's heart; lengths in mm, angles in radians from left towards posterior.

    Args:
        x: Middle of the LV at the base, towards left.
        y: The same, towards posterior.
        lean: Shift of the LV's middle per mm towards superior, along (x, y).
        length: Base to apex of the LV's outside.
        lv: Cavity radius at the base in end-diastole.
        wall: Wall thickness in end-diastole.
        oval: How much longer the LV is along its long in-plane axis.
        septum: Direction of the RV as seen from the LV.
        rv: Size of the RV relative to normal.
        lv_ejection: Share of LV cross-section lost at end-systole.
        rv_ejection: Share of RV cross-section lost at end-systole.
        scar: Direction of an infarct that is thin and does not contract; None without one.
        papillary: Direction of the first papillary muscle.
    """

    x: float
    y: float
    lean: tuple[float, float]
    length: float
    lv: float
    wall: float
    oval: float
    septum: float
    rv: float
    lv_ejection: float
    rv_ejection: float
    scar: float | None
    papillary: float

    @classmethod
    def draw(cls, group: str, rng: np.random.Generator) -> Heart:
        """Draw a heart of a diagnosis group (one of :data:`GROUPS`)."""
        typical = _TYPICAL[group]
        size = rng.uniform(0.9, 1.12)
        scar = rng.uniform(-np.pi, np.pi) if group == "MINF" else None
        return cls(
            x=rng.uniform(2, 22),
            y=rng.uniform(-12, 10),
            lean=(rng.uniform(-0.12, 0.05), rng.uniform(-0.1, 0.1)),
            length=size * rng.uniform(80, 95),
            lv=size * typical.lv * rng.uniform(0.93, 1.08),
            wall=size * typical.wall * rng.uniform(0.9, 1.15),
            oval=rng.uniform(1.0, 1.12),
            septum=np.pi + rng.uniform(-0.1, 0.7),
            rv=typical.rv * rng.uniform(0.9, 1.1),
            lv_ejection=typical.lv_ejection * rng.uniform(0.9, 1.1),
            rv_ejection=typical.rv_ejection * rng.uniform(0.85, 1.15),
            scar=scar,
            papillary=rng.uniform(0.2, 1.0),
        )


@dataclass(frozen=True, eq=False)
class _Ventricle:
    """The left ventricle in polar coordinates around its axis, at one moment.

    Args:
        r: Distance from the axis in mm.
        angle: Direction from the axis in radians.
        inner: Radius of the cavity towards that direction; 0 or less where there is none.
        outer: Radius of the outside; 0 or less above the base and below the apex.
    """

    r: FloatArray
    angle: FloatArray
    inner: FloatArray
    outer: FloatArray


def draw_chest(space: Space, heart: Heart, contraction: float) -> Tissues:
    """Paint the chest at one moment of the heart's cycle.

    Args:
        space: The patient; z = 0 is the base of the left ventricle.
        heart: Its heart.
        contraction: 0 at end-diastole to 1 at end-systole.

    Returns:
        :class:`ChestTissue` ids.
    """
    tissues = np.full(space.shape, ChestTissue.LUNG, dtype=np.uint8)
    _paint_surroundings(tissues, space, heart)
    left = _left_ventricle(space, heart, contraction)
    outside = left.r < left.outer
    right = _right_ventricle(space, heart, contraction)
    below_base = space.z < 0
    tissues[_epicardial_fat(space, left, right)] = ChestTissue.FAT
    _paint_atria(tissues, space, heart)
    tissues[(right < 1.1) & below_base] = ChestTissue.RV_WALL
    tissues[(right < 1.0) & below_base] = ChestTissue.RV_CAVITY
    tissues[outside] = ChestTissue.MYOCARDIUM
    cavity = left.r < left.inner
    tissues[cavity] = ChestTissue.LV_CAVITY
    tissues[cavity & _papillary(space, heart, left)] = ChestTissue.PAPILLARY
    return tissues


def _left_ventricle(space: Space, heart: Heart, contraction: float) -> _Ventricle:
    """Shrink the cavity and keep the volume of the wall, so that the wall thickens."""
    dx = space.x - heart.x - heart.lean[0] * space.z
    dy = (space.y - heart.y - heart.lean[1] * space.z) / heart.oval
    r = np.hypot(dx, dy)
    angle = np.arctan2(dy, dx)
    length = heart.length * (1 - 0.1 * contraction)
    depth = np.clip(-space.z / length, 0.0, None)
    profile = np.sqrt(np.clip(1 - depth**2, 0.0, None))
    inner_depth = np.clip(-space.z / (length - heart.wall * (1 + 0.3 * contraction)), 0.0, None)
    inner = heart.lv * np.sqrt(np.clip(1 - inner_depth**2, 0.0, None))
    outer = (heart.lv + heart.wall) * profile
    scar = _toward(angle, heart.scar, 0.7) if heart.scar is not None else np.float32(0.0)
    outer = outer - 0.4 * heart.wall * scar
    section = np.clip(outer**2 - inner**2, 0.0, None)
    shrink = 1 - heart.lv_ejection * contraction * (1 - 0.85 * scar)
    inner = inner * np.sqrt(shrink)
    outer = np.sqrt(inner**2 + section * (1 + 0.06 * contraction))
    uneven = 1 + 0.03 * space.wobble
    inside = (space.z < 0) & (depth < 1)
    return _Ventricle(r, angle, np.where(inside, inner * uneven, 0), np.where(inside, outer, 0))


def _right_ventricle(space: Space, heart: Heart, contraction: float) -> FloatArray:
    """Return the distance from the RV's axis in units of its radius; below 1 is cavity."""
    shrink = float(np.sqrt(1 - heart.rv_ejection * contraction))
    reach = heart.lv + heart.wall
    across, along = 31.0 * heart.rv * shrink, 37.0 * heart.rv * (0.4 + 0.6 * shrink)
    away = 0.75 * reach + 8.0 * heart.rv * shrink
    centre = (
        heart.x + away * float(np.cos(heart.septum)),
        heart.y + away * float(np.sin(heart.septum)),
        0.0,
    )
    turn = float(np.degrees(heart.septum))
    crescent = Ellipsoid(
        centre, (across, along, 0.75 * heart.length), turn=turn, lean=heart.lean, lumps=0.05
    )
    return crescent.distance(space)


def _epicardial_fat(space: Space, left: _Ventricle, right: FloatArray) -> Mask:
    """Return the fat around both ventricles: a layer of 0 to 9 mm, as uneven as the outline."""
    thickness = 6.0 * np.clip(0.4 + space.wobble, 0.0, 1.5)
    on_left = (left.outer > 0) & (left.r < left.outer + thickness)
    on_right = (space.z < 0) & (right < 1.12 + thickness / 30.0)
    mask: Mask = on_left | on_right
    return mask


def _papillary(space: Space, heart: Heart, left: _Ventricle) -> Mask:
    """Return two muscles in the middle third of the LV that all but touch its wall."""
    depth = -space.z / heart.length
    reach = (depth > 0.25) & (depth < 0.7)
    ring = np.abs(left.r - 0.72 * left.inner) < 0.24 * left.inner
    toward = _toward(left.angle, heart.papillary, 0.28) + _toward(
        left.angle, heart.papillary + 2.0, 0.28
    )
    mask: Mask = reach & ring & (toward > 0.55)
    return mask


def _toward(angle: FloatArray, direction: float, width: float) -> FloatArray:
    """Return 1 in a direction, falling to 0 away from it."""
    apart = np.angle(np.exp(1j * (angle - direction)))
    bump: FloatArray = np.exp(-0.5 * (apart / width) ** 2).astype(np.float32)
    return bump


def _paint_surroundings(tissues: Tissues, space: Space, heart: Heart) -> None:
    """Paint chest wall, spine, liver, stomach and the descending aorta."""
    thorax = Ellipsoid((0, 18, 0), (128, 92, 900), power=2.4).distance(space)
    tissues[thorax > 0.93] = ChestTissue.MUSCLE
    tissues[thorax > 1.04] = ChestTissue.FAT
    tissues[thorax > 1.22] = ChestTissue.AIR
    ribs = (np.abs(thorax - 0.98) < 0.035) & (space.wobble > 0.5)
    tissues[ribs] = ChestTissue.BONE
    dome = Ellipsoid((-48, 30, -0.9 * heart.length), (88, 60, 62), lumps=0.03).mask(space)
    tissues[dome & (thorax < 0.93)] = ChestTissue.LIVER
    stomach = Ellipsoid((52, 38, -0.95 * heart.length), (34, 28, 45), lumps=0.05).mask(space)
    tissues[stomach & (thorax < 0.93)] = ChestTissue.STOMACH
    tissues[Ellipsoid((0, 88, 0), (24, 20, 900)).mask(space)] = ChestTissue.BONE
    tissues[Ellipsoid((24, 64, 0), (17, 17, 900)).mask(space)] = ChestTissue.FAT
    tissues[Ellipsoid((24, 62, 0), (12, 12, 900)).mask(space)] = ChestTissue.VESSEL


def _paint_atria(tissues: Tissues, space: Space, heart: Heart) -> None:
    """Paint what lies above the base: blood without a label, in walls without a label."""
    x, y = heart.x, heart.y
    above = space.z >= 0
    tissues[above & Ellipsoid((x - 18, y, 8), (50, 42, 30), lumps=0.12).mask(space)] = (
        ChestTissue.FAT
    )
    for centre, radii in (
        ((x - 4, y + 20, 14), (28, 20, 28)),  # left atrium
        ((x - 48, y + 14, 10), (20, 25, 28)),  # right atrium
        ((x - 36, y - 22, 6), (18, 15, 34)),  # outflow tract of the right ventricle
        ((x - 15, y - 5, 10), (15, 15, 60)),  # root of the aorta
    ):
        wall = (radii[0] + 3.0, radii[1] + 3.0, radii[2] + 3.0)
        tissues[above & Ellipsoid(centre, wall, lumps=0.05).mask(space)] = ChestTissue.RV_WALL
        tissues[above & Ellipsoid(centre, radii, lumps=0.05).mask(space)] = ChestTissue.ATRIUM
