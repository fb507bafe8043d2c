"""Reading YAML the way a careful person would.

``yaml.safe_load`` with two departures: a key written twice is refused instead of silently
dropped, and ``1e-3`` is a number (YAML 1.1 as PyYAML reads it takes it for text).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from distributed_iac.errors import ConfigError


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses duplicate keys and knows exponents without a dot."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str | int | float | bool):
            raise yaml.constructor.ConstructorError(
                None, None, "keys are plain words", key_node.start_mark
            )
        if key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"the key {key!r} stands here twice", key_node.start_mark
            )
        seen.add(key)
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def parse_yaml(text: str, where: object) -> Any:
    """Parse YAML text.

    Args:
        text: YAML.
        where: What to name in errors: a file or an option.

    Raises:
        ConfigError: Not YAML, a tag that is not plain data, or a key written twice.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = (
            where if mark is None else f"{where}, line {mark.line + 1}, column {mark.column + 1}"
        )
        raise ConfigError(
            "a configuration is plain YAML",
            came=getattr(error, "problem", None) or str(error),
            remedy="see the examples in configs/",
            where=place,
        ) from error


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping.

    Raises:
        ConfigError: Missing, unreadable, not UTF-8, not YAML, or not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(
            "no such configuration file", came=path, remedy="check the path"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("cannot read the configuration", came=str(error), where=path) from error
    value = parse_yaml(text, path)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(
            "a configuration is a mapping of keys to values", came=type(value).__name__, where=path
        )
    return value
