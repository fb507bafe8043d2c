"""``distributed-iac nnunet``: from a folder that nnU-Net trained to the comparison, in one command.

It writes a configuration that can be read and edited, and sweeps it.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from distributed_iac.nets.nnunet_places import TrainedNnUnet

FEW = 3000
"""Training slices up to which settings are those of small data; "a few thousand", as
``configs/search_small.yaml`` puts it."""

TEXT = """\
# Written by `distributed-iac nnunet`: read it, edit it. The same command takes it as it is then.
# Spacing, patch, crop, normalisation, slices and mirroring follow the trained network; the patients
# that its fold held out are the test. The network as it is gets scored first and compared, case by
# case, with nnU-Net's own summary.json: a difference stops what builds upon it.
name: {name}
data:
  - {{name: {dataset}, source: {raw}, format: nnunet_raw}}
backbones:
  - name: nnunet
    label: nnunet-fold{fold}
    folder: {model}
    fold: {fold}
    checkpoint: {checkpoint}
controls: [plain, plain_extra, random]
seeds: [0]      # more tell how far a result is chance
# For about {slices} training slices:
{settings}"""

SMALL = """\
batches: {batch_size: 4, steps_per_epoch: 25}
cell: {width: 8, partial_channels: 1, none: left_out}
search:
  epochs: 60
  warmup_epochs: 5
  weights: {kind: adam, learning_rate: 2.0e-3}
  architecture: {kind: adam, learning_rate: 3.0e-2, betas: [0.5, 0.999]}
retrain: {epochs: 30}
"""
"""As ``configs/search_small.yaml``, held by a test; epochs and steps are our choice."""

LARGE = """\
batches: {batch_size: 12, steps_per_epoch: 250, augmentation: strong, mirror_axes: [rows, columns]}
cell: {width: 0.5, partial_channels: 4, none: left_out}
search: {epochs: 100, warmup_epochs: 15, validate_every: 5}
arms:
  full: {policy: none}
  lth:
    policy: js
    stability: {window: 2, tau: 0.1, patience: 1, warmup: 4, max_wait: 10}
    signal: {guard: settled, horizon: 1}
retrain: {epochs: 100, validate_every: 5}
"""
"""As ``configs/real_size.yaml``, held by a test."""


def nnunet(
    folder: Annotated[
        Path, typer.Argument(help="Model folder, one of its folds, or the data set's results.")
    ],
    fold: Annotated[int | None, typer.Option(help="Default: the first that is trained.")] = None,
    raw: Annotated[
        Path | None, typer.Option(help="Raw data set; default: as nnU-Net's variables say.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Configuration to write; default: NAME.yaml here.")
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="As many epochs as fit, such as 30min or 8h; measured first."
        ),
    ] = None,
    write_only: Annotated[
        bool, typer.Option("--write-only", help="Write the configuration, run nothing.")
    ] = False,
    address: Annotated[
        str | None, typer.Option(help="Ray cluster to join: auto or HOST:PORT.")
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a setting.")
    ] = None,
) -> None:
    """Compare cells with a network that nnU-Net v2 (2d) trained: everything is found by itself.

    Writes a configuration and runs `sweep` on it. One that is there already is taken as it is.
    """
    from distributed_iac.cli.sweep import sweep
    from distributed_iac.config.load import load_config
    from distributed_iac.files import write_atomically
    from distributed_iac.nets.nnunet_places import find_trained

    found = find_trained(folder, os.environ, fold=fold, raw=raw)
    name = f"{_word(found.model.absolute().parent.name).lower()}-fold{found.fold}"
    path = config or Path(f"{name}.yaml")
    if path.exists():
        unused = "" if budget is None else "; --budget is not used: delete it, or give a --config"
        typer.echo(f"{path} is there and is taken as it is{unused}", err=True)
    else:
        text = configuration(name, found)
        if budget is not None:
            text = _fitted(text, path.name, budget, overrides or ())
        write_atomically(path, text.encode())
        typer.echo(f"wrote {path}", err=True)
    if write_only:
        typer.echo(f"next: distributed-iac plan {path}")
        return
    sweep(path, None, address, overrides)
    typer.echo(f"next: distributed-iac export {load_config(path, overrides or ()).folder}")


def _fitted(text: str, name: str, budget: str, overrides: Sequence[str]) -> str:
    """The configuration with as many epochs as fit; its store is prepared and an epoch measured.

    Raises:
        ConfigError: It cannot be done in the time.
        RunError: A kind of job cannot run here.
    """
    from distributed_iac.cli.configuration import load_settled
    from distributed_iac.cli.measuring import measured_kinds
    from distributed_iac.cli.nnunet_budget import epochs_within, seconds_of, with_epochs
    from distributed_iac.cli.prepare import prepare_stores
    from distributed_iac.jobs.plan import plan_jobs

    seconds = seconds_of(budget)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_text(text)
        run = load_settled(path, overrides)
    prepare_stores(run)
    probes, failed = measured_kinds(run, plan_jobs(run))
    for error in failed.values():
        raise error
    per_epoch = {kind: probe.epoch_seconds for (kind, _), probe in probes.items()}
    epochs = epochs_within(run, per_epoch, seconds)
    typer.echo(
        f"{budget} has room for {epochs.search} epochs a search and {epochs.retrain} a retraining",
        err=True,
    )
    return with_epochs(text, epochs)


def configuration(name: str, found: TrainedNnUnet) -> str:
    """A whole run for a trained network, as YAML with its reasons."""
    return TEXT.format(
        name=name,
        dataset=_word(found.raw.absolute().name),
        raw=json.dumps(str(found.raw), ensure_ascii=False),
        model=json.dumps(str(found.model), ensure_ascii=False),
        fold=found.fold,
        checkpoint=found.checkpoint,
        slices=found.slices,
        settings=SMALL if found.slices <= FEW else LARGE,
    )


def _word(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "-", name)
