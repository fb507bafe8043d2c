"""Arms against each other: means over seeds, and the charts that hold them.

::

    means = SearchMeans(graph)
    means.take(job, epochs, "done")
    layout_record(means.arms, at)
    means.records()["lth"]              # of the run means/lth

The mean of an arm is over its seeds that are done; before the first one is, over those that run.
It reaches as far as all of them do: of a mean whose members drop out nobody could tell a change
of the search from a change of its members.

Each arm has a run, and all have the same tags. TensorBoard gives colours to runs, not to tags.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.job import Job
from distributed_iac.jobs.progress import JobStatus
from distributed_iac.report.tensorboard.curves import TAGS, number
from distributed_iac.report.tensorboard.protocol import custom_scalar, layout, layout_value
from distributed_iac.report.tensorboard.record import Record, scalar
from distributed_iac.run.replay import Epoch

QUANTITIES: Mapping[str, str] = {
    "val_dice": "val Dice of the supernet",
    "js_mean": "JS divergence between windows (bits), mean over edges",
    "entropy": "normalised entropy of operations",
    "live_operations": "live operations",
    "full_epochs": "cost in epochs of the full supernet",
    "total_seconds": "seconds of work",
}
"""Column of the epochs table, and the title of its chart."""

MOST_OPEN = 2
"""Groups whose charts are shown at once; of more only the first is open. Every chart asks every run
for its curves."""

Point = tuple[float, float]
"""When, and how much."""


@dataclass
class _Seed:
    """What is known of one search: quantity -> epoch -> point."""

    status: JobStatus = "waiting"
    curves: dict[str, dict[int, Point]] = field(default_factory=dict)


class SearchMeans:
    """The searches of a sweep, by group and arm.

    Args:
        graph: The jobs.
    """

    def __init__(self, graph: JobGraph) -> None:
        self._seeds: dict[tuple[str, str], dict[str, _Seed]] = {}
        for job in graph.jobs():
            if job.kind == "search":
                self._seeds.setdefault((job.group, job.name), {})[job.key] = _Seed()

    @property
    def arms(self) -> dict[str, list[str]]:
        """Arms by group, in the sweep's order."""
        found: dict[str, list[str]] = {}
        for group, arm in self._seeds:
            found.setdefault(group, []).append(arm)
        return found

    def take(self, job: Job, epochs: Sequence[Epoch], status: JobStatus) -> None:
        """Note how far a search has come; jobs of other kinds are passed over."""
        if job.kind != "search":
            return
        curves: dict[str, dict[int, Point]] = {name: {} for name in QUANTITIES}
        for epoch in epochs:
            for name, curve in curves.items():
                value = number(epoch.values.get(name))
                if value is not None:
                    curve[epoch.number] = (epoch.at, value)
        self._seeds[job.group, job.name][job.key] = _Seed(status, curves)

    def records(self) -> dict[str, list[Record]]:
        """Mean, least and largest value over seeds by arm, in order of time."""
        found: dict[str, list[Record]] = {}
        for (group, arm), seeds in self._seeds.items():
            of_arm = found.setdefault(arm, [])
            for name in QUANTITIES:
                of_arm += _curve(mean_tag(group, name), _counted(seeds, name))
        for of_arm in found.values():
            of_arm.sort(key=lambda one: (one.at, one.tag, one.step))
        return found


def mean_tag(group: str, quantity: str) -> str:
    """Tag of a mean over seeds; ``/low`` and ``/high`` follow it for the extremes."""
    return f"means/{group}/{quantity}"


def layout_record(arms: Mapping[str, Sequence[str]], at: float) -> Record:
    """The custom scalars dashboard: per group the arms in one chart, then every run.

    Args:
        arms: By group.
        at: When the sweep began.
    """
    content = layout.Layout()
    for place, (group, names) in enumerate(arms.items()):
        category = content.category.add(
            title=f"{group}: {' against '.join(names)}, mean over seeds, least to largest",
            closed=place > 0 and len(arms) > MOST_OPEN,
        )
        # TensorBoard 2.21 shows charts of this kind from last to first.
        for quantity, title in reversed(list(QUANTITIES.items())):
            tag = mean_tag(group, quantity)
            chart = category.chart.add(title=title)
            chart.margin.series.add(value=tag, lower=f"{tag}/low", upper=f"{tag}/high")
    title = "single searches (choose them at the left)"
    category = content.category.add(title=title, closed=True)
    for quantity, title in QUANTITIES.items():
        category.chart.add(title=title).multiline.tag.append(f"^{TAGS[quantity]}$")
    plain = content.SerializeToString(deterministic=True)
    return Record(
        custom_scalar.CONFIG_SUMMARY_TAG, 0, at, plain.hex(), lambda: layout_value(content)
    )


def _counted(seeds: Mapping[str, _Seed], quantity: str) -> list[Mapping[int, Point]]:
    done = [seed for seed in seeds.values() if seed.status == "done"]
    running = [seed for seed in seeds.values() if seed.status != "failed" and seed.curves]
    return [seed.curves[quantity] for seed in done or running]


def _curve(tag: str, curves: Sequence[Mapping[int, Point]]) -> list[Record]:
    shared = set.intersection(*(set(curve) for curve in curves)) if curves else set()
    found = []
    for epoch in sorted(shared):
        values = [curve[epoch][1] for curve in curves]
        at = max(curve[epoch][0] for curve in curves)
        found += [
            scalar(tag, epoch, at, sum(values) / len(values)),
            scalar(f"{tag}/low", epoch, at, min(values)),
            scalar(f"{tag}/high", epoch, at, max(values)),
        ]
    return found
