"""Where the organs of an average trunk lie: a table of shapes.

Points are (left, posterior, superior) in mm from the midline, midway between front and back, at
the height of the kidneys. Positions and sizes are those of textbook anatomy, rounded; small organs
(adrenals, oesophagus, gallbladder) are drawn a little larger than life, so that coarse grids show
them. The chest is shortened: the arch of the aorta lies at z = 180.
"""

from __future__ import annotations

from dataclasses import dataclass

from distributed_iac.phantom.shapes import Ellipsoid, Solid, Tube
from distributed_iac.phantom.torso_looks import TorsoTissue as T


@dataclass(frozen=True)
class Organ:
    """An organ, or a part of one, of the average trunk.

    Args:
        parts: Shapes whose union it is.
        tissue: What it consists of.
        wander: Standard deviation of its place between patients, mm.
        wall: Thickness of its wall in mm if it is hollow.
        content: What fills it, if it is hollow.
        gas: What fills its anterior part, where it holds gas (patients lie on their back).
    """

    parts: tuple[Solid, ...]
    tissue: T
    wander: float = 3.0
    wall: float = 0.0
    content: T | None = None
    gas: T | None = None


LUNGS = (
    Ellipsoid((-76, 6, 190), (58, 80, 100)),
    Ellipsoid((76, 6, 190), (56, 80, 100)),
)

HEART = Ellipsoid((24, -36, 186), (56, 42, 44), lumps=0.03)

BACKGROUND_ORGANS = (
    Organ(  # ascending colon
        (Tube(((-104, 14, -140), (-108, 10, 0)), (20, 21)),),
        T.BOWEL, 5.0, 4.0, T.BOWEL_CONTENT, T.BOWEL_GAS,
    ),
    Organ(  # transverse colon
        (Tube(((-100, -40, 10), (-20, -78, -8), (60, -72, 5), (104, -20, 50)), (19, 17, 17, 17)),),
        T.BOWEL, 6.0, 4.0, T.BOWEL_CONTENT, T.BOWEL_GAS,
    ),
    Organ(  # rectum
        (Tube(((20, 40, -170), (0, 50, -200), (0, 36, -262)), (14, 17, 14)),),
        T.BOWEL, 3.0, 4.0, T.BOWEL_CONTENT, T.BOWEL_GAS,
    ),
    Organ(  # descending colon
        (Tube(((110, 22, 40), (110, 24, -130), (60, 10, -180)), (16, 15, 14)),),
        T.BOWEL, 5.0, 4.0, T.BOWEL_CONTENT, T.BOWEL_GAS,
    ),
)  # fmt: skip

