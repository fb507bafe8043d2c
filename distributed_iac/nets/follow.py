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
from distributed_iac.errors import ConfigError
from distributed_iac.nets.nnunet_folder import read_nnunet_plan
from distributed_iac.nets.nnunet_preprocess import planned_preprocess

FOLLOWED = ("slices", "spacing", "patch", "crop", "normalisation")


def follow_backbones(config: RunConfig) -> RunConfig:
    """Fill in what the backbones decide; afterwards every data set follows its own settings.

    Raises:
        ConfigError: A backbone's folder is not there or not understood, two backbones want
            different slices, or a data set is to follow a backbone and none comes trained.
    """
    plans = {
        network.key: planned_preprocess(read_nnunet_plan(network.folder), where=network.folder)
        for network in config.backbones
        if isinstance(network, NnUnetSettings)
    }
    data = tuple(_followed(dataset, plans) for dataset in config.data)
    return config.model_copy(update={"data": data})


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
