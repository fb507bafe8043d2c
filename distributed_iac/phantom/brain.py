"""A skull-stripped brain with a glioma, seen by four MR channels.

::

    brain = draw_brain(space, rng)
    glioma = Glioma.draw("high grade", rng)
    tissues = grow(brain, space, glioma, rng)
    looks = LOOKS["flair"]

The white matter, grey matter and sulci are folded at random; ventricles, deep nuclei, brain stem
and cerebellum lie where they should. In the image of a single channel the tumour's parts are not
unique: oedema is as bright as old white matter lesions in FLAIR, the enhancing rim as bright as
sinuses and choroid plexus in contrast-enhanced T1, necrosis and resection cavity as bright as
cerebrospinal fluid in T2. Relative intensities follow the textbook contrast of each sequence; the
exact numbers are our choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from distributed_iac.phantom.imaging import Look
from distributed_iac.phantom.shapes import Ellipsoid, Tube
from distributed_iac.phantom.space import Mask, Space, Tissues

Kind = Literal["high grade", "low grade", "treated"]


class BrainTissue(IntEnum):
    """What a voxel of the head consists of; OUTSIDE is removed by skull stripping."""

    OUTSIDE = 0
    FLUID = 1
    GREY = 2
    WHITE = 3
    NUCLEUS = 4
    PLEXUS = 5
    SINUS = 6
    LESION = 7
    NECROSIS = 8
    OEDEMA = 9
    ENHANCING = 10
    CAVITY = 11


def _looks(texture: float, **means: float) -> dict[int, Look]:
    """Scale means relative to a head's brightest tissue to units of 100."""
    rough = {"necrosis": 2.2, "oedema": 1.3, "enhancing": 1.8, "lesion": 1.3}
    return {
        BrainTissue[name.upper()]: Look(
            100 * mean, 100 * texture * rough.get(name, 1.0), 5.0 if mean else 0.0
        )
        for name, mean in means.items()
    }


LOOKS: Mapping[str, Mapping[int, Look]] = {
    "t1": _looks(
        0.04, outside=0, fluid=0.30, grey=0.62, white=0.82, nucleus=0.70, plexus=0.48,
        sinus=0.55, lesion=0.68, necrosis=0.44, oedema=0.60, enhancing=0.58, cavity=0.32,
    ),
    "t1ce": _looks(
        0.04, outside=0, fluid=0.30, grey=0.63, white=0.81, nucleus=0.70, plexus=1.05,
        sinus=1.15, lesion=0.68, necrosis=0.46, oedema=0.60, enhancing=0.97, cavity=0.34,
    ),
    "t2": _looks(
        0.05, outside=0, fluid=1.15, grey=0.72, white=0.54, nucleus=0.62, plexus=0.90,
        sinus=0.40, lesion=0.80, necrosis=0.98, oedema=0.86, enhancing=0.80, cavity=1.12,
    ),
    "flair": _looks(
        0.05, outside=0, fluid=0.24, grey=0.70, white=0.56, nucleus=0.66, plexus=0.60,
        sinus=0.40, lesion=0.88, necrosis=0.70, oedema=0.87, enhancing=0.82, cavity=0.28,
    ),
}  # fmt: skip
"""Appearance by channel; relative to its own scale, which every patient and channel draws."""


