"""``distributed-iac predict``: an exported model, images in, label maps out.

::

    distributed-iac predict models/acdc new_patients labels
    distributed-iac predict models/amos amos22 labels --modality ct --dtype uint8

Label maps lie on the grid of the images. What cannot be used is listed at the end, with file,
reason and remedy; everything else is done, and the exit code is 3. The same command continues
where it was interrupted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from distributed_iac.errors import ConfigError, DataError

if TYPE_CHECKING:
    from distributed_iac.data.store.case_notes import Skipped
    from distributed_iac.deploy.segment_cases import CaseOutcome


def predict(
    model: Annotated[Path, typer.Argument(help="Exported model: a folder.")],
    images: Annotated[
        Path,
        typer.Argument(
            help="A NIfTI file; a folder of files, one an image, or CASE_0000, CASE_0001, ... one "
            "a channel; or a data set as downloaded."
        ),
    ],
    out: Annotated[Path, typer.Argument(help="Folder for the label maps, one CASE.nii.gz each.")],
    cell: Annotated[
        str | None,
        typer.Option(
            help="Of a network with cells: the name of one, or its file; none for the network as "
            "it was."
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Write over whatever lies under a label map's name.")
    ] = False,
    dtype: Annotated[
        Literal["source", "uint8"],
        typer.Option(help="Data type of the label maps: the image's, or uint8."),
    ] = "source",
    modality: Annotated[
        Literal["all", "ct", "mr"],
        typer.Option(help="Of a data set, only these; of files, what they are."),
    ] = "all",
    format_name: Annotated[
        str, typer.Option("--format", help="Format of the data set; default: recognised.")
    ] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="Slices at a time.")] = 8,
) -> None:
    """Segment images with an exported model.

    Exits with 3 if some images cannot be used; they are listed, and the others are done.
    """
    from distributed_iac.cli.live_progress import follow
    from distributed_iac.deploy.images import find_images
    from distributed_iac.deploy.model import load_model
    from distributed_iac.deploy.segment_cases import predict_images
    from distributed_iac.deploy.trained_layout import UNKNOWN_AXES, has_unknown_axes

    if images.is_dir() and images.resolve() in out.resolve().parents:
        raise ConfigError(
            "label maps go to a folder outside that of the images",
            came=str(out),
            remedy="name another folder: label maps would be taken for images the next time",
        )
    loaded = load_model(model, cell=cell, device=device, batch_size=batch_size)
    found = find_images(images, loaded.card.fingerprint, format=format_name, modality=modality)
    outcomes = predict_images(
        loaded, found, out, existing="replace" if overwrite else "keep", dtype=dtype
    )
    total = len(found.cases) + len(found.unusable)
    done = list(follow("predicting", outcomes, total))
    typer.echo(_summary(Counter(outcome.status for outcome in done), out))
    if has_unknown_axes(loaded.card.fingerprint):
        typer.echo(f"warning: {UNKNOWN_AXES}", err=True)
    for sentence in found.warnings:
        typer.echo(f"warning: {sentence}", err=True)
    _warn(done)
    refusals = [outcome.refusal for outcome in done if outcome.refusal is not None]
    if refusals:
        _show(refusals)
        raise typer.Exit(DataError.exit_code)


def _summary(counts: Mapping[str, int], out: Path) -> str:
    parts = [f"{counts['written']} label maps written to {out}"]
    if counts["present"]:
        parts.append(f"{counts['present']} there already, kept (--overwrite makes them again)")
    if counts["refused"]:
        parts.append(f"{counts['refused']} refused")
    return "; ".join(parts)


def _warn(done: Sequence[CaseOutcome]) -> None:
    """Say on standard error what images were used with, each kind once with its first image."""
    from distributed_iac.data.store.case_notes import summarise_notes

    notes = [fault.of(outcome.case_id) for outcome in done for fault in outcome.faults]
    for line in summarise_notes(notes):
        typer.echo(f"warning: {line}", err=True)


def _show(refusals: Sequence[Skipped]) -> None:
    """List what was refused on standard error: a table on a terminal, a line each in a pipe."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(stderr=True)
    if not console.is_terminal:
        for refusal in refusals:
            typer.echo(f"refused {refusal}", err=True)
        return
    table = Table("case", "file", "reason", "remedy", title="Refused")
    for refusal in refusals:
        cells = (refusal.case_id, refusal.path, refusal.reason, refusal.remedy)
        table.add_row(*(Text(cell, overflow="fold") for cell in cells))
    console.print(table)
