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
from distributed_iac.config.explain import explain
from distributed_iac.config.merge import Layers, read_layers
from distributed_iac.config.run import RunConfig
from distributed_iac.config.yaml_file import dump_yaml


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
        raise explain(error, RunConfig, layers) from error


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
    # A child inherits what its parent gives, so no key is required of a single file.
    schema.pop("required", None)
    return schema
