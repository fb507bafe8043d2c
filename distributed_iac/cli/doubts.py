"""What a command says before its work: reasons for doubt, on standard error, each once."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from distributed_iac.config.run import RunConfig


def tell_doubts(config: RunConfig, told: Collection[str] = ()) -> frozenset[str]:
    """Print warnings about the data and the trained networks of a run.

    Args:
        config: The run.
        told: Those that have been said already.

    Returns:
        All that have been said now.

    Raises:
        ConfigError: A trained network is of other channels or labels than a data set.
        CheckpointError: An exported model is damaged.
    """
    from distributed_iac.training.doubts import doubts

    found = doubts(config)
    for sentence in found:
        if sentence not in told:
            typer.echo(f"warning: {sentence}", err=True)
    return frozenset((*told, *found))
