"""A folder of overlays, one picture a case, with a page that shows them all.

::

    pictures = list(draw_cases(report, Path("overlays"), workers=4))
    write_index(report, pictures, Path("overlays"))  # overlays/index.html
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path

from distributed_iac.data.check.case import CaseFacts
from distributed_iac.data.check.overlay import draw_case
from distributed_iac.data.check.report import FEWER_WORKERS, CheckReport
from distributed_iac.data.check.summary import resolve_layouts
from distributed_iac.data.contract import Case, LabelScheme, Problem, SliceLayout
from distributed_iac.data.workers import Workers
from distributed_iac.errors import DataError
from distributed_iac.files import write_atomically

DPI = 100

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font-family: sans-serif; margin: 1.5rem; }}
figure {{ display: inline-block; margin: 0 1rem 1.5rem 0; vertical-align: top; max-width: 42rem; }}
img {{ max-width: 100%; }}
.error {{ color: #a00; }} .warning {{ color: #850; }}
</style>
<h1>{title}</h1>
{body}
</html>
"""


@dataclass(frozen=True)
class Picture:
    """The outcome of drawing one case.

    Args:
        case_id: The case.
        path: The picture; None if it could not be drawn.
        reason: Why it could not.
    """

    case_id: str
    path: Path | None
    reason: str = ""


def draw_cases(report: CheckReport, folder: Path, workers: int) -> Iterator[Picture]:
    """Draw every case of a checked source into ``<folder>/<case_id>.png``.

    Args:
        report: The check; it settles how the cases are cut.
        folder: Created if need be.
        workers: Processes, each with one case in memory.

    Yields:
        One picture a case as they finish, undrawable ones included.

    Raises:
        OSError: The folder cannot be written.
        RunError: A worker process was killed.
    """
    layouts = resolve_layouts(report.facts)
    draw = partial(_draw, labels=report.source.labels, layouts=layouts, folder=folder)
    with Workers(workers, remedy=FEWER_WORKERS) as pool:
        yield from pool.map(draw, report.facts)


def _draw(
    facts: CaseFacts,
    labels: LabelScheme,
    layouts: dict[SliceLayout, SliceLayout],
    folder: Path,
) -> Picture:
    case: Case = facts.case
    if facts.grid is None:
        return Picture(case.case_id, None, "no image of the case can be read")
    try:
        figure = draw_case(case, labels, layouts[case.layout])
    except DataError as error:
        return Picture(case.case_id, None, str(error))
    path = folder / f"{case.case_id}.png"
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    write_atomically(path, buffer.getvalue())
    return Picture(case.case_id, path)


def write_index(report: CheckReport, pictures: Sequence[Picture], folder: Path) -> Path:
    """Write ``index.html``: every picture with its case's problems below it.

    Raises:
        OSError: The folder cannot be written.
    """
    problems: dict[str | None, list[Problem]] = defaultdict(list)
    for problem in report.problems:
        problems[problem.case_id].append(problem)
    ordered = sorted(pictures, key=lambda picture: picture.case_id)
    body = [_problem_lines(problems[None])]
    body += [_entry(picture, problems[picture.case_id]) for picture in ordered]
    source = report.source
    title = f"{source.format} {source.release}: {source.detection.root}"
    path = folder / "index.html"
    page = _PAGE.format(title=escape(title), body="\n".join(body))
    write_atomically(path, page.encode())
    return path


def _entry(picture: Picture, problems: Sequence[Problem]) -> str:
    name = escape(picture.case_id)
    if picture.path is None:
        shown = f"<p>{name}: no picture; {escape(picture.reason)}</p>"
    else:
        link = escape(picture.path.name)
        shown = f'<a href="{link}"><img loading="lazy" src="{link}" alt="{name}"></a>'
    return f"<figure>{shown}<figcaption>{_problem_lines(problems)}</figcaption></figure>"


def _problem_lines(problems: Sequence[Problem]) -> str:
    return "".join(
        f'<p class="{problem.severity}">{escape(problem.code)}: {escape(problem.path.name)}:'
        f" {escape(problem.reason)}</p>"
        for problem in problems
    )
