"""How much of the given cell each arm found, as a table.

::

    table = given_table(record)          # no rows where the run was given no cell
"""

from __future__ import annotations

from dataclasses import replace

from distributed_iac.comparison.given import FoundOfGiven, found_of_given
from distributed_iac.comparison.likeness import SearchEvidence
from distributed_iac.report.notes import Note
from distributed_iac.report.run_record import RunRecord
from distributed_iac.report.tables import Cell, Table


def given_table(record: RunRecord) -> Table:
    """A row an arm, group and variant."""
    settings, found = record.config.comparison, found_in(record)
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
        "means over searches; chance is that of edges and operations drawn uniformly: a search "
        "that prefers an operation meets it in a given cell more often or less; test Dice of cells "
        "trained anew in the same way, where random, found and given ones were all scored (a dash: "
        "nowhere yet, or there is no control random); no share is told where the given cell is "
        "not surely better than a random one: nothing hung on the cell"
    )
    rows = tuple(_row(one) for one in found)
    return Table("What was found of the given cell", columns, rows, (note,) if rows else ())


def found_in(record: RunRecord) -> tuple[FoundOfGiven, ...]:
    """What every arm found; by variant, whose searches and controls others may share."""
    given = record.config.given
    if given is None:
        return ()
    return tuple(
        one
        for variant in record.config.variant_names
        for one in found_of_given(
            _searched_in(record, variant),
            given.genotype,
            [
                replace(row, variants=(variant,) if variant else ())
                for row in record.patient_rows
                if row.is_in(variant)
            ],
            record.config.comparison,
        )
    )


def _searched_in(record: RunRecord, variant: str) -> list[SearchEvidence]:
    own = [
        replace(found, job=replace(found.job, variants=(variant,) if variant else ()))
        for found in record.searches
        if not found.job.variants or variant in found.job.variants
    ]
    return replace(record, searches=tuple(own)).evidence


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
