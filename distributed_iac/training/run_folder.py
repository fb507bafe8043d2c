"""The folder of a run: claimed by one configuration.

::

    claim_run_folder(config)                    # runs/NAME/{config.yaml,config.json,...}
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from distributed_iac.config.difference import first_difference
from distributed_iac.config.load import to_plain, to_yaml
from distributed_iac.config.run import RunConfig
from distributed_iac.errors import ConfigError, RunError
from distributed_iac.files import write_atomically, write_json
from distributed_iac.provenance import describe_environment
from distributed_iac.training.sweep.folder import SweepFolder

MARK = "config.json"


def artifacts_of(config: RunConfig) -> str:
    """Folder or URI of the run's results; relative to the working folder if the settings are."""
    return config.sweep.artifacts or str(config.out / "artifacts")


def claim_run_folder(config: RunConfig) -> None:
    """Write the run's configuration and environment, or refuse the folder of another one.

    What whoever drives the run already has written is left alone: its lock is taken first.

    How a run is carried out may change from one start to the next: device, threads, and all of
    ``sweep``.

    Raises:
        ConfigError: The folder holds a run of another configuration; the first difference is
            named. Or it cannot be created.
        RunError: Another process drives the run, or what the folder says of its run cannot be
            read.
    """
    with SweepFolder(config.folder).claimed():
        _write(config)


def _write(config: RunConfig) -> None:
    mark = config.folder / MARK
    if mark.exists():
        difference = first_difference(_what(_stored(mark)), _what(to_plain(config)))
        if difference is not None:
            raise ConfigError(
                f"the run folder {config.folder} holds a run of another configuration",
                came=str(difference),
                remedy="give this run another name, or delete that folder",
            )
    write_atomically(config.folder / "config.yaml", to_yaml(config).encode())
    write_json(config.folder / "environment.json", describe_environment())
    write_json(mark, to_plain(config))


def _stored(mark: Path) -> dict[str, Any]:
    """The configuration that claimed the folder."""
    try:
        stored = json.loads(mark.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _unreadable(mark, str(error)) from error
    if not isinstance(stored, dict):
        raise _unreadable(mark, "no mapping of settings")
    return stored


def _unreadable(mark: Path, came: str) -> RunError:
    return RunError(
        "the configuration that claimed a run folder must be readable",
        came=came,
        remedy="delete this file if the folder is this run's, its results are kept; otherwise "
        "give this run another name",
        where=mark,
    )


def _what(plain: dict[str, Any]) -> dict[str, Any]:
    """A configuration without what changes no result."""
    return {key: value for key, value in plain.items() if key not in ("device", "threads", "sweep")}
