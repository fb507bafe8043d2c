"""The configuration that a command was given: settled, doubted, and one entry of it chosen.

::

    run = load_settled(Path("configs/acdc.yaml"), ["search.epochs=40"])
    told = tell_doubts(run)                                     # on standard error
    compare_stores(run)                                         # before they are trained on
    arm = choose("arms", "lth", run.arms)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

from distributed_iac.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from distributed_iac.config.run import RunConfig

Thing = TypeVar("Thing")


def load_settled(path: Path, overrides: Sequence[str]) -> RunConfig:
    """Load a configuration, let it follow its trained backbones and their folds, and say so.

    Raises:
        ConfigError: It asks for what cannot be, such as patches too small for its networks.
    """
    from distributed_iac.config.load import load_config
    from distributed_iac.jobs.random_cells import more_than_exist
    from distributed_iac.nets.custom_check import require_custom
    from distributed_iac.nets.follow import follow_backbones
    from distributed_iac.nets.patch_fit import require_given_patches

    config = follow_backbones(load_config(path, overrides))
    for note in (*config.idle_overrides(), *more_than_exist(config)):
        typer.echo(f"note: {note}", err=True)
    for doubt in config.doubtful_reference():
        typer.echo(f"warning: {doubt}", err=True)
    for sentence in dict.fromkeys(require_custom(config)):
        typer.echo(f"note: {sentence}", err=True)
    require_given_patches(config)
    if not any(backbone.name == "nnunet" for backbone in config.backbones):
        return config
    from distributed_iac.training.folds import settle_folds

    settled = settle_folds(config)
    for note in settled.notes:
        typer.echo(f"note: {note}", err=True)
    return settled.config


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


def compare_stores(config: RunConfig) -> None:
    """Read every byte of the stores that are there, and compare with their manifests.

    Showing how far it is; what the run's jobs ask of a store later is remembered from here.

    Raises:
        StoreError: A file of a store is missing or altered.
    """
    from distributed_iac.cli.live_progress import follow
    from distributed_iac.data.store.manifest import MANIFEST, compared_files, read_manifest

    for dataset in config.all_data:
        folder = config.store_folder(dataset)
        if not (folder / MANIFEST).exists():
            continue  # to be prepared
        manifest = read_manifest(folder)
        files = compared_files(folder, manifest)
        for _ in follow(f"comparing checksums of {folder}", files, len(manifest.files)):
            pass


def choose(what: str, name: str | None, things: Mapping[str, Thing]) -> Thing:
    """Return the named thing, or the first one if no name is given.

    Raises:
        ConfigError: There is no such thing; the message names those there are.
    """
    if name is None:
        return next(iter(things.values()))
    if name not in things:
        raise ConfigError(
            f"the configuration's {what} are {', '.join(things)}",
            came=name,
            remedy=did_you_mean(name, things),
        )
    return things[name]
