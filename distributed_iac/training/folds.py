"""Test patients and the folds of nnU-Net's backbones: one split, and nobody in it twice.

::

    settled = settle_folds(config)
    settled.config.data[0].split        # follows the backbone's fold where it was left open
    settled.notes                       # what was settled, and what nobody knows

Before anything is run the source is asked, which lists cases by name; when the plain network is
scored, the store is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from distributed_iac.config.backbone import NnUnetSettings
from distributed_iac.config.dataset import DatasetSettings
from distributed_iac.config.run import RunConfig
from distributed_iac.config.split import SplitSettings
from distributed_iac.data.contract import Source
from distributed_iac.data.formats.nnunet_splits import SPLITS, FoldCases, find_splits, read_fold
from distributed_iac.data.formats.registry import read_dataset, source_root
from distributed_iac.data.prepare.request import usable_cases
from distributed_iac.data.splits.split import PARTS, Split, split_patients
from distributed_iac.data.store import Store
from distributed_iac.errors import ConfigError, first_names
from distributed_iac.nets.nnunet_fold import KnownFold, divides_patients, know_fold
from distributed_iac.nets.nnunet_validation import read_validation, summary_path

RAW = "nnunet_raw"


@dataclass(frozen=True)
class Settled:
    """A run whose splits are settled.

    Args:
        config: The run, with the splits that it will have.
        notes: What was settled and what must be known, a sentence each.
    """

    config: RunConfig
    notes: tuple[str, ...]


def settle_folds(config: RunConfig) -> Settled:
    """Let splits follow the folds of nnU-Net's backbones, and refuse test patients they have seen.

    A data set whose source is not here is left as it is: the store is asked when the plain network
    is scored.

    Raises:
        ConfigError: A fold was trained on test patients; or backbones follow different folds.
        DataError: A source cannot be listed, or its patients cannot be divided.
    """
    networks = [one for one in config.backbones if isinstance(one, NnUnetSettings)]
    notes: list[str] = []

    def settle(dataset: DatasetSettings) -> DatasetSettings:
        if not networks or not dataset.source.exists():
            return dataset
        source = read_dataset(dataset)
        settled, note = _follow(dataset, source, networks)
        notes.extend([f"{dataset.name}: {note}"] if note else [])
        notes.extend(_doubts(settled, source, networks))
        return settled

    return Settled(config.with_data(settle), tuple(notes))


def _doubts(
    dataset: DatasetSettings, source: Source, networks: Sequence[NnUnetSettings]
) -> list[str]:
    """What must be known about each network's test patients."""
    labelled = [case for case in usable_cases(source) if case.label is not None]
    split = split_patients(source, labelled, dataset.split)
    pool = {
        case.case_id: case.patient_id
        for case in source.cases
        if source.format != RAW or case.part != "test"  # nnU-Net trains on imagesTr only
    }
    found = {one.key: _require_unseen(one, dataset, pool, split) for one in networks}
    return [f"{dataset.name}/{key}: {note}" for key, note in found.items() if note]


def unseen_in_store(settings: NnUnetSettings, dataset: DatasetSettings, store: Store) -> str | None:
    """Refuse test patients that the fold was trained on.

    Returns:
        What must be known before scores are trusted; None if nothing.

    Raises:
        ConfigError: The fold was trained on test patients.
    """
    official = dataset.split.test == "official" and store.fingerprint.format == RAW
    parts = [part for part in PARTS if not (official and part == "test")]
    pool = {one.case_id: one.patient_id for part in parts for one in store.cases(part)}
    return _require_unseen(settings, dataset, pool, store.split)


