"""The finished networks of a run, found among its results and exported.

::

    run = FinishedRun.open(Path("runs/acdc"))
    for model in run.models():
        print(model.job.key, model.val_dice, model.genotype_id)
    run.export(choose_model(run.models(), cell="b1946ac92492d234"), Path("models/acdc"))
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from distributed_iac.config.comparison import SkipModule, skip_module_named
from distributed_iac.config.load import load_config, load_resolved
from distributed_iac.config.run import RunConfig
from distributed_iac.data.store import Store
from distributed_iac.data.store.manifest import MANIFEST
from distributed_iac.deploy.cells import (
    NONE,
    CellFile,
    cell_path,
    require_untouched,
    split_weights,
    without_cells,
    write_cell_file,
)
from distributed_iac.deploy.model import load_model
from distributed_iac.deploy.model_folder import export_model
from distributed_iac.errors import ConfigError, RunError, did_you_mean
from distributed_iac.evaluation.patients_summary import summarise
from distributed_iac.evaluation.patients_table import read_patients
from distributed_iac.genotype import Genotype
from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.job import Job, JobKind
from distributed_iac.jobs.plan import plan_jobs
from distributed_iac.jobs.settings import view_for
from distributed_iac.nets.build import arrange
from distributed_iac.nets.card import ModelCard, Scalar
from distributed_iac.nets.expectation import agree
from distributed_iac.nets.trained import (
    card_of_store,
    known_by,
    names_of,
    require_same_settings,
    spare_outputs,
)
from distributed_iac.run.artifacts import FILES, Artifacts
from distributed_iac.run.digest import Digests
from distributed_iac.run.lost import LostResults, find_lost
from distributed_iac.run.replay import Replay
from distributed_iac.run.sweep_folder import SweepFolder
from distributed_iac.run.work.contract import PATIENTS, WEIGHTS
from distributed_iac.training.group import Group
from distributed_iac.training.outputs import read_weights
from distributed_iac.transient import patiently

CONFIG = "config.yaml"

NETWORKS: frozenset[JobKind] = frozenset(("pretrain", "retrain", "baseline", "evaluate"))
"""Kinds of jobs that end with a network to use; a search's supernet is none."""


