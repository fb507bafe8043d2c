"""``distributed-iac phantom``: write a small synthetic data set in a real one's layout.

::

    distributed-iac phantom acdc phantoms/acdc --patients 8 --seed 0
    distributed-iac phantom kits phantoms/broken --patients 20 --size tiny --defects all
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def phantom(
    format: Annotated[
        Literal["acdc", "brats", "kits", "amos"],
        typer.Argument(help="Data set whose layout is written."),
    ],
    out: Annotated[Path, typer.Argument(help="New or empty folder to write.")],
    patients: Annotated[int, typer.Option(min=1, help="Labelled patients.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Everything is drawn from it.")] = 0,
    size: Annotated[
        Literal["tiny", "small", "real"],
        typer.Option(
            help="tiny: 32 to 60 pixels, for tests; small: 72 to 128, for a first run; "
            "real: the data set's own matrices, half a minute a patient."
        ),
    ] = "small",
    release: Annotated[
        str | None,
        typer.Option(
            help="brats: 2021, 2018, 2020, 2023, 2024; kits: 2023, 2021, 2019. Default: the first."
        ),
    ] = None,
    held_out: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=0.99,
            show_default="a third",
            help="Share of patients in ACDC's testing or AMOS's imagesVa.",
        ),
    ] = 1 / 3,
    defect: Annotated[
        list[str] | None,
        typer.Option(
            help="Plant this defect, such as truncated; may be repeated. An unknown one "
            "lists them all."
        ),
    ] = None,
    defects: Annotated[
        Literal["none", "all"],
        typer.Option(help="all: plant every defect of the format, one a patient."),
    ] = "none",
) -> None:
    """Write a small synthetic data set in the exact on-disk layout of a real one."""
    from distributed_iac.phantom import DEFECTS, defects_of, make_phantom

    codes = list(defects_of(format)) if defects == "all" else list(defect or ())
    made = make_phantom(
        format,
        out,
        patients=patients,
        seed=seed,
        size=size,
        release=release,
        held_out=held_out,
        defects=codes,
    )
    owners = {case.patient_id for case in made.cases}
    typer.echo(
        f"{out}: {format} {made.release}, {size}, "
        f"{len(made.cases)} labelled cases of {len(owners)} patients"
    )
    for planted in made.planted:
        severity = DEFECTS[planted.code].severity
        typer.echo(f"  {severity:8} {planted.code:18} {planted.path}")
    typer.echo(f"next: distributed-iac check {out}")
