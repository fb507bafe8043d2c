"""What nnU-Net left of a fold's validation: which cases it held out, and its own Dice of each.

::

    validation = read_validation(folder, fold=0)        # None where it has left nothing
    validation.cases                                    # {"patient002_frame01", ...}
    validation.scores["patient002_frame01"][frozenset({1})].dice

``fold_N/validation`` holds a label map a case and, once all are done, ``summary.json``. Labels
are known there by value (``"1"``) and regions by all of theirs (``"(1, 2, 3)"``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any, Literal

from distributed_iac.errors import ConfigError, DataError
from distributed_iac.files import MALFORMED, parse_json

SUMMARY = "summary.json"
Values = frozenset[int]
"""Label values that a target is made of."""


@dataclass(frozen=True)
class NnUnetScore:
    """One target of one case, as nnU-Net measured it.

    Args:
        dice: In [0, 1]; NaN where neither label nor prediction has the target.
        voxels: Of label and prediction together; 0 where it was not written down.
    """

    dice: float
    voxels: int


Scores = Mapping[str, Mapping[Values, NnUnetScore]]
"""By case and by the values of the target."""


@dataclass(frozen=True)
class Validation:
    """What a fold was validated on.

    Args:
        cases: Their ids. All of them where the summary is there; else those that were predicted.
        scores: From the summary; empty without one.
        labels: Name of each target to its values, from the model's ``dataset.json``.
        where: What it was read from.
    """

    cases: frozenset[str]
    scores: Scores
    labels: Mapping[str, Values]
    where: Path

    @property
    def extent(self) -> Literal["all cases", "some cases"]:
        """Whether all validation cases are known."""
        return "all cases" if self.scores else "some cases"


def summary_path(folder: Path, fold: int | Literal["all"]) -> Path:
    """Where nnU-Net writes the scores of a fold's validation."""
    return folder / f"fold_{fold}" / "validation" / SUMMARY


def read_validation(folder: Path, fold: int | Literal["all"]) -> Validation | None:
    """Read what there is of a fold's validation.

    Args:
        folder: The trained model.
        fold: Of it.

    Returns:
        None if it was not validated, or all of it has been deleted.

    Raises:
        ConfigError: The folder is no trained model.
        DataError: A file is damaged.
    """
    summary, described = summary_path(folder, fold), folder / "dataset.json"
    if not described.is_file():
        raise ConfigError(
            "a trained nnU-Net model folder holds plans.json, dataset.json and fold_*",
            came=f"no {described.name}",
            where=folder,
            remedy="give the folder named like nnUNetTrainer__nnUNetPlans__2d",
        )
    ending, labels = _read(described, _described)
    if summary.is_file():
        scores = _read(summary, lambda content: parse_summary(content, ending))
        return Validation(frozenset(scores), scores, labels, summary)
    maps = frozenset(path.name.removesuffix(ending) for path in summary.parent.glob(f"*{ending}"))
    return Validation(maps, {}, labels, summary.parent) if maps else None


def parse_summary(content: Any, ending: str) -> Scores:
    """Translate the content of a ``summary.json``.

    Args:
        content: As JSON gives it.
        ending: Of the label maps, such as ``.nii.gz``.

    Raises:
        ValueError: Or another of ``MALFORMED``: it is of another form.
    """
    return {
        # Where it was written, separators may have been others.
        PureWindowsPath(case["prediction_file"]).name.removesuffix(ending): {
            _values(key): _score(metrics) for key, metrics in case["metrics"].items()
        }
        for case in content["metric_per_case"]
    }


def _values(key: str) -> Values:
    """``"1"`` or ``"(1, 2, 3)"``."""
    return frozenset(map(int, re.findall(r"\d+", key)))


def _score(metrics: Mapping[str, Any]) -> NnUnetScore:
    dice = metrics["Dice"]
    voxels = metrics.get("n_ref", 0) + metrics.get("n_pred", 0)
    return NnUnetScore(math.nan if dice is None else float(dice), int(voxels))


def _described(content: Any) -> tuple[str, Mapping[str, Values]]:
    """The ending of label maps, and which values each target has."""
    labels = {
        name: frozenset(value if isinstance(value, list) else [int(value)])
        for name, value in content["labels"].items()
        if name not in ("background", "ignore")
    }
    return content.get("file_ending", ".nii.gz"), labels


def _read(path: Path, parse: Any) -> Any:
    try:
        return parse(parse_json(path.read_bytes()))
    except (OSError, *MALFORMED) as error:
        raise DataError(
            "what a trained nnU-Net model holds beside its weights is JSON as nnU-Net wrote it",
            came=f"{type(error).__name__}: {error}",
            where=path,
            remedy=f"copy the file from the trained model's folder again; {SUMMARY} may be moved "
            "away, then nothing is compared with it",
        ) from error
