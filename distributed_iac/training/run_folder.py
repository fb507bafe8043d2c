"""The folder of a run: claimed by one configuration.

::

    claim_run_folder(config)                    # runs/NAME/{config.yaml,config.json,...}
"""

from __future__ import annotations

import json
from typing import Any

from distributed_iac.config.difference import first_difference
from distributed_iac.config.load import to_plain, to_yaml
from distributed_iac.config.run import RunConfig
from distributed_iac.errors import ConfigError
from distributed_iac.files import write_atomically, write_json
from distributed_iac.provenance import describe_environment

MARK = "config.json"


def claim_run_folder(config: RunConfig) -> None:
    """Write the run's configuration and environment, or refuse the folder of another one.

    How a run is carried out may change from one start to the next: device, threads, and all of
    ``sweep``.

    Raises:
        ConfigError: The folder holds a run of another configuration; the first difference is
            named.
    """
    mark = config.folder / MARK
    if mark.exists():
        stored = json.loads(mark.read_text(encoding="utf-8"))
        difference = first_difference(_what(stored), _what(to_plain(config)))
        if difference is not None:
            raise ConfigError(
                f"the run folder {config.folder} holds a run of another configuration",
                came=str(difference),
                remedy="give this run another name, or delete that folder",
            )
    write_atomically(config.folder / "config.yaml", to_yaml(config).encode())
    write_json(config.folder / "environment.json", describe_environment())
    write_json(mark, to_plain(config))


def _what(plain: dict[str, Any]) -> dict[str, Any]:
    """A configuration without what changes no result."""
    return {key: value for key, value in plain.items() if key not in ("device", "threads", "sweep")}
