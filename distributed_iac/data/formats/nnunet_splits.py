"""nnU-Net's splits_final.json, checked and turned from cases into patients.

::

    [{"train": ["patient001_frame01", ...], "val": [...]}, ...]     # as nnU-Net writes it
    ({"train": ("patient001", ...), "val": (...)}, ...)             # as a source carries it

A supplied split is used as a whole or not at all: a fold that is malformed, names unknown cases
or has one patient on both sides would make the folds incomparable.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path

from distributed_iac.data.formats.patients import patient_of
from distributed_iac.data.formats.problems import Findings

Split = Mapping[str, tuple[str, ...]]
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
        folds = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
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