@dataclass(frozen=True, eq=False)
class FinishedModel:
    """A network that a run has finished.

    Args:
        job: Which.
        result: Its ``result.json``.
    """

    job: Job
    result: Mapping[str, Any]

    @property
    def genotype(self) -> Genotype | None:
        """Its cells; None where it has none."""
        text = self.result.get("genotype")
        return None if text is None else Genotype.from_json(text)

    @property
    def genotype_id(self) -> str | None:
        """Id of its cells."""
        return self.result.get("genotype_id")

    @property
    def module(self) -> SkipModule | None:
        """What was put into its skips by hand, in the cells' place."""
        return skip_module_named(self.job.name)

    @property
    def val_dice(self) -> float:
        """Dice of the validation patients; NaN where none was measured."""
        value = self.result.get("val_dice")
        return math.nan if value is None else float(value)


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A run and where its results lie.

    Args:
        folder: Of the run; it need not be there.
        config: The run.
        graph: Its jobs.
        digests: Of its jobs.
        artifacts: Results.
    """

    folder: Path
    config: RunConfig
    graph: JobGraph
    digests: Digests
    artifacts: Artifacts

    @classmethod
    def open(cls, run: Path) -> FinishedRun:
        """Open a run folder, or the run that a configuration file describes.

        Raises:
            ConfigError: It is neither.
            RunError: It is the folder of a release that this one cannot read.
        """
        path = run / CONFIG if run.is_dir() else run
        if not path.is_file():
            raise ConfigError(
                f"a run is a folder with {CONFIG}, or a configuration file",
                came=f"no {CONFIG}" if run.is_dir() else "nothing of that name",
                remedy="give the folder that the run made, such as runs/NAME",
                where=run,
            )
        SweepFolder(run).require_readable()
        config = load_resolved(path) if run.is_dir() else load_config(path)
        graph = plan_jobs(config)
        # Beside the run folder, wherever the command is given.
        out = run.parent if run.is_dir() else config.out
        root = config.sweep.artifacts or out / "artifacts"
        folder = run if run.is_dir() else config.folder
        return cls(folder, config, graph, Digests(config, graph), Artifacts(root))

    def models(self) -> tuple[FinishedModel, ...]:
        """Every network that is finished, in the order of the run's jobs.

        Raises:
            StoreError: The store of a data set is not there.
            CheckpointError: What a result says of itself is damaged.
        """
        begun = self._begun()
        jobs = [job for job in self.graph.jobs() if job.kind in NETWORKS and job.dataset in begun]
        models = (self._model(job) for job in jobs)
        return tuple(one for one in models if one is not None and self._has_network(one))

    def lost(self) -> LostResults:
        """Finished networks, by the run's journal, whose results are no longer there.

        Raises:
            RunError: The journal, or the list of jobs, is damaged.
        """
        run = SweepFolder(self.folder)
        if not run.is_described():
            return LostResults((), str(self.artifacts.root))
        plan = patiently(run.plan)
        replay = Replay(plan.graph)
        replay.follow(run.journal)
        jobs = {key: one for key, one in replay.jobs.items() if one.job.kind in NETWORKS}
        return find_lost(plan, jobs)

    def export(self, model: FinishedModel, folder: Path) -> ModelCard:
        """Export one of them.

        Raises:
            ConfigError: The folder is in use.
            StoreError: The store of the data set is not there.
            RunError: A needed result is gone, or the folder cannot be written.
            CheckpointError: A file of a needed result is missing or altered.
        """
        group = self._group(model.job)
        return export_model(
            folder,
            backbone=group.settings,
            weights=self._weights(model, group),
            cell=group.config.cell,
            genotype=model.genotype,
            fingerprint=group.store.fingerprint,
            provenance=self._provenance(model),
            mirror=group.inference().mirror,
            spare_outputs=spare_outputs(group.settings, card_of_store(group.store.fingerprint)),
            module=model.module,
        )

    def add_cell(self, model: FinishedModel, folder: Path, name: str) -> None:
        """Add a finished cell to the exported network that it was trained in.

        Raises:
            ConfigError: The folder is no exported network, or not this cell's; the network was
                trained on; or the name is taken.
            StoreError: The store of the data set is not there.
            RunError: A needed result is gone.
            CheckpointError: A file of the folder or of a needed result is altered.
        """
        path = cell_path(folder, name)
        if model.genotype is None and model.module is None:
            raise ConfigError(
                "what is added to a network is a cell, or a module in the cells' place",
                came=f"{model.job.key}, which has none",
                remedy="name a retraining with one, or export to a folder of its own",
            )
        group = self._group(model.job)
        base = load_model(folder, cell=NONE, device="cpu")
        require_same_settings(base.card, group.settings, folder)
        store = card_of_store(group.store.fingerprint)
        known = known_by(base.card)
        agreed = agree(known, store, names_of(group.settings).between(known, store), folder)
        backbone = without_cells(base.network, folder)
        arrange(backbone, agreed, store.activation)
        own, cells = split_weights(self._weights(model, group))
        require_untouched(backbone, own, folder)
        card = replace(
            base.card,
            cell=group.config.cell,
            genotype=model.genotype,
            module=model.module,
            fingerprint=group.store.fingerprint,
            provenance=self._provenance(model),
            mirror=group.inference().mirror,
            spare_outputs=tuple(known.outputs[place] for place in agreed.spare),
        )
        write_cell_file(path, CellFile(card, base.card.weights_sha256, agreed, cells))
        try:
            load_model(folder, cell=name, device="cpu")
        except BaseException:
            path.unlink()  # whole and usable, or not there
            raise

    def _begun(self) -> set[str]:
        """Data sets that have a store, or of which the journal says that something is done.

        Those of ``also_scored`` are left out: networks are scored there again, not made.
        """
        every = {one.name: self.config.store_folder(one) for one in self.config.data}
        run = SweepFolder(self.folder)
        if not run.is_described():
            return set(every)
        replay = Replay(patiently(run.plan).graph)
        replay.follow(run.journal)
        done = {one.job.dataset for one in replay.jobs.values() if one.status == "done"}
        return {
            name for name, store in every.items() if name in done or (store / MANIFEST).exists()
        }

    def _model(self, job: Job) -> FinishedModel | None:
        """A job's result, of which nothing else is read yet; None if there is none."""
        said = self.artifacts.read(self.digests[job.key])
        return None if said is None else FinishedModel(job, said)

    def _has_network(self, model: FinishedModel) -> bool:
        """Whether there are weights; a retraining without a cell to train leaves none."""
        return model.job.kind == "evaluate" or WEIGHTS in model.result[FILES]

    def _group(self, job: Job) -> Group:
        view = view_for(self.config, job)
        (dataset,) = [one for one in view.all_data if one.name == job.dataset]
        (settings,) = [one for one in (*view.backbones, *view.baselines) if one.key == job.backbone]
        store = Store.open(view.store_folder(dataset))
        return Group(view, dataset, settings, store, torch.device("cpu"))

    def _weights(self, model: FinishedModel, group: Group) -> Mapping[str, Tensor]:
        trained = [model.job.key]
        chosen = model.result.get("chosen")
        if chosen is not None:  # an address: results know nothing of variants
            trained = [need for need in model.job.needs if self.graph[need].address == chosen]
        elif model.job.kind == "evaluate":
            trained = [need for need in model.job.needs if self.graph[need].kind == "pretrain"]
        if not trained:  # the backbone came with its weights
            return group.backbone().state_dict()
        return read_weights(self._kept(trained[0]) / WEIGHTS)

    def _kept(self, key: str, without: tuple[str, ...] = ()) -> Path:
        """Files of a result, compared with what it says of them."""
        folder = self.artifacts.fetch(self.digests[key], without)
        if folder is None:
            raise RunError(
                f"an exported network needs the result of {key}",
                came=f"no such result in {self.artifacts.root}",
                remedy="run the same configuration again: it makes what is missing",
            )
        return folder

    def _provenance(self, model: FinishedModel) -> dict[str, Scalar]:
        known = ("arm", "seed", "digest", "val_dice", "epochs", "best_epoch")
        facts: dict[str, Scalar] = {"run": self.config.name, "job": model.job.key}
        facts |= {name: model.result.get(name) for name in known}
        return facts | _test_dice(self._kept(model.job.key, (WEIGHTS,)) / PATIENTS)


