"""How benchmarks that train something begin: a folder of their own, a configuration, phantoms.

options = run_options(__doc__).parse_args()     # --folder and --set
config = enter(options, CONFIG)                 # goes into the folder, so call it once
make_phantoms(config, patients=20, seed=0)      # what is not there yet
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import cast

from distributed_iac.config.load import load_config
from distributed_iac.config.run import RunConfig
from distributed_iac.phantom import FormatName, make_phantom


def run_options(documentation: str | None) -> argparse.ArgumentParser:
    """A parser of the options that all of them have, described by a docstring's first line."""
    parser = argparse.ArgumentParser(description=(documentation or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True, help="where data and runs go")
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    return parser


def enter(options: argparse.Namespace, config: Path) -> RunConfig:
    """Go into the folder, and load the configuration as it is overridden."""
    options.folder.mkdir(parents=True, exist_ok=True)
    os.chdir(options.folder)
    return load_config(config, options.overrides)


def make_phantoms(config: RunConfig, patients: int, seed: int) -> None:
    """Write miniatures in the place of sources that are not there yet; their names are formats."""
    for dataset in config.data:
        if not dataset.source.exists():
            name = cast(FormatName, dataset.name)
            make_phantom(name, dataset.source, patients=patients, seed=seed, size="tiny")
