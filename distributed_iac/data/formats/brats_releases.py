"""The BraTS glioma releases: names, channels and what their label values mean.

::

    release_of("BraTS-GLI-00005-100").name      # "2024-GLI"
    release_of("BraTS20_Training_001").labels   # 1 NCR/NET, 2 ED, 4 ET

The numbering changed in 2023 (enhancing tumour 4 became 3) and 2024 gave 4 to the resection
cavity, so a mask means nothing without its release. The release is decided by names alone:
values could not tell BraTS 2023 from an nnU-Net conversion of BraTS 2020, where 1 is the edema.

Regions and their values: ``brats_evaluation/config_gli.yaml`` of the 2023/2024 evaluation code;
for 2018-2021 Bakas et al., arXiv:1811.02629. Region painting order is our consequence of the
nesting ET in TC in WT: each region is painted with the value that only it adds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from distributed_iac.data.contract import LabelScheme, Region

CHANNELS = ("t1", "t1ce", "t2", "flair")
"""Canonical order (that of nnU-Net's BraTS converters)."""

LABELS_TO_2022 = LabelScheme(
    convention="brats<=2022 (1 NCR/NET, 2 ED, 4 ET)",
    classes={1: "NCR/NET", 2: "ED", 4: "ET"},
    regions=(Region("WT", (1, 2, 4)), Region("TC", (1, 4)), Region("ET", (4,))),
    region_order=(2, 1, 4),
)
LABELS_2023 = LabelScheme(
    convention="brats2023 (1 NCR, 2 SNFH, 3 ET)",
    classes={1: "NCR", 2: "SNFH", 3: "ET"},
    regions=(Region("WT", (1, 2, 3)), Region("TC", (1, 3)), Region("ET", (3,))),
    region_order=(2, 1, 3),
)
LABELS_2024 = LabelScheme(
    convention="brats2024 (1 NETC, 2 SNFH, 3 ET, 4 RC)",
    classes={1: "NETC", 2: "SNFH", 3: "ET", 4: "RC"},
    regions=(
        Region("WT", (1, 2, 3)),
        Region("TC", (1, 3)),
        Region("ET", (3,)),
        Region("RC", (4,)),
    ),
    region_order=(2, 1, 3, 4),
)


@dataclass(frozen=True)
class Release:
    """One release of BraTS, as its names show it.

    Args:
        name: Such as ``2021`` or ``2023-GLI``.
        case: Pattern of a case id, which is also the case's folder name.
        labels: Meaning of the label values.
        suffixes: Canonical channel name to what follows the case id in its file's stem.
        seg: What follows the case id in the label file's stem.
    """

    name: str
    case: re.Pattern[str]
    labels: LabelScheme
    suffixes: Mapping[str, str]
    seg: str


_UNDERSCORED = {channel: f"_{channel}" for channel in CHANNELS}
_DASHED = {"t1": "-t1n", "t1ce": "-t1c", "t2": "-t2w", "flair": "-t2f"}


def _to_2022(name: str, case: str) -> Release:
    return Release(name, re.compile(case), LABELS_TO_2022, _UNDERSCORED, "_seg")


RELEASES = (
    _to_2022("2018", r"Brats18_[A-Za-z0-9]+_\w+"),
    _to_2022("2019", r"BraTS19_[A-Za-z0-9]+_\w+"),
    _to_2022("2020", r"BraTS20_(?:Training|Validation)_\d{3}"),
    _to_2022("2021", r"BraTS2021_\d{5}"),
    # The last number is the visit: 000 or 001 before treatment (2023), 100 upwards after (2024).
    Release("2023-GLI", re.compile(r"BraTS-GLI-\d{5}-0\d{2}"), LABELS_2023, _DASHED, "-seg"),
    Release("2024-GLI", re.compile(r"BraTS-GLI-\d{5}-[1-9]\d{2}"), LABELS_2024, _DASHED, "-seg"),
)

PUBLISHED_ALIASES: Mapping[tuple[str, str], str] = {
    ("BraTS20_Training_355", "_seg"): "W39_1998.09.19_Segm",
}
"""Files that the organisers published under a wrong stem: (case id, suffix) to that stem."""


def release_of(case_id: str) -> Release | None:
    """Return the release that a folder name belongs to, if it is a BraTS case id."""
    return next((release for release in RELEASES if release.case.fullmatch(case_id)), None)


def release_named(name: str) -> Release:
    """Return the release of a detection."""
    return next(release for release in RELEASES if release.name == name)
