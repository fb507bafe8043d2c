"""What jobs of a run take, measured on a few batches here, and how many a GPU then holds.

::

    probes, failed = measured_kinds(run, plan_jobs(run))
    probes["search", ""].epoch_seconds
    run = fitted_to_gpus(run, plan_jobs(run))           # where sweep.resources is measured
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import typer

from distributed_iac.errors import RunError, StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from distributed_iac.config.run import RunConfig
    from distributed_iac.jobs.graph import JobGraph
    from distributed_iac.jobs.job import Job, JobKind
    from distributed_iac.run.probe import Probe

    Probes = Mapping[tuple[JobKind, str], Probe]
    """What was measured, by kind of job and the variant that it is named after."""

GIGABYTE = 1e9


def measured_kinds(
    config: RunConfig, graph: JobGraph
) -> tuple[Probes, dict[tuple[JobKind, str], RunError]]:
    """A measurement for each kind that trains, in each variant, and why some could not be made.

    Both are empty while there is no store.
    """
    from distributed_iac.jobs.settings import view_for
    from distributed_iac.run.probe import ProbedKind, probe

    first = config.data[0].name
    planned = {(job.kind, job.variant): job for job in graph.jobs() if job.dataset == first}
    found: dict[tuple[JobKind, str], Probe] = {}
    failed: dict[tuple[JobKind, str], RunError] = {}
    kinds: tuple[ProbedKind, ...] = get_args(ProbedKind)
    for kind, variant in [(one, v) for one in kinds for k, v in planned if k == one]:
        typer.echo(f"measuring a few batches: {named(kind, variant)}", err=True)
        try:
            found[kind, variant] = probe(view_for(config, planned[kind, variant]), kind)
        except RunError as error:
            failed[kind, variant] = error
        except StoreError as error:
            typer.echo(f"memory and time are unknown: {error}", err=True)
            return {}, {}
    return found, failed


def fitted_to_gpus(config: RunConfig, graph: JobGraph) -> RunConfig:
    """The run with as many jobs a GPU as fit, where ``sweep.resources`` is ``measured``; said."""
    if not config.sweep.resources.measured:
        return config
    import torch

    probes = measured_kinds(config, graph)[0] if torch.cuda.is_available() else {}
    config, said = fitted(config, graph, probes)
    for sentence in said:
        typer.echo(sentence, err=True)
    return config


def fitted(config: RunConfig, graph: JobGraph, probes: Probes) -> tuple[RunConfig, tuple[str, ...]]:
    """The run with as many jobs a GPU as fit by what was measured, and what to say of it."""
    given = config.sweep.resources
    if not given.measured:
        return config, ()
    peaks = _gpu_peaks(config, graph, probes)
    if not peaks:
        return config, (
            "sweep.resources: measured found no GPU memory to divide, as without a GPU or before "
            "the store is prepared: a job a GPU, or a core where there is none",
        )
    import torch

    from distributed_iac.tune.measured import jobs_a_gpu, measured_resources

    places = range(torch.cuda.device_count())
    there = min(torch.cuda.get_device_properties(place).total_memory for place in places)
    sweep = config.sweep.model_copy(update={"resources": measured_resources(given, peaks, there)})
    said = ", ".join(f"{jobs_a_gpu(peak, there)} {kind}" for kind, peak in peaks.items())
    sentence = f"sweep.resources: measured puts on a GPU of {there / GIGABYTE:.0f} GB: {said}"
    return config.model_copy(update={"sweep": sweep}), (sentence,)


def _gpu_peaks(config: RunConfig, graph: JobGraph, probes: Probes) -> dict[JobKind, int]:
    """Bytes of a GPU that jobs of each measured kind take at the most, each with its own batch."""
    from distributed_iac.jobs.settings import view_for

    peaks: dict[JobKind, int] = {}
    for job in graph.jobs():
        one = probe_for(job, probes)
        if one is not None and one.gpu_bytes:
            batch = view_for(config, job).batches.batch_size
            peaks[job.kind] = max(one.memory.forecast(batch), peaks.get(job.kind, 0))
    return peaks


def named(kind: str, variant: str) -> str:
    """A kind of job in its variant."""
    return f"{kind} @{variant}" if variant else kind


def probe_for(job: Job, probes: Probes) -> Probe | None:
    """What was measured of a job's kind: in its variant, else in one that may share it."""
    of_kind = {variant: one for (kind, variant), one in probes.items() if kind == job.kind}
    for variant in (job.variant, *job.variants, ""):
        if variant in of_kind:
            return of_kind[variant]
    return next(iter(of_kind.values()), None)
