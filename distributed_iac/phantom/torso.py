"""A trunk from the lungs to the hips, with the abdominal organs where they belong.

::

    torso = Torso.draw(rng)
    tissues = draw_torso(space, torso, rng)          # TorsoTissue ids
    image = shade(tissues, PORTAL_VENOUS_CT, space, rng)

The organs come from :mod:`~distributed_iac.phantom.torso_atlas`; each is moved, resized and
bent in every patient. Paired organs have one tissue: their side is the sign of ``space.x``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from distributed_iac.phantom.shapes import Ellipsoid, Solid, Tube
from distributed_iac.phantom.space import FloatArray, Mask, Space, Tissues
from distributed_iac.phantom.torso_atlas import (
    BACKGROUND_ORGANS,
    HEART,
    HIPS,
    ILIAC_WINGS,
    LUNGS,
    MUSCLES,
    ORGANS,
    PROSTATE,
    SACRUM,
    SPINE,
    UTERUS,
    Organ,
)
from distributed_iac.phantom.torso_looks import TorsoTissue as T

_HALF_WIDTH, _HALF_DEPTH = 130.0, 90.0
"""Inside of the body wall to the middle of the trunk, mm."""

_WALL_MM = 13.0

SKIN_MM = (_HALF_WIDTH + _WALL_MM, _HALF_DEPTH + _WALL_MM)
"""Outside of the body wall to the middle (sideways, backwards); the skin's fat comes on top."""

_VERTEBRA_MM, _DISC_SHARE = 34.0, 0.22


@dataclass(frozen=True)
class Torso:
    """What differs between patients beyond the place and size of every organ.

    Args:
        size: Factors on (width, depth); callers divide their grid's step by them.
        fat: Thickness of the fat under the skin, mm.
        sex: Decides between prostate and uterus.
        gallbladder: Whether it has not been removed.
        kidneys: The right and the left kidney.
    """

    size: tuple[float, float]
    fat: float
    sex: Literal["male", "female"]
    gallbladder: Literal["present", "removed"]
    kidneys: tuple[Kidney, Kidney]

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Torso:
        """Draw a patient."""
        width, depth = rng.uniform(0.92, 1.1, 2)
        return cls(
            size=(float(width), float(depth)),
            fat=rng.uniform(9, 26),
            sex="male" if rng.random() < 0.5 else "female",
            gallbladder="removed" if rng.random() < 0.1 else "present",
            kidneys=(Kidney.draw(-1, -8, rng), Kidney.draw(1, 6, rng)),
        )


@dataclass(frozen=True)
class Kidney:
    """One kidney: its outline and the fat-filled notch that faces the midline."""

    outline: Ellipsoid
    notch: Ellipsoid

    @classmethod
    def draw(cls, side: int, height: float, rng: np.random.Generator) -> Kidney:
        """Draw a kidney; ``side`` is -1 for the patient's right and 1 for the left."""
        x, y = side * rng.normal(64, 4), rng.normal(42, 4)
        z = rng.normal(height, 8)
        scale = rng.uniform(0.88, 1.12)
        lean = (-side * rng.uniform(0.1, 0.25), rng.uniform(0.0, 0.1))
        radii = (27 * scale, 25 * scale, 52 * scale)
        turn = side * rng.uniform(-35, -5)
        outline = Ellipsoid((x, y, z), radii, turn=turn, lean=lean, lumps=0.035)
        notch = Ellipsoid(
            (x - side * 15 * scale, y - 7, z),
            (14 * scale, 9 * scale, 24 * scale),
            turn=turn,
            lean=lean,
            lumps=0.1,
        )
        return cls(outline, notch)

    def paint(self, tissues: Tissues, space: Space) -> None:
        """Paint cortex, pyramids of medulla and the sinus."""
        depth = self.outline.distance(space)
        tissues[depth < 1.0] = T.CORTEX
        pyramids = (depth < 0.72) & (space.wobble + 2.2 * (0.62 - depth) > 0)
        tissues[pyramids] = T.MEDULLA
        tissues[self.notch.mask(space) & (depth < 1.05)] = T.SINUS


def draw_torso(space: Space, torso: Torso, rng: np.random.Generator) -> Tissues:
    """Paint a trunk.

    Args:
        space: The patient; its grid's step has been divided by ``torso.size``.
        torso: What is particular about the patient.
        rng: Source of the place and size of every organ.

    Returns:
        :class:`~distributed_iac.phantom.torso_looks.TorsoTissue` ids.
    """
    tissues = np.full(space.shape, T.AIR, dtype=np.uint8)
    cavity = _paint_body(tissues, space, torso)
    for lung in LUNGS:
        tissues[cavity & lung.mask(space)] = T.LUNG
    tissues[cavity & HEART.mask(space)] = T.HEART
    for organ in BACKGROUND_ORGANS:
        _paint_organ(tissues, space, cavity, organ, rng)
    _paint_loops(tissues, space, cavity, rng)
    _paint_skeleton(tissues, space)
    for kidney in torso.kidneys:
        kidney.paint(tissues, space)
    genital = PROSTATE if torso.sex == "male" else UTERUS
    for organ in (*ORGANS, genital):
        if organ.tissue == T.GALLBLADDER and torso.gallbladder == "removed":
            continue
        _paint_organ(tissues, space, cavity, organ, rng)
    return tissues


