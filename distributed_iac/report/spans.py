"""Stretches of work from a sweep's journal.

::

    spans = spans_of(graph, journal.read())
    timeline(spans)

A job whose worker was lost has a span for every try. One that still runs reaches to the last
event of the journal; no clock is asked, so that the same journal gives the same picture.
"""

from __future__ import annotations

from collections.abc import Iterable

from distributed_iac.jobs.graph import JobGraph
from distributed_iac.report.timeline import Ending, Span
from distributed_iac.run.journal import Event, EventKind

_ENDINGS: dict[EventKind, Ending] = {"end": "done", "failed": "failed", "again": "lost"}


def spans_of(graph: JobGraph, events: Iterable[Event]) -> tuple[Span, ...]:
    """Pair beginnings with ends.

    Args:
        graph: The sweep's jobs; events of others are passed over.
        events: In order.

    Returns:
        By start, then key. Jobs whose results were found have none: they did not run.
    """
    kinds = {job.key: job.kind for job in graph.jobs()}
    began: dict[str, float] = {}
    spans: list[Span] = []
    now = 0.0

    def close(key: str, at: float, ending: Ending) -> None:
        start = began.pop(key)
        # The clocks of two machines may disagree by more than a short job takes.
        spans.append(Span(key, kinds[key], start, max(start, at), ending))

    for event in events:
        if event.kind == "open":
            # Whatever was running ended with its driver, at the last that was heard.
            for key in list(began):
                close(key, now, "lost")
        elif event.kind in _ENDINGS and event.job in began:
            close(event.job, event.at, _ENDINGS[event.kind])
        elif event.kind == "start" and event.job in kinds:
            if event.job in began:
                close(event.job, event.at, "lost")
            began[event.job] = event.at
        now = max(now, event.at)
    for key in list(began):
        close(key, now, "running")
    return tuple(sorted(spans, key=lambda span: (span.start, span.key)))
