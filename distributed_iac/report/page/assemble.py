"""From a run to its page: the order of things, and the sentences around them.

::

    page = page_of(record, run_tables(record), run_figures(record))
    html = render(page)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from distributed_iac.report.page.blocks import (
    Block,
    Page,
    Prose,
    Section,
    ShownFigure,
    ShownTable,
    State,
)
from distributed_iac.report.page.findings import (
    cells_section,
    cost_section,
    headroom_section,
    patients_section,
    searches_section,
)
from distributed_iac.report.page.headlines import headlines
from distributed_iac.report.page.setting import reproduce_section, setup_section
from distributed_iac.report.parity_table import parity_doubts
from distributed_iac.report.retrainings import rate_doubts
from distributed_iac.report.run_figures import RunFigures
from distributed_iac.report.run_record import RunRecord
from distributed_iac.report.tables import Table
from distributed_iac.report.variants import variants_section


def page_of(record: RunRecord, tables: Mapping[str, Table], figures: RunFigures) -> Page:
    """Put a page together.

    Args:
        record: The run.
        tables: Of :func:`~distributed_iac.report.run_tables.run_tables`.
        figures: Of :func:`~distributed_iac.report.run_figures.run_figures`.
    """
    state, progress = _standing(record)
    return Page(
        title=record.config.name,
        summary=_summary(record),
        state=state,
        progress=progress,
        headlines=headlines(record),
        warnings=tuple(_warnings(record)),
        sections=(
            setup_section(record, tables),
            cost_section(record, tables, figures),
            patients_section(record, tables, figures),
            headroom_section(record, tables),
            *variants_section(record, tables),
            searches_section(tables, figures),
            cells_section(record, tables, figures),
            _jobs_section(tables, figures),
            reproduce_section(record),
        ),
    )


def _standing(record: RunRecord) -> tuple[State, str]:
    """How far a run is, for machines and for people."""
    counts = Counter(row["status"] for row in record.job_rows)
    total, done = sum(counts.values()), counts["done"]
    if done == total:
        return "done", f"complete: {total} jobs"
    rest = ", ".join(
        f"{counts[status]} {status}"
        for status in ("lost", "failed", "skipped", "running", "waiting")
        if counts[status]
    )
    return "failed" if counts["failed"] else "incomplete", f"{done} of {total} jobs done, {rest}"


def _summary(record: RunRecord) -> str:
    config = record.config
    settings = config.comparison
    names = " and ".join(config.variant_names)
    variants = f", in the variants {names}" if config.variants else ""
    if config.question == "headroom":
        return (
            f"{config.headroom.cells} random cells were retrained with {config.headroom.seeds} "
            f"{_plural('seed', config.headroom.seeds)} each, and none was searched: how much is "
            "there for a search to find? See Can these data tell? below."
        )
    begun = (
        f"Implantable cells for trained segmentation U-Nets were searched in {len(record.groups)} "
        f"{_plural('group', len(record.groups))} of data set and backbone with "
        f"{len(config.seeds)} {_plural('seed', len(config.seeds))}{variants}: by "
    )
    both = {settings.reference, settings.candidate} <= set(config.arms)
    if both and config.arms[settings.reference].policy == "none":
        return begun + (
            f"full-length search ({settings.reference}) and by a shortened one "
            f"({settings.candidate}). The cells were retrained and scored on test patients. Is the "
            "short search as good, and how much does it save?"
        )
    return begun + (
        f"{' and '.join(config.arms)}. The cells were retrained and scored on test patients. Are "
        "they worth more than the controls?"
    )


def _warnings(record: RunRecord) -> Iterator[str]:
    """Everything that is missing, and every reason for doubt that a row of a table carries."""
    if record.tables.lost:
        yield record.tables.lost.sentence
    yield from parity_doubts(record)
    yield from record.config.doubtful_reference()
    yield from record.told
    yield from rate_doubts(record)
    if record.config.question == "comparison":
        yield from record.comparison.warnings
    for selection in record.selections:
        place = f"{selection.group}, {selection.arm}"
        seed = "" if selection.seed is None else f", seed {selection.seed}"
        for sentence in (*selection.warnings, *selection.ties):
            yield f"{place}{seed}: {sentence}"
    blind = [
        one.job.key
        for one in record.searches
        if one.result.cell.distinction.verdict == "not distinguished"
    ]
    if blind:
        yield (
            f"{len(blind)} of {len(record.searches)} finished searches did not distinguish most of "
            f"their operations: {', '.join(blind[:4])}{' ...' if len(blind) > 4 else ''}"
        )
    yield from (f"{row['key']}: {row['note']}" for row in record.job_rows if row["note"])


def _jobs_section(tables: Mapping[str, Table], figures: RunFigures) -> Section:
    blocks: list[Block] = [
        Prose(
            "A job starts as soon as the jobs that it needs are done; no group waits for another, "
            "and no phase for the one before it to end everywhere."
        )
    ]
    if figures.timeline is not None:
        caption = (
            "When which job ran: a band for each data set and backbone, a bar a job, coloured by "
            "kind. Above: jobs at once."
        )
        blocks.append(ShownFigure(figures.timeline, caption))
    blocks.append(ShownTable("jobs", tables["jobs"]))
    if tables["unfinished"].rows:
        blocks.append(ShownTable("unfinished", tables["unfinished"]))
    return Section("jobs", "Jobs", tuple(blocks))


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"