def choose_model(
    models: Sequence[FinishedModel], *, key: str | None = None, cell: str | None = None
) -> FinishedModel:
    """Pick a network by its job, or the best one with a cell.

    Args:
        models: Of a run.
        key: Of the job.
        cell: Id of a genotype, or its beginning; of several networks with this cell, the one with
            the highest Dice of the validation patients is taken, the first of equal ones.

    Raises:
        ConfigError: There is none; the message names those there are.
    """
    if cell is not None:
        alike = [m for m in models if m.genotype_id is not None and m.genotype_id.startswith(cell)]
        if not alike or len({model.genotype_id for model in alike}) > 1:
            known = sorted({model.genotype_id for model in models if model.genotype_id})
            came = f"{cell}, with which several of them begin" if alike else cell
            raise _no_such_cell(known, came)
        return max(alike, key=lambda model: _defined(model.val_dice))
    for model in models:
        if model.job.key == key:
            return model
    keys = [model.job.key for model in models]
    raise ConfigError(
        f"this run has {len(models)} finished networks",
        came=f"{key}, which is not among them",
        remedy=did_you_mean(key, keys) or "list them with `distributed-iac export RUN`",
    )


def _no_such_cell(known: Sequence[str], came: str) -> ConfigError:
    if not known:
        return ConfigError(
            "no network with a cell is finished in this run",
            came=came,
            remedy="let the run go on: its retrainings make them; "
            "`distributed-iac export RUN` lists what is finished",
        )
    return ConfigError(
        f"the finished cells of this run are {', '.join(known)}",
        came=came,
        remedy="name one of them, by enough of its beginning to tell it from the others",
    )


def _defined(value: float) -> float:
    return -math.inf if math.isnan(value) else value


def _test_dice(path: Path) -> dict[str, Scalar]:
    """Dice of the test patients by target; empty where the model never saw them."""
    if not path.is_file():
        return {}
    rows = summarise(read_patients(path))
    return {
        f"test_dice {row.target}": None if math.isnan(row.mean) else row.mean
        for row in rows
        if row.metric == "dice" and row.phase is None
    }
