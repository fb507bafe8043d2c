"""Layers of configuration: a parent file, a file, and ``--set`` on top, with their origins.

::

    layers = read_layers(Path("configs/quickstart.yaml"), ["search.epochs=40"])
    layers.values["search"]["epochs"]         # 40
    layers.origin("search.epochs")            # "--set search.epochs=40"
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distributed_iac.config.yaml_file import parse_yaml, read_yaml
from distributed_iac.errors import ConfigError

Origins = dict[str, str]


@dataclass(frozen=True)
class Layers:
    """Merged values and, for every leaf, where it was written.

    Args:
        values: Nested mapping, not yet validated.
        origins: Dotted key path to the file or option that set it last.
    """

    values: dict[str, Any]
    origins: Origins

    def origin(self, path: str) -> str:
        """Where the value at ``path``, or the nearest branch above it, was written."""
        parts = path.split(".")
        for length in range(len(parts), 0, -1):
            prefix = ".".join(parts[:length])
            if prefix in self.origins:
                return self.origins[prefix]
        return self.origins[""]


def read_layers(path: Path, overrides: Sequence[str] = ()) -> Layers:
    """Read a file, its parents (``base:``, relative to the file) and the overrides.

    Raises:
        ConfigError: Unreadable files, a circle of parents, or an override that is not
            ``key=value``.
    """
    values: dict[str, Any] = {}
    origins: Origins = {"": str(path)}
    for file, layer in reversed(_chain(path)):
        values = _merge(values, layer, str(file), origins)
    for override in overrides:
        key, separator, text = override.partition("=")
        option = f"--set {override}"
        if not separator or not key.strip():
            raise ConfigError(
                "--set takes key.path=value", came=override, remedy="--set search.epochs=40"
            )
        _assign(values, key.strip().split("."), parse_yaml(text, option), option, origins)
    return Layers(values, origins)


def _chain(path: Path) -> list[tuple[Path, dict[str, Any]]]:
    """The file and its ancestors, child first."""
    chain: list[tuple[Path, dict[str, Any]]] = []
    seen: list[Path] = []
    current: Path | None = path
    while current is not None:
        if current.resolve() in seen:
            circle = " -> ".join(str(file) for file in [*seen, current.resolve()])
            raise ConfigError("base: must not lead back to the same file", came=circle, where=path)
        seen.append(current.resolve())
        layer = read_yaml(current)
        base = layer.pop("base", None)
        if base is not None and not isinstance(base, str):
            raise ConfigError("base: names one file", came=repr(base), where=current)
        chain.append((current, layer))
        current = None if base is None else current.parent / base
    return chain


def _merge(
    lower: dict[str, Any], upper: dict[str, Any], origin: str, origins: Origins, prefix: str = ""
) -> dict[str, Any]:
    """Lay ``upper`` over ``lower``: mappings merge, everything else (lists too) is replaced."""
    merged = dict(lower)
    for key, value in upper.items():
        path = f"{prefix}{key}"
        below = merged.get(key)
        if isinstance(value, dict) and isinstance(below, dict):
            merged[key] = _merge(below, value, origin, origins, f"{path}.")
        else:
            merged[key] = value
            origins[path] = origin
    return merged


def _assign(
    values: dict[str, Any], parts: list[str], value: Any, option: str, origins: Origins
) -> None:
    """Set one value; path parts that are numbers index into lists."""
    holder: Any = values
    for depth, part in enumerate(parts):
        if not isinstance(holder, dict | list):
            raise ConfigError(
                f"{'.'.join(parts[:depth])} is a plain value and has no keys",
                came=repr(holder),
                where=option,
            )
        key: Any = _index(holder, part, option) if isinstance(holder, list) else part
        if depth + 1 == len(parts):
            holder[key] = value
        elif isinstance(holder, dict) and holder.get(key) is None:
            holder[key] = {}
        holder = holder[key]
    origins[".".join(parts)] = option


def _index(holder: list[Any], part: str, option: str) -> int:
    if not part.isdigit() or int(part) >= len(holder):
        raise ConfigError(
            f"this list has entries 0 to {len(holder) - 1}" if holder else "this list is empty",
            came=part,
            where=option,
        )
    return int(part)
