from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from distributed_iac.data.memory_store import MemoryStore
from distributed_iac.errors import StoreError

Stores = Callable[..., MemoryStore]


def tiny(**changes: Any) -> MemoryStore:
    labels = np.zeros((3, 4, 4), dtype=np.uint8)
    labels[1, 0, :2] = 1, 4
    arguments = {
        "images": np.ones((3, 1, 4, 4)),
        "labels": labels,
        "patients": ["a", "a", "b"],
        "parts": {"weights": ["a"], "val": ["b"]},
        **changes,
    }
    return MemoryStore(**arguments)


def test_foreground_says_which_values_a_label_holds() -> None:
    store = tiny()
    assert store.foreground(np.array([1, 0, 1])).tolist() == [0b10010, 0, 0b10010]
    assert dict(store.scheme.classes) == {1: "class 1", 4: "class 4"}


def test_a_part_without_patients_has_no_rows() -> None:
    store = tiny(parts={"weights": ["a", "b"], "val": []})
    assert store.rows("val").tolist() == []
    assert store.rows("val").dtype == np.int64
    assert store.rows("weights").tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": np.zeros((2, 4, 4))}, "images are"),
        ({"patients": ["a", "b"]}, "has a patient and a case"),
        ({"parts": {"weights": ["a"], "val": ["a", "b"]}}, "disjoint"),
        ({"parts": {"weights": ["a", "c"]}}, "disjoint"),
        ({"patients": ["a", "b", "a"]}, "lie together"),
    ],
)
def test_contradictions_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(StoreError, match=message):
        tiny(**changes)


def test_an_unknown_part_is_refused_with_the_known_ones() -> None:
    with pytest.raises(StoreError, match=r"\['val', 'weights'\]"):
        tiny().rows("train")
