"""A configuration whose splits are settled before anything is run, with what must be said of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from distributed_iac.config.run import RunConfig


def load_settled(path: Path, overrides: Sequence[str]) -> RunConfig:
    """Load a configuration, let it follow its trained backbones and their folds, and say so."""
    from distributed_iac.config.load import load_config
    from distributed_iac.nets.follow import follow_backbones

    config = follow_backbones(load_config(path, overrides))
    if not any(backbone.name == "nnunet" for backbone in config.backbones):
        return config
    from distributed_iac.training.folds import settle_folds

    settled = settle_folds(config)
    for note in settled.notes:
        typer.echo(f"note: {note}", err=True)
    return settled.config
