"""Listing folders: visible files, data roots below a folder, NIfTI files by stem.

::

    folder = list_folder(Path("kits23/dataset/case_00000"))
    folder.files["imaging.nii.gz"]
    find_nifti(folder, "segmentation", findings)     # Path or None
    find_root(Path("kits23"), holds_cases, "kits")   # Folder("kits23/dataset") or None
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from distributed_iac.data.formats.names import NIFTI_ENDINGS, is_hidden, split_nifti, stem_of
from distributed_iac.data.problems import Findings
from distributed_iac.errors import SourceError, raised_as
from distributed_iac.transient import patiently

ROOT_DEPTH = 2
"""How far below the folder asked about a data root may lie (contract of ``Reader.detect``)."""


@dataclass(frozen=True)
class Folder:
    """What one folder holds, by name, in name order.

    Args:
        path: The folder.
        folders: Visible subfolders.
        files: Visible files. Links count as what they point to.
        hidden: Names of hidden entries: never data, at most a hint.
        dangling: Visible links that lead nowhere, and where they were meant to lead.
        special: Names of visible pipes, sockets and devices, and of links to them.
    """

    path: Path
    folders: Mapping[str, Path]
    files: Mapping[str, Path]
    hidden: tuple[str, ...] = ()
    dangling: Mapping[str, str] = field(default_factory=dict)
    special: tuple[str, ...] = ()

    @property
    def nifti(self) -> Mapping[str, Path]:
        """The visible files with a NIfTI ending."""
        return {name: path for name, path in self.files.items() if split_nifti(name)}


def list_folder(path: Path) -> Folder:
    """List one folder.

    Raises:
        SourceError: If it is not there, not a folder or not readable.
    """
    remedy = "check the path and its permissions"
    with raised_as(SourceError, "a source is a readable folder", remedy=remedy, where=path):
        found = patiently(lambda: _entries(path))
    folders: dict[str, Path] = {}
    files: dict[str, Path] = {}
    hidden: list[str] = []
    dangling: dict[str, str] = {}
    special: list[str] = []
    for entry in found:
        place = path / entry.name
        if is_hidden(entry.name):
            hidden.append(entry.name)
        elif _is_folder(entry, place):
            folders[entry.name] = place
        elif entry.is_file(follow_symlinks=False) or place.is_file():
            files[entry.name] = place
        elif entry.is_symlink() and not place.exists():
            dangling[entry.name] = str(place.readlink())
        else:
            special.append(entry.name)
    return Folder(path, folders, files, tuple(hidden), dangling, tuple(special))


def _is_folder(entry: os.DirEntry[str], place: Path) -> bool:
    # Path.is_dir answers False for a loop of links, where DirEntry.is_dir would raise.
    return place.is_dir() if entry.is_symlink() else entry.is_dir(follow_symlinks=False)


def _entries(path: Path) -> list[os.DirEntry[str]]:
    with os.scandir(path) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def peek(path: Path) -> Folder | None:
    """List a folder while searching; None when it cannot be listed.

    A search passes over what it may not see: it has no claim on it, and ``look_into`` reports
    the same folder if it turns out to be part of a source.
    """
    try:
        return list_folder(path)
    except SourceError as error:
        if error.retriable:
            raise
        return None


def look_into(path: Path, findings: Findings, case_id: str | None = None) -> Folder | None:
    """List a folder inside a source; one that cannot be listed becomes a problem and None."""
    try:
        return list_folder(path)
    except SourceError as error:
        if error.retriable:
            raise
        findings.error(
            "unreadable_folder",
            path,
            f"the folder cannot be listed ({error.came})",
            "Check its permissions, or take it out of the data set",
            case_id,
        )
        return None


def nifti_in(root: Folder, name: str, findings: Findings) -> Mapping[str, Path]:
    """The NIfTI files of a folder below a source's root; none where it is not there."""
    folder = look_into(root.folders[name], findings) if name in root.folders else None
    return {} if folder is None else folder.nifti


def once(
    places: Iterable[Path], findings: Findings, what: Literal["case", "patient"]
) -> Iterator[Path]:
    """Folders of a case or patient each; a name that appears again becomes a problem."""
    seen: dict[str, Path] = {}
    for place in places:
        first = seen.setdefault(place.name, place)
        if first is place:
            yield place
            continue
        reason = f"{place.name} is also in {first}, which is used"
        remedy, case_id = "Keep one of the two folders", place.name if what == "case" else None
        findings.error("duplicate_case", place, reason, remedy, case_id)


def walk(path: Path, depth: int) -> Iterator[tuple[int, Folder]]:
    """Visit folders breadth first, as (levels below ``path``, folder).

    A folder below ``path`` that itself holds NIfTI files is visited but not descended into:
    nothing that a reader looks for lies there, while KiTS21 keeps thousands of folders beside
    its images.

    Raises:
        SourceError: If ``path`` itself cannot be listed.
    """
    level: list[Folder] = [list_folder(path)]
    for distance in range(depth + 1):
        yield from ((distance, folder) for folder in level)
        if distance < depth:
            open_folders = [folder for folder in level if distance == 0 or not folder.nifti]
            places = [place for folder in open_folders for place in folder.folders.values()]
            level = [folder for folder in map(peek, places) if folder is not None]


def find_root(path: Path, is_root: Callable[[Folder], bool], format_name: str) -> Folder | None:
    """Find the nearest data root at or below ``path``.

    Raises:
        SourceError: If ``path`` cannot be listed, or if several roots of this format are equally
            near, so that which one is meant cannot be told.
    """
    accepted: list[Folder] = []
    nearest = ROOT_DEPTH
    for distance, folder in walk(path, ROOT_DEPTH):
        if accepted and distance > nearest:
            break
        if is_root(folder):
            accepted.append(folder)
            nearest = distance
    if len(accepted) > 1:
        raise SourceError(
            f"one {format_name} data set at a time",
            where=path,
            came="; ".join(str(folder.path) for folder in accepted),
            remedy="give the folder of the one you mean",
        )
    return accepted[0] if accepted else None


def _preference(name: str) -> tuple[bool, str]:
    """Compressed files first, then small letters."""
    return not name.casefold().endswith(".gz"), name.swapcase()


def find_nifti(
    folder: Folder, stem: str, findings: Findings, case_id: str | None = None
) -> Path | None:
    """Find the NIfTI file with a stem, whichever ending it has.

    Some unpackers turn ``x.nii.gz`` into a *folder* ``x.nii`` around the file under its former
    name (``BraTS2021_00000_flair.nii/00000057_brain_flair.nii`` in copies of BraTS 2021); such a
    folder with exactly one NIfTI file stands for that file.
    """
    names = [stem + ending for ending in NIFTI_ENDINGS]
    named = [name for name in folder.nifti if stem_of(name) == stem]
    present = [folder.files[name] for name in sorted(named, key=_preference)]
    if len(present) > 1:
        findings.warning(
            "ambiguous_file",
            present[1],
            f"it lies beside {present[0].name}, which is used",
            "Delete one of the two",
            case_id,
        )
    if present:
        return present[0]
    for name in names:
        if name in folder.folders:
            wrapper = look_into(folder.folders[name], findings, case_id)
            if wrapper is not None and len(wrapper.nifti) == 1:
                return next(iter(wrapper.nifti.values()))
    return None
