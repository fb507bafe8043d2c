"""How benchmarks that train something begin: a folder of their own, a configuration, phantoms.

given = run_options(__doc__).parse_args()               # --folder and --set
config = enter(given.folder, CONFIG, given.overrides)   # goes there, so call it once
make_phantoms(config, patients=20, seed=0)              # what is not there yet
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from benchmarks.harness import options
from distributed_iac.config.load import load_config
from distributed_iac.config.run import RunConfig
from distributed_iac.phantom import FormatName, make_phantom


def folder_options(documentation: str | None) -> argparse.ArgumentParser:
    """A parser of the option that names the folder."""
    parser = options(documentation)
    parser.add_argument("--folder", type=Path, required=True, help="where data and runs go")
    return parser


def run_options(documentation: str | None) -> argparse.ArgumentParser:
    """A parser of the options that all of them have, described by a docstring's first line."""
    parser = folder_options(documentation)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    return parser


def enter(folder: Path, config: Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Go into the folder, and load the configuration as it is overridden."""
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    return load_config(config, overrides)


def make_phantoms(config: RunConfig, patients: int, seed: int) -> None:
    """Write miniatures in the place of sources that are not there yet; their names are formats."""
    for dataset in config.data:
        if not dataset.source.exists():
            name = cast(FormatName, dataset.name)
            make_phantom(name, dataset.source, patients=patients, seed=seed, size="tiny")
