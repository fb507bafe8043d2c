"""Where two sets of plain nested values differ, for people.

::

    first_difference({"a": {"b": 1}}, {"a": {"b": 2}})      # FirstDifference("a.b", 1, 2)
    str(_)                                                  # "a.b: 1 there, 2 here"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_MISSING = object()


@dataclass(frozen=True)
class FirstDifference:
    """The first place where stored values differ from those asked for.

    Args:
        path: Key path.
        stored: Value there; None stands for a missing entry.
        asked: Value here; None stands for a missing entry.
    """

    path: str
    stored: Any
    asked: Any

    def __str__(self) -> str:
        return f"{self.path}: {self.stored!r} there, {self.asked!r} here"


def first_difference(stored: Any, asked: Any, path: str = "") -> FirstDifference | None:
    """Find the first entry, in the order of the stored value, that differs; None if none does.

    Args:
        stored: Plain nested values.
        asked: Plain nested values.
        path: Key path of both.
    """
    if isinstance(stored, Mapping) and isinstance(asked, Mapping):
        keys = [*stored, *(key for key in asked if key not in stored)]
        pairs = [
            (f"{path}.{key}".lstrip("."), stored.get(key, _MISSING), asked.get(key, _MISSING))
            for key in keys
        ]
    elif isinstance(stored, list) and isinstance(asked, list) and len(stored) == len(asked):
        pairs = [(f"{path}[{i}]", a, b) for i, (a, b) in enumerate(zip(stored, asked, strict=True))]
    else:
        sides = (None if side is _MISSING else side for side in (stored, asked))
        return None if stored == asked else FirstDifference(path, *sides)
    found = (first_difference(a, b, where) for where, a, b in pairs)
    return next((difference for difference in found if difference), None)
