"""Settings that a trained backbone decides, filled in before anything is done with them.

::

    config = follow_backbones(load_config(path))
    config.data[0].preprocess.spacing            # of the nnU-Net plan, where there is one

A network that comes trained is right on no other images than those it was trained on. So what
``preprocess`` leaves at ``auto`` is taken from it (``preprocess.follow``); what is given stays.
"""

from __future__ import annotations

from distributed_iac.config.backbone import NnUnetSettings
from distributed_iac.config.dataset import DatasetSettings
from distributed_iac.config.preprocess import PreprocessSettings
from distributed_iac.config.run import RunConfig
from distributed_iac.errors import ConfigError
from distributed_iac.nets.nnunet_folder import read_nnunet_plan
from distributed_iac.nets.nnunet_preprocess import planned_preprocess

FOLLOWED = ("slices", "spacing", "patch", "crop", "normalisation")


def follow_backbones(config: RunConfig) -> RunConfig:
    """Fill in what the backbones decide; a configuration without trained ones comes back as it is.

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
    return config if data == config.data else config.model_copy(update={"data": data})


def _followed(dataset: DatasetSettings, plans: dict[str, PreprocessSettings]) -> DatasetSettings:
    settings = dataset.preprocess
    open_fields = [name for name in FOLLOWED if getattr(settings, name) == "auto"]
    if settings.follow == "data" or (settings.follow == "auto" and not plans):
        return dataset
    if not plans:
        raise ConfigError(
            "preprocess: from_backbone needs a backbone that says how its images were prepared",
            came=f"none for {dataset.name}",
            remedy="give an nnunet backbone, or set spacing, patch and normalisation by hand",
        )
    wanted = {
        key: {name: getattr(plan, name) for name in open_fields} for key, plan in plans.items()
    }
    first, *others = wanted.items()
    for key, values in others:
        differing = [name for name in open_fields if values[name] != first[1][name]]
        if differing:
            raise ConfigError(
                "the backbones of a run share their slices, so their plans must ask for the same",
                came=f"{first[0]} and {key} differ in {', '.join(differing)}",
                remedy="make a run of each, or set these under preprocess by hand",
            )
    chosen = settings.model_copy(update={"follow": "data", **first[1]})
    return dataset.model_copy(update={"preprocess": chosen})
