"""How much of the given cell each arm found, as a table.

::

    table = given_table(record)          # no rows where the run was given no cell
"""

from __future__ import annotations

from distributed_iac.comparison.given import FoundOfGiven, found_of_given
from distributed_iac.report.notes import Note
from distributed_iac.report.run_record import RunRecord
from distributed_iac.report.tables import Cell, Table


def given_table(record: RunRecord) -> Table:
    """A row an arm and group."""
    given, settings = record.config.given, record.config.comparison
    found: tuple[FoundOfGiven, ...] = ()
    if given is not None:
        found = found_of_given(record.evidence, given.genotype, record.patient_rows, settings)
    columns = (
        "group",
        "arm",
        "searches",
        "genes found",
        "of",
        "by chance",
        "Dice, random cell",
        "found cell",
        "given cell",
        f"share of the gap ({settings.confidence:.0%} interval)",
    )
    note = Note(
        "means over searches; test Dice of cells trained anew in the same way; no share is told "
        "where the given cell is not surely better than a random one: nothing hung on the cell"
    )
    rows = tuple(_row(one) for one in found)
    return Table("What was found of the given cell", columns, rows, (note,) if rows else ())


def _row(one: FoundOfGiven) -> tuple[Cell, ...]:
    count = len(one.genes)
    return (
        one.group,
        one.arm,
        count,
        sum(match.same for match in one.genes) / count,
        one.genes[0].total,
        one.genes[0].chance,
        one.random,
        one.found,
        one.given,
        _share(one),
    )


def _share(one: FoundOfGiven) -> str:
    if one.share is None:
        return "-" if one.gap is None else "nothing to find"
    assert one.interval is not None, "known wherever the share is"
    return f"{one.share:.2f} [{one.interval.low:.2f}, {one.interval.high:.2f}]"
