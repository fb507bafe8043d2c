"""All that a run folder and its kept results say, as values: what every page and table is made of.

::

    record = read_run(Path("runs/acdc"))
    record.comparison.speed
    record.patients                     # a row a model, case and target
    [found.job.key for found in record.searches]

At any time: before the first job has ended, while the sweep runs, after a crash. Nothing that a
report has written is read, and no clock is asked, so the same run gives the same record.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from distributed_iac.comparison.compare import Comparison, compare
from distributed_iac.comparison.likeness import SearchEvidence
from distributed_iac.comparison.rows import JobRow, ScoreRow
from distributed_iac.config.run import RunConfig
from distributed_iac.errors import RunError
from distributed_iac.evaluation.patients_table import merge_patients, read_patients
from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.job import Job, JobKind
from distributed_iac.jobs.settings import epochs_by_job
from distributed_iac.report.headroom_files import StoredHeadroom, stored_headroom
from distributed_iac.report.timeline import Span, spans_of
from distributed_iac.run.cells import SearchResult, candidate_of, read_search
from distributed_iac.run.collect import RunTables, collect_run
from distributed_iac.run.result import read_result
from distributed_iac.run.run_folder import stored_config
from distributed_iac.run.sweep_folder import SweepFolder
from distributed_iac.run.work.contract import PATIENTS
from distributed_iac.selection.select import select
from distributed_iac.selection.selection import Selection
from distributed_iac.transient import patiently

ENVIRONMENT = "environment.json"


@dataclass(frozen=True)
class FoundCell:
    """A finished search and what it found.

    Args:
        job: The search.
        result: Its cell, history and epochs.
        scalars: Its ``result.json``.
    """

    job: Job
    result: SearchResult
    scalars: Mapping[str, Any]


@dataclass(frozen=True)
class RunRecord:
    """A run as far as it has come.

    Args:
        config: What was asked for.
        environment: Versions, machine and command line of the last start; empty if not written.
        graph: All jobs.
        tables: Rows of jobs and epochs, folders of kept results.
        patients: The table of scored patients.
        searches: Finished searches, in the graph's order.
        selections: Which cells were chosen, for every group and arm with a finished search.
        spans: When which job ran.
        headroom: What the headroom run of the same settings said, by group; empty without one.
    """

    config: RunConfig
    environment: Mapping[str, Any]
    graph: JobGraph
    tables: RunTables
    patients: pa.Table
    searches: tuple[FoundCell, ...]
    selections: tuple[Selection, ...]
    spans: tuple[Span, ...]
    headroom: Mapping[str, StoredHeadroom]

    @property
    def job_rows(self) -> list[dict[str, Any]]:
        """The jobs table as mappings."""
        rows: list[dict[str, Any]] = self.tables.jobs.to_pylist()
        return rows

    @cached_property
    def patient_rows(self) -> list[ScoreRow]:
        """The patients table as values."""
        variants = {job.key: job.variants for job in self.graph.jobs()}
        return [
            ScoreRow.from_mapping(row, variants.get(row["model"], ()))
            for row in self.patients.to_pylist()
        ]

    @cached_property
    def typed_job_rows(self) -> list[JobRow]:
        """The jobs table as values."""
        epochs = epochs_by_job(self.config, self.graph)
        return [
            JobRow.from_mapping(row, self.graph[row["key"]].variants, epochs[row["key"]])
            for row in self.job_rows
        ]

    @property
    def evidence(self) -> list[SearchEvidence]:
        """What the finished searches left behind, for comparing them."""
        return [
            SearchEvidence(
                one.job.group, one.job.name, one.job.seed, one.result.genotype, one.result.history
            )
            for one in self.searches
            if one.job.seed is not None
        ]

    @cached_property
    def comparison(self) -> Comparison:
        """Candidate against reference, controls and baselines."""
        config = self.config
        own = {dataset.name for dataset in config.data}
        return compare(
            self.typed_job_rows,
            [row for row in self.patient_rows if row.dataset in own],
            config.comparison,
            planned_epochs=config.search.epochs,
            controls=(*config.controls, *(baseline.key for baseline in config.baselines)),
            evidence=self.evidence,
            variants=config.variant_names,
            cells={
                row["key"]: row["genotype_id"]
                for row in self.job_rows
                if row["kind"] == "retrain" and row["genotype_id"]
            },
        )

    def results(self, *kinds: JobKind) -> Iterator[tuple[Job, dict[str, Any]]]:
        """Finished jobs of some kinds with their ``result.json``, in the graph's order."""
        for job in self.graph.jobs():
            if job.kind in kinds and job.key in self.tables.folders:
                yield job, read_result(self.tables.folders[job.key])

    @property
    def told(self) -> tuple[str, ...]:
        """Warnings that finished jobs carry about their data set or trained network, each once."""
        sentences = (
            f"{result['dataset']}: {sentence}"
            for _, result in self.results("prepare", "evaluate", "search")
            for sentence in str(result.get("warnings") or "").splitlines()
        )
        return tuple(dict.fromkeys(sentences))

    @property
    def mirrored(self) -> dict[str, str]:
        """Along what slices are mirrored in predictions: each finished group where they are."""
        found = {job.group: result.get("mirror") for job, result in self.results("evaluate")}
        return {group: axes for group, axes in found.items() if axes}

    @property
    def groups(self) -> tuple[str, ...]:
        """``dataset/backbone`` of all searches, in the graph's order."""
        return tuple(dict.fromkeys(j.group for j in self.graph.jobs() if j.kind == "search"))


