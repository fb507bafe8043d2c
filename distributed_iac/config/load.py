"""From a YAML file to a validated, frozen configuration, and back.

::

    config = load_config(Path("configs/quickstart.yaml"), ["search.epochs=40"])
    text = to_yaml(config)                      # the resolved configuration, nothing implied
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from distributed_iac.config.base import AS_STORED, Settings, to_plain
from distributed_iac.config.merge import Layers, read_layers
from distributed_iac.config.overrides import VARIED
from distributed_iac.config.pydantic_errors import Finding, findings
from distributed_iac.config.run import RunConfig
from distributed_iac.config.yaml_file import dump_yaml
from distributed_iac.errors import ConfigError, did_you_mean


def load_config(path: Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Load a run's configuration.

    Args:
        path: YAML file; ``base:`` names a parent, relative to the file.
        overrides: ``key.path=value`` settings, values as YAML; list entries by number.

    Raises:
        ConfigError: Naming file (or option), key path, what is allowed and what came.
    """
    return _validated(read_layers(path, overrides))


def load_resolved(path: Path) -> RunConfig:
    """Load the resolved configuration of a run folder, as its release understood it.

    Raises:
        ConfigError: As :func:`load_config`.
    """
    return _validated(read_layers(path, ()), AS_STORED)


def _validated(layers: Layers, context: Mapping[str, Any] | None = None) -> RunConfig:
    try:
        return RunConfig.model_validate(layers.values, context=context)
    except ValidationError as error:
        raise _explain(error, layers) from error


def _explain(error: ValidationError, layers: Layers) -> ConfigError:
    """One error that lists every finding, with file, key path and the nearest name."""
    refused = [_refusal(finding, layers) for finding in findings(error, RunConfig)]
    if len(refused) == 1:
        return refused[0]
    blocks = [f"{number}. {one}" for number, one in enumerate(refused, 1)]
    return ConfigError("\n".join([f"{len(refused)} problems in the configuration", *blocks]))


def _refusal(finding: Finding, layers: Layers) -> ConfigError:
    message, came, remedy = _sentences(finding)
    path = ".".join(map(str, finding.place))
    where = f"{layers.origin(path)}: {path}" if path else layers.origin("")
    return ConfigError(message, came=came, remedy=remedy, where=where)


def _sentences(finding: Finding) -> tuple[str, str | None, str | None]:
    """What is allowed, what came, what to do."""
    key, came, allowed = finding.key, finding.came, finding.allowed
    match finding.kind:
        case "unknown_key":
            return (
                f"known keys here are {', '.join(allowed)}",
                key,
                did_you_mean(key, allowed) or "remove it",
            )
        case "missing_key":
            return "this key is required", "nothing", "add it"
        case "missing_tag":
            return f"the key {key} is required", "nothing", "add it"
        case "unknown_tag":
            return (
                f"{key} is one of {', '.join(allowed)}",
                _short(came),
                did_you_mean(came, allowed),
            )
    remedy = did_you_mean(came, allowed) if isinstance(came, str) else None
    if finding.kind == "not_text" and not isinstance(came, dict | list):
        remedy = "quote it if it is text"
    message = finding.message.rstrip(".")
    # A rule over several keys names them itself; the whole branch would bury the message.
    branch = isinstance(came, dict) and came
    return message[:1].lower() + message[1:], None if branch else _short(came), remedy


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else text[:117] + "..."


def to_yaml(settings: Settings) -> str:
    """Return readable YAML of every value, defaults included."""
    return dump_yaml(to_plain(settings))


def json_schema() -> dict[str, Any]:
    """JSON schema of the configuration, for editors."""
    schema = RunConfig.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "distributed-iac run configuration"
    properties = {
        "base": {
            "type": "string",
            "description": "Parent configuration, relative to this file; this file's keys win.",
        }
    }
    schema["properties"] = {**properties, **schema["properties"]}
    # What is replaced for a data set or in a variant has the keys of what it replaces.
    override = {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: {"$ref": schema["properties"][name]["$ref"]} for name in VARIED},
    }
    schema["properties"]["variants"]["additionalProperties"] = override
    of_data = schema["$defs"]["DatasetSettings"]["properties"]["settings"]
    of_data.pop("additionalProperties", None)
    of_data |= {name: value for name, value in override.items() if name != "type"}
    # A child inherits what its parent gives, so no key is required of a single file.
    schema.pop("required", None)
    return schema
