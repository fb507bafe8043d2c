"""Rows of ``jobs.parquet`` and ``patients.parquet`` as values.

::

    jobs = [JobRow.from_mapping(row) for row in pyarrow_table.to_pylist()]
    patients = [ScoreRow.from_mapping(row) for row in other_table.to_pylist()]

Columns that a comparison does not look at are ignored. NaN in a column of the jobs table and null
are the same: not known. An undefined Dice or HD95 is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from distributed_iac.errors import DataError
from distributed_iac.jobs.job import group_name


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
        variants: Variants of the run that the job is part of; empty: all, or there are none.
        planned: Epochs of it at the most; None: as the run says.
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
    variants: tuple[str, ...] = ()
    planned: int | None = None

    @property
    def group(self) -> str:
        """``dataset/backbone``, with the variant that it is named after if there is one."""
        return group_name(self.dataset, self.backbone, first_of(self.variants))

    @classmethod
    def from_mapping(
        cls,
        row: Mapping[str, object],
        variants: tuple[str, ...] = (),
        planned: int | None = None,
    ) -> Self:
        """Read one row of the jobs table.

        Args:
            row: Of the table.
            variants: Of its job.
            planned: Of its job.

        Raises:
            DataError: A column is missing or holds another type.
        """
        return cls(**_read(cls, row), variants=variants, planned=planned)


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
        variants: Variants of the run that the model is part of; empty: all of them, or there are
            none.
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
    variants: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        """``dataset/backbone``, with the variant that it is named after if there is one."""
        return group_name(self.dataset, self.backbone, first_of(self.variants))

    @property
    def label(self) -> str:
        """What is compared: the arm where there is one, else the model's name."""
        return self.arm or self.name

    @property
    def is_baseline(self) -> bool:
        """Whether it is a network of its own, to be compared with cells in any backbone."""
        return self.model.split("/")[2:3] == ["baseline"]

    def is_in(self, variant: str) -> bool:
        """Whether the model is part of a variant; an empty one stands for a run without any."""
        return not self.variants or variant in self.variants

    def is_rival_in(self, dataset: str, backbone: str) -> bool:
        """Whether it is compared with models in a backbone: in its own, or as a baseline in all."""
        return self.dataset == dataset and (self.is_baseline or self.backbone == backbone)

    def is_rival_of(self, other: ScoreRow) -> bool:
        """The same in a variant that both are part of."""
        apart = self.variants and other.variants and not {*self.variants} & {*other.variants}
        return self.is_rival_in(other.dataset, other.backbone) and not apart

    @classmethod
    def from_mapping(cls, row: Mapping[str, object], variants: tuple[str, ...] = ()) -> Self:
        """Read one row of the patients table.

        Args:
            row: Of the table.
            variants: Of the job that scored it.

        Raises:
            DataError: A column is missing or holds another type.
        """
        return cls(**_read(cls, row), variants=variants)


def first_of(variants: tuple[str, ...]) -> str:
    """The variant that something shared is named after; empty where it is of all."""
    return variants[0] if variants else ""


def variants_among(rows: Iterable[JobRow | ScoreRow]) -> tuple[str, ...]:
    """Variants in which these rows are set side by side; one that is empty where all share them."""
    found = tuple(dict.fromkeys(first_of(row.variants) for row in rows))
    named = tuple(name for name in found if name)
    return named or found


def _read(kind: type[JobRow] | type[ScoreRow], row: Mapping[str, object]) -> dict[str, Any]:
    """Every field's column; the field's type, which is text here, says what the column holds."""
    columns = (one for one in fields(kind) if one.name not in ("variants", "planned"))
    return {one.name: _READ[str(one.type)](row, one.name) for one in columns}


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
