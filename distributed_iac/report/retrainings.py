"""With which learning rates models were trained, and whether anybody chose them.

::

    retraining_table(record)        # a row a model: parameters trained, rates tried, rate kept
    rate_note(record.config)        # below every table that compares models
    list(rate_doubts(record))       # controls that nobody tuned, rates at the edge
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from distributed_iac.config.run import RunConfig
from distributed_iac.config.training import RetrainSettings
from distributed_iac.report.notes import Note
from distributed_iac.report.run_record import RunRecord
from distributed_iac.report.tables import Cell, Table

BY_CELL = ("plain", "random", "random_search", "given")
"""Controls that are not trained, or as the searched cells are."""


def retraining_table(record: RunRecord) -> Table:
    """What every retrained arm and control trains, with which learning rate, at what cost."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in record.job_rows:
        if row["kind"] == "retrain" and row["status"] == "done":
            place = (record.graph[row["key"]].group, row["name"])
            groups.setdefault(place, []).append(row)
    rows = tuple((*place, *_cells(own)) for place, own in groups.items())
    columns = (
        "group",
        "model",
        "seeds",
        "trained parameters",
        "rate kept, by seed",
        "val Dice of each rate, mean",
        "seconds, all rates",
    )
    return Table("Training of arms and controls", columns, rows, (rate_note(record.config),))


def rates_sentence(settings: RetrainSettings) -> str:
    """With which learning rates cells and controls are trained, and how one is chosen."""
    rate = settings.optimiser.learning_rate
    if len(settings.rates) > 1:
        tried = ", ".join(f"{rate * share:g}" for share in settings.rates)
        return f"{tried}: of each arm, control and seed the one with the best val Dice"
    share = settings.rates[0] if settings.rates else settings.backbone_rate
    of_all = settings.rates and settings.unfreeze == "cells"
    whose = "" if of_all else " for what is trained of the backbone"
    return f"{rate * share:g}{whose}; chosen for no arm or control"


def rate_note(config: RunConfig) -> Note:
    """The same below a table."""
    said: dict[str, list[str]] = {}
    for place, view in config.views.items():
        said.setdefault(rates_sentence(view.retrain), []).append(place)
    note = "learning rates of retraining: " + "; ".join(
        sentence if len(said) == 1 else f"{sentence} ({', '.join(places)})"
        for sentence, places in said.items()
    )
    if config.baselines:
        note += "; baselines are trained from scratch at pretrain.optimiser's rate"
    return Note(note)


def rate_doubts(record: RunRecord) -> Iterator[str]:
    """Comparisons that may show a learning rate instead of a cell."""
    config = record.config
    controls = [one for one in config.controls if one not in BY_CELL]
    fixed = [place for place, one in config.views.items() if len(one.retrain.rates) < 2]
    where = "" if len(fixed) == len(config.views) else f"{', '.join(fixed)}: "
    if fixed and controls:
        yield (
            f"{where}the learning rate of {' and '.join(controls)} was not chosen: a difference "
            "from it may be the rate's (retrain.rates gives every arm and control the same few to "
            "choose from)"
        )
    if config.baselines:
        names = " and ".join(baseline.key for baseline in config.baselines)
        yield f"the learning rate of {names} was not chosen"
    yield from _rates_at_the_edge(record)


def _rates_at_the_edge(record: RunRecord) -> Iterator[str]:
    """Models whose best rate may lie above all that were tried."""
    tried = [row for row in record.job_rows if row["rate"] is not None and row["rate_scores"]]
    highest: dict[str, list[bool]] = {}
    for row in tried:
        rates = [float(rate) for rate in json.loads(row["rate_scores"])]
        if len(rates) > 1:
            highest.setdefault(row["name"], []).append(row["rate"] >= max(rates))
    names = [name for name, kept in highest.items() if all(kept)]
    if names:
        yield (
            f"of the learning rates that were tried, {' and '.join(names)} kept the highest in "
            "every training: a higher one may suit them better, or only the val patients that "
            "choose it (retrain.rates)"
        )


def mean_parameters(rows: Sequence[Mapping[str, Any]]) -> int | None:
    """Trained parameters of a model, mean over seeds: a searched arm's cells differ in size."""
    known = [row["trained_parameters"] for row in rows if row["trained_parameters"] is not None]
    return round(fmean(known)) if known else None


def _cells(rows: list[dict[str, Any]]) -> tuple[Cell, ...]:
    kept = ["-" if row["rate"] is None else f"{row['rate']:g}" for row in rows]
    return (
        len(rows),
        mean_parameters(rows),
        ", ".join(kept),
        _means([json.loads(row["rate_scores"]) for row in rows if row["rate_scores"]]),
        sum(row["seconds"] for row in rows),
    )


def _means(scores: list[dict[str, float | None]]) -> str:
    """Mean over seeds of each rate's val Dice; rates that failed with a seed say so."""
    texts = []
    for rate in dict.fromkeys(rate for one in scores for rate in one):
        known = [score for one in scores if (score := one.get(rate)) is not None]
        failed = len(scores) - len(known)
        mean = f"{fmean(known):.4f}" if known else "-"
        texts.append(f"{rate}: {mean}" + (f" ({failed} failed)" if failed else ""))
    return "; ".join(texts) or "-"
