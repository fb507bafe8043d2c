"""``distributed-iac phantom``: write a small synthetic data set in a real one's layout.

::

    distributed-iac phantom acdc phantoms/acdc --patients 8 --seed 0
    distributed-iac phantom kits phantoms/broken --patients 20 --size tiny --defects all
    distributed-iac phantom planted phantoms/planted --seed 0 --share 0.5 --noise 0.25
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from distributed_iac.errors import ConfigError

OF_PLANTED = ("share", "noise", "test_patients")
OF_FORMATS = ("size", "release", "held_out", "defect", "defects")


def phantom(
    context: typer.Context,
    format: Annotated[
        Literal["acdc", "brats", "kits", "amos", "planted"],
        typer.Argument(
            help="Data set whose layout is written; planted: a problem whose answer, a cell, is "
            "known, with its network and a configuration."
        ),
    ],
    out: Annotated[Path, typer.Argument(help="New or empty folder to write.")],
    patients: Annotated[
        int | None,
        typer.Option(
            min=1,
            show_default="8; planted: 24",
            help="Labelled patients; planted: to search with, test patients not counted.",
        ),
    ] = None,
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
    share: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            help="planted: how loudly the cell speaks in the labels; 0: not at all, so that there "
            "is nothing to find.",
        ),
    ] = 1.0,
    noise: Annotated[
        float,
        typer.Option(min=0.0, help="planted: label noise, 1 being as large as the signal."),
    ] = 0.0,
    test_patients: Annotated[
        int, typer.Option(min=2, help="planted: patients for the final scores.")
    ] = 24,
) -> None:
    """Write a small synthetic data set in the exact on-disk layout of a real one."""
    _require_own_options(context, format)
    if format == "planted":
        _planted(out, patients or 24, seed, share, noise, test_patients)
        return
    from distributed_iac.phantom import DEFECTS, defects_of, make_phantom

    codes = list(defects_of(format)) if defects == "all" else list(defect or ())
    made = make_phantom(
        format,
        out,
        patients=patients or 8,
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


def _require_own_options(context: typer.Context, format: str) -> None:
    """Refuse what was asked for and would be left out.

    Raises:
        ConfigError: An option of planted problems with a format, or the other way round.
    """
    others = OF_FORMATS if format == "planted" else OF_PLANTED
    given = [
        f"--{name.replace('_', '-')}"
        for name in others
        if getattr(context.get_parameter_source(name), "name", "DEFAULT") != "DEFAULT"
    ]
    if given:
        whose = "of formats" if format == "planted" else "of planted problems"
        raise ConfigError(
            f"{', '.join(given)}: {whose} only",
            came=f"phantom {format}",
            remedy="leave it out, or name another phantom",
        )


def _planted(
    out: Path, patients: int, seed: int, share: float, noise: float, test_patients: int
) -> None:
    from distributed_iac.phantom.planted import PlantedPlan
    from distributed_iac.phantom.planted_dataset import write_planted

    made = write_planted(out, PlantedPlan(seed, patients, test_patients, share, noise))
    typer.echo(
        f"{out}: planted, {made.patients} labelled patients; without the cell {made.hanging:.0%} "
        "of their pixels would have another label"
    )
    typer.echo(f"next: distributed-iac sweep {made.config}")
