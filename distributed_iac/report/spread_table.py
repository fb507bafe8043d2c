"""Do models differ by more than one model does from seed to seed? Of the test Dice of a run.

::

    table = spread_table(record)        # a row a group

Models: searched arms and controls that have a seed. Where models differ by less than seeds, the
data cannot tell methods apart, whatever single differences a table shows.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from distributed_iac.comparison.pairing import mean_score
from distributed_iac.comparison.rows import ScoreRow
from distributed_iac.headroom.crossed import Figure, complete_part
from distributed_iac.headroom.shares import BOTH, CELL, SEED, Shares
from distributed_iac.report.notes import Note
from distributed_iac.report.run_record import RunRecord
from distributed_iac.report.tables import Cell, Table


def spread_table(record: RunRecord) -> Table:
    """A row a group with at least one model that has a seed."""
    own = {dataset.name for dataset in record.config.data}
    groups: dict[str, list[ScoreRow]] = defaultdict(list)
    for row in record.patient_rows:
        if row.dataset in own and row.seed is not None and not row.is_baseline:
            groups[row.group].append(row)
    rows = tuple(_row(record, group, scored) for group, scored in groups.items())
    columns = (
        "group", "models", "seeds", "between models (Dice)", "between seeds of one (Dice)",
        "first over second", "which says",
    )  # fmt: skip
    note = Note(
        "standard deviations of mean test Dice, two-way analysis of variance; comparisons go seed "
        "by seed, which takes out what a seed does to all models alike; with "
        f"{record.config.comparison.confidence:.0%} intervals"
    )
    title = "Do models differ by more than seeds do"
    return Table(title, columns, rows, (note,) if rows else ())


def _row(record: RunRecord, group: str, scored: Sequence[ScoreRow]) -> tuple[Cell, ...]:
    settings = record.config.comparison
    values = _dice(scored)
    values = values[np.ix_(*complete_part(values))]
    rng = np.random.default_rng((settings.seed, zlib.crc32(group.encode())))
    shares = Shares.of(values, settings, rng)
    models, seeds = values.shape
    between, within = (shares.deviation(CELL), shares.deviation(SEED, BOTH))
    ratio = shares.ratio()
    return (
        group,
        models,
        seeds,
        _text(between, 4),
        _text(within, 4),
        _text(ratio, 1),
        says(ratio, models, seeds),
    )


def _dice(rows: Sequence[ScoreRow]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """(models, seeds), NaN where one was not scored."""
    labels = sorted({row.label for row in rows})
    seeds = sorted({row.seed for row in rows if row.seed is not None})
    values = np.full((len(labels), len(seeds)), np.nan)
    for at, label in enumerate(labels):
        for place, seed in enumerate(seeds):
            own = [row for row in rows if (row.label, row.seed) == (label, seed)]
            values[at, place] = mean_score(own, "dice") if own else np.nan
    return values


def says(ratio: Figure, models: int, seeds: int) -> str:
    """What the spread between models over that between seeds tells."""
    if models < 2 or seeds < 2:
        return "nothing yet: it takes two models and two seeds"
    if ratio.low is None or ratio.high is None:
        return "all seeds give the same"
    if ratio.low > 1:
        return "models differ by more than seeds"
    if ratio.high < 1:
        return "models differ by less than seeds: a single pair of trainings tells nothing"
    return "not told: more seeds would say"


def _text(figure: Figure, digits: int) -> str:
    if figure.value is None or figure.low is None or figure.high is None:
        return "-"
    return f"{figure.value:.{digits}f} [{figure.low:.{digits}f}, {figure.high:.{digits}f}]"
