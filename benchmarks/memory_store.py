"""Prepared slices in memory, with the laws of the store on disk (``test_slice_source.py``).

::

    store = MemoryStore(
        images, labels, patients=["p1", "p1", "p2"], parts={"weights": ["p1"], "val": ["p2"]}
    )
    store.rows("weights")                       # array([0, 1])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from distributed_iac.data.batches.loader import IntArray
from distributed_iac.data.contract import LabelScheme


@dataclass(frozen=True)
class MemoryCase:
    """One case: its name, its owner, its slices."""

    case_id: str
    patient_id: str
    rows: IntArray


class MemoryStore:
    """A ``CaseSource``.

    Args:
        images: (n, C, H, W), normalised; kept as float16, as on disk.
        labels: (n, H, W) label values below 63.
        patients: The patient of each slice.
        parts: For each part, its patients; no patient in two of them.
        cases: The case of each slice, slices of a case lying together; None: one case a patient.
        scheme: Meaning of the label values; None: every value above 0 is a class of its own.
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
        self._images = images.astype(np.float16)
        self._labels = labels.astype(np.uint8)
        self._parts = {part: frozenset(members) for part, members in parts.items()}
        rows: dict[tuple[str, str], list[int]] = {}
        for row, key in enumerate(zip(cases or patients, patients, strict=True)):
            rows.setdefault(key, []).append(row)
        self._cases = [MemoryCase(*key, np.array(own)) for key, own in rows.items()]
        self._foreground = np.array([_classes_present(label) for label in self._labels], np.int64)
        values = (int(value) for value in np.unique(self._labels) if value)
        self.scheme = scheme or LabelScheme("memory", {v: f"class {v}" for v in values})

    def rows(self, part: str) -> IntArray:
        """Slices of a part."""
        none = np.empty(0, dtype=np.int64)
        return np.concatenate([none, *(case.rows for case in self.cases(part))])

    def cases(self, part: str) -> Sequence[MemoryCase]:
        """Cases of a part."""
        return [case for case in self._cases if case.patient_id in self._parts[part]]

    def foreground(self, rows: IntArray) -> IntArray:
        """Bit masks of the classes in slices."""
        return self._foreground[rows]

    def images(self, rows: IntArray, dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """Images of slices, (N, C, H, W)."""
        return self._images[rows].astype(dtype, copy=False)

    def labels(self, rows: IntArray) -> NDArray[np.uint8]:
        """Labels of slices, (N, H, W)."""
        return self._labels[rows]


def _classes_present(label: NDArray[np.uint8]) -> int:
    return sum(1 << int(value) for value in np.unique(label) if 0 < value < 63)