def _paint_body(tissues: Tissues, space: Space, torso: Torso) -> Mask:
    """Paint skin fat, muscle wall and ribs; return the inside of the wall."""
    waist = 1.0 - 0.05 * np.exp(-0.5 * ((space.z + 10) / 70) ** 2)
    inside = Ellipsoid((0, 0, 0), (_HALF_WIDTH, _HALF_DEPTH, 1e4), power=2.5)
    outward = inside.distance(space) / waist
    mean_radius = (_HALF_WIDTH + _HALF_DEPTH) / 2
    wall = 1.0 + _WALL_MM / mean_radius
    tissues[outward < wall + torso.fat / mean_radius] = T.SUBCUTIS
    tissues[outward < wall] = T.MUSCLE
    cavity: Mask = outward < 1.0
    ribs = (np.abs(outward - wall + 0.055) < 0.04) & (space.z > 30)
    # Ribs slope downwards from back to front.
    stripes = np.sin(2 * np.pi * (space.z - 0.35 * space.y) / 30) > 0.35
    tissues[ribs & stripes] = T.BONE
    tissues[cavity] = T.FAT
    return cavity


def _paint_skeleton(tissues: Tissues, space: Space) -> None:
    """Paint spine, pelvis and the muscles beside them."""
    inside = tissues != T.AIR
    for muscle in MUSCLES:
        tissues[inside & muscle.mask(space)] = T.MUSCLE
    bones: tuple[Solid, ...] = (SACRUM, *ILIAC_WINGS, *HIPS)
    for bone in bones:
        tissues[inside & bone.mask(space)] = T.BONE
        tissues[inside & bone.shrunk(4.0).mask(space)] = T.MARROW
    body, core = SPINE.mask(space), SPINE.shrunk(3.5).mask(space)
    tissues[inside & body] = T.BONE
    tissues[inside & core] = T.MARROW
    disc = np.mod(space.z, _VERTEBRA_MM) < _DISC_SHARE * _VERTEBRA_MM
    tissues[inside & body & disc] = T.MUSCLE
    arch = Tube(((0, 90, 400), (0, 88, -170)), (13, 13)).mask(space)
    canal = Tube(((0, 86, 400), (0, 84, -170)), (8, 8)).mask(space)
    tissues[inside & arch] = T.BONE
    tissues[inside & canal] = T.MUSCLE


def _paint_organ(
    tissues: Tissues, space: Space, cavity: Mask, organ: Organ, rng: np.random.Generator
) -> None:
    """Paint one organ, moved and resized for this patient; only inside the body wall."""
    x, y, z = organ.wander * rng.standard_normal(3)
    scale = rng.uniform(0.88, 1.12)
    parts = [part.varied((x, y, z), scale) for part in organ.parts]
    whole = np.logical_or.reduce([part.mask(space) for part in parts]) & cavity
    tissues[whole] = organ.tissue
    if organ.content is None:
        return
    lumen = np.logical_or.reduce([part.shrunk(organ.wall).mask(space) for part in parts]) & cavity
    tissues[lumen] = organ.content
    if organ.gas is not None:
        tissues[lumen & _floating(space, lumen, share=rng.uniform(0.1, 0.45))] = organ.gas


def _floating(space: Space, lumen: Mask, share: float) -> Mask:
    """Return the most anterior share of a lumen."""
    heights: FloatArray = space.y[lumen]
    if not heights.size:
        return lumen
    floating: Mask = space.y < np.quantile(heights, share)
    return floating


def _paint_loops(tissues: Tissues, space: Space, cavity: Mask, rng: np.random.Generator) -> None:
    """Fill the abdomen with small bowel: short bent tubes at random."""
    for _ in range(60):
        start = np.array([rng.uniform(-85, 90), rng.uniform(-75, 25), rng.uniform(-185, 25)])
        points = start + np.cumsum(rng.normal(0, (26, 18, 14), (4, 3)), axis=0)
        corners = tuple((float(x), float(y), float(z)) for x, y, z in points)
        width = rng.uniform(9, 13)
        loop = Tube(corners, (width,) * 4)
        tissues[cavity & loop.mask(space)] = T.BOWEL
        filling = T.BOWEL_GAS if rng.random() < 0.2 else T.BOWEL_CONTENT
        tissues[cavity & loop.shrunk(4.0).mask(space)] = filling
