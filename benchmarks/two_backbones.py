"""A whole sweep on two cores, and what its journal says of how it was carried out.

    python -m benchmarks.two_backbones --folder EMPTY          # killed, it continues

Phantoms of all four data sets, two families of backbones, full and LTH, two seeds, every control,
by ``distributed-iac sweep``. Then, from the tables and the journal of the run:

1. every job is done;
2. LTH searches were stopped early by the scheduler, each with a reason; full ones ran to their end;
3. there was no barrier between kinds of jobs: what was done before the last pre-training, and how
   long jobs of different kinds ran side by side;
4. how much of the slots' time was spent in jobs.

The sizes are miniatures and the full search is shortened: nothing here says which method is better.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.harness import write_result
from benchmarks.sweeps import enter, make_phantoms, run_options
from distributed_iac.config.run import RunConfig
from distributed_iac.report.timeline import Span, spans_of
from distributed_iac.run.collect import collect_run

CONFIG = Path(__file__).with_suffix(".yaml")
PATIENTS = 12
SLOTS = 2

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Searches:
    """All searches of an arm.

    Args:
        arm: Its name.
        count: How many there are.
        stopped: How many a rule stopped before the last epoch.
        epochs: Fewest, median and most epochs.
        seconds: In all their epochs together.
        op_evaluations: Of all together.
        reasons: What stopped them, as in the table of jobs, to how often.
    """

    arm: str
    count: int
    stopped: int
    epochs: tuple[int, float, int]
    seconds: float
    op_evaluations: float
    reasons: Mapping[str, int]


def searches_of(rows: Iterable[Row], arm: str, planned: int) -> Searches:
    """Sum up an arm.

    Args:
        rows: Table of jobs.
        arm: Name.
        planned: Epochs of a search that nothing stops.
    """
    own = [row for row in rows if row["kind"] == "search" and row["arm"] == arm]
    epochs = [row["epochs"] for row in own]
    return Searches(
        arm,
        len(own),
        sum(epoch < planned for epoch in epochs),
        (min(epochs), float(np.median(epochs)), max(epochs)),
        sum(row["seconds"] for row in own),
        sum(row["op_evaluations"] for row in own),
        dict(Counter(f"{row['stop_code']}: {row['stop_reason']}" for row in own)),
    )


@dataclass(frozen=True)
class Flow:
    """How the jobs of a sweep followed each other.

    Args:
        seconds: From the first job's start to the last one's end.
        busy: Share of the slots' time that was spent in jobs.
        first_group: Seconds until the first data set and backbone had all its results.
        first_search: When the first search began.
        last_pretrain: When the last pre-training began.
        before: How many jobs of each later kind were done by then; a barrier after pre-training
            leaves none.
        groups_before: How many groups had all their results by then.
        other_set: Seconds in which a search ran while another data set pre-trained.
        later_kind: Seconds in which a job ran beside one of an earlier kind, of any group.
    """

    seconds: float
    busy: float
    first_group: float
    first_search: float
    last_pretrain: float
    before: Mapping[str, int]
    groups_before: int
    other_set: float
    later_kind: float


ORDER = ("prepare", "pretrain", "search", "retrain")
"""Kinds that follow from each other."""


def flow_of(spans: Sequence[Span], slots: int) -> Flow:
    """Measure overlaps.

    Args:
        spans: Of one sweep that ran in one piece.
        slots: Jobs that fit at the same time.
    """
    begin, end = min(span.start for span in spans), max(span.end for span in spans)
    last_pretrain = max(span.start for span in spans if span.kind == "pretrain")
    done = [span for span in spans if span.end <= last_pretrain]
    groups = [max(span.end for span in own) for own in _groups(spans).values()]
    return Flow(
        seconds=end - begin,
        busy=sum(span.end - span.start for span in spans) / (slots * (end - begin)),
        first_group=min(groups) - begin,
        first_search=min(span.start for span in spans if span.kind == "search") - begin,
        last_pretrain=last_pretrain - begin,
        before=dict(Counter(one.kind for one in done if one.kind not in ("prepare", "pretrain"))),
        groups_before=sum(end <= last_pretrain for end in groups),
        other_set=together(spans, _searches_beside_other_pretraining),
        later_kind=together(spans, _is_ahead),
    )


def _groups(spans: Iterable[Span]) -> dict[str, list[Span]]:
    found: dict[str, list[Span]] = {}
    for span in spans:
        if span.kind != "prepare":
            found.setdefault(span.group, []).append(span)
    return found


def together(spans: Sequence[Span], related: Callable[[Span, Span], bool]) -> float:
    """Seconds in which some two jobs that are related run at the same time."""
    times = sorted({time for span in spans for time in (span.start, span.end)})
    total = 0.0
    for before, after in pairwise(times):
        running = [span for span in spans if span.start <= before and after <= span.end]
        if any(related(one, other) for one in running for other in running):
            total += after - before
    return total


def _searches_beside_other_pretraining(one: Span, other: Span) -> bool:
    kinds = one.kind == "search" and other.kind == "pretrain"
    return kinds and _dataset(one) != _dataset(other)


def _is_ahead(one: Span, other: Span) -> bool:
    if one.kind not in ORDER or other.kind not in ORDER:
        return False
    return ORDER.index(one.kind) > ORDER.index(other.kind)


def _dataset(span: Span) -> str:
    return span.key.split("/")[0]


def run(config: RunConfig, overrides: Sequence[str]) -> None:
    """Phantoms, sweep and report, by the command line."""
    make_phantoms(config, PATIENTS, seed=0)
    command = [sys.executable, "-m", "distributed_iac.cli.main"]
    changed = [part for one in overrides for part in ("--set", one)]
    for verb in (["sweep", str(CONFIG), *changed], ["report", str(config.folder)]):
        subprocess.run([*command, *verb], check=True)


def look(config: RunConfig, console: Console) -> dict[str, Any]:
    """Check what is to be shown, and print it.

    Raises:
        AssertionError: A job is not done, a full search was stopped, or an LTH one was not.
    """
    tables = collect_run(config.folder)
    rows, spans = tables.jobs.to_pylist(), spans_of(tables.replay)
    arms = [searches_of(rows, arm, config.search.epochs) for arm in config.arms]
    flow = flow_of(spans, SLOTS)
    jobs = Counter(row["kind"] for row in rows)
    statuses = Counter(row["status"] for row in rows)
    if set(statuses) != {"done"}:
        raise AssertionError(f"jobs are {dict(statuses)}")
    for one in arms:
        if one.stopped != (0 if one.arm in config.scheduler.protect else one.count):
            raise AssertionError(f"{one.stopped} of {one.count} {one.arm} searches were stopped")
    show(arms, flow, jobs, console)
    return {
        "jobs": dict(jobs),
        "statuses": dict(statuses),
        "searches": [asdict(one) for one in arms],
        "flow": asdict(flow),
        "restarts": sum(row["losses"] for row in rows),
    }


def show(arms: Sequence[Searches], flow: Flow, jobs: Mapping[str, int], console: Console) -> None:
    """Print what was found."""
    table = Table(title=", ".join(f"{count} {kind}" for kind, count in jobs.items()))
    for heading in ("arm", "searches", "stopped early", "epochs", "seconds", "op evaluations"):
        table.add_column(heading, justify="left" if heading == "arm" else "right")
    for one in arms:
        fewest, median, most = one.epochs
        table.add_row(
            one.arm,
            str(one.count),
            str(one.stopped),
            f"{fewest} to {most}, median {median:g}",
            f"{one.seconds:.0f}",
            f"{one.op_evaluations:.0f}",
        )
    console.print(table)
    for one in arms:
        for reason, count in one.reasons.items():
            console.print(f"{one.arm}, {count} times: {reason}", highlight=False, soft_wrap=True)
    for name, value in asdict(flow).items():
        shown = f"{value:.2f}" if isinstance(value, float) else value
        console.print(f"{name}: {shown}", highlight=False)


def main() -> None:
    """Run what is not finished yet, check it, print it, write the result."""
    given = run_options(__doc__).parse_args()
    config = enter(given.folder, CONFIG, given.overrides)
    run(config, given.overrides)
    results = look(config, Console())
    settings = config.model_dump(mode="json", include={"search", "batches", "arms", "seeds"})
    print(write_result("two_backbones", settings=settings, results=results, packages=("ray",)))


if __name__ == "__main__":
    main()
