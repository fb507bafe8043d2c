"""The folder of a run: claimed by one configuration.

::

    claim_run_folder(config)                    # runs/NAME/{config.yaml,config.json,...}
    stored_config(config.folder) == config
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from distributed_iac.config.base import AS_STORED, to_plain
from distributed_iac.config.difference import first_difference
from distributed_iac.config.load import to_yaml
from distributed_iac.config.pydantic_errors import findings
from distributed_iac.config.run import RunConfig
from distributed_iac.errors import ConfigError, RunError
from distributed_iac.files import write_atomically, write_json
from distributed_iac.provenance import describe_environment
from distributed_iac.run.storage import absolute
from distributed_iac.run.sweep_folder import SweepFolder
from distributed_iac.transient import patiently
from distributed_iac.versions import UPGRADE

MARK = "config.json"


def storage_of(folder: Path, storage: str | None) -> str:
    """Folder or URI of what jobs and Ray write while they run.

    Args:
        folder: The run's.
        storage: ``sweep.storage`` of its settings.
    """
    here = folder.absolute()
    if storage is None:
        return str(here)
    # A copy of the run folder must not write where the original does.
    place = hashlib.sha256(str(here).encode()).hexdigest()[:8]
    return f"{absolute(storage.rstrip('/'))}/{here.name}-{place}"


def claim_run_folder(config: RunConfig) -> None:
    """Write the run's configuration and environment, or refuse the folder of another one.

    What whoever drives the run already has written is left alone: its lock is taken first.

    How a run is carried out may change from one start to the next: device, threads, and all of
    ``sweep``.

    Raises:
        ConfigError: The folder holds a run of another configuration; the first difference is
            named. Or it cannot be created.
        RunError: Another process drives the run, or what the folder says of its run cannot be
            read, or is of a newer release.
    """
    folder = SweepFolder(config.folder)
    with folder.claimed():
        folder.require_readable()
        _write(config)


def _write(config: RunConfig) -> None:
    mark = config.folder / MARK
    if mark.exists():
        stored = stored_config(config.folder)
        difference = first_difference(_what(to_plain(stored)), _what(to_plain(config)))
        if difference is not None:
            raise ConfigError(
                f"the run folder {config.folder} holds a run of another configuration",
                came=str(difference),
                remedy="take over its value, give this run another name, or delete that folder"
                + (": its trainings are kept and found" if config.question == "headroom" else ""),
            )
    write_atomically(config.folder / "config.yaml", to_yaml(config).encode())
    write_json(config.folder / "environment.json", describe_environment())
    write_json(mark, to_plain(config))


def stored_config(folder: Path) -> RunConfig:
    """The configuration that claimed a run folder, as the release that wrote it understood it.

    Raises:
        RunError: It is missing or damaged, or holds what this release does not allow.
    """
    mark = folder / MARK
    try:
        stored = json.loads(patiently(mark.read_bytes))
        return RunConfig.model_validate(stored, context=AS_STORED)
    except ValidationError as error:
        unknown = [one.place for one in findings(error, RunConfig) if one.kind == "unknown_key"]
        if not unknown:
            raise _unreadable(mark, error) from error
        raise RunError(
            "the settings of a run are those that this release knows",
            came=", ".join(".".join(map(str, place)) for place in unknown),
            remedy=UPGRADE,
            where=mark,
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise _unreadable(mark, error) from error


def _unreadable(mark: Path, error: Exception) -> RunError:
    return RunError(
        "the configuration that claimed a run folder must be readable",
        came=error,
        remedy="delete this file and run it again if the folder is this run's, its results are "
        "kept; otherwise give this run another name",
        where=mark,
    )


def _what(plain: dict[str, Any]) -> dict[str, Any]:
    """A configuration without what changes no result."""
    of_another = "comparison" if plain["question"] == "headroom" else "headroom"
    without = {"device", "threads", "sweep", of_another}
    return {key: value for key, value in plain.items() if key not in without}
