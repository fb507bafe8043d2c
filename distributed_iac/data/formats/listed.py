"""From the cases that a dataset.json lists to the files on disk, and back.

::

    placed = place_entries(root, entries, where, findings)   # those whose files are all there
    note_unlisted(folder, placed, findings)                  # files that no entry names

A list and a disk can disagree in both directions: interrupted downloads leave listed files out,
and unpacking two archives into one folder brings in files of the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from distributed_iac.data.contract import OfficialPart
from distributed_iac.data.formats.decathlon import IMAGE_FOLDERS, Entry
from distributed_iac.data.formats.inside import Refused, resolve_inside
from distributed_iac.data.formats.listing import Folder, nifti_in
from distributed_iac.data.formats.names import is_safe_case_id
from distributed_iac.data.problems import Findings

LABEL_FOLDERS = ("labelsTr", "labelsVa", "labelsTs")

_RESTORE = "Unpack the archive again, or take the case out of dataset.json"


@dataclass(frozen=True)
class Placed:
    """A listed case whose files are there."""

    case_id: str
    part: OfficialPart
    image: Path
    label: Path | None


@dataclass(frozen=True)
class _Absent:
    """A listed file that is not there."""

    code: Literal["missing_image", "missing_label"]
    case_id: str
    path: Path


def place_entries(
    root: Path, entries: Iterable[Entry], where: Path, findings: Findings
) -> tuple[Placed, ...]:
    """Resolve listed cases to files, in the order of case ids.

    A training case needs an image and a label. A validation or test case may be listed without a
    label; a test case whose named label is absent is kept as unlabelled.

    Args:
        root: Folder that the listed paths start from and may not leave.
        entries: Cases as listed.
        where: The list, for problems that are about the list itself.
        findings: Receives what is wrong.
    """
    placed: dict[str, Placed] = {}
    seen: set[str] = set()
    absent: list[_Absent] = []
    for entry in entries:
        case_id = entry.case_id
        if not is_safe_case_id(case_id):
            reason = f"{case_id!r:.80} cannot be a file name"
            findings.error("unsafe_name", where, reason, "Rename the image", None)
        elif case_id in seen:
            findings.error(
                "duplicate_case",
                where,
                f"{case_id} is listed again as {entry.image}; the first entry is used",
                "Take one of the two out of dataset.json",
                case_id,
            )
        else:
            seen.add(case_id)
            found = _place(root, entry, where, findings, absent)
            if found is not None:
                placed[case_id] = found
    _report_absent(absent, findings)
    return tuple(placed[case_id] for case_id in sorted(placed))


def note_unlisted(root: Folder, entries: Iterable[Entry], findings: Findings) -> None:
    """Report images and labels on disk that no entry names."""
    named: set[Path] = set()
    for entry in entries:
        for text in (entry.image, entry.label):
            path = None if text is None else resolve_inside(root.path, text)
            if isinstance(path, Path):
                named.add(path)
    for name in (*IMAGE_FOLDERS, *LABEL_FOLDERS):
        for path in nifti_in(root, name, findings).values():
            if path not in named:
                findings.warning(
                    "unlisted_file",
                    path,
                    "dataset.json does not list it, so it is not used",
                    "Add it to dataset.json, or move it away",
                )


def _place(
    root: Path, entry: Entry, where: Path, findings: Findings, absent: list[_Absent]
) -> Placed | None:
    image = _resolve(root, entry.image, entry.case_id, where, findings)
    if image is None:
        return None
    label: Path | None = None
    if entry.label is not None:
        label = _resolve(root, entry.label, entry.case_id, where, findings)
        if label is None:
            return None
    elif entry.part == "train":
        reason = "the training case is listed without a label"
        findings.error("missing_label", where, reason, "Add its label", entry.case_id)
        return None
    lacks = []
    if not image.is_file():
        lacks.append(_Absent("missing_image", entry.case_id, image))
    if label is not None and not label.is_file():
        if entry.part == "test":
            label = None
        else:
            lacks.append(_Absent("missing_label", entry.case_id, label))
    absent.extend(lacks)
    return None if lacks else Placed(entry.case_id, entry.part, image, label)


def _resolve(root: Path, text: str, case_id: str, where: Path, findings: Findings) -> Path | None:
    path = resolve_inside(root, text)
    if isinstance(path, Refused):
        findings.error(path.code, where, path.reason, path.remedy, case_id)
        return None
    return path


def _report_absent(absent: Sequence[_Absent], findings: Findings) -> None:
    """One problem a file; but one for a whole folder that was never unpacked."""
    by_folder: dict[tuple[Path, str], list[_Absent]] = {}
    for lack in absent:
        by_folder.setdefault((lack.path.parent, lack.code), []).append(lack)
    for (folder, code), lacks in by_folder.items():
        if len(lacks) > 1 and not folder.is_dir():
            reason = f"the folder is not there; {len(lacks)} listed cases need it"
            findings.error(code, folder, reason, "Unpack the archive that contains it")
            continue
        for lack in lacks:
            reason = "listed in dataset.json, but the file is not there"
            findings.error(code, lack.path, reason, _RESTORE, lack.case_id)
