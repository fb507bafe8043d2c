"""``distributed-iac prepare``: raw data sets of a configuration become stores.

::

    distributed-iac prepare configs/acdc.yaml
    distributed-iac prepare configs/all.yaml --dataset kits23 --set data.0.preprocess.workers=4

Progress goes to standard error, a summary of each store to standard output. Interrupted or
killed, the same command continues; a finished store is recognised and left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distributed_iac.errors import DistributedIacError

if TYPE_CHECKING:
    from distributed_iac.config.dataset import DatasetSettings
    from distributed_iac.config.run import RunConfig
    from distributed_iac.data.prepare.prepare import Preparation


def prepare(
    config: Annotated[Path, typer.Argument(help="Run configuration (YAML).")],
    datasets: Annotated[
        list[str] | None,
        typer.Option("--dataset", help="Prepare this data set only; may be repeated."),
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a setting.")
    ] = None,
) -> None:
    """Turn raw data sets into stores: resampled, cropped, normalised, split by patient.

    Continues where an earlier call was interrupted. Exits with 3 if cases cannot be used, unless
    preprocess.on_bad_case is skip; every such case is listed.
    """
    from distributed_iac.cli.configuration import load_settled

    prepare_stores(load_settled(config, overrides or ()), datasets)


def prepare_stores(run: RunConfig, datasets: Sequence[str] | None = None) -> None:
    """Prepare the stores of a run, and print what each holds.

    Args:
        run: Settled.
        datasets: Names; None: all.

    Raises:
        DataError: Of the last data set that cannot be prepared; the others' have been printed.
    """
    from distributed_iac.training.doubts import require_other_images

    require_other_images(run)
    failures: list[DistributedIacError] = []
    for dataset in _chosen(run, datasets):
        try:
            done = _prepare_one(run, dataset)
            typer.echo(_summary(dataset.name, done))
            _tell_of_networks(run, dataset, done)
        except DistributedIacError as failure:
            failures.append(failure)
    # One data set's fault does not cost a night's work on the others.
    for error in failures[:-1]:
        typer.echo(f"error: {error}", err=True)
    if failures:
        raise failures[-1]
    require_other_images(run)  # their voxels are known now


def _chosen(run: RunConfig, names: Sequence[str] | None) -> list[DatasetSettings]:
    from distributed_iac.cli.configuration import choose

    known = {dataset.name: dataset for dataset in run.all_data}
    wanted = {choose("data sets", name, known).name for name in names or known}
    return [dataset for name, dataset in known.items() if name in wanted]


def _prepare_one(run: RunConfig, dataset: DatasetSettings) -> Preparation:
    from distributed_iac.cli.live_progress import preparing
    from distributed_iac.data.formats.registry import read_source
    from distributed_iac.data.prepare.prepare import prepare_store
    from distributed_iac.nets.patch_fit import require_networks

    source = read_source(dataset.source, dataset.format, dataset.modality, dataset.patients)
    with preparing(dataset.name) as progress:
        return prepare_store(
            source,
            dataset.name,
            dataset.preprocess,
            dataset.split,
            run.store_folder(dataset),
            progress,
            lambda recipe: require_networks(run, dataset, recipe.patch, recipe.spacing),
        )


def _tell_of_networks(run: RunConfig, dataset: DatasetSettings, done: Preparation) -> None:
    """Warn of trained networks that expect something else than the store has."""
    if not any(settings.is_trained for settings in run.backbones):
        return
    from distributed_iac.nets.trained import card_of_store
    from distributed_iac.training.doubts import doubted_elsewhere, network_doubted

    card = card_of_store(done.fingerprint)
    doubted = network_doubted if dataset in run.data else doubted_elsewhere
    for settings in run.backbones:
        for sentence in doubted(settings, card):
            typer.echo(f"warning: {dataset.name}: {sentence}", err=True)


def _summary(name: str, done: Preparation) -> str:
    from distributed_iac.data.store.case_notes import summarise_notes
    from distributed_iac.data.store.manifest import NOTES

    recipe, lines = done.fingerprint.recipe, []
    status = "already prepared" if done.status == "already_prepared" else "prepared"
    lines.append(f"{name}: {status} in {done.folder}")
    rows, columns = recipe.spacing
    height, width = recipe.patch
    lines.append(f"  slices of {height} x {width} pixels of {rows:g} x {columns:g} mm")
    for part, counts in done.fingerprint.parts.items():
        lines.append(
            f"  {part}: {counts.patients} patients, {counts.cases} cases, {counts.slices} slices, "
            f"{counts.slices_with_foreground} with foreground"
        )
    for target, fidelity in done.fingerprint.targets.items():
        if fidelity.coverage is not None and fidelity.ceiling is not None:
            lines.append(
                f"  {target}: {fidelity.coverage:.2%} inside the patch; "
                f"Dice of the resampled labels themselves {fidelity.ceiling:.4f}"
            )
    lines.extend(f"  skipped {case}" for case in done.skipped)
    lines.extend(f"  warning: {line}" for line in summarise_notes(done.notes))
    if done.notes:
        lines.append(f"  every warning: {done.folder / NOTES}")
    return "\n".join(lines)