def read_run(folder: Path) -> RunRecord:
    """Read a run folder and the kept results of its jobs.

    Raises:
        RunError: It is not the folder of a sweep, or of one that this version cannot read.
        CheckpointError: A kept result is damaged.
    """
    run = SweepFolder(folder)
    graph = patiently(run.plan).graph
    config = patiently(lambda: stored_config(folder))
    tables = collect_run(folder)
    searches = tuple(_searches(graph, tables.folders))
    return RunRecord(
        config=config,
        environment=_environment(folder / ENVIRONMENT),
        graph=graph,
        tables=tables,
        patients=_patients(graph, tables.folders),
        searches=searches,
        selections=tuple(_selections(config, searches)),
        spans=spans_of(tables.replay),
        headroom=stored_headroom(folder, config, tables.replay),
    )


def _environment(path: Path) -> dict[str, Any]:
    """Versions and machine of the last start; nothing if it was not kept."""
    if not path.exists():
        return {}
    try:
        content: dict[str, Any] = json.loads(patiently(path.read_bytes))
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(
            "the environment of a run is JSON",
            came=str(error),
            remedy="delete the file: the report does without it",
            where=path,
        ) from error
    return content


def _patients(graph: JobGraph, folders: Mapping[str, Path]) -> pa.Table:
    """All scores, by the keys that the jobs have in this run."""
    parts = []
    for key, folder in folders.items():
        if (folder / PATIENTS).exists():
            part = read_patients(folder / PATIENTS)
            if graph[key].variants:  # a kept result knows nothing of them
                part = part.set_column(
                    part.schema.get_field_index("model"),
                    part.schema.field("model"),
                    pa.array([key] * len(part), pa.string()),
                )
            parts.append(part)
    return merge_patients(parts)


def _searches(graph: JobGraph, folders: Mapping[str, Path]) -> Iterable[FoundCell]:
    for job in graph.jobs():
        if job.kind == "search" and job.key in folders:
            folder = folders[job.key]
            yield FoundCell(job, read_search(folder), read_result(folder))


def _selections(config: RunConfig, searches: Sequence[FoundCell]) -> Iterable[Selection]:
    """The same calls that the retrainings made: under ``each`` one for every seed."""
    places = dict.fromkeys((found.job.group, found.job.name) for found in searches)
    for group, arm in places:
        own = [one for one in searches if (one.job.group, one.job.name) == (group, arm)]
        candidates = [replace(candidate_of(one.result.folder), key=one.job.key) for one in own]
        seeds = [one.job.seed for one in own] if config.selection.rule == "each" else [None]
        for seed in seeds:
            yield select(candidates, config.selection, seed=seed, planned=config.seeds)
