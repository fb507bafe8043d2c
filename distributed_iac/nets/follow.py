"""Settings that a trained backbone decides, filled in before anything is done with them.

::

    config = follow_backbones(load_config(path))
    config.data[0].preprocess.spacing            # of the nnU-Net plan, where there is one

A network that comes trained is right on no other images than those it was trained on. So what
``preprocess`` leaves at ``auto`` is taken from it (``preprocess.follow``); what is given stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from distributed_iac.config.backbone import NnUnetSettings
from distributed_iac.config.dataset import DatasetSettings
from distributed_iac.config.preprocess import PreprocessSettings
from distributed_iac.config.run import RunConfig
from distributed_iac.data.formats.registry import read_source
from distributed_iac.data.store import Store
from distributed_iac.data.store.manifest import MANIFEST
from distributed_iac.errors import ConfigError
from distributed_iac.nets.expectation import match_channels
from distributed_iac.nets.nnunet_folder import read_nnunet_plan
from distributed_iac.nets.nnunet_preprocess import planned_preprocess
from distributed_iac.nets.trained import names_of

FOLLOWED = ("slices", "spacing", "patch", "crop", "normalisation")


def follow_backbones(config: RunConfig) -> RunConfig:
    """Fill in what the backbones decide; afterwards every data set follows its own settings.

    Raises:
        ConfigError: A backbone's folder is not there or not understood, two backbones want
            different slices, or a data set is to follow a backbone and none comes trained.
    """
    networks = [one for one in config.backbones if isinstance(one, NnUnetSettings)]
    data = tuple(
        _followed(dataset, {one.key: _planned(one, config, dataset) for one in networks})
        for dataset in config.data
    )
    return config.model_copy(update={"data": data})


def _planned(
    network: NnUnetSettings, config: RunConfig, dataset: DatasetSettings
) -> PreprocessSettings:
    """What a network's plan asks for, its channels in the order of the data set's."""
    plan = read_nnunet_plan(network.folder)
    planned = planned_preprocess(plan, where=network.folder)
    rules, channels = planned.normalisation, _channels(config, dataset)
    if channels is None:
        return planned
    order = match_channels(plan.channel_names, channels, names_of(network), network.folder)
    return planned.model_copy(update={"normalisation": tuple(rules[place] for place in order)})


def _channels(config: RunConfig, dataset: DatasetSettings) -> tuple[str, ...] | None:
    """Names of a data set's channels; None where neither source nor store is there to tell."""
    folder = config.store_folder(dataset)
    if (folder / MANIFEST).exists():
        return Store.open(folder).fingerprint.channel_names
    if not dataset.source.exists():
        return None
    return read_source(dataset.source, dataset.format, dataset.modality).channel_names


def _followed(dataset: DatasetSettings, plans: Mapping[str, PreprocessSettings]) -> DatasetSettings:
    settings = dataset.preprocess
    open_fields = [name for name in FOLLOWED if getattr(settings, name) == "auto"]
    if not plans and settings.follow == "backbone":
        raise ConfigError(
            "preprocess: from_backbone needs a backbone that says how its images were prepared",
            came=f"none for {dataset.name}",
            remedy="give an nnunet backbone, or set spacing, patch and normalisation by hand",
        )
    values: dict[str, object] = {"follow": "data"}
    if settings.follow != "data" and plans:
        values |= _agreed(plans, open_fields)
    chosen = settings.model_copy(update=values)
    return dataset.model_copy(update={"preprocess": chosen})


def _agreed(plans: Mapping[str, PreprocessSettings], names: Sequence[str]) -> dict[str, object]:
    """What all plans ask for under these names."""
    (first, plan), *others = plans.items()
    for key, other in others:
        differing = [name for name in names if getattr(other, name) != getattr(plan, name)]
        if differing:
            raise ConfigError(
                "the backbones of a run share their slices, so their plans must ask for the same",
                came=f"{first} and {key} differ in {', '.join(differing)}",
                remedy="make a run of each, or set these under preprocess by hand",
            )
    return {name: getattr(plan, name) for name in names}
