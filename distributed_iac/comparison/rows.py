"""Rows of ``jobs.parquet`` and ``patients.parquet`` as values.

::

    jobs = [JobRow.from_mapping(row) for row in pyarrow_table.to_pylist()]
    patients = [ScoreRow.from_mapping(row) for row in other_table.to_pylist()]

Columns that a comparison does not look at are ignored. NaN in a column of the jobs table and null
are the same: not known. An undefined Dice or HD95 is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from distributed_iac.errors import DataError


@dataclass(frozen=True)
class JobRow:
    """One job of a sweep; costs are None while they are not known.

    Args:
        key: ``dataset/backbone/kind/name/seed<k>``.
        kind: ``search``, ``retrain``, ...
        dataset: Its data set.
        backbone: Its backbone.
        arm: Way of the search; empty for jobs that have none.
        seed: None where shared by all seeds.
        status: ``done``, ``failed``, ``skipped``, ``running``, ``waiting``, or ``lost``:
            done, and the result is gone.
        stop_reason: Why it ended when it did.
        epochs: Epochs run.
        seconds: Wall-clock time.
        device_seconds: Time on an accelerator.
        op_evaluations: Live operations executed, summed over steps.
        full_epochs: The same in epochs of the full supernet.
        error: What went wrong.
    """

    key: str
    kind: str
    dataset: str
    backbone: str
    arm: str = ""
    seed: int | None = None
    status: str = "done"
    stop_reason: str = ""
    epochs: float | None = None
    seconds: float | None = None
    device_seconds: float | None = None
    op_evaluations: float | None = None
    full_epochs: float | None = None
    error: str = ""

    @property
    def group(self) -> str:
        """``dataset/backbone``."""
        return f"{self.dataset}/{self.backbone}"

    @classmethod
    def from_mapping(cls, row: Mapping[str, object]) -> Self:
        """Read one row of the jobs table.

        Raises:
            DataError: A column is missing or holds another type.
        """
        return cls(**_read(cls, row))


@dataclass(frozen=True)
class ScoreRow:
    """One target of one case under one model.

    Args:
        model: Key of the job that evaluated it, ``dataset/backbone/kind/...``.
        dataset: Its data set.
        backbone: Its backbone; for a baseline the baseline itself.
        name: Model name: arm, ``<arm>.<slot>``, control or baseline.
        arm: Way of the search behind it; empty for controls and baselines.
        seed: None for a model that all seeds share.
        patient_id: The patient, unique within the data set.
        case_id: The case.
        target: Class or region.
        dice: In [0, 1], or NaN where undefined.
        hd95: In mm, or NaN where undefined.
    """

    model: str
    dataset: str
    backbone: str
    name: str
    arm: str
    seed: int | None
    patient_id: str
    case_id: str
    target: str
    dice: float
    hd95: float

    @property
    def group(self) -> str:
        """``dataset/backbone``."""
        return f"{self.dataset}/{self.backbone}"

    @property
    def label(self) -> str:
        """What is compared: the arm where there is one, else the model's name."""
        return self.arm or self.name

    @property
    def is_baseline(self) -> bool:
        """Whether it is a network of its own, to be compared with cells in any backbone."""
        return self.model.split("/")[2:3] == ["baseline"]

    def is_rival_in(self, group: str) -> bool:
        """Whether a group's models are compared with it: its own, and its data set's baselines."""
        return self.dataset == group.partition("/")[0] if self.is_baseline else self.group == group

    @classmethod
    def from_mapping(cls, row: Mapping[str, object]) -> Self:
        """Read one row of the patients table.

        Raises:
            DataError: A column is missing or holds another type.
        """
        return cls(**_read(cls, row))


def _read(kind: type[JobRow] | type[ScoreRow], row: Mapping[str, object]) -> dict[str, Any]:
    """Every field's column; the field's type, which is text here, says what the column holds."""
    return {one.name: _READ[str(one.type)](row, one.name) for one in fields(kind)}


def _value(row: Mapping[str, object], column: str) -> object:
    if column not in row:
        raise DataError(
            f"a row needs the column {column}",
            came=f"columns {', '.join(sorted(row))}",
            remedy="write the run's tables again with the version that reads them",
        )
    return row[column]


def _text(row: Mapping[str, object], column: str) -> str:
    value = _value(row, column)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise DataError(f"the column {column} holds text", came=repr(value))
    return value


def _known(row: Mapping[str, object], column: str) -> float | None:
    value = _value(row, column)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DataError(f"the column {column} holds numbers", came=repr(value))
    return float(value) if math.isfinite(value) else None


def _count(row: Mapping[str, object], column: str) -> int | None:
    value = _known(row, column)
    return None if value is None else int(value)


def _score(row: Mapping[str, object], column: str) -> float:
    value = _known(row, column)
    return math.nan if value is None else value


_READ: Mapping[str, Callable[[Mapping[str, object], str], object]] = {
    "str": _text,
    "int | None": _count,
    "float | None": _known,
    "float": _score,
}
"""How a column is read, by its field's type."""
