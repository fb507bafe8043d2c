"""From a job's name to its work.

::

    work = build_work(config, job, artifacts)
    work.stage, work.stops(report), work.finish(folder, rows)
"""

from __future__ import annotations

from pathlib import Path

from distributed_iac.config.run import RunConfig
from distributed_iac.errors import RunError
from distributed_iac.genotype import Genotype
from distributed_iac.jobs.job import Job
from distributed_iac.jobs.plan import plan_jobs
from distributed_iac.nets.contract import Backbone
from distributed_iac.run.artifacts import Artifacts
from distributed_iac.run.cells import selected
from distributed_iac.run.digest import Digests
from distributed_iac.run.work.contract import WEIGHTS, Work
from distributed_iac.run.work.evaluate import PlainWork
from distributed_iac.run.work.prepare import PrepareWork
from distributed_iac.run.work.search import SearchWork
from distributed_iac.run.work.train import NothingWork, TrainingWork
from distributed_iac.selection.selection import Selection
from distributed_iac.training.group import Group
from distributed_iac.training.outputs import read_weights


def build_work(config: RunConfig, job: Job, artifacts: Artifacts) -> Work:
    """Open the data, read what the job needs, and build what it does.

    Args:
        config: The run that the job is of.
        job: One of its jobs; all that it needs is finished.
        artifacts: Where the results of finished jobs lie.

    Raises:
        RunError: A result that the job needs is not there.
        DataError: The store is missing or damaged.
        ConfigError: What the settings ask for cannot be built.
    """
    return _Builder(config, job, artifacts).build()


class _Builder:
    def __init__(self, config: RunConfig, job: Job, artifacts: Artifacts) -> None:
        self._config, self._job, self._artifacts = config, job, artifacts
        self._graph = plan_jobs(config)
        self._digests = Digests(config, self._graph)
        (self._dataset,) = [one for one in config.data if one.name == job.dataset]

    def build(self) -> Work:
        job = self._job
        if job.kind == "prepare":
            return PrepareWork(self._dataset, self._config.store_folder(self._dataset))
        group = self._group()
        match job.kind:
            case "pretrain":
                return TrainingWork(group, job, group.pretrain_stage(), "unseen")
            case "baseline":
                return TrainingWork(group, job, group.baseline_stage(_seed(job)), "scored")
            case "evaluate":
                return PlainWork(group, job, self._trained(group))
            case "search":
                stage = group.search_stage(self._trained(group), job.name, _seed(job))
                return SearchWork(group, job, stage)
            case "retrain":
                return self._retrain(group)

    def _group(self) -> Group:
        networks = (*self._config.backbones, *self._config.baselines)
        (settings,) = [one for one in networks if one.key == self._job.backbone]
        return Group.open(self._config, self._dataset, settings)

    def _trained(self, group: Group) -> Backbone:
        """The group's backbone with the weights that were given, or trained in this run."""
        if group.settings.is_trained:
            return group.backbone()
        (folder,) = self._needed("pretrain")
        return group.backbone(read_weights(folder / WEIGHTS))

    def _retrain(self, group: Group) -> Work:
        job, backbone = self._job, self._trained(group)
        if job.name == "plain_extra":
            return TrainingWork(group, job, group.extra_stage(backbone, _seed(job)), "scored")
        if job.arm is None:
            return self._implant(group, backbone, group.random_genotype(backbone, _seed(job)))
        selection = selected(self._needed("search"), self._config.selection, seed=job.seed)
        slot = job.slot or 1
        if job.slot is not None and slot > len(selection.picks):
            return NothingWork(_why_fewer(selection, slot))
        return self._implant(group, backbone, selection.cell(slot))

    def _implant(self, group: Group, backbone: Backbone, genotype: Genotype) -> TrainingWork:
        stage = group.retrain_stage(backbone, genotype, _seed(self._job))
        facts = {"genotype_id": genotype.id, "genotype": genotype.to_json()}
        return TrainingWork(group, self._job, stage, "scored", facts)

    def _needed(self, kind: str) -> list[Path]:
        """Results of the needed jobs of a kind."""
        needs = [need for need in self._job.needs if self._graph[need].kind == kind]
        return [self._fetch(need, () if kind == "pretrain" else (WEIGHTS,)) for need in needs]

    def _fetch(self, need: str, without: tuple[str, ...]) -> Path:
        folder = self._artifacts.fetch(self._digests[need], without)
        if folder is None:
            raise RunError(
                f"{self._job.key} needs the result of {need}",
                came=f"none in {self._artifacts.root}",
                remedy="run that job first, with the same settings; on several machines the "
                "artifacts must lie where all of them reach them",
                retriable=True,  # file systems of several machines show what is new after seconds
            )
        return folder


def _seed(job: Job) -> int:
    assert job.seed is not None, f"{job.key} has a seed"
    return job.seed


def _why_fewer(selection: Selection, slot: int) -> str:
    found = f"no cell in slot {slot}: the rule {selection.rule} picked {len(selection.picks)}"
    return "; ".join([found, *selection.warnings])
