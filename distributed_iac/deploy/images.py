"""What a user may hand in for prediction, as cases.

::

    found = find_images(Path("new_patients"), model.card.fingerprint)
    found.cases, found.unusable

Four forms: 1. a file; 2. a folder of files, one an image; 3. a folder of ``<case>_0000.nii.gz``,
``<case>_0001.nii.gz``, one a channel (nnU-Net's names); 4. a data set as it is downloaded, in any
format that ``prepare`` reads. Files carry no word on how a data set is cut into slices, so for 1
to 3 it is done as in the data set that the model was trained on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from distributed_iac.data.contract import Case, Channel, Modality
from distributed_iac.data.formats.listing import Folder, list_folder, peek
from distributed_iac.data.formats.names import NIFTI_ENDINGS, split_nifti, stem_of
from distributed_iac.data.formats.registry import ModalityFilter, read_source
from distributed_iac.data.formats.unused import letter_case_twins, not_read
from distributed_iac.data.store.case_notes import Skipped
from distributed_iac.data.store.fingerprint import Fingerprint
from distributed_iac.data.volumes.volume import read_grid_of
from distributed_iac.deploy.trained_layout import trained_layout
from distributed_iac.errors import ConfigError, SourceError

_UNUSED = frozenset({"unused_file", "unlisted_file", "dangling_link"})
_CHANNEL = re.compile(r"(?P<case>.+)_(?P<number>\d{4})")


@dataclass(frozen=True)
class Images:
    """What was found.

    Args:
        cases: To be segmented, by id.
        unusable: What cannot be, as names and folder structure show it, with reason and remedy.
        warnings: What of the names may have been meant otherwise.
    """

    cases: tuple[Case, ...]
    unusable: tuple[Skipped, ...] = ()
    warnings: tuple[str, ...] = ()


def find_images(
    path: Path,
    fingerprint: Fingerprint,
    *,
    format: str = "auto",
    modality: ModalityFilter = "all",
) -> Images:
    """List what there is to segment.

    Args:
        path: A file, or a folder in one of the forms above. A folder that holds NIfTI files itself
            is one of files, unless a format is named.
        fingerprint: Of the model.
        format: Of a data set; ``auto`` to recognise it.
        modality: Of a data set: keep only these; of files: what they are.

    Raises:
        ConfigError: The model was trained on CT and MR, and files are given without saying which
            they are; or there is no such format.
        SourceError: There is nothing that can be segmented.
    """
    chosen: Modality | None = None
    if modality != "all":
        chosen = "CT" if modality == "ct" else "MR"
    if path.is_dir():
        folder = list_folder(path)
        if folder.nifti and format == "auto":
            images = _from_files(folder.nifti.values(), fingerprint, chosen)
            return replace(images, unusable=(*images.unusable, *_not_read(folder)))
        return _from_source(path, fingerprint, format, modality)
    if not path.is_file() or split_nifti(path.name) is None:
        raise SourceError(
            f"images are files ending in {' or '.join(NIFTI_ENDINGS)}, or a folder",
            came="another kind of file" if path.exists() else "nothing of that name",
            remedy="check the path, or convert the image to .nii.gz",
            where=path,
        )
    return _from_files([path], fingerprint, chosen)


def case_of_files(
    case_id: str, paths: Sequence[Path], fingerprint: Fingerprint, modality: Modality | None = None
) -> Case:
    """Make a case of loose files, to be prepared as the cases of the training were.

    Args:
        case_id: Its name.
        paths: One file a channel, or a single 4-D file with the channels last.
        fingerprint: Of the model.
        modality: Of the images; None if the model knows one only.

    Raises:
        SourceError: There are not as many channels as the model takes.
        ConfigError: The model knows two modalities and none is given.
    """
    names = fingerprint.channel_names
    if len(paths) == 1 and len(names) > 1 and read_grid_of(paths[0]).frames == len(names):
        channels = tuple(Channel(name, paths[0], i) for i, name in enumerate(names))
    elif len(paths) == len(names):
        channels = tuple(Channel(name, path) for name, path in zip(names, paths, strict=True))
    else:
        raise SourceError(
            f"this model takes {len(names)} channels: {', '.join(names)}",
            came=f"{len(paths)} file" + ("s" if len(paths) > 1 else ""),
            remedy="name the files CASE_0000.nii.gz, CASE_0001.nii.gz, ... in that order",
            where=paths[0],
        )
    layout = trained_layout(fingerprint)
    return Case(case_id, case_id, channels, None, modality or _modality(fingerprint), layout)


def _from_source(
    path: Path, fingerprint: Fingerprint, format: str, modality: ModalityFilter
) -> Images:
    source = read_source(path, format, modality)
    unusable = [
        Skipped.from_problem(problem)
        for problem in source.problems
        if problem.severity == "error" and problem.case_id
    ]
    if not source.cases and not unusable:
        raise SourceError(
            "a data set to segment has cases",
            came="none",
            remedy="run `distributed-iac check` on it to see why",
            where=path,
        )
    refused = {skipped.case_id for skipped in unusable}
    unusable += [
        Skipped(problem.path.name, str(problem.path), problem.reason, problem.remedy)
        for problem in source.problems
        if problem.code in _UNUSED
    ]
    names = fingerprint.channel_names
    cases = tuple(_ordered(case, names) for case in source.cases if case.case_id not in refused)
    return Images(cases, tuple(unusable))


def _ordered(case: Case, names: Sequence[str]) -> Case:
    """The case with its channels in the order of the model; as it is where the names differ."""
    found = {channel.name: channel for channel in case.channels}
    if found.keys() != set(names):
        return case
    return replace(case, channels=tuple(found[name] for name in names))


def _not_read(folder: Folder) -> Iterator[Skipped]:
    """What lies beside images and looks like one, but cannot be used."""
    for file in not_read(folder):
        yield Skipped(file.path.name, str(file.path), file.reason, file.remedy)
    for name, place in folder.folders.items():
        inner = peek(place)
        if inner is not None and inner.nifti:
            reason = f"{len(inner.nifti)} images lie in a folder of their own"
            yield Skipped(name, str(place), reason, "Give that folder as well, by itself")
        elif split_nifti(name) is not None:
            reason = "it is a folder with the name of an image, and no image lies in it"
            yield Skipped(name, str(place), reason, "Put the image itself there, or remove it")


def _from_files(
    paths: Iterable[Path], fingerprint: Fingerprint, modality: Modality | None
) -> Images:
    cases, unusable = [], []
    modality = modality or _modality(fingerprint)
    grouped = _grouped(paths, len(fingerprint.channel_names))
    numbered = [case_id for case_id, one in grouped.items() if _CHANNEL.fullmatch(case_id)]
    twins = {case_id: ids for ids in letter_case_twins(grouped) for case_id in ids}
    for case_id, members in grouped.items():
        try:
            _require_no_twin(case_id, twins.get(case_id), members)
            files = _in_order(case_id, members)
            cases.append(case_of_files(case_id, files, fingerprint, modality))
        except SourceError as error:
            first = next(iter(members.values()))[0]
            unusable.append(Skipped.from_error(case_id, first, error))
    return Images(tuple(cases), tuple(unusable), tuple(_numbered(numbered, fingerprint)))


def _numbered(names: Sequence[str], fingerprint: Fingerprint) -> Iterator[str]:
    """Doubt images that are numbered as a second channel is, where there is no first."""
    if names and len(fingerprint.channel_names) == 1:
        (channel,) = fingerprint.channel_names
        count, many = len(names), len(names) > 1
        yield (
            f"{count} {'images are' if many else 'image is'} numbered as channels other than the "
            f"first are, such as {names[0]}, and taken for {'cases' if many else 'a case'} of "
            f"{'their' if many else 'its'} own: this model takes {channel} alone"
        )


def _require_no_twin(case_id: str, twins: Sequence[str] | None, members: _Members) -> None:
    if twins is not None:
        raise SourceError(
            f"the name of {case_id} must differ from others by more than letter case",
            came=" and ".join(twins),
            remedy="rename one of them",
            where=next(iter(members.values()))[0],
        )


_Members = dict[int, list[Path]]


def _grouped(paths: Iterable[Path], channels: int) -> Mapping[str, _Members]:
    """Group files by case: channel number to files of that number, more than one if doubled.

    Models of one channel are also given images that are merely numbered, as AMOS's
    ``amos_0001``: there a number is a channel only where a ``_0000`` of the same name exists.
    """
    split = {path: _CHANNEL.fullmatch(stem_of(path.name)) for path in paths}
    first = {m["case"] for m in split.values() if m is not None and int(m["number"]) == 0}
    grouped: dict[str, _Members] = {}
    for path, matched in sorted(split.items()):
        numbered = matched is not None and (channels > 1 or matched["case"] in first)
        if matched is not None and numbered:
            case_id, number = matched["case"], int(matched["number"])
        else:
            case_id, number = stem_of(path.name), 0
        grouped.setdefault(case_id, {}).setdefault(number, []).append(path)
    return grouped


def _in_order(case_id: str, members: _Members) -> list[Path]:
    doubled = [paths for paths in members.values() if len(paths) > 1]
    if doubled:
        raise SourceError(
            f"one file is the image of {case_id}",
            came=" and ".join(path.name for path in doubled[0]),
            remedy="remove or rename one of them",
            where=doubled[0][0],
        )
    missing = sorted(set(range(max(members) + 1)) - members.keys())
    if missing:
        raise SourceError(
            f"the channels of {case_id} are numbered without a gap",
            came="no " + ", ".join(f"_{number:04d}" for number in missing),
            remedy="add the files",
            where=members[max(members)][0],
        )
    return [members[number][0] for number in sorted(members)]


def _modality(fingerprint: Fingerprint) -> Modality:
    known = tuple(fingerprint.recipe.normalisers)
    if len(known) > 1:
        raise ConfigError(
            f"this model was trained on {' and '.join(known)}: it must be told what the images are",
            came="no modality",
            remedy="give --modality ct or mr (in Python: modality='CT' or 'MR')",
        )
    return known[0]
