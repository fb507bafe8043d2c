"""Everything that a report of a run consists of, made again from the run folder and its results.

::

    page = rebuild(Path("runs/acdc"))   # runs/acdc/report.html
    page.state, page.progress, page.warnings
    rebuild(Path("runs/acdc"), Path("reports/acdc"))    # of a run that cannot be written to

Nothing that it writes is read by it, and no clock is asked: delete all of it, and the same bytes
come back. Two at once come one after the other. Files of an earlier report that this one does not
have are removed; those folders (cells/, tables/, figures/) belong to the report.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from distributed_iac.errors import ConfigError
from distributed_iac.evaluation.patients_table import write_patients
from distributed_iac.files import json_text, write_atomically, write_json
from distributed_iac.genotype import Genotype
from distributed_iac.locks import locked
from distributed_iac.report.comparison_tables import records
from distributed_iac.report.page.assemble import page_of
from distributed_iac.report.page.blocks import Page
from distributed_iac.report.page.render import render
from distributed_iac.report.run_figures import RunFigures, run_figures
from distributed_iac.report.run_record import RunRecord, read_run
from distributed_iac.report.run_tables import run_tables
from distributed_iac.report.tables import Table, csv_text, latex, markdown
from distributed_iac.report.tensorboard.run_board import TENSORBOARD, write_tensorboard
from distributed_iac.run.collect import write_tables
from distributed_iac.run.lost import require_no_less
from distributed_iac.run.sweep_folder import REPORT_LOCK, SweepFolder

PAGE = "report.html"
OWNED = {"cells": (".json",), "tables": (".md", ".tex", ".csv"), "figures": (".svg", ".png")}
"""Folders of the report, and the files in them that are its."""


def rebuild(folder: Path, out: Path | None = None) -> Page:
    """Write all tables, figures and the page of a run, at any time.

    Args:
        folder: The run folder.
        out: Where to; default: the run folder itself. Nothing is written there then.

    Returns:
        What its page, :data:`PAGE`, says.

    Raises:
        ConfigError: ``out`` holds files that are no report's.
        RunError: It is not the folder of a sweep, or results are lost that its tables still know.
        CheckpointError: A kept result is damaged.
        OSError: Disk full or folder unwritable.
    """
    run = SweepFolder(folder)
    if out is None or out.resolve() == folder.resolve():
        with run.reporting():
            return _rebuild(folder, folder)
    run.plan()  # nothing is made of a folder of anything else
    _require_report(out)
    with locked(out / REPORT_LOCK):
        return _rebuild(folder, out)


def _rebuild(folder: Path, out: Path) -> Page:
    record = read_run(folder)
    require_no_less(out, record.tables.lost, record.tables.replay.began)
    tables, figures = run_tables(record), run_figures(record)
    page = page_of(record, tables, figures)
    write_tables(out, record.tables)
    write_patients(out / "patients.parquet", record.patients)
    write_json(out / "comparison.json", record.comparison.to_dict())
    write_json(out / "selection.json", [one.to_dict() for one in record.selections])
    written = dict(_files(record, tables, figures))
    for name, data in written.items():
        write_atomically(out / name, data)
    _remove_others(out, written)
    write_atomically(out / PAGE, render(page).encode())
    write_tensorboard(folder, figures.overview, tables, out / TENSORBOARD)
    return page


def _require_report(out: Path) -> None:
    """Files beside a report's own are removed: a folder of anything else is not taken."""
    others = out.exists() and (not out.is_dir() or any(out.iterdir()))
    if others and (not (out / REPORT_LOCK).is_file() or SweepFolder(out).is_described()):
        raise ConfigError(
            "a report goes to its run's folder, a new or empty one, or that of an earlier report",
            came="a folder with other files in it" if out.is_dir() else "a file",
            remedy="name another folder",
            where=out,
        )


def _files(
    record: RunRecord, tables: Mapping[str, Table], figures: RunFigures
) -> Iterator[tuple[str, bytes]]:
    """Files of the report's own folders."""
    for identity, cell in _cells(record).items():
        yield f"cells/{identity}.json", json_text(cell).encode()
    for name, table in tables.items():
        yield f"tables/{name}.md", markdown(table).encode()
        yield f"tables/{name}.tex", latex(table, f"tab:{name}").encode()
        yield f"tables/{name}.csv", csv_text(table).encode()
    for name, table in records(record.comparison).items():
        yield f"tables/{name}.csv", csv_text(table).encode()
    for drawing in figures.drawings:
        yield f"figures/{drawing.name}.svg", drawing.svg
        yield f"figures/{drawing.name}.png", drawing.png


def _cells(record: RunRecord) -> dict[str, dict[str, Any]]:
    """Every genotype of the run: by whom it was found, how sure, and who was trained with it."""
    cells: dict[str, dict[str, Any]] = {}

    def cell(genotype: Genotype) -> dict[str, Any]:
        start = {
            "id": genotype.id,
            "genotype": genotype.to_dict(),
            "found_by": [],
            "trained_by": [],
        }
        return cells.setdefault(genotype.id, start)

    for one in record.searches:
        details = one.result.cell.to_dict()
        found = {name: value for name, value in details.items() if name != "genotype"}
        cell(one.result.genotype)["found_by"].append({"search": one.job.key, **found})
    for job, result in record.results("retrain"):
        if result.get("genotype") is not None:
            cell(Genotype.from_json(result["genotype"]))["trained_by"].append(job.key)
    return cells


def _remove_others(folder: Path, written: Mapping[str, bytes]) -> None:
    for name, suffixes in OWNED.items():
        for path in sorted((folder / name).glob("*")):
            if path.suffix in suffixes and f"{name}/{path.name}" not in written:
                path.unlink()
