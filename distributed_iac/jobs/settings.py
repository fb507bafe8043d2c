"""What a job is carried out with, and which of it decides on its result.

::

    view = view_for(config, job)            # the run, as it is for the job's data set and variant
    planned_epochs(view)["search"], epochs_by_job(config, graph)[job.key]
    settings_of(view, job)                  # {"seed": 0, "batches": {...}, "search": {...}, ...}
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from distributed_iac.config.base import Settings, to_identity
from distributed_iac.config.comparison import ADAPTED
from distributed_iac.config.overrides import VARIED
from distributed_iac.config.run import RunConfig
from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.job import Job, JobKind


def view_for(config: RunConfig, job: Job) -> RunConfig:
    """The run as it is for a job: the only settings that it is carried out with.

    Those of a job that several variants share are the same in all of them, as far as it asks.
    """
    return config.view(job.dataset, job.variant or config.variant_names[0])


def retrained_alike(config: RunConfig, other: RunConfig, job: Job) -> bool:
    """Whether a retraining of one run is done with the same settings in the other."""
    one, same = view_for(config, job), view_for(other, replace(job, variants=()))
    names = (name for name in VARIED if name != "search")
    return job.kind == "retrain" and all(getattr(one, n) == getattr(same, n) for n in names)


def planned_epochs(config: RunConfig) -> dict[JobKind, int]:
    """Epochs of a job of each kind at the most.

    Args:
        config: The run; of one with variants, or with settings of single data sets, a view.
    """
    return {
        "prepare": 1,
        "pretrain": config.pretrain.epochs,
        "search": config.search.epochs,
        "retrain": config.retrain.all_epochs,
        "baseline": config.pretrain.epochs + config.retrain.epochs,
        "evaluate": 1,
    }


def epochs_by_job(config: RunConfig, graph: JobGraph) -> dict[str, int]:
    """Epochs of every job at the most, by key: those of its data set and variant."""
    views: dict[tuple[str, str], dict[JobKind, int]] = {}
    found: dict[str, int] = {}
    for job in graph.jobs():
        place = (job.dataset, job.variant)
        if place not in views:
            views[place] = planned_epochs(view_for(config, job))
        found[job.key] = views[place][job.kind]
    return found


def settings_of(config: RunConfig, job: Job) -> dict[str, Any]:
    """The settings that a job's result depends on beside its store and its backbone's, plain."""
    batches, shared = identity_without(config.batches), config.shared_seed
    evaluation = identity_without(config.evaluation, "batch_size")
    match job.kind:
        case "prepare":
            return {}
        case "pretrain":
            return {
                "seed": shared,
                "batches": batches,
                "pretrain": identity_without(config.pretrain),
            }
        case "evaluate":
            return {"seed": shared, "evaluation": evaluation}
        case "baseline":
            return {
                "seed": shared,
                "batches": batches,
                "evaluation": evaluation,
                "pretrain": identity_without(config.pretrain, "parts"),
                "more_epochs": config.retrain.epochs,
            }
        case "search":
            return {
                "seed": shared,
                "batches": batches,
                "cell": identity_without(config.cell),
                "search": identity_without(config.search),
                "pruning": identity_without(config.arms[job.name]),
                "stopping": _stopping(config, job.name),
            }
        case "retrain":
            return {
                "seed": shared,
                "batches": batches,
                "evaluation": evaluation,
                "retrain": identity_without(config.retrain),
                **_cells(config, job),
            }


def _cells(config: RunConfig, job: Job) -> dict[str, Any]:
    """What decides on the cells of a retrained network, if it has any."""
    if job.arm is None:
        # Whether `none` was searched over says nothing about a cell that was drawn.
        without = job.name in ("plain_extra", *ADAPTED)
        cell = {} if without else {"cell": identity_without(config.cell, "none")}
        if job.name == "given" and config.given is not None:
            return {**cell, "given": config.given.genotype.id}
        return cell
    rule = config.selection.rule
    selection = {"rule": rule} if rule == "each" else identity_without(config.selection)
    return {"cell": identity_without(config.cell), "selection": selection}


def _stopping(config: RunConfig, arm: str) -> dict[str, Any]:
    """What a scheduler may stop a search for; of a protected arm only its divergence."""
    if arm in config.scheduler.protect:
        return {"divergence": identity_without(config.scheduler.divergence)}
    return identity_without(config.scheduler, "protect")


def identity_without(settings: Settings, *without: str) -> dict[str, Any]:
    """Plain values that identify a branch, some of them left out."""
    return {name: value for name, value in to_identity(settings).items() if name not in without}