ORGANS = (
    Organ(
        (
            Ellipsoid((-64, -2, 102), (82, 78, 74), lumps=0.04),
            Ellipsoid((-90, 8, 48), (36, 50, 58), lumps=0.04),
            Ellipsoid((14, -46, 112), (58, 36, 36), lumps=0.05),
        ),
        T.LIVER,
        4.0,
    ),
    Organ(
        (
            Tube(((-30, 2, 70), (-62, -8, 84), (-98, -18, 100)), (7, 6, 4)),
            Tube(((-18, 22, 146), (-66, 22, 128), (-104, 30, 110)), (6, 5, 4)),
            Tube(((-18, 22, 146), (-34, -34, 124)), (6, 4)),
        ),
        T.LIVER_VESSEL,
        2.0,
    ),
    Organ((Ellipsoid((100, 46, 98), (25, 46, 50), turn=28, lumps=0.04),), T.SPLEEN, 4.0),
    Organ(
        (
            Ellipsoid((60, 4, 126), (40, 38, 36), lumps=0.04),
            Tube(((68, -18, 118), (70, -44, 76), (36, -58, 44), (-4, -48, 40)), (30, 28, 22, 14)),
        ),
        T.STOMACH, 4.0, 5.0, T.STOMACH_CONTENT, T.STOMACH_GAS,
    ),
    Organ((Tube(((4, 30, 172), (6, 28, 150), (30, 14, 132)), (10, 10, 10)),), T.OESOPHAGUS, 1.5),
    Organ((Ellipsoid((-50, -52, 46), (15, 18, 30), turn=20, lumps=0.04),), T.GALLBLADDER, 5.0),
    Organ(
        (Tube(((-20, -2, 20), (-2, -20, 34), (36, -14, 50), (84, 24, 74)), (17, 12, 13, 11)),),
        T.PANCREAS,
        3.0,
    ),
    Organ(
        (
            Tube(
                ((-14, -44, 42), (-40, -24, 40), (-46, -4, 18), (-40, 6, -16), (-4, 8, -24),
                 (24, -4, -8)),
                (14, 13, 13, 13, 12, 11),
            ),
        ),
        T.DUODENUM,
        3.0,
    ),
    Organ(
        (
            Tube(((-34, 24, 66), (-42, 46, 48)), (5.5, 5)),
            Tube(((-34, 24, 66), (-28, 46, 46)), (5.5, 5)),
        ),
        T.ADRENAL,
        2.0,
    ),
    Organ(
        (
            Tube(((36, 18, 80), (46, 38, 60)), (5.5, 5)),
            Tube(((36, 18, 80), (30, 36, 58)), (5.5, 5)),
        ),
        T.ADRENAL,
        2.0,
    ),
    Organ((Tube(((-2, 0, 40), (-30, 2, 70)), (8, 8)),), T.VESSEL, 1.5),  # portal vein
    Organ((Tube(((4, 6, 30), (2, -10, -60)), (7, 6)),), T.VESSEL, 1.5),  # mesenteric vessels
    Organ((Tube(((-22, 28, -95), (-21, 28, 60), (-18, 20, 138)), (12, 13, 14)),), T.CAVA, 1.5),
    Organ(
        (Tube(((-8, -4, 176), (14, 32, 176), (12, 36, 60), (8, 34, -85)), (13, 13, 11, 10)),),
        T.AORTA,
        1.5,
    ),
    Organ(  # iliac vessels: look like the aorta, and are not
        (
            Tube(((8, 34, -88), (40, 26, -150), (62, -10, -240)), (9, 8, 8)),
            Tube(((8, 34, -88), (-34, 28, -150), (-60, -10, -240)), (9, 8, 8)),
            Tube(((-22, 30, -98), (28, 38, -150)), (9, 8)),
            Tube(((-22, 30, -98), (-48, 36, -150)), (9, 8)),
        ),
        T.VESSEL,
        1.5,
    ),
    Organ((Ellipsoid((0, -42, -196), (40, 32, 30), lumps=0.03),), T.BLADDER, 4.0),
)  # fmt: skip
"""In painting order."""

PROSTATE = Organ((Ellipsoid((0, -10, -226), (25, 21, 19), lumps=0.03),), T.PROSTATE_UTERUS, 2.0)
UTERUS = Organ((Ellipsoid((0, 2, -180), (27, 24, 36), lumps=0.05),), T.PROSTATE_UTERUS, 4.0)

SPINE = Tube(((0, 66, 400), (0, 62, 60), (0, 56, -60), (0, 64, -160)), (18, 19, 21, 21))
SACRUM = Ellipsoid((0, 78, -200), (44, 17, 62))
ILIAC_WINGS = (
    Ellipsoid((-96, 34, -172), (12, 48, 70), turn=35, lean=(-0.1, 0.0)),
    Ellipsoid((96, 34, -172), (12, 48, 70), turn=-35, lean=(0.1, 0.0)),
)
HIPS = (
    Ellipsoid((-88, 6, -252), (27, 27, 27)),
    Ellipsoid((88, 6, -252), (27, 27, 27)),
)
MUSCLES = (
    Ellipsoid((-38, 54, -90), (19, 19, 110), lean=(0.12, 0.0)),  # psoas
    Ellipsoid((38, 54, -90), (19, 19, 110), lean=(-0.12, 0.0)),
    Ellipsoid((-36, 90, 0), (30, 17, 900), power=3),  # erector spinae
    Ellipsoid((36, 90, 0), (30, 17, 900), power=3),
    Ellipsoid((-78, 80, -215), (56, 28, 80)),  # gluteal
    Ellipsoid((78, 80, -215), (56, 28, 80)),
    Ellipsoid((-72, -6, -250), (46, 46, 60)),  # around the hips
    Ellipsoid((72, -6, -250), (46, 46, 60)),
)
