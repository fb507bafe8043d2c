"""The frontier's table, figure and last line, of recorded units.

::

    show(records, Path("docs/frontier.svg"))
    chosen(records)                          # of each family, the arm that is reported

A share is of sums over teachers, found less random over planted less random; intervals are by
bootstrap over teachers. Ratios of cost are full's over an arm's, geometric means over teachers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.frontier_arms import (
    ARMS,
    DEFAULT,
    EQUAL,
    FULL,
    LONGER,
    RANKS,
    STOPS,
    TRIED,
    TRIES,
    random_cell,
    stop,
)
from distributed_iac.agreement import gene_agreement
from distributed_iac.genotype import Genotype

Key = tuple[int, str, str]
Records = Mapping[Key, Mapping[str, Any]]

HELD_OUT = 100
"""First teacher of those that no setting was chosen on."""
ENOUGH = 0.95
"""Of what full finds: the aim that a setting is chosen by."""
DRAWS = 5000
WIDTH = 160
"""Columns of the printed table, in a terminal or not."""

FAMILIES: Mapping[str, str] = {
    **{name: arm.family for name, arm in ARMS.items()},
    **{stop(epoch): "early stopping alone" for epoch in STOPS},
    **dict.fromkeys(RANKS, "rank"),
    **{f"random search-{tries}": "random search" for tries in TRIES},
}


COMPARED = (
    (DEFAULT, FULL),
    *((LONGER, other) for other in (FULL, stop(30), "random search-8")),
    *((DEFAULT, other) for other in (*EQUAL, *TRIED)),
)
"""Pairs of arms whose difference is told."""


@dataclass(frozen=True, eq=False)
class Found:
    """One arm on one teacher."""

    test: float
    op_evaluations: float
    seconds: float
    epochs: float
    told: float
    """Share of the kept edges whose operation was told from the others."""


@dataclass(frozen=True, eq=False)
class Measured:
    """One teacher: its anchors, and every arm that is done."""

    random: float
    planted: float
    arms: Mapping[str, Found]


@dataclass(frozen=True, eq=False)
class Row:
    """One arm over teachers; intervals are (low, high)."""

    name: str
    teachers: int
    share: float
    share_interval: tuple[float, float]
    of_full: float
    of_full_interval: tuple[float, float]
    fewer_operations: float
    operations_interval: tuple[float, float]
    fewer_seconds: float
    seconds_interval: tuple[float, float]
    epochs: float
    told: float


def measured(records: Records, teacher: int) -> Measured | None:
    """What is known of a teacher; None before its planted and random cells are trained."""
    worth = {
        name: one for (t, kind, name), one in records.items() if (t, kind) == (teacher, "worth")
    }
    planted = [one["test"] for one in worth.values() if one["planted"]]
    cells = [random_cell(teacher, number).id for number in range(max(TRIES))]
    if not planted or any(cell not in worth for cell in cells):
        return None
    arms: dict[str, Found] = {}
    for (owner, kind, name), one in records.items():
        if (owner, kind) == (teacher, "search"):
            for label, end in {name: one, **one["stops"]}.items():
                cell = Genotype.from_json(end["genotype"])
                if cell.id in worth:
                    kept = sum(len(each.genes) for each in cell.cells)
                    told = 1 - end["undecided"] / kept if "undecided" in end else float("nan")
                    arms[label] = Found(
                        test=worth[cell.id]["test"],
                        op_evaluations=float(end["op_evaluations"]),
                        seconds=float(end["seconds"]),
                        epochs=float(end["epochs"]),
                        told=told,
                    )
    for tries in TRIES:
        own = [worth[cell] for cell in cells[:tries]]
        best = max(own, key=lambda one: float(one["val"]))
        arms[f"random search-{tries}"] = Found(
            test=best["test"],
            op_evaluations=sum(one["op_evaluations"] for one in own),
            seconds=sum(one["seconds"] for one in own),
            epochs=float("nan"),
            told=float("nan"),
        )
    return Measured(float(np.mean([worth[cell]["test"] for cell in cells])), planted[0], arms)


def rows_of(records: Records, teachers: Iterable[int]) -> list[Row]:
    """A row an arm, in the order of :data:`FAMILIES`, over the teachers that have it and full."""
    known = [one for one in _known(records, teachers) if FULL in one.arms]
    return [
        _row(name, own) for name in FAMILIES if (own := [one for one in known if name in one.arms])
    ]


def _known(records: Records, teachers: Iterable[int]) -> list[Measured]:
    return [one for teacher in teachers if (one := measured(records, teacher)) is not None]


def _row(name: str, known: Sequence[Measured]) -> Row:
    values = np.array(
        [(m.arms[name].test - m.random, m.planted - m.random, m.arms[FULL].test - m.random)
         for m in known]
    )  # fmt: skip
    draws = np.random.default_rng(0).integers(len(known), size=(DRAWS, len(known)))
    sums: NDArray[np.float64] = values[draws].sum(axis=1)
    found, gap, full = values.sum(axis=0)
    ends = [one.arms[name] for one in known]
    return Row(
        name,
        len(known),
        float(found / gap),
        _middle(sums[:, 0] / sums[:, 1]),
        float(found / full),
        _middle(sums[:, 0] / sums[:, 2]),
        *_times([m.arms[FULL].op_evaluations / m.arms[name].op_evaluations for m in known], draws),
        *_times([m.arms[FULL].seconds / m.arms[name].seconds for m in known], draws),
        float(np.median([one.epochs for one in ends])),
        float(np.mean([one.told for one in ends])),
    )


def _middle(draws: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(low), float(high)


def _times(ratios: Sequence[float], draws: NDArray[np.int64]) -> tuple[float, tuple[float, float]]:
    logs = np.log(ratios)
    return float(np.exp(logs.mean())), _middle(np.exp(logs[draws].mean(axis=1)))


@dataclass(frozen=True)
class Lead:
    """An arm's share of the gap less another one's, with its interval (low, high)."""

    more: float
    interval: tuple[float, float]
    teachers: int
    better: int
    """Teachers on which it finds more."""


def lead(records: Records, teachers: Iterable[int], arm: str, other: str) -> Lead | None:
    """How much more an arm finds than another one, over the teachers that have both."""
    both = [one for one in _known(records, teachers) if {arm, other} <= one.arms.keys()]
    if not both:
        return None
    values = np.array([(m.arms[arm].test - m.arms[other].test, m.planted - m.random) for m in both])
    draws = np.random.default_rng(0).integers(len(both), size=(DRAWS, len(both)))
    sums: NDArray[np.float64] = values[draws].sum(axis=1)
    more, gap = values.sum(axis=0)
    better = int((values[:, 0] > 0).sum())
    return Lead(float(more / gap), _middle(sums[:, 0] / sums[:, 1]), len(both), better)


def before_pruning(records: Records, teachers: Iterable[int]) -> float | None:
    """Median share of the default's operations that it spends before it prunes anything.

    No guard and no order of what is pruned saves of that; it bounds what another one could.
    """
    own = (records.get((teacher, "search", DEFAULT)) for teacher in teachers)
    shares = [
        one["costs"][one["decisions"][0]["epoch"] - 1] / one["op_evaluations"]
        for one in own
        if one is not None and one["decisions"]
    ]
    return float(np.median(shares)) if shares else None


def settled(records: Records, teachers: Iterable[int]) -> dict[str, float]:
    """Genes of full's last cell that its cell has after fewer epochs, and that random ones have.

    A likely reason why a search of few epochs finds less: what full will choose is not there yet.

    Returns:
        Mean number over teachers, by ``stop-N`` and ``random``; nothing before there is a full one.
    """
    same: dict[str, list[float]] = {}
    for teacher in teachers:
        full = records.get((teacher, "search", FULL))
        if full is None or not full["stops"]:
            continue
        last = Genotype.from_json(full["genotype"])
        for name in map(stop, STOPS):
            then = Genotype.from_json(full["stops"][name]["genotype"])
            same.setdefault(name, []).append(gene_agreement(then, last).same)
        drawn = (random_cell(teacher, number) for number in range(max(TRIES)))
        likeness = [gene_agreement(one, last).same for one in drawn]
        same.setdefault("random", []).append(float(np.mean(likeness)))
    return {name: float(np.mean(values)) for name, values in same.items()}


def chosen(records: Records) -> tuple[str, ...]:
    """Of each family the cheapest arm that reaches enough of what full finds, or comes nearest."""
    teachers = {teacher for teacher, _, _ in records if teacher < HELD_OUT}
    rows = rows_of(records, sorted(teachers))
    best: list[str] = []
    for family in dict.fromkeys(FAMILIES.values()):
        own = [row for row in rows if FAMILIES[row.name] == family]
        good = [row for row in own if row.of_full >= ENOUGH]
        if good:
            best.append(max(good, key=lambda row: row.fewer_operations).name)
        elif own:
            best.append(max(own, key=lambda row: row.of_full).name)
    return tuple(best)


def sets_of(records: Records) -> dict[str, list[int]]:
    """Teachers with records, those that settings are chosen on and those held out."""
    teachers = sorted({teacher for teacher, _, _ in records})
    return {
        "settings are chosen on": [one for one in teachers if one < HELD_OUT],
        "held-out": [one for one in teachers if one >= HELD_OUT],
    }


def show(records: Records, figure: Path | None = None) -> None:
    """Print a table a set of teachers; draw what all of the last set's have."""
    console = Console(width=WIDTH)
    picked = chosen(records)
    rows: list[Row] = []
    for title, teachers in sets_of(records).items():
        if found := rows_of(records, teachers):
            console.print(_table(f"The frontier, {title} teachers", found, picked))
            rows = [row for row in found if row.teachers == max(one.teachers for one in found)]
    console.print("* chosen of its family; ratios are full's over the arm's", highlight=False)
    for title, teachers in sets_of(records).items():
        console.print(f"{title} teachers, share of the gap:")
        for arm, other in COMPARED:
            if more := lead(records, teachers, arm, other):
                text = "  {} less {}: {:+.2f} [{:+.2f}, {:+.2f}], better on {} of {} teachers"
                text = text.format(
                    arm, other, more.more, *more.interval, more.better, more.teachers
                )
                console.print(text, highlight=False)
        if (spent := before_pruning(records, teachers)) is not None:
            text = f"  the default spends {spent:.0%} of its operations before it prunes anything"
            console.print(text, highlight=False)
        if genes := settled(records, teachers):
            text = ", ".join(f"{name} {value:.1f}" for name, value in genes.items())
            console.print(f"  genes of full's last cell that its cell has then: {text}")
    if figure is not None and rows:
        draw(rows, figure)


