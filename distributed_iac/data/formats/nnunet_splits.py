"""nnU-Net's splits_final.json, checked and turned from cases into patients.

::

    [{"train": ["patient001_frame01", ...], "val": [...]}, ...]     # as nnU-Net writes it
    ({"train": ("patient001", ...), "val": (...)}, ...)             # as a source carries it
    read_fold(path, 0).train                                        # what fold 0 has seen, in cases

A supplied split is used as a whole or not at all: a fold that is malformed, names unknown cases
or has one patient on both sides would make the folds incomparable.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from distributed_iac.data.formats.patients import patient_of
from distributed_iac.data.problems import Findings
from distributed_iac.errors import DataError
from distributed_iac.files import MALFORMED, parse_json
from distributed_iac.transient import may_pass, patiently

Split = Mapping[str, tuple[str, ...]]
SPLITS = "splits_final.json"
PREPROCESSED = "nnUNet_preprocessed"
"""nnU-Net's name of the folder, and of the variable that names it."""

_SIDES = ("train", "val")
_REMEDY = "Correct the file or move it away; until then the split is made anew, by patient"


def read_splits(path: Path, known: Collection[str], findings: Findings) -> tuple[Split, ...]:
    """Read the folds of a splits_final.json.

    Args:
        path: The file.
        known: Training case ids, those with problems included.
        findings: Receives why the splits are not used, as a warning.
    """
    try:
        folds = parse_json(patiently(path.read_bytes))
    except (OSError, ValueError, RecursionError) as error:
        if may_pass(error):
            raise
        findings.warning("bad_split", path, f"it cannot be read as JSON ({error})", _REMEDY)
        return ()
    if not isinstance(folds, list) or not folds:
        findings.warning("bad_split", path, "it must be a list of folds", _REMEDY)
        return ()
    splits: list[Split] = []
    for number, fold in enumerate(folds):
        wrong = _wrong_with(fold, known)
        if wrong is not None:
            code, reason = wrong
            findings.warning(code, path, f"fold {number} {reason}", _REMEDY)
            return ()
        splits.append({side: _patients(fold[side]) for side in _SIDES})
    return tuple(splits)


def _wrong_with(fold: object, known: Collection[str]) -> tuple[str, str] | None:
    if not isinstance(fold, dict) or not all(_is_names(fold.get(side)) for side in _SIDES):
        return "bad_split", "must have lists of case ids under train and val"
    unknown = sorted({case for side in _SIDES for case in fold[side]} - set(known))
    if unknown:
        return "bad_split", f"names cases that do not exist: {', '.join(unknown[:5])}"
    both = sorted(set(_patients(fold["train"])) & set(_patients(fold["val"])))
    if both:
        return "split_leak", f"has patients on both sides: {', '.join(both[:5])}"
    return None


def _is_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _patients(cases: list[str]) -> tuple[str, ...]:
    return tuple(sorted({patient_of(case) for case in cases}))


@dataclass(frozen=True)
class FoldCases:
    """One fold as nnU-Net trained it, in cases.

    Args:
        train: Cases that it was trained on.
        val: Cases that it was validated on.
        where: The file that says so.
    """

    train: frozenset[str]
    val: frozenset[str]
    where: Path


def find_splits(root: Path, environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Files of folds of a raw data set: in its folder, and where nnU-Net itself keeps them.

    Args:
        root: ``nnUNet_raw/DatasetNNN_NAME``.
        environment: Its ``nnUNet_preprocessed`` names the folder of preprocessed data sets; by
            default that is beside nnUNet_raw.
    """
    root = root.resolve()
    beside = root.parent.parent / PREPROCESSED
    folders = (root, Path(environment.get(PREPROCESSED) or beside) / root.name)
    return tuple(path for folder in folders if (path := folder / SPLITS).is_file())


def read_fold(path: Path, fold: int) -> FoldCases | None:
    """Read what one fold was trained on.

    Returns:
        None where the file is no list of folds, or of fewer. (nnU-Net draws a fold that its file
        does not have, and writes it nowhere.)

    Raises:
        DataError: The file cannot be read, or its folds are malformed.
    """
    try:
        folds = parse_json(path.read_bytes())
        if not isinstance(folds, list) or fold >= len(folds):
            return None
        train, val = (frozenset(folds[fold][side]) for side in _SIDES)
    except (OSError, *MALFORMED) as error:
        raise DataError(
            f"{SPLITS} is a list of folds with cases under train and val",
            came=f"{type(error).__name__}: {error}",
            where=path,
            remedy="repair the file or move it away",
        ) from error
    return FoldCases(train, val, path)
