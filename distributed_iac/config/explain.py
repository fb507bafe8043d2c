"""Turning validation errors into sentences that name file, key path, and the nearest name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from distributed_iac.config.merge import Layers
from distributed_iac.errors import ConfigError


def explain(error: ValidationError, model: type[BaseModel], layers: Layers) -> ConfigError:
    """Return one error that lists every finding of ``error``, the first one in full."""
    findings = [_finding(entry, model, layers) for entry in error.errors(include_url=False)]
    first, *rest = findings
    if not rest:
        return first
    lines = [first.message, *(f"also: {other.where}: {other.message}" for other in rest)]
    return ConfigError("\n  ".join(lines), came=first.came, remedy=first.remedy, where=first.where)


def _finding(entry: Any, model: type[BaseModel], layers: Layers) -> ConfigError:
    location: tuple[str | int, ...] = entry["loc"]
    path = ".".join(str(part) for part in _without_tags(location, model))
    where = f"{layers.origin(path)}: {path}" if path else layers.origin("")
    if entry["type"] == "extra_forbidden":
        known = sorted(known_names(model, location[:-1]))
        near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.5)
        remedy = f"did you mean {near[0]}?" if near else "remove it"
        return ConfigError(
            f"known keys here are {', '.join(known)}",
            came=str(location[-1]),
            remedy=remedy,
            where=where,
        )
    if entry["type"] == "missing":
        return ConfigError("this key is required", came="nothing", remedy="add it", where=where)
    message = str(entry["msg"]).removeprefix("Value error, ").rstrip(".")
    message = message[:1].lower() + message[1:]
    return ConfigError(message, came=_short(entry.get("input")), where=where)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."


def _without_tags(location: Sequence[str | int], model: type[BaseModel]) -> list[str | int]:
    """Drop the union tags that pydantic weaves into a location."""
    kept: list[str | int] = []
    types: list[Any] = [model]
    for part in location:
        following = _follow(types, part)
        if following:
            kept.append(part)
            types = following
        elif not any(_fields(kind) for kind in types):
            break
        elif part is location[-1] and part not in _tags(types):
            kept.append(part)
    return kept


def known_names(model: type[BaseModel], location: Iterable[str | int]) -> set[str]:
    """Field names allowed at ``location`` below ``model``."""
    types: list[Any] = [model]
    for part in location:
        types = _follow(types, part) or [
            kind for kind in types if str(part) in _tags([kind]) or not _tags([kind])
        ]
    return {name for kind in types for name in _fields(kind)}


def _fields(kind: Any) -> dict[str, Any]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return dict(kind.model_fields)
    return {}


def _tags(types: Iterable[Any]) -> set[str]:
    """Literal values of the fields that may discriminate a union member."""
    return {
        str(value)
        for kind in types
        for field in _fields(kind).values()
        for value in (get_args(field.annotation) if not field.is_required() else ())
        if isinstance(value, str)
    } | {kind.__name__ for kind in types if isinstance(kind, type)}


def _follow(types: Iterable[Any], part: str | int) -> list[Any]:
    """Types reached from any of ``types`` by one key or index."""
    reached: list[Any] = []
    for kind in types:
        field = _fields(kind).get(str(part))
        if field is not None:
            reached += _members(field.annotation)
            continue
        origin, arguments = get_origin(kind), get_args(kind)
        if origin in (list, tuple, frozenset, set) and isinstance(part, int):
            reached += [m for a in arguments if a is not Ellipsis for m in _members(a)]
        elif origin is dict and len(arguments) == 2:
            reached += _members(arguments[1])
    return reached


def _members(annotation: Any) -> list[Any]:
    """The alternatives of an annotation: unions and Annotated taken apart."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _members(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return [member for argument in get_args(annotation) for member in _members(argument)]
    return [annotation]
