"""A store of arrays in memory, for tests, notebooks and quick trials.

::

    store = MemoryStore(
        images, labels, patients=["p1", "p1", "p2"], parts={"weights": ["p1"], "val": ["p2"]}
    )
    store.rows("weights")                       # array([0, 1])

It keeps the laws of the store on disk and can stand wherever a ``CaseSource`` is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from distributed_iac.data.batches.loader import IntArray
from distributed_iac.data.contract import LabelScheme
from distributed_iac.errors import StoreError


@dataclass(frozen=True)
class MemoryCase:
    """One case: its name, its owner, its slices."""

    case_id: str
    patient_id: str
    rows: IntArray


class MemoryStore:
    """Prepared slices in memory.

    Args:
        images: (n, C, H, W), normalised; kept as float16, as on disk.
        labels: (n, H, W) label values below 63.
        patients: The patient of each slice.
        parts: For each part, its patients.
        cases: The case of each slice, slices of a case lying together; None: one case a patient.
        scheme: Meaning of the label values; None: every value above 0 is a class of its own.

    Raises:
        StoreError: Lengths differ, a patient is in two parts or has no slices, a part is unknown,
            or slices of a case do not lie together.
    """

    def __init__(
        self,
        images: NDArray[np.floating],
        labels: NDArray[np.integer],
        patients: Sequence[str],
        parts: Mapping[str, Sequence[str]],
        *,
        cases: Sequence[str] | None = None,
        scheme: LabelScheme | None = None,
    ) -> None:
        cases = patients if cases is None else cases
        _check_lengths(images, labels, patients, cases)
        _check_parts(patients, parts)
        self._images = images.astype(np.float16)
        self._labels = labels.astype(np.uint8)
        self._parts = {part: frozenset(members) for part, members in parts.items()}
        self._cases = _group_cases(patients, cases)
        self._foreground = np.array([_classes_present(label) for label in self._labels], np.int64)
        values = (int(value) for value in np.unique(self._labels) if value)
        self.scheme = scheme or LabelScheme("memory", {v: f"class {v}" for v in values})

    def rows(self, part: str) -> IntArray:
        """Return the ids of a part's slices, ascending."""
        none = np.empty(0, dtype=np.int64)
        return np.concatenate([none, *(case.rows for case in self.cases(part))])

    def cases(self, part: str) -> Sequence[MemoryCase]:
        """Return the cases of a part, in the order of their slices."""
        if part not in self._parts:
            raise StoreError(
                f"the parts of this store are {sorted(self._parts)}",
                came=part,
                remedy="name one of them",
            )
        return [case for case in self._cases if case.patient_id in self._parts[part]]

    def foreground(self, rows: IntArray) -> IntArray:
        """Return (n,) bit masks of the label values present, background left out."""
        return self._foreground[rows]

    def images(self, rows: IntArray, dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """Copy images, (n, C, H, W)."""
        return self._images[rows].astype(dtype, copy=False)

    def labels(self, rows: IntArray) -> NDArray[np.uint8]:
        """Copy label values, (n, H, W)."""
        return self._labels[rows]


def _classes_present(label: NDArray[np.uint8]) -> int:
    return sum(1 << int(value) for value in np.unique(label) if 0 < value < 63)


def _group_cases(patients: Sequence[str], cases: Sequence[str]) -> tuple[MemoryCase, ...]:
    rows_of: dict[tuple[str, str], list[int]] = {}
    for row, key in enumerate(zip(cases, patients, strict=True)):
        rows_of.setdefault(key, []).append(row)
    for (case, _), rows in rows_of.items():
        if rows[-1] - rows[0] + 1 != len(rows):
            raise StoreError(
                "slices of a case lie together",
                came=f"case {case!r} at rows {rows}",
                remedy="sort the slices by case",
            )
    return tuple(
        MemoryCase(case, patient, np.array(rows, dtype=np.int64))
        for (case, patient), rows in rows_of.items()
    )


def _check_lengths(
    images: NDArray[np.floating],
    labels: NDArray[np.integer],
    patients: Sequence[str],
    cases: Sequence[str],
) -> None:
    if images.ndim != 4 or labels.shape != (images.shape[0], *images.shape[2:]):
        raise StoreError(
            "images are (n, C, H, W) and labels (n, H, W)",
            came=f"images {images.shape}, labels {labels.shape}",
        )
    if not len(patients) == len(cases) == images.shape[0]:
        raise StoreError(
            f"each of the {images.shape[0]} slices has a patient and a case",
            came=f"{len(patients)} patients, {len(cases)} cases",
        )


def _check_parts(patients: Sequence[str], parts: Mapping[str, Sequence[str]]) -> None:
    placed = [patient for members in parts.values() for patient in set(members)]
    twice = sorted({patient for patient in placed if placed.count(patient) > 1})
    unknown = sorted(set(placed) - set(patients))
    if twice or unknown:
        raise StoreError(
            "parts are disjoint and name patients of this store",
            came=f"in two parts: {twice}; without slices: {unknown}",
        )
