"""The few numbers at the top of a page, taken cell by cell from the tables below them.

::

    headlines(record, tables)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from distributed_iac.comparison.contrast import ALL_GROUPS, Contrast
from distributed_iac.comparison.pairing import MEAN
from distributed_iac.comparison.speed import Measure
from distributed_iac.report.page.blocks import Headline
from distributed_iac.report.run_record import RunRecord
from distributed_iac.report.tables import UNKNOWN, Table, show

COSTS: tuple[tuple[Measure, str], ...] = (
    ("seconds", "Search time"),
    ("op_evaluations", "Operations"),
)


def headlines(record: RunRecord, tables: Mapping[str, Table]) -> tuple[Headline, ...]:
    """Speed-up and Dice of the candidate, and how its Dice stands against the controls.

    Args:
        record: The run.
        tables: Its tables; with several groups the row over all of them is taken.
    """
    settings = record.config.comparison
    controls = [one for one in record.config.controls if one in ("plain_extra", "random")]
    return (
        *(_cost(record, tables["cost"], measure, label) for measure, label in COSTS),
        _dice(record, tables["dice"], settings.reference),
        *(_dice(record, tables["dice"], control) for control in controls),
    )


def _cost(record: RunRecord, table: Table, measure: Measure, label: str) -> Headline:
    settings = record.config.comparison
    title = f"{label}, {settings.reference} over {settings.candidate}"
    rows = {row[0]: row for row in table.rows}
    column = measure.replace("_", " ")
    group = _widest(rows)
    if group is None or column not in table.columns:
        sentence = (
            f"No pair of finished {settings.candidate} and {settings.reference} searches of one "
            "seed."
        )
        return Headline(title, "", "", sentence)
    value, interval = _split(show(rows[group][table.columns.index(column)]))
    pairs = rows[group][table.columns.index("pairs")]
    return Headline(title, value, interval, f"{_scope(group)}; {pairs} paired searches.")


def _dice(record: RunRecord, table: Table, against: str) -> Headline:
    candidate = record.config.comparison.candidate
    title = f"Test Dice, {candidate} less {against}"
    place = table.columns.index("against")
    rows = {row[0]: row for row in table.rows if row[place] == against}
    group = _widest(rows)
    if group is None:
        sentence = f"No patient has been scored with both {candidate} and {against}."
        return Headline(title, "", "", sentence)
    value, interval = _split(show(rows[group][table.columns.index("difference")]))
    (contrast,) = [
        one
        for one in record.comparison.contrasts
        if (one.group, one.against, one.metric, one.target) == (group, against, "dice", MEAN)
    ]
    return Headline(title, value, interval, f"{_scope(group)}. {_statement(record, contrast)}")


def _statement(record: RunRecord, contrast: Contrast) -> str:
    """Against the reference: is nothing given away? Against a control: is anything gained?"""
    if contrast.against == record.config.comparison.reference:
        verdict = contrast.equivalence.verdict
        return f"{verdict[0].upper()}{verdict[1:]} at a margin of {contrast.equivalence.margin:g}."
    interval = contrast.interval
    if interval is None or interval.low <= 0 <= interval.high:
        return "No difference was shown."
    return "Better: the interval lies above 0." if interval.low > 0 else "Worse: it lies below 0."


def _widest(groups: Iterable[object]) -> str | None:
    """The row over all groups, or that of the only one."""
    names = [str(group) for group in groups]
    return ALL_GROUPS if ALL_GROUPS in names else next(iter(names), None)


def _scope(group: str) -> str:
    if group == ALL_GROUPS:
        return f"Over {ALL_GROUPS} that are compared"
    return f"In {group}"


def _split(text: str) -> tuple[str, str]:
    """``8.20x [6.1, 9.0]`` in two."""
    if text == UNKNOWN:
        return "", ""
    value, bracket, rest = text.partition(" [")
    return value, bracket.strip() + rest
