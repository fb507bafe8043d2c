"""From a configuration to the jobs that it asks for.

::

    graph = plan_jobs(config)
    [job.key for job in graph.jobs()]

For every data set: prepare its store; for every backbone pre-train it (unless its weights were
given), search with every arm and seed, retrain the chosen cells and the controls with every
seed; train every baseline from scratch with every seed.

What builds upon a network that nnU-Net trained waits for ``evaluate/plain``, which fails where
the network does not score as it did in nnU-Net.

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
from distributed_iac.jobs.settings import settings_of
from distributed_iac.jobs.variants import merged


def plan_jobs(config: RunConfig) -> JobGraph:
    """List all jobs of a run.

    A prepare job is always there: it takes no time where the store is finished.
    """
    jobs = tuple(_of_one_variant(config))
    if not config.variants:
        return JobGraph(jobs)
    planned = {one: _with_settings(config, jobs, one) for one in config.variant_names}
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
                if job.kind in ("evaluate", "retrain"):
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
    for arm in config.arms:
        searches = [Job("search", *names, arm, seed, needs) for seed in config.seeds]
        yield from searches
        yield from _retrainings(config, arm, searches)
    for control in config.controls:
        if control != "plain":
            for seed in config.seeds:
                yield Job("retrain", *names, control, seed, needs)


def _retrainings(config: RunConfig, arm: str, searches: list[Job]) -> Iterator[Job]:
    """Every chosen cell with every seed; under ``each`` every seed with its own cell."""
    for search in searches:
        chosen_from = [search] if config.selection.rule == "each" else searches
        needs = (*search.needs, *(one.key for one in chosen_from))
        for name in model_names(config, arm):
            yield Job("retrain", search.dataset, search.backbone, name, search.seed, needs)