def draw_brain(space: Space, rng: np.random.Generator) -> Tissues:
    """Paint a healthy, skull-stripped brain; returns :class:`BrainTissue` ids."""
    wide, long, high = rng.uniform(0.94, 1.04, 3)
    cerebrum = Ellipsoid((0, 0, 6), (67 * wide, 84 * long, 62 * high), power=2.1, lumps=0.012)
    cerebellum = Ellipsoid((0, 46, -44), (50, 30, 24), lumps=0.02)
    stem = Tube(((0, 12, -20), (0, 20, -48), (0, 30, -74)), (15, 14, 10))
    upper = cerebrum.mask(space) & (space.z > -46)
    lower = (cerebellum.mask(space) | stem.mask(space)) & ~upper
    tissues = np.zeros(space.shape, dtype=np.uint8)
    tissues[upper | lower] = BrainTissue.WHITE
    depth = ndimage.distance_transform_edt(tissues > 0, sampling=space.grid.step)
    _fold(tissues, space, upper, depth, width_mm=7.0, ribbon_mm=6.0, rng=rng)
    _fold(tissues, space, lower, depth, width_mm=4.0, ribbon_mm=7.0, rng=rng)
    tissues[stem.mask(space) & (tissues > 0)] = BrainTissue.WHITE
    _paint_midline(tissues, space, depth)
    _paint_depths(tissues, space, rng)
    _paint_lesions(tissues, space, rng)
    return tissues


def _fold(
    tissues: Tissues,
    space: Space,
    part: Mask,
    depth: NDArray[np.float64],
    *,
    width_mm: float,
    ribbon_mm: float,
    rng: np.random.Generator,
) -> None:
    """Fold the surface of a part: sulci along the zero lines of a random field, cortex beside."""
    valley = np.abs(space.field(width_mm, rng))
    cortex = (depth < 0.7 * ribbon_mm) | ((valley < 0.6) & (depth < 3.2 * ribbon_mm))
    sulcus = (valley < 0.19) & (depth < 2.8 * ribbon_mm)
    tissues[part & cortex] = BrainTissue.GREY
    tissues[part & sulcus] = BrainTissue.FLUID


def _paint_midline(
    tissues: Tissues,
    space: Space,
    depth: NDArray[np.float64],
) -> None:
    """Paint the fissure between the hemispheres, the falx's sinus above and behind."""
    half = max(1.2, 0.45 * space.grid.step[2])
    middle = (np.abs(space.x) < half) & (tissues > 0) & (space.z > -20)
    tissues[middle & (depth < 26)] = BrainTissue.FLUID
    outer = (np.abs(space.x) < max(3.0, half)) & (tissues > 0) & (depth < 5)
    tissues[outer & ((space.z > 25) | (space.y > 40)) & (space.z > -20)] = BrainTissue.SINUS


def _paint_depths(tissues: Tissues, space: Space, rng: np.random.Generator) -> None:
    """Paint deep nuclei and ventricles on both sides."""
    age = rng.uniform(0.8, 1.5)
    for side in (-1, 1):
        thalamus = Ellipsoid((side * 12, 12, 2), (8, 13, 9))
        putamen = Ellipsoid((side * 26, -8, 2), (6, 18, 10), turn=side * -12)
        caudate = Ellipsoid((side * 14, -22, 10), (6, 10, 10))
        for nucleus in (thalamus, putamen, caudate):
            tissues[nucleus.mask(space)] = BrainTissue.NUCLEUS
    for side in (-1, 1):
        body = Ellipsoid((side * 9, -4, 20), (4.5 * age, 30, 8 * age), turn=side * -14)
        horn = Ellipsoid((side * 19, 32, 10), (5 * age, 19, 8 * age), turn=side * 16)
        for chamber in (body, horn):
            tissues[chamber.mask(space)] = BrainTissue.FLUID
        tissues[Ellipsoid((side * 18, 27, 9), (3, 7, 4)).mask(space)] = BrainTissue.PLEXUS
    tissues[Ellipsoid((0, 6, 2), (2.2 * age, 14, 10)).mask(space)] = BrainTissue.FLUID
    tissues[Ellipsoid((0, 34, -36), (6, 6, 9)).mask(space)] = BrainTissue.FLUID


def _paint_lesions(tissues: Tissues, space: Space, rng: np.random.Generator) -> None:
    """Scatter old white matter lesions that no annotator marks: bright in FLAIR like oedema."""
    for _ in range(int(rng.integers(2, 7))):
        side = rng.choice((-1, 1))
        centre = (side * rng.uniform(15, 42), rng.uniform(-50, 55), rng.uniform(5, 40))
        width = rng.uniform(2.5, 6.5)
        spot = Ellipsoid(centre, (width, width * rng.uniform(1, 2), width), lumps=0.15)
        mask = spot.mask(space)
        tissues[mask & (tissues == BrainTissue.WHITE)] = BrainTissue.LESION


