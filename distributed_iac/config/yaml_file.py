"""Reading YAML the way a careful person would.

``yaml.safe_load`` with four departures: a key written twice is refused instead of silently
dropped, ``1e-3`` is a number (YAML 1.1 as PyYAML reads it takes it for text), words that YAML 1.1
takes for something else than a reader does (``yes``, ``010``, ``1_000``, ``1:30``, ``2024-01-31``,
``.inf``) are refused, and so are aliases that multiply into more than ``MOST_VALUES`` values, or
contain themselves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from distributed_iac.errors import ConfigError
from distributed_iac.transient import patiently

MOST_VALUES = 100_000
"""Keys and values of a configuration with every alias written out. Our choice: a thousand times
what the largest of ours has; ten lines of nested aliases can stand for billions."""


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses duplicate keys and knows exponents without a dot."""


class _Dumper(yaml.SafeDumper):
    """Quotes what the loader would not read as text."""


for _side in (_Loader, _Dumper):
    _side.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$"),
        list("-+.0123456789"),
    )

_MEANT: dict[str, re.Pattern[str]] = {
    "bool": re.compile(r"true|false|True|False|TRUE|FALSE"),
    "int": re.compile(r"[-+]?(0|[1-9][0-9]*)"),
    "float": re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?"),
    "timestamp": re.compile(r"(?!)"),
}
"""The spellings of each of YAML's types that nobody means otherwise: those of YAML 1.2 and JSON."""


def _refused(problem: str, node: yaml.Node) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _as_meant(loader: _Loader, node: yaml.ScalarNode) -> Any:
    """Construct a value whose spelling can only mean this type."""
    kind = node.tag.rpartition(":")[2]
    if _MEANT[kind].fullmatch(node.value) is None:
        made = yaml.SafeLoader.yaml_constructors[node.tag](loader, node)
        raise _refused(
            f"{node.value}, which YAML reads as {made}: quote it ('{node.value}') if it is text, "
            "else write true, false or a finite decimal number",
            node,
        )
    return yaml.SafeLoader.yaml_constructors[node.tag](loader, node)


for _kind in _MEANT:
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _as_meant)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str | int | float | bool):
            raise _refused("keys are plain words", key_node)
        if key in seen:
            raise _refused(f"the key {key!r} stands here twice", key_node)
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
        return _load(text)
    except RecursionError as error:
        raise ConfigError(
            "a configuration nests a few levels deep",
            came="more levels than can be read",
            remedy="see the examples in configs/",
            where=where,
        ) from error
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


def _load(text: str) -> Any:
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        _written_out(root, {})
        return loader.construct_document(root)
    finally:
        loader.dispose()


def _written_out(node: yaml.Node, known: dict[yaml.Node, int]) -> int:
    """Number of keys and values below a node with every alias written out; refuse too many."""
    if node not in known:
        known[node] = MOST_VALUES + 1  # what it stays for an alias to a node that is still open
        below = node.value if isinstance(node, yaml.CollectionNode) else []
        if isinstance(node, yaml.MappingNode):  # pairs of a key and a value
            below = chain.from_iterable(below)
        known[node] = 1 + sum(_written_out(part, known) for part in below)
    if known[node] > MOST_VALUES:
        raise _refused(f"aliases stand for more than {MOST_VALUES} values", node)
    return known[node]


def dump_yaml(values: Mapping[str, Any]) -> str:
    """Write plain values so that :func:`parse_yaml` reads the same."""
    return yaml.dump(dict(values), Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping.

    Raises:
        ConfigError: Missing, unreadable, not UTF-8, not YAML, or not a mapping.
    """
    try:
        text = patiently(lambda: path.read_text(encoding="utf-8"))
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
