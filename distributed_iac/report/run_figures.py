"""All figures of a run, by the question that they answer.

::

    figures = run_figures(record)
    figures.cost.png, [cell.drawing.name for cell in figures.cells]
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from distributed_iac.config.run import RunConfig
from distributed_iac.evaluation.overlay_file import OVERLAYS, read_overlays
from distributed_iac.report.anytime_figure import anytime, anytime_figure
from distributed_iac.report.cell_drawing import draw_discretisation, draw_genotype
from distributed_iac.report.cost_figure import cost_figure
from distributed_iac.report.course_figure import SearchCourse, course_figure
from distributed_iac.report.drawing import Drawing, render
from distributed_iac.report.overlay_figure import overlay_figure
from distributed_iac.report.run_record import RunRecord
from distributed_iac.report.timeline import timeline


@dataclass(frozen=True)
class Titled:
    """A figure and what it is of.

    Args:
        group: ``dataset/backbone``.
        title: What it shows there.
        drawing: The figure.
    """

    group: str
    title: str
    drawing: Drawing


@dataclass(frozen=True)
class RunFigures:
    """Figures of a run.

    Args:
        cost: Test Dice against search cost; None before the first search has ended.
        timeline: When which job ran; None before the first has begun.
        anytime: Val Dice in hand against everything paid, a figure a group.
        courses: Epochs of the searches, a figure a group.
        cells: Cells that searches ended with, and chosen cells that none did.
        overlays: Best and worst test case, a figure a group.
    """

    cost: Drawing | None
    timeline: Drawing | None
    anytime: tuple[Titled, ...]
    courses: tuple[Titled, ...]
    cells: tuple[Titled, ...]
    overlays: tuple[Titled, ...]

    @property
    def overview(self) -> tuple[Drawing, ...]:
        """Those that set several jobs against each other."""
        single = (one for one in (self.cost, self.timeline) if one is not None)
        return (*single, *(one.drawing for one in (*self.anytime, *self.courses)))

    @property
    def drawings(self) -> tuple[Drawing, ...]:
        """All of them."""
        return (*self.overview, *(one.drawing for one in (*self.cells, *self.overlays)))


def run_figures(record: RunRecord) -> RunFigures:
    """Draw everything that there is something to see of."""
    cost = cost_figure(record.typed_job_rows, record.patient_rows) if record.searches else None
    return RunFigures(
        cost=None if cost is None else render(cost, "cost"),
        timeline=render(timeline(record.spans), "timeline") if record.spans else None,
        anytime=tuple(_anytime(record)),
        courses=tuple(_courses(record)),
        cells=(*_found_cells(record), *_voted_cells(record)),
        overlays=tuple(_overlays(record)),
    )


def slug(*parts: object) -> str:
    """A name of lower-case letters, digits and hyphens."""
    text = "-".join(str(part) for part in parts if part is not None)
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _anytime(record: RunRecord) -> Iterable[Titled]:
    for group, ways in anytime(record).items():
        figure = anytime_figure(ways, tuple(record.config.arms))
        yield Titled(group, "what was in hand when", render(figure, slug("anytime", group)))


def _courses(record: RunRecord) -> Iterable[Titled]:
    rows: dict[str, list[dict[str, object]]] = {}
    for row in record.tables.epochs.to_pylist():
        rows.setdefault(row["key"], []).append(row)
    for group in record.groups:
        courses = [
            SearchCourse(job.name, job.seed, rows[job.key])
            for job in record.graph.jobs()
            if job.kind == "search" and job.group == group and job.key in rows
        ]
        if courses:
            figure = course_figure(courses, tuple(record.config.arms), _tau(record.config))
            yield Titled(group, "course of the searches", render(figure, slug("course", group)))


def _tau(config: RunConfig) -> float | None:
    """The threshold of JS, where all arms that have one share it."""
    found = {arm.stability.tau for arm in config.arms.values() if arm.policy == "js"}
    return found.pop() if len(found) == 1 else None


def _found_cells(record: RunRecord) -> Iterable[Titled]:
    for one in record.searches:
        title = f"{one.job.name}, seed {one.job.seed}"
        figure = draw_discretisation(one.result.cell)
        name = slug("cell", one.job.group, one.job.name, "seed", one.job.seed)
        yield Titled(one.job.group, title, render(figure, name))


def _voted_cells(record: RunRecord) -> Iterable[Titled]:
    """Chosen cells that no search found as a whole."""
    found = {(one.job.group, one.result.genotype.id) for one in record.searches}
    for selection in record.selections:
        for pick in selection.picks:
            if (selection.group, pick.genotype.id) not in found:
                figure = draw_genotype(pick.genotype)
                name = slug("cell", selection.group, selection.arm, selection.rule)
                title = f"{selection.arm}, {selection.rule}"
                yield Titled(selection.group, title, render(figure, name))


def _overlays(record: RunRecord) -> Iterable[Titled]:
    """Of the first finished model of the candidate arm in each group."""
    candidate = record.config.comparison.candidate
    trained = [job for job, _ in record.results("retrain") if job.arm == candidate]
    for group in dict.fromkeys(job.group for job in trained):
        pictured = [
            job
            for job in trained
            if job.group == group and (record.tables.folders[job.key] / OVERLAYS).exists()
        ]
        for job in pictured[:1]:
            overlays = read_overlays(record.tables.folders[job.key] / OVERLAYS)
            if overlays:
                drawing = render(overlay_figure(overlays), slug("overlay", group))
                yield Titled(group, f"{job.name}, seed {job.seed}", drawing)
