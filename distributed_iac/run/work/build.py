"""From a job's name to its work.

::

    work = build_work(config, job, artifacts)
    work.stage, work.stops(report), work.finish(folder, rows)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from distributed_iac.config.comparison import ADAPTED, skip_module_named
from distributed_iac.config.run import RunConfig
from distributed_iac.errors import RunError
from distributed_iac.genotype import Genotype
from distributed_iac.jobs.job import Job
from distributed_iac.jobs.plan import is_rehearsal, plan_jobs
from distributed_iac.jobs.random_cells import random_cell
from distributed_iac.jobs.settings import view_for
from distributed_iac.nets.build import rearrange
from distributed_iac.nets.contract import Backbone
from distributed_iac.nets.patch_fit import require_networks
from distributed_iac.nets.trained import card_of_store
from distributed_iac.run.artifacts import FILES, Artifacts
from distributed_iac.run.cells import selected
from distributed_iac.run.digest import Digests
from distributed_iac.run.result import read_result
from distributed_iac.run.work.contract import WEIGHTS, Work
from distributed_iac.run.work.evaluate import ScoringWork
from distributed_iac.run.work.prepare import PrepareWork
from distributed_iac.run.work.search import SearchWork
from distributed_iac.run.work.train import NothingWork, TestPatients, TrainingWork
from distributed_iac.selection.best_of import best_of
from distributed_iac.selection.selection import Selection
from distributed_iac.training.doubts import require_other_images
from distributed_iac.training.group import Group
from distributed_iac.training.outputs import read_weights
from distributed_iac.training.rates import RatesStage
from distributed_iac.training.retrain import UNFROZEN
from distributed_iac.training.stage import Scalar
from distributed_iac.training.supervised import SupervisedStage


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


@dataclass(frozen=True)
class Retrained:
    """A finished retraining.

    Args:
        folder: Where its files lie.
        result: Its ``result.json``.
    """

    folder: Path
    result: Mapping[str, Any]

    @property
    def facts(self) -> dict[str, Scalar]:
        """What is to be known about whatever is chosen for being this one."""
        told = ("genotype_id", "genotype", "trained_parameters", "rate")
        return {"chosen": self.result["key"]} | {name: self.result.get(name) for name in told}


class _Builder:
    def __init__(self, config: RunConfig, job: Job, artifacts: Artifacts) -> None:
        self._whole, self._job, self._artifacts = config, job, artifacts
        self._config = view_for(config, job)
        self._graph = plan_jobs(config)
        self._digests = Digests(config, self._graph)
        (self._dataset,) = [one for one in self._config.all_data if one.name == job.dataset]

    def build(self) -> Work:
        job = self._job
        if job.kind == "prepare":
            return PrepareWork(
                self._dataset,
                self._config.store_folder(self._dataset),
                lambda recipe: require_networks(
                    self._whole, self._dataset, recipe.patch, recipe.spacing
                ),
            )
        group = self._group()
        match job.kind:
            case "pretrain":
                return TrainingWork(group, job, group.pretrain_stage(), "unseen")
            case "baseline":
                return TrainingWork(group, job, group.baseline_stage(_seed(job)), "scored")
            case "evaluate":
                return self._evaluate(group)
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

    def _evaluate(self, group: Group) -> Work:
        """Score the plain network, or the best of several retrained ones.

        On a data set of its past, this one or what became of it.
        """
        chosen = self._chosen()
        if self._dataset in self._config.data:
            if chosen is None:
                return ScoringWork(group, self._job, self._trained(group))
            best = self._retrained(group, group.backbone(), chosen)
            return ScoringWork(group, self._job, best, chosen.facts)
        require_other_images(self._config)  # both are prepared now
        (worked_on,) = self._config.data
        own = Group.open(self._config, worked_on, group.settings)
        backbone = own.backbone()
        network: nn.Module = backbone
        if chosen is not None:
            if WEIGHTS not in chosen.result[FILES]:
                return NothingWork(str(chosen.result["stop_reason"]))
            network = self._retrained(own, backbone, chosen)
        cards = [card_of_store(one.store.fingerprint) for one in (own, group)]
        rearrange(backbone, group.settings, *cards)
        return ScoringWork(group, self._job, network)

    def _chosen(self) -> Retrained | None:
        """Of the retrained networks that the job needs the best on val; None if it needs none."""
        needed = [Retrained(one, read_result(one)) for one in self._needed("retrain")]
        return needed[best_of([one.result["val_dice"] for one in needed])] if needed else None

    def _retrained(self, group: Group, backbone: Backbone, model: Retrained) -> nn.Module:
        network = self._implanted(group, backbone, model.result)
        network.load_state_dict(dict(read_weights(model.folder / WEIGHTS)))
        return network

    def _implanted(self, group: Group, backbone: Backbone, result: Mapping[str, Any]) -> nn.Module:
        """The network of a finished retraining, still without its weights."""
        module = skip_module_named(self._job.name)
        if module is not None:
            return group.skip_network(backbone, module, _seed(self._job))
        if result.get("genotype") is None:
            return backbone
        return group.implanted(backbone, Genotype.from_json(result["genotype"]), _seed(self._job))

    def _retrain(self, group: Group) -> Work:
        job = self._job
        if job.arm is None:
            return self._control(group, job.name)
        selection = selected(self._needed("search"), self._config.selection, seed=job.seed)
        slot = job.slot or 1
        if job.slot is not None and slot > len(selection.picks):
            return NothingWork(_why_fewer(selection, slot))
        return self._implant(group, selection.cell(slot))

    def _control(self, group: Group, control: str) -> Work:
        seed = _seed(self._job)
        cell = random_cell(control, seed)
        if cell is not None:
            trained = self._trained(group)
            return self._implant(group, group.random_genotype(trained, cell.seed, cell.number))
        if control == "given":
            assert self._config.given is not None, "the settings see to that"
            return self._implant(group, self._config.given.genotype)
        module = skip_module_named(control)
        if module is not None:
            return self._train(
                group, lambda rate: group.skip_stage(self._trained(group), module, seed, rate)
            )
        unfrozen = UNFROZEN[self._config.retrain.unfreeze]  # what plain_extra trains
        part = next((one for one in ADAPTED if one == control), unfrozen)
        assert part is not None, "a run that trains cells alone has no plain_extra"
        return self._train(
            group, lambda rate: group.adapt_stage(self._trained(group), part, seed, rate)
        )

    def _implant(self, group: Group, genotype: Genotype) -> TrainingWork:
        facts = {"genotype_id": genotype.id, "genotype": genotype.to_json()}
        seed = _seed(self._job)
        return self._train(
            group,
            lambda rate: group.retrain_stage(self._trained(group), genotype, seed, rate),
            facts,
        )

    def _train(
        self,
        group: Group,
        build: Callable[[float], SupervisedStage],
        facts: Mapping[str, Scalar] | None = None,
    ) -> TrainingWork:
        """A training with every learning rate that is to be tried, from the start each time."""
        settings = self._config.retrain
        stage: SupervisedStage | RatesStage
        if settings.rates:
            stage = RatesStage(build, settings.rates)
        else:
            implanted_alone = settings.unfreeze == "cells" and self._job.name not in ADAPTED
            stage = build(1.0 if implanted_alone else settings.backbone_rate)
        test: TestPatients = "unseen" if is_rehearsal(self._job) else "scored"
        return TrainingWork(group, self._job, stage, test, facts)

    def _needed(self, kind: str) -> list[Path]:
        """Results of the needed jobs of a kind."""
        needs = [need for need in self._job.needs if self._graph[need].kind == kind]
        without = (WEIGHTS,) if kind == "search" else ()
        return [self._fetch(need, without) for need in needs]

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
