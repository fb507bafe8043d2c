"""The defects that can be planted in a phantom, and planting them.

::

    planted = plant(Path("phantoms/acdc"), "acdc", ["truncated", "empty_mask"], seed=0)
    [(defect.code, defect.case_id) for defect in planted]

Each defect has the code under which a check of the source reports it, and causes exactly one such
report. Each is planted in another patient, so that no defect hides another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import numpy as np

from distributed_iac.errors import ConfigError
from distributed_iac.phantom.catalogue import FORMATS, FormatName
from distributed_iac.phantom.damage import HARM, Site
from distributed_iac.phantom.phantom_plan import PlacedCase

Severity = Literal["error", "warning", "harmless"]

_ALL: frozenset[FormatName] = frozenset(FORMATS)


@dataclass(frozen=True)
class Defect:
    """A way in which a source can be wrong.

    Args:
        code: Code of the problem that a check reports.
        severity: How grave the check finds it; ``harmless`` must not be reported at all.
        what: What planting it does, for people.
        formats: Formats in which it can occur.
    """

    code: str
    severity: Severity
    what: str
    formats: frozenset[FormatName] = _ALL


@dataclass(frozen=True)
class PlantedDefect:
    """A defect that now is in a tree.

    Args:
        code: Code of the defect.
        path: What was damaged, removed or added.
        case_id: The case that the check blames; None where a whole patient is meant.
    """

    code: str
    path: Path
    case_id: str | None


DEFECTS: Mapping[str, Defect] = MappingProxyType(
    {
        defect.code: defect
        for defect in (
            Defect("missing_image", "error", "all images of a case are deleted"),
            Defect("missing_channel", "error", "one channel is deleted", frozenset({"brats"})),
            Defect("missing_label", "error", "the label file is deleted"),
            Defect(
                "partial_download",
                "error",
                "the image is replaced by the hidden file of an interrupted download",
                frozenset({"kits"}),
            ),
            Defect("truncated", "error", "an image is cut after 60 % of its bytes"),
            Defect("unreadable", "error", "an image is replaced by a login page"),
            Defect("zero_size", "error", "an image has an axis of length 0"),
            Defect("channel_count", "error", "an image has a fourth axis of length 2"),
            Defect("shape_mismatch", "error", "the label lacks a row"),
            Defect("spacing_mismatch", "error", "the label's voxels are a quarter too large"),
            Defect(
                "affine_mismatch",
                "error",
                "the label's origin is shifted by 12 mm",
                frozenset({"brats", "amos"}),
            ),
            Defect(
                "affine_ignored",
                "warning",
                "the label's origin is shifted by 12 mm, where headers are known not to tell",
                frozenset({"acdc", "kits"}),
            ),
            Defect("nonfinite", "error", "an image has NaN and infinite voxels"),
            Defect("noninteger_labels", "error", "the mask was interpolated linearly"),
            Defect("unexpected_labels", "error", "the mask has a value of another release"),
            Defect("empty_mask", "warning", "the mask is all background"),
            Defect(
                "duplicate_case",
                "error",
                "a case's folder is nested in a copy of its parent, or listed twice",
                frozenset({"acdc", "brats", "amos"}),
            ),
            Defect("duplicate_patient", "error", "a case's files are those of another patient"),
            Defect("hidden_files", "harmless", ".DS_Store and ._ files lie about"),
            Defect(
                "crlf_text",
                "harmless",
                "Info.cfg or dataset.json has Windows line ends",
                frozenset({"acdc", "amos"}),
            ),
        )
    }
)
"""Every defect by its code."""


def defects_of(format: FormatName) -> tuple[str, ...]:
    """Return the codes of all defects that can be planted in a format."""
    return tuple(code for code, defect in DEFECTS.items() if format in defect.formats)


def plant(
    out: Path, format: FormatName, codes: Sequence[str], seed: int
) -> tuple[PlantedDefect, ...]:
    """Plant defects in an intact phantom.

    Args:
        out: Folder that the phantom was written to.
        format: Its format.
        codes: Which defects, each at most once; see :data:`DEFECTS`.
        seed: Chooses the cases.

    Returns:
        What was planted where, in the order of ``codes``.

    Raises:
        ConfigError: A code is unknown, does not fit the format or is given twice, or there are
            fewer patients than defects. Nothing has been changed then.
    """
    _check_codes(format, codes)
    rng = np.random.default_rng([seed, len(DEFECTS)])
    sites = _choose_sites(out, format, codes, rng)
    return tuple(_plant_one(code, format, site) for code, site in zip(codes, sites, strict=True))


def _check_codes(format: FormatName, codes: Sequence[str]) -> None:
    allowed = defects_of(format)
    wrong = [code for code in codes if code not in allowed]
    if wrong:
        raise ConfigError(
            f"defects of {format} are {', '.join(allowed)}",
            came=", ".join(wrong),
            remedy="name defects from this list",
        )
    if len(set(codes)) < len(codes):
        raise ConfigError(
            "a defect is planted once",
            came=", ".join(sorted({code for code in codes if codes.count(code) > 1})),
            remedy="name each defect once",
        )


def _choose_sites(
    out: Path, format: FormatName, codes: Sequence[str], rng: np.random.Generator
) -> list[Site]:
    """Give every defect a patient of its own, and the one that needs it a donor."""
    patients: dict[str, list[PlacedCase]] = {}
    for case in FORMATS[format].find(out):
        patients.setdefault(case.patient_id, []).append(case)
    free = [patients[name] for name in rng.permutation(sorted(patients))]
    needed = len(codes) + codes.count("duplicate_patient")
    if len(free) < needed:
        raise ConfigError(
            f"these defects need {needed} patients, one each and two for duplicate_patient",
            came=len(free),
            remedy="write more patients or plant fewer defects",
        )
    pair = _take_pair(free) if "duplicate_patient" in codes else []
    sites = []
    for code in codes:
        if code == "duplicate_patient":
            # The check blames the second of two equal cases.
            donor, case = sorted(pair, key=lambda each: each.case_id)
        else:
            cases = free.pop()
            donor, case = None, cases[int(rng.integers(len(cases)))]
        sites.append(Site(out, case, donor, rng))
    return sites


def _take_pair(free: list[list[PlacedCase]]) -> list[PlacedCase]:
    """Take two patients, of one modality where there are two such."""
    first = free.pop()[0]
    alike = [i for i, cases in enumerate(free) if cases[0].modality == first.modality]
    return [first, free.pop(alike[-1] if alike else -1)[0]]


def _plant_one(code: str, format: FormatName, site: Site) -> PlantedDefect:
    # An ACDC folder holds a patient, not a case.
    whole_patient = code == "duplicate_case" and format == "acdc"
    blamed = None if whole_patient else site.case.case_id
    return PlantedDefect(code, HARM[code](site), blamed)
