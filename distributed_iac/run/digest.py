"""What a job's result follows from, as one name: the same job in another run has the same one.

::

    digests = Digests(config, plan_jobs(config))        # files are read once
    digests[job.key]                                    # 64 hexadecimal digits

A digest covers the job's address, the settings that it depends on, the identity of the data set's
store, the content (not the name) of given weights, what a network of others computes (names and
shapes of its tensors, and every function that its forward calls: not its program's text), and the
digests of the jobs it needs. It does
not cover how and where a job runs: name and folders of the run, device, threads, the sweep's
settings, other seeds and arms, nor the name of its variant. Results of different devices and
numbers of threads agree only up to rounding; they are taken to be the same result, because a sweep
mixes them anyway.

The digest of a prepare job names a description of the store. The store may have been deleted
since, so whoever runs jobs carries it out even where that description is found.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distributed_iac.config.backbone import BackboneSettings, CustomSettings, NnUnetSettings
from distributed_iac.config.dataset import DatasetSettings
from distributed_iac.config.run import RunConfig
from distributed_iac.data.store import Store
from distributed_iac.data.store.identity import HOW_NOT_WHAT, content_key
from distributed_iac.data.store.manifest import read_manifest
from distributed_iac.errors import CheckpointError, ConfigError
from distributed_iac.files import sha256_of
from distributed_iac.jobs.graph import JobGraph
from distributed_iac.jobs.job import Job, JobKind
from distributed_iac.jobs.settings import identity_without, settings_of, view_for
from distributed_iac.nets.card import CARD, WEIGHTS
from distributed_iac.nets.nnunet_validation import summary_path
from distributed_iac.nets.trained import card_of_backbone, card_of_store, size_for

RESULTS: Mapping[JobKind, int] = {
    "prepare": 1,
    "pretrain": 1,
    "search": 1,
    "retrain": 1,
    "baseline": 1,
    "evaluate": 1,
}
"""Raised for the kinds of jobs where equal settings begin to give another result, so that old ones
are not found; jobs that need them follow by themselves."""

GATES = frozenset(("prepare", "evaluate"))
"""Kinds of jobs that others wait for without building upon what they leave."""

GATE_SETTINGS = ("seen_test", "parity", "parity_tolerance")
"""What an nnU-Net backbone is held to before anything builds upon it; it changes no network."""


class Digests(dict[str, str]):
    """Digests of a run's jobs, by key; computed when asked for, because stores come to be.

    Args:
        config: The run.
        graph: Its jobs.
    """

    def __init__(self, config: RunConfig, graph: JobGraph) -> None:
        super().__init__()
        self._config, self._graph = config, graph
        self._datasets = {dataset.name: dataset for dataset in config.all_data}
        self._networks = {one.key: one for one in (*config.backbones, *config.baselines)}
        self._views: dict[tuple[str, str], RunConfig] = {}
        self._stores: dict[str, str] = {}
        self._backbones: dict[tuple[str, str], Mapping[str, Any]] = {}

    def __missing__(self, key: str) -> str:
        """Digest of a job.

        Raises:
            StoreError: The data set's store is not there yet, or damaged.
            ConfigError: No such job; or given weights are not there.
        """
        self[key] = self._compute(self._graph[key])
        return self[key]

    def _compute(self, job: Job) -> str:
        if job.kind == "prepare":
            return content_key(
                RESULTS[job.kind], job.address, _of_source(self._datasets[job.dataset])
            )
        needs = [self[need] for need in job.needs if self._graph[need].kind not in GATES]
        store, backbone = self.store(job.dataset), self._backbone(job)
        settings = settings_of(self._view(job), job)
        if job.kind == "evaluate":
            settings |= _of_gate(self._networks[job.backbone])
            settings |= self._taken_to_be_of(job)
        return content_key(RESULTS[job.kind], job.address, store, backbone, settings, sorted(needs))

    def _taken_to_be_of(self, job: Job) -> dict[str, str]:
        """Whose channels and labels a network is taken to have, where it does not say itself.

        On other data than that it is then brought into their order by those names.
        """
        own = self._built_for(job)
        if own == job.dataset or card_of_backbone(self._networks[job.backbone]) is not None:
            return {}
        return {"taken_to_be_of": self.store(own)}

    def _view(self, job: Job) -> RunConfig:
        place = (job.dataset, job.variant)
        if place not in self._views:
            self._views[place] = view_for(self._config, job)
        return self._views[place]

    def store(self, name: str) -> str:
        """What results on a data set's store are known by.

        Raises:
            StoreError: The store is not there yet, or damaged.
        """
        if name not in self._stores:
            self._stores[name] = self._of_store(self._datasets[name])
        return self._stores[name]

    def require_same_backbone(self, job: Job) -> None:
        """Refuse a backbone whose given weights are not those any more that its digest names.

        Raises:
            CheckpointError: They were exchanged.
            ConfigError: They are gone.
        """
        if self._of_network(job) != self._backbone(job):
            raise CheckpointError(
                "given weights stay the same while a run works with them",
                came="others in their place",
                remedy="run the same command again",
                where=job.backbone,
            )

    def _of_store(self, dataset: DatasetSettings) -> str:
        return read_manifest(self._config.store_folder(dataset)).results

    def _backbone(self, job: Job) -> Mapping[str, Any]:
        place = (self._built_for(job), job.backbone)
        if place not in self._backbones:
            self._backbones[place] = self._of_network(job)
        return self._backbones[place]

    def _built_for(self, job: Job) -> str:
        """The data set whose channels and labels a job's network has."""
        own = [one.name for one in self._config.data]
        return job.dataset if job.dataset in own else own[0]

    def _of_network(self, job: Job) -> dict[str, Any]:
        settings = self._networks[job.backbone]
        plain = _of_backbone(settings)
        if isinstance(settings, CustomSettings):
            dataset = self._datasets[self._built_for(job)]
            plain["structure"] = _structure(settings, self._config.store_folder(dataset))
        return plain


