"""What pydantic finds wrong, in our own terms: the one place that knows its errors from inside.

::

    findings(error, RunConfig)                # (Finding("unknown_key", ("serch",), ...), ...)
    raise refusals("SearchSettings", [(("epochs",), True, "a number is wanted")])

pydantic documents the types of its errors, but neither their contexts nor its wordings, nor how
it names the members of a union within a location. ``pyproject.toml`` bounds its version, and
``tests/config/test_pydantic_errors.py`` raises every error once that is translated here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

Place = tuple[str | int, ...]
"""Keys and indices from the root of a configuration to a value."""

Kind = Literal["unknown_key", "missing_key", "missing_tag", "unknown_tag", "not_text", "refused"]
"""A tag is the key that says which member of a union is meant; ``refused`` is all the rest."""

KINDS: Mapping[str, Kind] = {
    "extra_forbidden": "unknown_key",
    "missing": "missing_key",
    "union_tag_not_found": "missing_tag",
    "union_tag_invalid": "unknown_tag",
    "string_type": "not_text",
    "path_type": "not_text",
}
"""pydantic's types of errors that are told apart."""

TOO_SHORT = "too_short"
NO_SUCH_WORD = "literal_error"
EXPECTED = {"literal_error": "expected", "union_tag_invalid": "expected_tags"}
"""Where the context of an error lists what is allowed, as ``'a', 'b' or 'c'``."""
TAG = "discriminator"
NO_FIELD = ("extra_forbidden", "invalid_key")
"""Errors whose location ends with a key that no settings have."""
RAISED = "Value error, "
"""What pydantic puts before the message of a ValueError that a validator raised."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with given values.

    Args:
        kind: What is wrong.
        place: Where, without the union members that pydantic weaves in.
        message: pydantic's sentence, or that of one of our validators.
        came: What was given there; of an unknown tag, the tag.
        key: The unknown key, or the one that holds a tag; else empty.
        allowed: Words that can be meant: keys, tags or values; empty where it is not a choice.
    """

    kind: Kind
    place: Place
    message: str
    came: Any
    key: str = ""
    allowed: tuple[str, ...] = ()


def findings(error: ValidationError, model: type[BaseModel]) -> tuple[Finding, ...]:
    """Translate everything that a validation has found.

    Args:
        error: Of validating ``model``.
        model: The settings at the root.
    """
    entries = error.errors(include_url=False)
    found = [(entry["type"], _finding(entry, model)) for entry in entries]
    # A list is also called too short where it only lacks an entry that is itself refused, and no
    # word of those allowed where it can be a list as well.
    return tuple(
        one
        for kind, one in found
        if kind not in (TOO_SHORT, NO_SUCH_WORD)
        or not any(_is_below(other.place, one.place) for _, other in found)
    )


def refusals(title: str, wrong: Iterable[tuple[Place, Any, str]]) -> ValidationError:
    """The error of a validator that refuses values below its own.

    Args:
        title: What is validated.
        wrong: Place below it, value there, and what is wrong with it.
    """
    details = [
        InitErrorDetails(
            type=PydanticCustomError("kind", "{message}", {"message": message}),
            loc=place,
            input=value,
        )
        for place, value, message in wrong
    ]
    return ValidationError.from_exception_data(title, details)


def _finding(entry: Any, model: type[BaseModel]) -> Finding:
    location, context, came = entry["loc"], entry.get("ctx", {}), entry.get("input")
    kind = KINDS.get(entry["type"], "refused")
    key, allowed = "", tuple(_quoted(context.get(EXPECTED.get(entry["type"], ""), "")))
    of_no_field = entry["type"] in NO_FIELD
    place, types = _walk(location[:-1] if of_no_field else location, model)
    if of_no_field:
        place = (*place, location[-1])
    if kind == "unknown_key":
        key, allowed = str(location[-1]), tuple(sorted(set().union(*map(_fields, types))))
    elif kind in ("missing_tag", "unknown_tag"):
        (key,) = _quoted(context[TAG])
        came = came.get(key) if isinstance(came, dict) else came
    message = str(entry["msg"]).removeprefix(RAISED)
    return Finding(kind, place, message, came, key, allowed)


def _is_below(place: Place, other: Place) -> bool:
    return len(place) > len(other) and place[: len(other)] == other


def _quoted(text: str) -> list[str]:
    return re.findall(r"'([^']*)'", text)


def _walk(location: Sequence[str | int], model: type[BaseModel]) -> tuple[Place, list[Any]]:
    """The location without names of union members, and the types that a value there may have."""
    place: Place = ()
    types: list[Any] = [model]
    for part in location:
        below = [kind for one in types for kind in _below(one, part)]
        if below:
            place, types = (*place, part), below
        else:
            types = [one for one in types if str(part) in _tags(one)] or types
    return place, types


def _below(kind: Any, part: str | int) -> list[Any]:
    """Types that a value of this type may have under a key or index."""
    origin, arguments = get_origin(kind), get_args(kind)
    if part in _fields(kind):
        return _members(_fields(kind)[part].annotation)
    if origin is tuple and isinstance(part, int):
        return [member for one in arguments if one is not Ellipsis for member in _members(one)]
    return _members(arguments[1]) if origin is Mapping else []


def _members(annotation: Any) -> list[Any]:
    """The alternatives of an annotation: unions and Annotated taken apart."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _members(arguments[0])
    if origin in (Union, UnionType):
        return [member for one in arguments for member in _members(one)]
    return [annotation]


def _fields(kind: Any) -> Mapping[Any, Any]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind.model_fields
    return {}


def _tags(kind: Any) -> set[str]:
    """Words by which pydantic may name this member of a union: its tag."""
    return {
        word
        for field in _fields(kind).values()
        if not field.is_required()
        for word in get_args(field.annotation)
        if isinstance(word, str)
    }
