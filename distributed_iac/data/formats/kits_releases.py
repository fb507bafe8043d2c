"""The KiTS releases: how their folders differ and what their labels mean.

::

    decide(root_folder, case_folders)
    # Decision(release="2023", why="kits23.json beside the cases", sure=True)

KiTS23 contains the patients of KiTS21 and KiTS19 with new annotations, and uses the file names
of KiTS19, so a folder that has lost its ``kits23.json`` may look like either.

Label values, hierarchical evaluation classes (HEC) and painting order (1, 3, 2) of KiTS21/23:
``kits23/configuration/labels.py`` (KIDNEY, TUMOR, CYST; HEC_NAME_LIST, KITS_HEC_LABEL_MAPPING,
LABEL_AGGREGATION_ORDER). KiTS19 scored kidney-with-tumour and tumour (Heller et al., Medical
Image Analysis 67, 2021).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from distributed_iac.data.contract import LabelScheme, OfficialPart, Region
from distributed_iac.data.formats.listing import Folder

KitsRelease = Literal["2019", "2021", "2023"]

LABELS_2019 = LabelScheme(
    convention="kits19 (1 kidney, 2 tumor)",
    classes={1: "kidney", 2: "tumor"},
    regions=(Region("kidney_and_tumor", (1, 2)), Region("tumor", (2,))),
    region_order=(1, 2),
)
LABELS_FROM_2021 = LabelScheme(
    convention="kits21/23 (1 kidney, 2 tumor, 3 cyst)",
    classes={1: "kidney", 2: "tumor", 3: "cyst"},
    regions=(
        Region("kidney_and_mass", (1, 2, 3)),
        Region("mass", (2, 3)),
        Region("tumor", (2,)),
    ),
    region_order=(1, 3, 2),
)
LABELS: Mapping[KitsRelease, LabelScheme] = {
    "2019": LABELS_2019,
    "2021": LABELS_FROM_2021,
    "2023": LABELS_FROM_2021,
}

SEGMENTATION: Mapping[KitsRelease, str] = {
    "2019": "segmentation",
    "2021": "aggregated_MAJ_seg",
    "2023": "segmentation",
}
"""Stem of the label file; of KiTS21's three aggregates the majority vote is the official one."""

DOWNLOAD: Mapping[KitsRelease, str] = {
    "2019": "python3 -m starter_code.get_imaging in the kits19 repository",
    "2021": "starter_code/get_imaging.py of the kits21 repository",
    "2023": "kits23_download_data (from the kits23 package)",
}
"""The repositories hold labels only; this fetches the images."""

_TEST_CASES: Mapping[KitsRelease, range] = {
    "2019": range(210, 300),
    "2021": range(0),
    "2023": range(589, 699),
}
_TESTS_2019 = _TEST_CASES["2019"]
_FIRST_ONLY_2023 = 300
_YEARS: Mapping[str, KitsRelease] = {"19": "2019", "21": "2021", "23": "2023"}
_NAMED = re.compile(r"kits[-_]?(?:20)?(19|21|23)", re.IGNORECASE)


@dataclass(frozen=True)
class Decision:
    """A release with the reason for it, and whether the names leave room for another."""

    release: KitsRelease
    why: str
    sure: bool = True


def part_of(release: KitsRelease, number: int) -> OfficialPart:
    """Return the official side of a case number."""
    return "test" if number in _TEST_CASES[release] else "train"


def number_of(case_id: str) -> int:
    """Return the number in ``case_00012``."""
    return int(case_id.removeprefix("case_"))


def decide(root: Folder, cases: Sequence[Folder]) -> Decision:
    """Decide the release, from what only one release has down to what is merely likely.

    Args:
        root: Folder that holds the case folders.
        cases: The case folders, listed.
    """
    numbers = {number_of(case.path.name) for case in cases}
    segmented = {
        number_of(case.path.name)
        for case in cases
        if any(name.startswith("segmentation.") for name in case.nifti)
    }
    if any(name.startswith("aggregated_") for case in cases for name in case.nifti):
        return Decision("2021", "aggregated_*_seg files, which only KiTS21 has")
    if "kits23.json" in root.files:
        return Decision("2023", "kits23.json beside the cases")
    if any("instances" in case.folders for case in cases):
        return Decision("2023", "instances/ folders, which only KiTS23 has")
    if any(number >= _FIRST_ONLY_2023 for number in numbers):
        return Decision("2023", "case numbers from 300, which only KiTS23 has")
    if any(number in _TESTS_2019 for number in segmented):
        return Decision("2023", "segmentations of cases 210 to 299, which KiTS19 withholds")
    if "kits.json" in root.files:
        return Decision("2019", "kits.json beside the cases")
    place = root.path.resolve()
    for name in (place.name, *(above.name for above in list(place.parents)[:2])):
        named = _NAMED.search(name)
        if named is not None:
            return Decision(_YEARS[named.group(1)], f"a folder named {name}")
    if any(number in _TESTS_2019 for number in numbers - segmented):
        return Decision("2019", "cases 210 to 299 without segmentation")
    return Decision("2019", "the file names of KiTS19 or KiTS23, and nothing else", sure=False)
