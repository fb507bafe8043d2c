"""Tissues of the trunk, and how CT and MR show them.

Neighbours look alike on purpose: bowel like duodenum and stomach, muscle and uterus like bowel
wall, bile like urine and cysts, liver like spleen.

Hounsfield units and relative MR intensities follow the usual ranges of radiology textbooks; the
exact numbers are our choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from distributed_iac.phantom.imaging import Look


class TorsoTissue(IntEnum):
    """What a voxel of the trunk consists of; paired organs have one id for both sides."""

    AIR = 0
    FAT = 1
    MUSCLE = 2
    BONE = 3
    MARROW = 4
    LUNG = 5
    HEART = 6
    VESSEL = 7
    LIVER = 8
    LIVER_VESSEL = 9
    SPLEEN = 10
    CORTEX = 11
    MEDULLA = 12
    SINUS = 13
    GALLBLADDER = 14
    OESOPHAGUS = 15
    STOMACH = 16
    STOMACH_CONTENT = 17
    STOMACH_GAS = 18
    AORTA = 19
    CAVA = 20
    PANCREAS = 21
    ADRENAL = 22
    DUODENUM = 23
    BOWEL = 24
    BOWEL_CONTENT = 25
    BOWEL_GAS = 26
    BLADDER = 27
    PROSTATE_UTERUS = 28
    TUMOUR = 29
    TUMOUR_NECROSIS = 30
    CYST = 31
    TABLE = 32
    SUBCUTIS = 33


_T = TorsoTissue

_ANY_CT: dict[int, Look] = {
    _T.AIR: Look(-1000),
    _T.FAT: Look(-100, 10, 6),
    _T.MUSCLE: Look(58, 9, 5),
    _T.BONE: Look(430, 90, 40),
    _T.MARROW: Look(190, 45, 25),
    _T.LUNG: Look(-830, 35, 20),
    _T.GALLBLADDER: Look(12, 4, 6),
    _T.OESOPHAGUS: Look(46, 9, 6),
    _T.STOMACH: Look(72, 12, 8),
    _T.STOMACH_CONTENT: Look(30, 16, 12),
    _T.STOMACH_GAS: Look(-700, 80, 40),
    _T.BOWEL: Look(64, 14, 8),
    _T.BOWEL_CONTENT: Look(26, 18, 12),
    _T.BOWEL_GAS: Look(-600, 120, 60),
    _T.BLADDER: Look(9, 3, 5),
    _T.PROSTATE_UTERUS: Look(68, 13, 9),
    _T.SINUS: Look(-50, 25, 12),
    _T.TABLE: Look(-250, 40),
    _T.SUBCUTIS: Look(-104, 10, 6),
}

PORTAL_VENOUS_CT: Mapping[int, Look] = {
    **_ANY_CT,
    _T.HEART: Look(132, 14, 10),
    _T.VESSEL: Look(148, 10, 12),
    _T.LIVER: Look(106, 10, 12),
    _T.LIVER_VESSEL: Look(150, 10, 12),
    _T.SPLEEN: Look(114, 9, 10),
    _T.CORTEX: Look(168, 15, 10),
    _T.MEDULLA: Look(152, 15, 10),
    _T.AORTA: Look(152, 9, 12),
    _T.CAVA: Look(142, 13, 12),
    _T.PANCREAS: Look(92, 15, 8),
    _T.ADRENAL: Look(78, 9, 7),
    _T.DUODENUM: Look(60, 17, 9),
}
"""HU about 70 s after the contrast agent: the phase of most abdominal CT."""

LATE_ARTERIAL_CT: Mapping[int, Look] = {
    **_ANY_CT,
    _T.HEART: Look(230, 20, 20),
    _T.VESSEL: Look(190, 14, 25),
    _T.LIVER: Look(80, 9, 8),
    _T.LIVER_VESSEL: Look(100, 12, 10),
    _T.SPLEEN: Look(130, 28, 10),
    _T.CORTEX: Look(172, 20, 14),
    _T.MEDULLA: Look(112, 16, 10),
    _T.AORTA: Look(270, 12, 25),
    _T.CAVA: Look(112, 24, 12),
    _T.PANCREAS: Look(102, 15, 8),
    _T.ADRENAL: Look(80, 9, 6),
    _T.DUODENUM: Look(68, 18, 8),
    _T.TUMOUR: Look(92, 26, 22),
    _T.TUMOUR_NECROSIS: Look(36, 15, 8),
    _T.CYST: Look(14, 6, 6),
}
"""HU about 35 s after the contrast agent: cortex brighter than medulla, as in most of KiTS."""


def _mr(means: Mapping[TorsoTissue, float]) -> Mapping[int, Look]:
    """Give every tissue a texture of 8 % and a spread between patients of 7 %."""
    return {tissue: Look(mean, 0.08 * mean, 0.07 * mean) for tissue, mean in means.items()}


T1_MR: Mapping[int, Look] = _mr(
    {
        _T.AIR: 0, _T.FAT: 215, _T.MUSCLE: 86, _T.BONE: 24, _T.MARROW: 140, _T.LUNG: 10,
        _T.HEART: 88, _T.VESSEL: 66, _T.LIVER: 128, _T.LIVER_VESSEL: 72, _T.SPLEEN: 84,
        _T.CORTEX: 112, _T.MEDULLA: 82, _T.SINUS: 165, _T.GALLBLADDER: 58, _T.OESOPHAGUS: 86,
        _T.STOMACH: 92, _T.STOMACH_CONTENT: 52, _T.STOMACH_GAS: 4, _T.AORTA: 60, _T.CAVA: 70,
        _T.PANCREAS: 138, _T.ADRENAL: 104, _T.DUODENUM: 94, _T.BOWEL: 92, _T.BOWEL_CONTENT: 68,
        _T.BOWEL_GAS: 4, _T.BLADDER: 36, _T.PROSTATE_UTERUS: 90, _T.TABLE: 0,
        _T.SUBCUTIS: 225,
    }
)  # fmt: skip
"""T1-weighted gradient echo: fat bright, fluid dark, liver brighter than spleen."""

T2_MR: Mapping[int, Look] = _mr(
    {
        _T.AIR: 0, _T.FAT: 180, _T.MUSCLE: 46, _T.BONE: 16, _T.MARROW: 105, _T.LUNG: 8,
        _T.HEART: 58, _T.VESSEL: 34, _T.LIVER: 70, _T.LIVER_VESSEL: 42, _T.SPLEEN: 114,
        _T.CORTEX: 122, _T.MEDULLA: 150, _T.SINUS: 170, _T.GALLBLADDER: 240, _T.OESOPHAGUS: 60,
        _T.STOMACH: 80, _T.STOMACH_CONTENT: 200, _T.STOMACH_GAS: 3, _T.AORTA: 28, _T.CAVA: 36,
        _T.PANCREAS: 94, _T.ADRENAL: 76, _T.DUODENUM: 118, _T.BOWEL: 98, _T.BOWEL_CONTENT: 176,
        _T.BOWEL_GAS: 3, _T.BLADDER: 250, _T.PROSTATE_UTERUS: 126, _T.TABLE: 0,
        _T.SUBCUTIS: 190,
    }
)  # fmt: skip
"""T2-weighted single shot: fluid bright, flowing blood dark, spleen brighter than liver."""
