"""``distributed-iac prepare``: raw data sets of a configuration become stores.

::

    distributed-iac prepare configs/acdc.yaml
    distributed-iac prepare configs/all.yaml --dataset kits23 --set data.0.preprocess.workers=4

Progress goes to standard error, a summary of each store to standard output. Interrupted or
killed, the same command continues; a finished store is recognised and left alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from distributed_iac.errors import DistributedIacError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from distributed_iac.config.dataset import DatasetSettings
    from distributed_iac.config.run import RunConfig
    from distributed_iac.data.prepare.prepare import Preparation
    from distributed_iac.data.prepare.stage_runner import PreparationObserver

PLAIN_INTERVAL = 10.0
"""Seconds between progress lines where no terminal can show a bar."""


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
    from distributed_iac.cli.settled import load_settled

    run = load_settled(config, overrides or ())
    failures: list[DistributedIacError] = []
    for dataset in _chosen(run, datasets):
        try:
            done = _prepare_one(dataset, run.store_folder(dataset))
            typer.echo(_summary(dataset.name, done))
            _tell_of_networks(run, dataset.name, done)
        except DistributedIacError as failure:
            failures.append(failure)
    # One data set's fault does not cost a night's work on the others.
    for error in failures[:-1]:
        typer.echo(f"error: {error}", err=True)
    if failures:
        raise failures[-1]


def _chosen(run: RunConfig, names: Sequence[str] | None) -> list[DatasetSettings]:
    from distributed_iac.cli.chosen import choose

    known = {dataset.name: dataset for dataset in run.data}
    wanted = {choose("data sets", name, known).name for name in names or known}
    return [dataset for name, dataset in known.items() if name in wanted]


def _prepare_one(dataset: DatasetSettings, folder: Path) -> Preparation:
    from distributed_iac.data.formats.registry import read_source
    from distributed_iac.data.prepare.prepare import prepare_store

    source = read_source(dataset.source, dataset.format, dataset.modality, dataset.patients)
    with _progress(dataset.name) as progress:
        return prepare_store(
            source, dataset.name, dataset.preprocess, dataset.split, folder, progress
        )


def _tell_of_networks(run: RunConfig, dataset: str, done: Preparation) -> None:
    """Warn of trained networks that expect something else than the store has."""
    if not any(settings.is_trained for settings in run.backbones):
        return
    from distributed_iac.nets.trained import card_of_store
    from distributed_iac.training.doubts import network_doubted

    for settings in run.backbones:
        for sentence in network_doubted(settings, card_of_store(done.fingerprint)):
            typer.echo(f"warning: {dataset}: {sentence}", err=True)


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


@contextmanager
def _progress(name: str) -> Iterator[PreparationObserver]:
    """Show bars on a terminal and lines in a pipe, on standard error."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(name)
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        yield _Bars(name, bars)


class _Bars:
    def __init__(self, name: str, bars: Progress) -> None:
        self._name = name
        self._bars = bars
        self._task: TaskID | None = None

    def begin(self, stage: str, total: int, done: int) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = self._bars.add_task(f"{self._name}: {stage}", total=total, completed=done)

    def advance(self) -> None:
        if self._task is not None:
            self._bars.advance(self._task)

    def note(self, text: str) -> None:
        self._bars.console.print(f"{self._name}: {text}", markup=False, highlight=False)

    def waits(self, holder: str) -> None:
        self.note(f"waiting for {holder}")


class _Lines:
    def __init__(self, name: str) -> None:
        self._name = name

    def begin(self, stage: str, total: int, done: int) -> None:
        self._stage, self._total, self._first, self._done = stage, total, done, done
        self._start = self._shown = time.monotonic()
        earlier = f", {done} of them by an earlier run" if done else ""
        self._say(f"{stage}: {total} in all{earlier}")

    def advance(self) -> None:
        from distributed_iac.cli.progress import duration

        self._done += 1
        now = time.monotonic()
        if now - self._shown >= PLAIN_INTERVAL:
            pace = (now - self._start) / (self._done - self._first)
            left = pace * (self._total - self._done)
            self._say(f"{self._stage}: {self._done} of {self._total}, {duration(left)} left")
            self._shown = now

    def note(self, text: str) -> None:
        self._say(text)

    def waits(self, holder: str) -> None:
        self._say(f"waiting for {holder}")

    def _say(self, text: str) -> None:
        typer.echo(f"{self._name}: {text}", err=True)
