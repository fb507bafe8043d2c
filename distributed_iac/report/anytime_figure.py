"""What could have been taken along at every moment, against everything paid until then.

::

    for group, ways in anytime(record).items():
        anytime_figure(ways, tuple(record.config.arms)).savefig("anytime.png")

Paid is all work that a model stands on: pre-training, the searches that its cell was chosen from,
every learning rate and random cell that was tried. In hand is the best on val so far of: the plain
network, the cell as a search would cut it at that moment, not retrained (``cut_val_dice``), the
model in training. To retrain the cell of every epoch would say more and cost a retraining each
(:mod:`benchmarks.frontier` does it for some).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from distributed_iac.jobs.job import Job, group_name
from distributed_iac.jobs.plan import is_rehearsal
from distributed_iac.report.cost_figure import LINES
from distributed_iac.report.course_figure import arm_colours
from distributed_iac.report.run_record import RunRecord
from distributed_iac.report.search_curves import plain_log_ticks

PAID = ("pretrain", "search", "retrain")
UNITS = ((7200.0, "hours", 3600.0), (120.0, "minutes", 60.0), (0.0, "seconds", 1.0))
"""Least longest way, name and seconds of a unit of the cost."""

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Way:
    """How one model came to be.

    Args:
        label: Arm or control.
        seed: Its seed.
        points: (N, 2) seconds paid and val Dice in hand from then on, both growing, N > 0; the
            last row is the end.
    """

    label: str
    seed: int | None
    points: Points

    def at(self, seconds: Points) -> Points:
        """Val Dice in hand at these moments; NaN before the first."""
        place = np.searchsorted(self.points[:, 0], seconds, side="right") - 1
        return np.where(place < 0, np.nan, self.points[np.maximum(place, 0), 1])


def anytime(record: RunRecord) -> dict[str, list[Way]]:
    """Ways of all finished models by group (and variant), in the graph's order."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in record.tables.epochs.to_pylist():
        rows.setdefault(row["key"], []).append(row)
    scores = {row["key"]: row["val_dice"] for row in record.job_rows}
    found: dict[str, list[Way]] = {}
    for variant in record.config.variant_names or ("",):
        jobs = record.graph.of_variant(variant)
        plain = {
            job.group: scores[job.key]
            for job in jobs
            if (job.kind, job.name) == ("evaluate", "plain")
        }
        for job in jobs:
            if job.key in record.tables.folders and _is_model(job):
                stands_on = record.graph.ancestors(job.key) | {job.key}
                paid = [one for one in jobs if one.key in stands_on and one.kind in PAID]
                pretrained = any(one.kind == "pretrain" for one in paid)
                points = list(_points(paid, rows, None if pretrained else plain.get(job.group)))
                if points:
                    way = Way(job.name, job.seed, np.array(points))
                    group = group_name(job.dataset, job.backbone, variant)
                    found.setdefault(group, []).append(way)
    return found


def _is_model(job: Job) -> bool:
    if job.kind == "evaluate":
        return job.name == "random_search"
    return job.kind == "retrain" and not is_rehearsal(job)


def _points(
    jobs: Iterable[Job], rows: Mapping[str, list[dict[str, Any]]], plain: float | None
) -> Iterator[tuple[float, float]]:
    """Moments at which something better comes to hand, and the end."""
    paid, best = 0.0, -math.inf
    if plain is not None and math.isfinite(plain):
        best = plain
        yield paid, best
    for job in jobs:
        column = "cut_val_dice" if job.kind == "search" else "val_dice"
        for row in rows.get(job.key, ()):
            paid += row["seconds"] or 0.0
            value = row.get(column)
            if isinstance(value, int | float) and value > best:
                best = value
                yield paid, best
    if math.isfinite(best):
        yield paid, best


def anytime_figure(ways: Sequence[Way], arms: Sequence[str]) -> Figure:
    """Draw the ways of one group, each model's mean over its seeds, from when all have something.

    Args:
        ways: At least one.
        arms: All arms of the run, drawn thick and in their colours; everything else is thin.
    """
    longest = max(way.points[-1, 0] for way in ways)
    _, unit, seconds = next(one for one in UNITS if longest >= one[0])
    figure = Figure(figsize=(8, 4.4), layout="constrained")
    axis: Axes = figure.subplots()
    colours = arm_colours(arms)
    others = [label for label in dict.fromkeys(way.label for way in ways) if label not in colours]
    for label in dict.fromkeys(way.label for way in ways):
        own = [way for way in ways if way.label == label]
        times = np.unique(np.concatenate([way.points[:, 0] for way in own]))
        values = np.mean([way.at(times) for way in own], axis=0)
        shown = np.isfinite(values) & (times > 0)  # a logarithm has no place for the start
        style: dict[str, Any] = {"color": colours.get(label), "linewidth": 2.2, "zorder": 3}
        if label in others:
            place = others.index(label)
            grey = 0.15 + 0.6 * place / max(1, len(others))
            style = {"color": str(grey), "linewidth": 1, "linestyle": LINES[place % len(LINES)]}
        x, y = times[shown] / seconds, values[shown]
        axis.plot(x, y, drawstyle="steps-post", label=label, **style)
        axis.plot(x[-1:], y[-1:], "o", color=style["color"], markersize=4)
    axis.set_xscale("log")
    plain_log_ticks(axis.xaxis)
    axis.set_xlabel(f"everything paid since the start ({unit} of work)")
    axis.set_ylabel("val Dice in hand")
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=5, fontsize=8, frameon=False)
    return figure