def _table(title: str, rows: Sequence[Row], picked: Sequence[str]) -> Table:
    table = Table(title=title)
    for heading in ("arm", "family", "teachers", "share of the gap", "of full's", "operations",
                    "seconds", "epochs", "told apart"):  # fmt: skip
        table.add_column(heading, justify="left" if heading in ("arm", "family") else "right")
    for row in rows:
        table.add_row(
            row.name + (" *" if row.name in picked else ""),
            FAMILIES[row.name],
            str(row.teachers),
            "{:.2f} [{:.2f}, {:.2f}]".format(row.share, *row.share_interval),
            "{:.2f} [{:.2f}, {:.2f}]".format(row.of_full, *row.of_full_interval),
            "{:.1f} [{:.1f}, {:.1f}]".format(row.fewer_operations, *row.operations_interval),
            "{:.1f} [{:.1f}, {:.1f}]".format(row.fewer_seconds, *row.seconds_interval),
            "" if np.isnan(row.epochs) else f"{row.epochs:.0f}",
            "" if np.isnan(row.told) else f"{row.told:.0%}",
        )
    return table


def last_line(records: Records) -> str:
    """The default against full: of its share, of its operations, of its time."""
    for teachers in reversed(sets_of(records).values()):
        for row in rows_of(records, teachers):
            if row.name == DEFAULT:
                low, high = row.of_full_interval
                return (
                    f"default: share {row.of_full:.3f} [{low:.3f}, {high:.3f}], operations "
                    f"{row.fewer_operations:.1f}, seconds {row.fewer_seconds:.1f}"
                )
    return "default: not measured yet"


def draw(rows: Sequence[Row], path: Path) -> None:
    """The frontier over both costs, the default marked."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    costs = {"operation evaluations": "fewer_operations", "seconds": "fewer_seconds"}
    for axis, (title, cost) in zip(axes, costs.items(), strict=True):
        for family in dict.fromkeys(FAMILIES[row.name] for row in rows):
            own = [row for row in rows if FAMILIES[row.name] == family]
            own.sort(key=lambda row: float(getattr(row, cost)))
            x = [getattr(row, cost) for row in own]
            marker = "*" if family == DEFAULT else "o"
            axis.plot(x, [row.share for row in own], marker=marker, label=family, linewidth=1,
                      markersize=16 if family == DEFAULT else 5)  # fmt: skip
        axis.axhline(0, color="grey", linewidth=0.5)
        axis.set_xscale("log")
        axis.set_xlabel(f"full's {title} over the arm's")
    axes[0].set_ylabel("share of the gap from random to planted")
    axes[1].legend(fontsize="small", loc="lower left")
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
