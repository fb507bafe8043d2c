"""Dividing patients into the four parts: weights, architecture, val and test.

::

    split = split_patients(source, cases, settings)
    split.part_of("patient001")                  # "weights"
    split.training                               # patients whose statistics may be used
    split.to_json()                              # what split.json in the store holds

Every case of a patient lies in one part. ``test`` is touched by the final evaluation only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

from distributed_iac.config.split import SplitSettings
from distributed_iac.data.contract import Case, Source
from distributed_iac.data.splits.draw import draw_parts
from distributed_iac.data.splits.split_file import assign, pick_fold, read_split_file
from distributed_iac.errors import ConfigError, DataError

Part = Literal["weights", "architecture", "val", "test"]
PARTS: tuple[Part, ...] = get_args(Part)
TRAINING: tuple[Part, ...] = ("weights", "architecture")


@dataclass(frozen=True)
class Split:
    """Patients of each part, sorted; no patient in two parts.

    Args:
        parts: All four parts, none empty.
        unused: Patients that the split file leaves out on purpose.
        origin: Where the split comes from, for people.
    """

    parts: Mapping[Part, tuple[str, ...]]
    unused: tuple[str, ...]
    origin: str

    @property
    def training(self) -> frozenset[str]:
        """Patients that spacing, patch and intensity statistics are fitted on."""
        return frozenset(patient for part in TRAINING for patient in self.parts[part])

    def part_of(self, patient_id: str) -> Part | None:
        """The patient's part; None for an unused or unknown one."""
        return next((part for part in PARTS if patient_id in self.parts[part]), None)

    def to_json(self) -> dict[str, Any]:
        """Plain values, in the form that ``split.file`` accepts."""
        lists: dict[str, Any] = {part: list(names) for part, names in self.parts.items()}
        return {**lists, "unused": list(self.unused), "origin": self.origin}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Rebuild from :meth:`to_json`."""
        parts = {part: tuple(value[part]) for part in PARTS}
        return cls(parts, tuple(value["unused"]), value["origin"])


def split_patients(source: Source, cases: Sequence[Case], settings: SplitSettings) -> Split:
    """Divide the patients of the usable cases.

    Args:
        source: For its official parts, its folds and the names of its unusable cases.
        cases: Labelled, usable cases that are to be divided.
        settings: Where the split comes from.

    Raises:
        ConfigError: The settings name a fold, file, attribute or official part that is not there.
        DataError: Too few patients, or a file that does not place every patient exactly once.
    """
    if settings.file is not None:
        origin, given = str(settings.file), read_split_file(settings.file, settings.fold)
    elif settings.fold is not None:
        origin = f"the source's fold {settings.fold}"
        given = pick_fold(source.splits, settings.fold, "the source")
    elif settings.test == "official":
        part, test = _official_test(cases)
        rest = [case for case in cases if case.patient_id not in test]
        drawn = draw_parts(rest, ("weights", "architecture", "val"), settings)
        return _checked({**drawn, "test": sorted(test)}, (), f"official {part} patients as test")
    else:
        return _checked(draw_parts(cases, PARTS, settings), (), f"drawn, seed {settings.seed}")
    return _checked(*assign(given, origin, source, cases, settings), origin)


def _official_test(cases: Sequence[Case]) -> tuple[str, set[str]]:
    for part in ("test", "val"):
        patients = {case.patient_id for case in cases if case.part == part}
        if patients:
            return part, patients
    raise ConfigError(
        "split.test: official needs a source with a published, labelled test or validation part",
        came="none among the usable cases",
        remedy="use split.test: draw",
    )


def _checked(parts: Mapping[str, Sequence[str]], unused: tuple[str, ...], origin: str) -> Split:
    empty = [part for part in PARTS if not parts.get(part)]
    if empty:
        raise DataError(
            "each of the four parts needs at least one patient with a usable labelled case",
            came=f"none in {', '.join(empty)}",
            where=origin,
            remedy="move patients there",
        )
    return Split({part: tuple(parts[part]) for part in PARTS}, unused, origin)
