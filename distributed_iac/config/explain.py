"""Turning validation errors into sentences that name file, key path, and the nearest name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from distributed_iac.config.merge import Layers
from distributed_iac.errors import ConfigError


def explain(error: ValidationError, model: type[BaseModel], layers: Layers) -> ConfigError:
    """Return one error that lists every finding of ``error``."""
    entries = _without_echoes(error.errors(include_url=False))
    findings = [_finding(entry, model, layers) for entry in entries]
    if len(findings) == 1:
        return findings[0]
    blocks = [f"{number}. {finding}" for number, finding in enumerate(findings, 1)]
    return ConfigError("\n".join([f"{len(findings)} problems in the configuration", *blocks]))


def _without_echoes(entries: Sequence[Any]) -> list[Any]:
    """Drop "list is too short" where the list is short only because an entry of it is wrong."""
    places = [tuple(entry["loc"]) for entry in entries]

    def is_echo(entry: Any) -> bool:
        place = tuple(entry["loc"])
        inside = any(len(p) > len(place) and p[: len(place)] == place for p in places)
        return entry["type"] == "too_short" and inside

    return [entry for entry in entries if not is_echo(entry)]


def _finding(entry: Any, model: type[BaseModel], layers: Layers) -> ConfigError:
    location: tuple[str | int, ...] = entry["loc"]
    path = ".".join(str(part) for part in _without_tags(location, model))
    where = f"{layers.origin(path)}: {path}" if path else layers.origin("")
    if entry["type"] == "extra_forbidden":
        known = sorted(known_names(model, location[:-1]))
        return ConfigError(
            f"known keys here are {', '.join(known)}",
            came=str(location[-1]),
            remedy=_nearest(str(location[-1]), known) or "remove it",
            where=where,
        )
    if entry["type"] == "missing":
        return ConfigError("this key is required", came="nothing", remedy="add it", where=where)
    if entry["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return _wrong_tag(entry, where)
    message = str(entry["msg"]).removeprefix("Value error, ").rstrip(".")
    came = entry.get("input")
    allowed = re.findall(r"'([^']*)'", str(entry.get("ctx", {}).get("expected", "")))
    remedy = _nearest(came, allowed) if isinstance(came, str) else None
    if entry["type"] in ("string_type", "path_type") and not isinstance(came, dict | list):
        remedy = "quote it if it is text"
    return ConfigError(
        message[:1].lower() + message[1:],
        # A rule over several keys names them itself; the whole branch would bury the message.
        came=None if isinstance(came, dict) and came else _short(came),
        remedy=remedy,
        where=where,
    )


def _wrong_tag(entry: Any, where: str) -> ConfigError:
    """A union whose member is named by one of its keys: the key is missing or unknown."""
    key = str(entry["ctx"]["discriminator"]).strip("'")
    came = entry["input"].get(key) if isinstance(entry["input"], dict) else entry["input"]
    allowed = re.findall(r"'([^']*)'", str(entry["ctx"].get("expected_tags", "")))
    if not allowed:
        return ConfigError(
            f"the key {key} is required", came="nothing", remedy="add it", where=where
        )
    return ConfigError(
        f"{key} is one of {', '.join(allowed)}",
        came=_short(came),
        remedy=_nearest(str(came), allowed),
        where=where,
    )


def _nearest(came: str, allowed: Sequence[str]) -> str | None:
    near = difflib.get_close_matches(came, allowed, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."


_MEMBER = re.compile(r"[a-z-]+\[.*\]")
"""How pydantic names a member of a union that has no tag: ``literal['auto']``."""


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
        elif part is location[-1] and part not in _tags(types) and not _MEMBER.fullmatch(str(part)):
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
        elif origin in (dict, Mapping) and len(arguments) == 2:
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
