"""Importing a split: a file of patient lists, or folds in nnU-Net's form.

::

    given = read_split_file(path, fold)              # part to names, as written
    parts, unused = assign(given, origin, source, cases, settings)

Names may be patients or cases; a case stands for its patient.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PureWindowsPath
from typing import Any

from distributed_iac.config.split import SplitSettings
from distributed_iac.data.contract import Case, Source
from distributed_iac.data.formats.names import stem_of
from distributed_iac.data.splits.draw import draw_parts
from distributed_iac.errors import ConfigError, DataError, first_names, raised_as
from distributed_iac.files import MALFORMED, parse_json

PART_NAMES = frozenset(("weights", "architecture", "val", "test", "train", "unused"))
SUMMARY_CASES = "metric_per_case"
"""Where nnU-Net's ``summary.json`` of a fold lists what was held out of it."""


Names = Mapping[str, Sequence[str]]


def read_split_file(path: Path, fold: int | None) -> Names:
    """Read part names and their lists, as written.

    Raises:
        ConfigError: The file cannot be read, or the fold is not in it.
        DataError: It is no JSON of the two accepted forms.
    """
    with raised_as(ConfigError, "split.file must be readable", remedy="correct it", where=path):
        text = path.read_bytes()
    wrong, remedy = (ValueError, RecursionError), "repair the file"
    with raised_as(DataError, "a split file is JSON", remedy=remedy, where=path, caught=wrong):
        content = parse_json(text)
    if isinstance(content, list):
        content = pick_fold(content, fold, f"{path}")
    if isinstance(content, dict) and SUMMARY_CASES in content:
        return {SUMMARY_CASES: _held_out(content[SUMMARY_CASES], path)}
    if not isinstance(content, dict):
        raise DataError(
            "a split file maps part names to lists of patients, or is a list of such folds",
            came=type(content).__name__,
            where=path,
        )
    lists = {key: value for key, value in content.items() if key != "origin"}
    for part, names in lists.items():
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise DataError(f"{part} must be a list of patient ids", came=names, where=path)
    return lists


def pick_fold(folds: Sequence[Names], fold: int | None, owner: str) -> Names:
    """Take one of several folds.

    Raises:
        ConfigError: There is no such fold.
    """
    if fold is None or fold >= len(folds):
        raise ConfigError(
            f"split.fold must be below {len(folds)}, the number of folds of {owner}"
            if folds
            else f"split.fold needs folds, but {owner} has none",
            came=fold,
            remedy="choose an existing fold, or leave the fold out and draw a split",
        )
    return folds[fold]


def assign(
    given: Names,
    origin: str,
    source: Source,
    cases: Sequence[Case],
    settings: SplitSettings,
) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    """Turn lists of patient or case ids into parts of usable patients, and the unused ones.

    Raises:
        DataError: A part or a name is unknown, a usable patient is placed twice or not at all, or
            too few are left to divide.
    """
    if SUMMARY_CASES in given:
        held = _patients(given[SUMMARY_CASES], origin, source)
        rest = sorted({case.patient_id for case in cases} - held)
        given = {"train": rest, "val": given[SUMMARY_CASES]}
    if set(given) - PART_NAMES or not set(given) & {"train", "weights"}:
        raise DataError(
            "parts are weights, architecture, val, test and unused; or train and val (and test)",
            came=sorted(given),
            where=origin,
            remedy="rename the parts",
        )
    placed = {part: _patients(names, origin, source) for part, names in given.items()}
    _require_disjoint(placed, origin)
    usable = {case.patient_id for case in cases}
    missing = usable - set().union(*placed.values())
    if missing:
        raise DataError(
            "every patient must be placed in a part",
            came=first_names(sorted(missing)),
            where=origin,
            remedy='add them to a part, or to a list "unused"',
        )
    parts = {part: sorted(patients & usable) for part, patients in placed.items()}
    unused = tuple(parts.pop("unused", ()))
    if "train" in parts:
        parts = _divide_training(parts, cases, settings)
    return parts, unused


def _held_out(cases: Any, path: Path) -> Sequence[str]:
    """Ids of the cases that a ``summary.json`` of nnU-Net has scores of."""
    try:
        # Where it was written, separators may have been others.
        return [stem_of(PureWindowsPath(one["prediction_file"]).name) for one in cases]
    except MALFORMED as error:
        raise DataError(
            f"nnU-Net's summary.json names a prediction_file in each case of {SUMMARY_CASES}",
            came=f"{type(error).__name__}: {error}",
            where=path,
            remedy="copy it from the trained model's folder again",
        ) from error


def _divide_training(
    parts: Names, cases: Sequence[Case], settings: SplitSettings
) -> dict[str, list[str]]:
    """A two-part fold's held-out patients are its test; a three-part one keeps its names."""
    train = [case for case in cases if case.patient_id in set(parts["train"])]
    if "test" in parts:
        drawn = draw_parts(train, ("weights", "architecture"), settings)
        return {**drawn, "val": list(parts.get("val", ())), "test": list(parts["test"])}
    drawn = draw_parts(train, ("weights", "architecture", "val"), settings)
    return {**drawn, "test": list(parts.get("val", ()))}


def _patients(names: Iterable[str], origin: str, source: Source) -> set[str]:
    """Patients of a list that may name patients or cases; unusable cases' names are known too."""
    owner = {case.case_id: case.patient_id for case in source.cases}
    patients = set(source.patients)
    unusable = {problem.case_id for problem in source.problems}
    strangers = [name for name in names if name not in {*patients, *owner, *unusable}]
    if strangers:
        raise DataError(
            "a split names patients (or cases) of the source",
            came=first_names(sorted(strangers)),
            where=origin,
            remedy="remove them, or use the split that belongs to this source",
        )
    ambiguous = [name for name in names if name in patients and owner.get(name, name) != name]
    if ambiguous:
        raise DataError(
            "a split's names are either patients or cases",
            came=f"{first_names(sorted(ambiguous))}: both a patient and a case of another patient",
            where=origin,
            remedy="name the patients otherwise in patients.table",
        )
    return {name if name in patients else owner.get(name, name) for name in names}


def _require_disjoint(placed: Mapping[str, set[str]], origin: str) -> None:
    seen: dict[str, str] = {}
    for part, patients in placed.items():
        for patient in sorted(patients):
            if patient in seen:
                raise DataError(
                    "a patient belongs to one part, with all of its cases",
                    came=f"{patient} in {seen[patient]} and in {part}",
                    where=origin,
                    remedy="split by patient: visits and phases stay together",
                )
            seen[patient] = part