def _follow(
    dataset: DatasetSettings, source: Source, networks: Sequence[NnUnetSettings]
) -> tuple[DatasetSettings, str | None]:
    """The data set with the split of the networks' fold where its fold was left open, and why."""
    split = dataset.split
    if split.test == "official" or _says_its_test(split):
        return dataset, None
    numbered = [one for one in networks if one.fold != "all"]
    strict = [one for one in numbered if one.seen_test == "refuse"] or numbered
    folds = {one.fold for one in strict} if split.fold is None else {split.fold}
    if len(folds) > 1:
        raise ConfigError(
            "the split of a data set follows one fold",
            came=f"backbones of folds {', '.join(str(one.fold) for one in strict)}",
            where=dataset.name,
            remedy="give each fold a run of its own",
        )
    own = [one for one in strict if one.fold in folds]
    fold = next(iter(folds), None)
    origin = _origin(split, source, fold, own) if isinstance(fold, int) else None
    settled = split if origin is None else split.model_copy(update=origin)
    if settled == split:
        return dataset, None
    where = settled.file or source.detection.root / SPLITS
    note = f"the split follows fold {fold}: its validation patients are the test ({where})"
    return dataset.model_copy(update={"split": settled}), note


def _says_its_test(split: SplitSettings) -> bool:
    """Whether a split file names the patients of its parts, or cannot be read at all."""
    return split.file is not None and (
        split.fold is not None or not split.file.is_file() or read_fold(split.file, 0) is None
    )


def _origin(
    split: SplitSettings, source: Source, fold: int, networks: Sequence[NnUnetSettings]
) -> Mapping[str, object] | None:
    """Settings of the split by a fold; None where nobody says what is held out of it."""
    if split.file is not None or fold < len(source.splits):
        return {"fold": fold}
    cases = {case.case_id: case.patient_id for case in source.cases}
    for path in find_splits(source.detection.root, os.environ):
        found = read_fold(path, fold)
        if found is not None and not divides_patients(found, cases):
            return {"file": path, "fold": fold}
    for network in networks if split.fold is None else ():
        validation = read_validation(network.folder, network.fold)
        if validation is not None and validation.scores and validation.cases <= cases.keys():
            return {"file": validation.where}
    return None


def _require_unseen(
    network: NnUnetSettings, dataset: DatasetSettings, pool: Mapping[str, str], split: Split
) -> str | None:
    """See :func:`unseen_in_store`."""
    try:
        known = know_fold(
            network.fold,
            pool,
            tuple(_folds(dataset, network)),
            read_validation(network.folder, network.fold),
        )
        if known is None:
            return _nothing_known(network)
        _require_none_seen(network, known, dataset, split)
    except ConfigError as error:
        if network.seen_test == "refuse":
            raise
        return f"{error.message}; {error.came} (seen_test: allow)"
    return None


def _require_none_seen(
    network: NnUnetSettings, known: KnownFold, dataset: DatasetSettings, split: Split
) -> None:
    test, number = split.parts["test"], dataset.split.fold
    fold = "" if number is None else f" of fold {number}"
    seen = [patient for patient in test if patient in known.trained]
    if seen:
        raise ConfigError(
            f"the test patients of {network.key} must be ones that fold {network.fold} has not "
            "been trained on",
            came=f"{len(seen)} of {len(test)} were: {first_names(seen)} (known from {known.why}); "
            f"the split is{fold}: {split.origin}",
            where=network.folder,
            remedy=_remedy(network, known),
        )


def _remedy(network: NnUnetSettings, known: KnownFold) -> str:
    allow = "seen_test: allow on the backbone scores them all the same"
    if not known.unseen:
        return f"take a fold that held patients out, such as fold: 0; {allow}"
    return (
        f"let the split follow fold {network.fold}: leave split.file, split.fold and split.test "
        f"out; or list as test, in a split.file, patients of whom no case was trained on "
        f"(nnU-Net divides cases, not patients): {first_names(sorted(known.unseen))}; {allow}"
    )


def _nothing_known(network: NnUnetSettings) -> str:
    return (
        f"nothing is known about the patients that fold {network.fold} was trained on: test "
        f"patients may be among them (neither {SPLITS} of this data set nor "
        f"{summary_path(network.folder, network.fold)})"
    )


def _folds(dataset: DatasetSettings, network: NnUnetSettings) -> Iterator[FoldCases]:
    """The network's fold in every file of folds that is found."""
    if network.fold == "all":
        return
    paths = [path for path in (dataset.split.file,) if path is not None and path.is_file()]
    if dataset.source.exists():
        paths += find_splits(source_root(dataset), os.environ)
    for path in dict.fromkeys(paths):
        found = read_fold(path, network.fold)
        if found is not None:
            yield found
