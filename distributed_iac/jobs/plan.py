"""From a configuration to the jobs that it asks for.

::

    graph = plan_jobs(config)
    [job.key for job in graph.jobs()]

For every data set: prepare its store; for every backbone pre-train it (unless its weights were
given), search with every arm and seed, retrain the chosen cells and the controls with every
seed; train every baseline from scratch with every seed.

What builds upon a network that nnU-Net trained waits for ``evaluate/plain``, which fails where
the network does not score as it did in nnU-Net.

The control ``random_search`` retrains several random cells with every seed, of which the first
is the control ``random``, and evaluates the best on val. A run that asks about the headroom has
random cells alone, each with every seed.

Where ``also_scored`` names data sets, every model is scored there too, when it is done.

With ``variants`` all of that is planned for each of them, and what is the same in several of them,
settings and all that it builds upon, is one job (:mod:`distributed_iac.jobs.variants`).

Choosing cells is no job: a retraining needs the searches that its cell is chosen from, which
under the rule ``each`` is the one of its own seed and otherwise all of its arm in the group.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from distributed_iac.config.backbone import BackboneSettings, NnUnetSettings
from distributed_iac.config.run import RunConfig
from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.job import Job
from distributed_iac.jobs.random_cells import (
    RandomCell,
    crossed_cells,
    crossed_seeds,
    own_cells,
    random_cell,
)
from distributed_iac.jobs.settings import settings_of
from distributed_iac.jobs.variants import merged


def plan_jobs(config: RunConfig) -> JobGraph:
    """List all jobs of a run.

    A prepare job is always there: it takes no time where the store is finished.
    """
    asked = config if config.question == "comparison" else config.headroom_run()
    jobs = tuple(_of_one_variant(asked))
    if not asked.variants:
        return JobGraph(jobs)
    planned = {one: _with_settings(asked, jobs, one) for one in asked.variant_names}
    return JobGraph(merged(planned))


def model_names(config: RunConfig, arm: str) -> tuple[str, ...]:
    """Names of the models that an arm's cells become: the arm, or ``<arm>.<slot>``."""
    slots = config.selection.slots(len(config.seeds))
    if config.selection.rule in ("top_k", "pareto"):
        return tuple(f"{arm}.{slot}" for slot in range(1, slots + 1))
    return (arm,)


def _with_settings(
    config: RunConfig, jobs: Sequence[Job], variant: str
) -> list[tuple[Job, dict[str, Any]]]:
    views = {name: config.view(name, variant) for name in {job.dataset for job in jobs}}
    return [(job, settings_of(views[job.dataset], job)) for job in jobs]


def _of_one_variant(config: RunConfig) -> Iterator[Job]:
    for dataset in config.data:
        prepare = Job("prepare", dataset.name)
        yield prepare
        for backbone in config.backbones:
            yield from _group(config, prepare, backbone)
        for baseline in config.baselines:
            for seed in config.seeds:
                needs = (prepare.key,)
                yield Job("baseline", dataset.name, baseline.key, baseline.key, seed, needs)
    yield from _also_scored(config)


def _also_scored(config: RunConfig) -> Iterator[Job]:
    """What every network and model of the only data set is worth on other data sets."""
    for other in config.also_scored:
        prepare = Job("prepare", other.name)
        yield prepare
        for backbone in config.backbones:
            (dataset,) = config.data
            start = Job("prepare", dataset.name)
            for job in _group(config, start, backbone):
                # The plain network has learned nothing of the new data set, but is arranged for it.
                needs = (prepare.key, *(job.needs if job.kind == "evaluate" else (job.key,)))
                if job.kind in ("evaluate", "retrain") and not is_rehearsal(job):
                    yield Job("evaluate", other.name, backbone.key, job.name, job.seed, needs)


def _group(config: RunConfig, prepare: Job, backbone: BackboneSettings) -> Iterator[Job]:
    names = (prepare.dataset, backbone.key)
    start = prepare
    if not backbone.is_trained:
        start = Job("pretrain", *names, needs=(prepare.key,))
        yield start
    needs: tuple[str, ...] = (start.key,)
    if "plain" in config.controls or isinstance(backbone, NnUnetSettings):
        plain = Job("evaluate", *names, "plain", needs=needs)
        yield plain
        if isinstance(backbone, NnUnetSettings):
            needs = (*needs, plain.key)
    if config.question == "headroom":
        yield from _crossed(config, names, needs)
        return
    for arm in config.arms:
        searches = [Job("search", *names, arm, seed, needs) for seed in config.seeds]
        yield from searches
        yield from _retrainings(config, arm, searches)
    for control in config.controls:
        if control not in ("plain", "random_search"):
            for seed in config.seeds:
                yield Job("retrain", *names, control, seed, needs)
    if "random_search" in config.controls:
        for seed in config.seeds:
            yield from _random_search(config, names, seed, needs)


def _random_search(
    config: RunConfig, names: tuple[str, str], seed: int, needs: tuple[str, ...]
) -> Iterator[Job]:
    """Retrain a seed's random cells, and score the best on val; the first is ``random``'s."""
    cells = [
        Job("retrain", *names, cell.job_name(seed), seed, needs)
        for cell in own_cells(seed, config.comparison.random_cells)
    ]
    yield from cells[1:] if "random" in config.controls else cells
    yield Job("evaluate", *names, "random_search", seed, tuple(job.key for job in cells))


def headroom_cells(config: RunConfig) -> tuple[tuple[RandomCell, ...], tuple[int, ...]]:
    """The random cells of a headroom run, and the seeds that each is retrained with."""
    seeds = crossed_seeds(config.seeds, config.headroom.seeds)
    return crossed_cells(seeds, config.headroom.cells), seeds


def _crossed(config: RunConfig, names: tuple[str, str], needs: tuple[str, ...]) -> Iterator[Job]:
    cells, seeds = headroom_cells(config)
    for seed in seeds:
        for cell in cells:
            yield Job("retrain", *names, cell.job_name(seed), seed, needs)


def is_rehearsal(job: Job) -> bool:
    """Whether a retraining is there to be chosen from: the test patients are not for it."""
    if job.kind != "retrain" or job.arm is not None or job.seed is None:
        return False
    cell = random_cell(job.name, job.seed)
    return cell is not None and job.name != "random"


def _retrainings(config: RunConfig, arm: str, searches: list[Job]) -> Iterator[Job]:
    """Every chosen cell with every seed; under ``each`` every seed with its own cell."""
    for search in searches:
        chosen_from = [search] if config.selection.rule == "each" else searches
        needs = (*search.needs, *(one.key for one in chosen_from))
        for name in model_names(config, arm):
            yield Job("retrain", search.dataset, search.backbone, name, search.seed, needs)