@dataclass(frozen=True)
class Glioma:
    """A tumour; lengths in mm.

    Args:
        kind: ``high grade`` has necrosis, enhancing rim and oedema; ``low grade`` does not
            enhance; ``treated`` has a resection cavity beside what is left.
        centre: Middle (x, y, z).
        core: Radii of the tumour core.
        turn: Rotation of the core in the axial plane, degrees.
        rim: Share of the core's radius that the enhancing rim takes.
        spread: Radius of the oedema relative to the core.
        rim_left: How much of the rim enhances, as a threshold on a unit-variance field.
    """

    kind: Kind
    centre: tuple[float, float, float]
    core: tuple[float, float, float]
    turn: float
    rim: float
    spread: float
    rim_left: float

    @classmethod
    def draw(cls, kind: Kind, rng: np.random.Generator) -> Glioma:
        """Draw a tumour somewhere in the white matter of one hemisphere."""
        side = float(rng.choice((-1, 1)))
        size = rng.uniform(13, 22) if kind != "low grade" else rng.uniform(15, 24)
        return cls(
            kind=kind,
            centre=(side * rng.uniform(24, 38), rng.uniform(-40, 42), rng.uniform(-6, 32)),
            core=(
                size * rng.uniform(0.8, 1.1),
                size * rng.uniform(0.9, 1.3),
                size * rng.uniform(0.8, 1.1),
            ),
            turn=rng.uniform(-60, 60),
            rim=rng.uniform(0.22, 0.42),
            spread=rng.uniform(1.6, 2.2) if kind != "low grade" else rng.uniform(1.15, 1.4),
            rim_left=rng.uniform(0.6, 1.6),
        )

    def grown(self, factor: float) -> Glioma:
        """Return the tumour at a later visit."""
        x, y, z = (factor * radius for radius in self.core)
        return replace(self, core=(x, y, z))


def grow(brain: Tissues, space: Space, glioma: Glioma, rng: np.random.Generator) -> Tissues:
    """Paint a tumour into a healthy brain.

    Args:
        brain: Result of :func:`draw_brain`.
        space: The patient.
        glioma: The tumour.
        rng: Source of its irregular outlines.

    Returns:
        A new array of :class:`BrainTissue` ids.
    """
    tissues = brain.copy()
    coarse, fine = space.field(12.0, rng), space.field(6.0, rng)
    shape = Ellipsoid(glioma.centre, glioma.core, turn=glioma.turn)
    core = shape.distance(space) + 0.14 * coarse + 0.05 * fine
    solid = brain > 0
    # Oedema follows the white matter: grey matter and fluid stop it.
    open_way = np.isin(brain, (BrainTissue.WHITE, BrainTissue.LESION, BrainTissue.NUCLEUS))
    reach = np.maximum(glioma.spread + 0.35 * space.field(18.0, rng), 1.1)
    tissues[open_way & (core < reach)] = BrainTissue.OEDEMA
    inside = solid & (core < 1.0)
    tissues[inside] = BrainTissue.NECROSIS
    if glioma.kind == "low grade":
        return tissues
    rim = inside & (core > 1.0 - glioma.rim - 0.12 * fine) & (fine < glioma.rim_left)
    tissues[rim] = BrainTissue.ENHANCING
    if glioma.kind == "treated":
        x, y, z = glioma.centre
        toward_skull = 0.75 * glioma.core[0] * np.sign(x)
        hole = Ellipsoid(
            (x + toward_skull, y, z + 2), (0.9 * 15, 0.9 * 18, 15), turn=glioma.turn, lumps=0.08
        )
        tissues[solid & hole.mask(space)] = BrainTissue.CAVITY
    return tissues
