"""Where two configurations differ, for people.

::

    first_difference({"a": {"b": 1}}, {"a": {"b": 2}})      # "a.b: 1 there, 2 here"
"""

from __future__ import annotations

from typing import Any

_ABSENT = object()


def first_difference(there: Any, here: Any, path: str = "") -> str | None:
    """Describe the first value that differs, in key order; None if nothing does.

    Args:
        there: Plain nested values, as stored.
        here: Plain nested values, as asked for now.
        path: Key path of both, for the message.
    """
    if isinstance(there, dict) and isinstance(here, dict):
        keys = dict.fromkeys([*there, *here])
        pairs = [(str(k), there.get(k, _ABSENT), here.get(k, _ABSENT)) for k in keys]
    elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        pairs = [(str(i), a, b) for i, (a, b) in enumerate(zip(there, here, strict=True))]
    else:
        return None if there == here else f"{path}: {_show(there)} there, {_show(here)} here"
    for key, a, b in pairs:
        found = first_difference(a, b, f"{path}.{key}" if path else key)
        if found is not None:
            return found
    return None


def _show(value: Any) -> str:
    return "absent" if value is _ABSENT else repr(value)
