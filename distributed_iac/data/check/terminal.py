"""A check for people: tables on a terminal, plain columns in a pipe.

::

    print_check(Console(), report, summarise(report))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from distributed_iac.data.check.report import CheckReport
from distributed_iac.data.check.summary import AXES, Spread, Summary
from distributed_iac.data.contract import Problem, Source
from distributed_iac.data.store.case_notes import meaning
from distributed_iac.data.volumes.image_scan import PERCENTILES

_STYLES = {"error": "bold red", "warning": "yellow"}
_PIPE_WIDTH = 160
"""Columns of a table in a pipe, where no window sets a limit."""


def print_check(console: Console, report: CheckReport, summary: Summary) -> None:
    """Print everything found out about a source, problems last."""
    for line in _source_lines(report.source, summary):
        console.print(line, soft_wrap=True)
    for table in (_geometry(summary), _intensities(summary), _labels(summary)):
        _print_table(console, table)
    if report.problems:
        _print_table(console, _problem_counts(report.problems))
        for problem in report.problems:
            _print_problem(console, problem)
    console.print()
    console.print(_verdict(report.problems), soft_wrap=True)


def _source_lines(source: Source, summary: Summary) -> list[Text]:
    labels = source.labels
    facts = {
        "source": f"{source.format} {source.release}".strip(),
        "root": str(source.detection.root),
        "why": source.detection.why,
        "licence": source.licence or "not stated",
        "cases": f"{summary.cases} of {summary.patients} patients, {summary.labelled} labelled,"
        f" {summary.slices} slices",
        "channels": ", ".join(source.channel_names),
        "labels": labels.convention,
        "regions": "; ".join(f"{r.name} = {_values(r.values)}" for r in labels.regions),
        "modality": _counts(summary.modalities),
        "parts": _counts(summary.parts),
        "phases": _counts(summary.phases),
        "stored as": _counts(summary.orientations),
    }
    return [Text.assemble((f"{name:<10}", "bold"), value) for name, value in facts.items() if value]


def _geometry(summary: Summary) -> Table:
    headings = [f"{what} {kind}" for what in ("size", "mm") for kind in ("min", "median", "max")]
    title = "Size in voxels and spacing in mm, as slices are cut"
    table = _table(title, "axis", *_right(*headings))
    for axis, size, spacing in zip(AXES, summary.size, summary.spacing, strict=False):
        table.add_row(axis, *_spread(size), *_spread(spacing))
    return table


def _intensities(summary: Summary) -> Table:
    ranks = [f"{rank:g} %" for rank in PERCENTILES]
    title = "Intensities (percentiles: medians over the volumes)"
    table = _table(title, "channel", "modality", *_right("volumes", "min", *ranks, "max"))
    for each in summary.intensities:
        numbers = (each.minimum, *each.percentiles, each.maximum)
        table.add_row(each.channel, each.modality, str(each.cases), *map(_number, numbers))
    return table


def _labels(summary: Summary) -> Table:
    title = f"Labels in {summary.label_files} files"
    table = _table(title, *_right("value"), "name", *_right("cases", "voxels"))
    for each in summary.labels:
        share = f"{100 * each.voxel_share:.4f} %"
        table.add_row(str(each.value), each.name, str(each.cases), share)
    return table


def _problem_counts(problems: Sequence[Problem]) -> Table:
    table = _table("Problems", "severity", "code", *_right("count"), "meaning")
    kinds = sorted({(problem.severity, problem.code) for problem in problems})
    for severity, code in kinds:
        count = sum((problem.severity, problem.code) == (severity, code) for problem in problems)
        table.add_row(Text(severity, _STYLES[severity]), code, str(count), meaning(code))
    return table


def _print_problem(console: Console, problem: Problem) -> None:
    head = Text.assemble((problem.severity, _STYLES[problem.severity]), f" {problem.code}")
    if problem.case_id is not None:
        head.append(f" {problem.case_id}")
    console.print()
    console.print(head, soft_wrap=True)
    for name, value in (
        ("file", str(problem.path)),
        ("reason", problem.reason),
        ("remedy", problem.remedy),
    ):
        console.print(Text(f"  {name:<7} {value}"), soft_wrap=True)


def _verdict(problems: Sequence[Problem]) -> Text:
    if not problems:
        return Text("no problems found", "bold green")
    errors = sum(problem.severity == "error" for problem in problems)
    counts = (_plural(errors, "error"), _plural(len(problems) - errors, "warning"))
    return Text(", ".join(counts), "bold")


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _table(title: str, *columns: str | Column) -> Table:
    return Table(
        *columns, title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD
    )


def _right(*headings: str) -> list[Column]:
    return [Column(heading, justify="right") for heading in headings]


def _print_table(console: Console, table: Table) -> None:
    if not table.row_count:
        return
    console.print()
    if console.is_terminal:
        console.print(table)
    else:
        console.print(table, width=_PIPE_WIDTH, soft_wrap=True)


def _spread(spread: Spread) -> tuple[str, str, str]:
    return _number(spread.minimum), _number(spread.median), _number(spread.maximum)


def _number(value: float) -> str:
    return f"{value:.5g}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _values(values: Sequence[int]) -> str:
    return "{" + ", ".join(str(value) for value in values) + "}"
