"""Reasons for doubt that are known before anything is trained: patients, and trained networks.

::

    for sentence in doubts(config):              # plan, search and sweep print them
        print(f"warning: {sentence}")

A data set is looked at in its store, or where there is none yet in its source. One that can be
read in neither has no doubts here: the job that prepares it says what is wrong with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from distributed_iac.config.backbone import BackboneSettings
from distributed_iac.config.dataset import DatasetSettings
from distributed_iac.config.run import RunConfig
from distributed_iac.data.formats.owners import doubts as patients_doubted
from distributed_iac.data.formats.owners import remedy_of_doubts
from distributed_iac.data.formats.registry import read_dataset
from distributed_iac.data.prepare.source_files import UNREADABLE, describe_cases
from distributed_iac.data.problems import warnings_in_brief
from distributed_iac.data.splits.split import PARTS
from distributed_iac.data.store import Store
from distributed_iac.data.store.manifest import (
    IDENTITY,
    IMAGES,
    MANIFEST,
    require_same_settings,
)
from distributed_iac.errors import ConfigError, DataError
from distributed_iac.nets.card import WEIGHTS
from distributed_iac.nets.expectation import NetworkCard, agree, differences
from distributed_iac.nets.trained import (
    card_of_backbone,
    card_of_source,
    card_of_store,
    has_a_cell,
    names_of,
)
from distributed_iac.transient import patiently


def doubts(config: RunConfig) -> tuple[str, ...]:
    """Say what to look at before trusting a run, one sentence each.

    Raises:
        ConfigError: A trained network is of other channels or labels than a data set, or images
            that are to show what is forgotten are among those to learn from.
        StoreError: There is a store under a data set's name that was made with other settings.
        CheckpointError: An exported model is damaged.
    """
    require_other_images(config)
    return tuple(_doubts(config))


def require_other_images(config: RunConfig) -> None:
    """Refuse images that a data set of ``also_scored`` shares with ``data``, by their content.

    Files are compared, and where both data sets are prepared voxels: a copy that was packed anew is
    found then.

    Raises:
        ConfigError: There are such images.
    """
    if not config.also_scored:
        return
    learnt = dict(_marked_images(config, config.data[0]))
    for other in config.also_scored:
        shared = [(case, learnt[m]) for m, case in _marked_images(config, other) if m in learnt]
        if shared:
            theirs, ours = shared[0]
            raise ConfigError(
                "also_scored is other data than data: patients that the models are trained on say "
                "nothing of what is forgotten",
                came=f"{len(shared)} images that both have, such as {theirs} of {other.name}, "
                f"which is {ours} of {config.data[0].name}",
                remedy="take these patients out of one of the two folders",
            )


def _marked_images(config: RunConfig, dataset: DatasetSettings) -> Iterator[tuple[str, str]]:
    """Marks of every image that can be read, each with its case."""
    store = config.store_folder(dataset)
    try:
        if (store / MANIFEST).exists():
            identity = json.loads(patiently((store / IDENTITY).read_bytes))
            cases = identity["source"]["cases"]
            if (store / IMAGES).exists():
                voxels = json.loads(patiently((store / IMAGES).read_bytes))
                yield from ((mark, name) for name, own in voxels.items() for mark in own.values())
        else:
            source = read_dataset(dataset)
            cases = describe_cases(source, source.cases)
    except DataError:  # the job that opens it says why, with its own exit code
        return
    for name, case in cases.items():
        for path in dict.fromkeys(path for _, path, _ in case["channels"]):
            if case["files"][path] != UNREADABLE:
                yield case["files"][path], name


def networks_doubted(
    config: RunConfig, dataset: DatasetSettings, card: NetworkCard
) -> Iterator[str]:
    """Say of a run's trained networks how their training differs from one of its data sets.

    Raises:
        ConfigError, CheckpointError: As :func:`network_doubted`.
    """
    for settings in config.backbones:
        doubted = network_doubted(config, dataset, settings, card)
        yield from (f"{dataset.name}: {sentence}" for sentence in doubted)


def network_doubted(
    config: RunConfig, dataset: DatasetSettings, settings: BackboneSettings, store: NetworkCard
) -> tuple[str, ...]:
    """Say how a trained network's training differs from a data set of a run.

    Data of its past (``also_scored``) may be called as its own: the names that the user gave are
    those of the data worked on. A network that does not say what it is has the channels and labels
    that it is taken to have there.

    Raises:
        ConfigError: It is of other channels or labels.
        CheckpointError: It is an exported model that is damaged.
    """
    network = card_of_backbone(settings)
    if network is None:
        if settings.weights is None or dataset in config.also_scored:
            return ()
        if not settings.weights.exists():  # planned for another machine, maybe
            return (f"{settings.key}: {settings.weights} is not there",)
        unused = [name for name in ("channel_names", "label_names") if getattr(settings, name)]
        return (
            f"{settings.key}: {settings.weights} does not say what its channels and labels are; "
            f"taken to be {', '.join(store.channels)} and {', '.join(store.outputs)}"
            + (f"; {' and '.join(unused)}: not used" if unused else ""),
        )
    names = names_of(settings)
    if dataset in config.also_scored:
        names = names.between(network, store)
    agreed = agree(network, store, names, settings.key)
    told = [str(one) for one in differences(network.fed_by(agreed.inputs), store)]
    if settings.weights is not None and not (settings.weights / WEIGHTS).exists():
        told.append(f"{settings.weights / WEIGHTS} is not there")
    if has_a_cell(settings):
        told.append(
            f"{settings.weights} was exported with a cell, which is left out: the network beneath "
            "it is taken, and scores otherwise than both together"
        )
    if agreed.spare:
        spare = ", ".join(network.outputs[place] for place in agreed.spare)
        told.append(
            f"the network also knows {spare}, of which the data set has no labels: "
            "neither trained nor scored, and background here"
        )
    return tuple(f"{settings.key}: {one}" for one in told)


@dataclass(frozen=True)
class _Seen:
    """A data set as far as it can be read now: what it has, what is doubtful in it, its store."""

    card: NetworkCard
    told: tuple[str, ...]
    store: Path | None = None


def _doubts(config: RunConfig) -> Iterator[str]:
    targets: set[str] = set()
    for dataset in config.all_data:
        seen = _look_at(config, dataset)
        targets |= set(() if seen is None else seen.card.outputs)
        if seen is None:
            continue
        yield from (f"{dataset.name}: {sentence}" for sentence in seen.told)
        yield from networks_doubted(config, dataset, seen.card)
        if seen.store is not None:
            require_same_settings(seen.store, dataset)
    unknown = sorted(set(config.evaluation.tolerances_mm) - targets)
    if targets and unknown:
        yield f"evaluation.tolerances_mm names {', '.join(unknown)}, which no data set has"


def _look_at(config: RunConfig, dataset: DatasetSettings) -> _Seen | None:
    folder = config.store_folder(dataset)
    try:
        if (folder / MANIFEST).exists():
            store = Store.open(folder)
            patients = {case.patient_id for part in PARTS for case in store.cases(part)}
            told = _of_patients(dataset, patients)
            told = (*told, *store.doubts, *store.fingerprint.left_out, *_unseen_targets(store))
            return _Seen(card_of_store(store.fingerprint), told, folder)
        source = read_dataset(dataset)
    except DataError:  # the job that opens it says why, with its own exit code
        return None
    others = [problem for problem in source.problems if problem.code != "alike_patients"]
    told = (*_of_patients(dataset, source.patients), *warnings_in_brief(others))
    return _Seen(card_of_source(source), told)


def _unseen_targets(store: Store) -> Iterator[str]:
    """Targets that a part of the split does not show: they are not learned, chosen by or scored."""
    shown = {part: int(np.bitwise_or.reduce(store.foreground(store.rows(part)))) for part in PARTS}
    for target in store.fingerprint.labels.targets:
        wanted = sum(1 << value for value in target.values)
        without = [part for part in PARTS if not shown[part] & wanted]
        if without:
            yield f"no patient of {' and '.join(without)} has {target.name}"


def _of_patients(dataset: DatasetSettings, patients: Iterable[str]) -> tuple[str, ...]:
    doubt = patients_doubted(patients, dataset.patients)
    return () if doubt is None else (f"{doubt}. {remedy_of_doubts(dataset.patients)}",)
