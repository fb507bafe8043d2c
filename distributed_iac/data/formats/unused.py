"""Files that look like images and are no case's: each is told, with the reason.

::

    for file in not_read(list_folder(path)):         # by its name alone: .mha, a broken link, ...
        file.path, file.reason, file.remedy
    source = with_unused(source)                     # also those that no case of a source uses

Looked at are the folders that the cases' files lie in, those above them, and the usual image and
label folders. Whatever else a data set brings along, deeper down or under a name that its format
is known to have beside the images, is none of its cases.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from distributed_iac.data.contract import Source
from distributed_iac.data.formats.decathlon import IMAGE_FOLDERS
from distributed_iac.data.formats.listed import LABEL_FOLDERS
from distributed_iac.data.formats.listing import Folder, peek
from distributed_iac.data.formats.names import is_picture, split_nifti, stem_of, unread_ending
from distributed_iac.data.problems import Findings

_BESIDE = {
    "acdc": re.compile(r"patient\d{3}_(4d|frame\d+(_gt)?)"),
    "kits": re.compile(r"aggregated_\w+_seg"),
}
"""Files that a format is known to have beside those that are used."""


@dataclass(frozen=True)
class NotRead:
    """A file that looks like an image and cannot be one here."""

    path: Path
    reason: str
    remedy: str


def not_read(folder: Folder) -> Iterator[NotRead]:
    """Files of a folder that cannot be read because of their name, and what is no file."""
    for name, path in folder.files.items():
        ending = unread_ending(name)
        if ending is None:
            continue
        if ending.casefold() in (".nii", ".nii.gz"):
            reason = f"its ending, {ending}, is written in large and small letters"
            yield NotRead(path, reason, f"Rename it to {ending.casefold()}")
        else:
            reason = f"images are read as NIfTI, .nii or .nii.gz, not {ending}"
            yield NotRead(path, reason, "Convert it, or move it away")
    for name, target in folder.dangling.items():
        reason = f"the link leads nowhere (to {target})"
        yield NotRead(folder.path / name, reason, "Restore what it leads to, or remove it")
    for name in filter(split_nifti, folder.special):
        reason = "it is a pipe, a socket or a device, not a file"
        yield NotRead(folder.path / name, reason, "Put the image itself there, or remove it")


def letter_case_twins(names: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Names that some file systems take for one: equal up to letter case and composed accents."""
    same: dict[str, list[str]] = {}
    for name in sorted(names):
        same.setdefault(unicodedata.normalize("NFC", name).casefold(), []).append(name)
    return tuple(tuple(twins) for twins in same.values() if len(twins) > 1)


def with_unused(source: Source) -> Source:
    """Add a problem for every group of files that no case uses, and for twins of files in use."""
    findings = Findings()
    known = _Known(source)
    _note_twins(source, known, findings)
    for folder in _folders(source):
        if folder is not None:
            _note_unused(folder, known, findings)
    return replace(source, problems=(*source.problems, *findings.problems))


class _Known:
    """What a source has said of its files.

    Args:
        source: As its reader gave it.
    """

    def __init__(self, source: Source) -> None:
        self.owners = {path: case.case_id for case in source.cases for path in case.files}
        self._told = {problem.path for problem in source.problems}
        self._refused = {problem.case_id for problem in source.problems if problem.case_id}
        self._beside = _BESIDE.get(source.format)

    @cached_property
    def _behind_links(self) -> frozenset[Path]:
        return frozenset(path.resolve() for path in self.owners)

    def explains(self, name: str, folder: Folder) -> bool:
        """Whether a NIfTI file is in use, was told of, or belongs to a case that was refused."""
        path, stem = folder.path / name, stem_of(name)
        return (
            path in self.owners
            or path in self._told
            or (self._beside is not None and self._beside.fullmatch(stem) is not None)
            or folder.path.name in self._refused
            or any(stem.startswith(case_id) for case_id in self._refused)
            or path.resolve() in self._behind_links
        )


def _folders(source: Source) -> Iterator[Folder | None]:
    root = source.detection.root
    beside = [root / name for name in (*IMAGE_FOLDERS, *LABEL_FOLDERS)]
    places = {path.parent for case in source.cases for path in case.files}
    places |= {problem.path.parent for problem in source.problems if problem.path != root}
    above = {up for place in places for up in place.parents if up.is_relative_to(root)}
    wanted = {root, *above, *beside, *(p for p in places if p.is_relative_to(root))}
    return (peek(place) for place in sorted(wanted) if place.is_dir())


def _note_twins(source: Source, known: _Known, findings: Findings) -> None:
    remedy = "Rename or remove one of the two"
    for ids in letter_case_twins([case.case_id for case in source.cases]):
        for case_id in ids:
            reason = f"the case ids {' and '.join(ids)} differ only in letter case"
            findings.error("ambiguous_file", source.detection.root, reason, remedy, case_id)
    for place in dict.fromkeys(path.parent for path in known.owners):
        folder = peek(place)
        for names in () if folder is None else letter_case_twins(folder.nifti):
            for path in (place / name for name in names if place / name in known.owners):
                reason = f"{' and '.join(names)} differ only in letter case"
                findings.error("ambiguous_file", path, reason, remedy, known.owners[path])


def _note_unused(folder: Folder, known: _Known, findings: Findings) -> None:
    holds_images = any(path in known.owners for path in folder.files.values())
    unused = [f for f in not_read(folder) if holds_images or not is_picture(f.path.name)]
    unused += [
        NotRead(path, "it belongs to no case", "Add it to the data set's list, or move it away")
        for name, path in folder.nifti.items()
        if not known.explains(name, folder)
    ]
    groups: dict[tuple[str, str], list[NotRead]] = {}
    for file in unused:
        groups.setdefault((file.reason, file.remedy), []).append(file)
    for (reason, remedy), files in groups.items():
        first = files[0].path
        code = "dangling_link" if first.name in folder.dangling else "unused_file"
        many = f"; so with {len(files) - 1} more files of this folder" if len(files) > 1 else ""
        findings.warning(code, first, f"not used: {reason}{many}", remedy)