def _of_source(dataset: DatasetSettings) -> dict[str, Any]:
    plain = identity_without(dataset, "store", "settings")
    plain["preprocess"] = identity_without(dataset.preprocess, *HOW_NOT_WHAT)
    return plain


def _of_backbone(settings: BackboneSettings) -> dict[str, Any]:
    """Settings with the content of files in place of their paths.

    A label is left out: what it names is the key, and that is in the digest already.
    """
    plain = identity_without(settings, "label", *GATE_SETTINGS)
    for name, value in settings:
        if isinstance(value, Path):
            plain[name] = [_content(path) for path in _files(settings, value)]
    return plain


def _structure(settings: CustomSettings, store: Path) -> str:
    """What a network of others computes, for the channels and labels of a store."""
    from distributed_iac.nets.custom_proof import wiring_of  # only now: it brings torch

    data = card_of_store(Store.open(store).fingerprint)
    return wiring_of(settings, *size_for(settings, data)).structure


def _of_gate(settings: BackboneSettings) -> dict[str, Any]:
    """What decides whether a plain network may be built upon; nothing but for nnU-Net's."""
    if not isinstance(settings, NnUnetSettings):
        return {}
    summary = summary_path(settings.folder, settings.fold)
    held = {name: getattr(settings, name) for name in GATE_SETTINGS}
    return {"gate": held, "summary": _content(summary) if summary.exists() else None}


def _files(settings: BackboneSettings, path: Path) -> list[Path]:
    """The files that a path in a backbone's settings stands for."""
    if not isinstance(settings, NnUnetSettings):
        return [path / CARD, path / WEIGHTS] if path.is_dir() else [path]
    checkpoint = f"fold_{settings.fold}/checkpoint_{settings.checkpoint}.pth"
    return [path / name for name in ("plans.json", "dataset.json", checkpoint)]


def _content(path: Path) -> str:
    """SHA-256 of a file."""
    try:
        return sha256_of(path)
    except OSError as error:
        raise ConfigError(
            "weights that a backbone is given must be there",
            came=str(error),
            remedy="correct the path, or leave it out to train the backbone",
            where=path,
        ) from error
