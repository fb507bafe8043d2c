"""Tumours and cysts of the kidneys.

::

    lesions = draw_lesions(tissues, space, torso, cysts=1, rng)     # paints into tissues
    [lesion.kind for lesion in lesions]                             # ["tumor", "cyst", "cyst"]

A tumour grows from the cortex outwards, enhances less than the kidney and may be necrotic inside,
where it is as dark as a cyst is; a cyst is dark and even. Bile and bowel content are as dark, but
lie elsewhere. Sizes and frequencies are our choice within the range of the KiTS cases.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from distributed_iac.phantom.shapes import Ellipsoid
from distributed_iac.phantom.space import Mask, Space, Tissues
from distributed_iac.phantom.torso import Kidney, Torso
from distributed_iac.phantom.torso_looks import TorsoTissue as T

_YIELDING = (T.FAT, T.CORTEX, T.MEDULLA, T.SINUS, T.BOWEL, T.BOWEL_CONTENT, T.BOWEL_GAS)
"""What a lesion displaces; other organs keep their place."""


@dataclass(frozen=True, eq=False)
class Lesion:
    """One lesion and where it was painted."""

    kind: Literal["tumor", "cyst"]
    mask: Mask


@dataclass(frozen=True)
class _Site:
    """A place on a kidney: direction in the axial plane, height in half-lengths of the kidney."""

    kidney: Kidney
    angle: float
    height: float

    def shape(self, radius: float, depth: float, lumps: float) -> Ellipsoid:
        """Return a lesion whose middle lies at a share of the way from axis to surface."""
        outline = self.kidney.outline
        across = math.sqrt(1 - self.height**2) * depth
        z = outline.centre[2] + self.height * outline.radii[2]
        rise = z - outline.centre[2]
        x = outline.centre[0] + outline.lean[0] * rise
        y = outline.centre[1] + outline.lean[1] * rise
        centre = (
            x + across * outline.radii[0] * math.cos(self.angle),
            y + across * outline.radii[1] * math.sin(self.angle),
            z,
        )
        return Ellipsoid(centre, (radius, 0.95 * radius, radius), lumps=lumps)


def draw_lesions(
    tissues: Tissues, space: Space, torso: Torso, cysts: int, rng: np.random.Generator
) -> tuple[Lesion, ...]:
    """Paint a tumour, and cysts if asked for, into a trunk.

    Args:
        tissues: Result of ``draw_torso``; changed.
        space: The patient.
        torso: The patient's kidneys.
        cysts: Smallest number of cysts; 0 means none, otherwise one or two more may come.
        rng: Source of number, place and size.
    """
    sick, other = rng.permutation(2)
    lateral = 0.0 if sick == 1 else math.pi
    angle = lateral + rng.uniform(-1.2, 1.2)
    site = _Site(torso.kidneys[sick], angle, rng.uniform(-0.65, 0.65))
    lesions = [_paint_tumour(tissues, space, site, rng)]
    if cysts:
        # The first cyst lies on the other kidney, so that no tumour can cover it.
        places = [_Site(torso.kidneys[other], rng.uniform(-math.pi, math.pi), 0.3)]
        for _ in range(cysts - 1 + int(rng.integers(0, 3))):
            kidney = torso.kidneys[int(rng.integers(2))]
            places.append(_Site(kidney, rng.uniform(-3, 3), rng.uniform(-0.8, 0.8)))
        lesions += [_paint_cyst(tissues, space, place, rng) for place in places]
    return tuple(lesion for lesion in lesions if lesion.mask.any())


def _paint_tumour(tissues: Tissues, space: Space, site: _Site, rng: np.random.Generator) -> Lesion:
    radius = rng.uniform(13, 30)
    shape = site.shape(radius, depth=rng.uniform(0.75, 1.15), lumps=0.08)
    mask = shape.mask(space) & np.isin(tissues, _YIELDING)
    tissues[mask] = T.TUMOUR
    dead = mask & (shape.distance(space) < 0.75) & (space.field(8.0, rng) > rng.uniform(0.3, 1.2))
    if radius > 16:
        tissues[dead] = T.TUMOUR_NECROSIS
    return Lesion("tumor", mask)


def _paint_cyst(tissues: Tissues, space: Space, site: _Site, rng: np.random.Generator) -> Lesion:
    shape = site.shape(rng.uniform(6, 18), depth=rng.uniform(0.6, 1.05), lumps=0.02)
    mask = shape.mask(space) & np.isin(tissues, _YIELDING)
    tissues[mask] = T.CYST
    return Lesion("cyst", mask)
