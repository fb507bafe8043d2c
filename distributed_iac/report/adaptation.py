"""What every way to adapt a trained network gains on its data, and what it forgets elsewhere.

::

    table = adaptation_table(record)     # a row a model: parameters, Dice, differences from plain
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from distributed_iac.comparison.contrast import Contrast, contrast
from distributed_iac.comparison.pairing import MEAN
from distributed_iac.report.notes import Note
from distributed_iac.report.retrainings import mean_parameters
from distributed_iac.report.run_record import RunRecord
from distributed_iac.report.tables import Table

PLAIN = "plain"


def adaptation_table(record: RunRecord) -> Table:
    """Every model against the plain network: on the data worked on, and on what it knew before."""
    config = record.config
    others = [dataset.name for dataset in config.also_scored]
    columns = (
        "group",
        "model",
        "trained parameters",
        "seeds",
        "test patients",
        "Dice",
        "gain over plain",
        *(f"change at {name}" for name in others),
    )
    rows = tuple(
        (
            *place,
            _parameters(record, *place),
            len(here.seeds),
            here.patients,
            here.candidate_mean,
            _difference(here),
            *(_difference(there.get(name)) for name in others),
        )
        for place, here, there in _models(record)
    )
    title = (
        f"Every model against the plain network: paired difference of patient-level Dice with "
        f"{config.comparison.confidence:.0%} interval"
    )
    note = Note(
        "intervals are not corrected for their number; trained parameters are those that a model "
        "has beside the plain network, or has changed in it"
    )
    return Table(title, columns, rows, (note,) if rows else ())


def _models(record: RunRecord) -> Iterator[tuple[tuple[str, str], Contrast, dict[str, Contrast]]]:
    """Group and model, its contrast on the group's data, and those on other data by their name."""
    rows = record.patient_rows
    own = {dataset.name for dataset in record.config.data}
    labels = dict.fromkeys(row.label for row in rows if row.dataset in own and row.label != PLAIN)
    for label in labels:
        rng = np.random.default_rng(record.config.comparison.seed)
        found = {
            tuple(one.group.split("/")): one
            for one in contrast(rows, label, PLAIN, record.config.comparison, rng)
            if one.metric == "dice" and one.target == MEAN and "/" in one.group
        }
        for (dataset, backbone), one in found.items():
            if dataset in own:
                elsewhere = {
                    name: other
                    for (name, network), other in found.items()
                    if network == backbone and name not in own
                }
                yield (one.group, label), one, elsewhere


def _parameters(record: RunRecord, group: str, label: str) -> int | None:
    """Of the jobs whose networks a row is about."""
    return mean_parameters(
        [
            row
            for row in record.job_rows
            if row["kind"] in ("retrain", "baseline", "evaluate")
            and record.graph[row["key"]].group == group
            and label in (row["arm"], row["name"])
        ]
    )


def _difference(one: Contrast | None) -> str:
    if one is None:
        return "-"
    if one.interval is None:
        return f"{one.difference:+.3f}"
    return f"{one.difference:+.3f} [{one.interval.low:+.3f}, {one.interval.high:+.3f}]"
