"""Settings that a trained backbone decides, filled in before anything is done with them.

::

    config = follow_backbones(load_config(path))
    config.data[0].preprocess.spacing            # of the nnU-Net plan, where there is one

A network that comes trained is right on no other images than those it was trained on. So what
``preprocess`` leaves at ``auto`` is taken from it, be it nnU-Net's or an exported model
(``preprocess.follow``); what is given stays. A bare ``state_dict`` says nothing of its images.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Literal, get_args

from distributed_iac.config.backbone import NnUnetSettings
from distributed_iac.config.dataset import DatasetSettings
from distributed_iac.config.preprocess import (
    ChannelNormalisation,
    PreprocessSettings,
    SliceSettings,
)
from distributed_iac.config.run import RunConfig
from distributed_iac.data.contract import Axes, Reorient
from distributed_iac.data.store.fingerprint import Fingerprint
from distributed_iac.data.volumes.geometry import plain_axes
from distributed_iac.data.volumes.intensity import CtNormaliser, Normaliser, PerChannel, ZScore
from distributed_iac.errors import ConfigError
from distributed_iac.nets.card import read_card
from distributed_iac.nets.expectation import match_channels
from distributed_iac.nets.nnunet_folder import read_nnunet_plan
from distributed_iac.nets.nnunet_preprocess import planned_preprocess
from distributed_iac.nets.trained import card_of_backbone, card_of_data, names_of

FOLLOWED = ("slices", "spacing", "patch", "crop", "normalisation")


def follow_backbones(config: RunConfig) -> RunConfig:
    """Fill in what the backbones decide; afterwards every data set follows its own settings.

    Raises:
        ConfigError: A backbone's folder is not there or not understood, two backbones want
            different slices, or a data set is to follow a backbone and none says how.
    """

    def follow(dataset: DatasetSettings) -> DatasetSettings:
        if dataset.preprocess.follow == "data":
            return dataset
        plans = dict(_plans(config, dataset))
        if not plans and dataset.preprocess.follow == "backbone":
            raise _none_to_follow(config, dataset)
        return _followed(dataset, plans)

    return config.with_data(follow)


def _plans(config: RunConfig, dataset: DatasetSettings) -> Iterator[tuple[str, PreprocessSettings]]:
    """What each network that is to be followed asks for, by its key."""
    for network in config.backbones:
        if isinstance(network, NnUnetSettings):
            plan, where = read_nnunet_plan(network.folder), network.folder
            planned = planned_preprocess(plan, where=where)
        elif network.weights is not None and network.weights.is_dir():
            card, where = read_card(network.weights), network.weights
            planned = remembered_preprocess(card.fingerprint)
        else:
            continue
        data, rules = card_of_data(config, dataset), planned.normalisation
        if data is not None and isinstance(rules, tuple):
            known, said = card_of_backbone(network), names_of(network)
            assert known is not None, "it says how its images were prepared"
            if dataset not in config.data:
                said = said.between(known, data)
            order = match_channels(known.channels, data.channels, said, where)
            mine = tuple(rules[place] for place in order)
            planned = planned.model_copy(update={"normalisation": mine})
        yield network.key, planned


def remembered_preprocess(fingerprint: Fingerprint) -> PreprocessSettings:
    """How the images of an exported model were prepared, as settings.

    Slices that were cut as stored, from arrays of axis codes that are known, are cut from arrays
    that are brought to these codes: new images may lie otherwise.

    What settings cannot say stays ``auto``: slices that are reversed on the way, and the rules of
    more than one modality.
    """
    recipe = fingerprint.recipe
    (cut, *others), (rule, *more) = recipe.cuts, tuple(recipe.normalisers.values())
    axes = None if others else plain_axes(cut)
    return PreprocessSettings(
        follow="data",
        slices="auto" if axes is None else _slices(cut.reorient, axes, fingerprint.axis_codes),
        spacing=recipe.spacing,
        patch=recipe.patch,
        crop=recipe.crop,
        normalisation="auto" if more else _rules(rule),
    )


def _slices(reorient: Reorient, axes: Axes, stored_as: str | None) -> SliceSettings:
    """Of other codes than two that can be brought about, ``differences`` tells."""
    known = stored_as if reorient == "as_stored" else reorient
    name = next((one for one in get_args(Reorient) if one == known), reorient)
    return SliceSettings(orientation=name, axes=axes)


def _rules(
    rule: Normaliser,
) -> Literal["zscore", "zscore_nonzero"] | tuple[ChannelNormalisation, ...]:
    if isinstance(rule, ZScore):
        return "zscore_nonzero" if rule.where == "nonzero" else "zscore"
    assert isinstance(rule, CtNormaliser | PerChannel)
    schemes = rule.schemes if isinstance(rule, PerChannel) else ("ct",) * len(rule.channels)
    return tuple(
        ChannelNormalisation.model_validate(
            {"scheme": scheme, "ct": None if known is None else asdict(known)}
        )
        for scheme, known in zip(schemes, rule.channels, strict=True)
    )


def _none_to_follow(config: RunConfig, dataset: DatasetSettings) -> ConfigError:
    given = [network.weights for network in config.backbones if network.weights is not None]
    absent = [f"{path} is not there" for path in given if not path.exists()]
    return ConfigError(
        "preprocess: from_backbone needs a backbone that says how its images were prepared",
        came="; ".join((f"none for {dataset.name}", *absent)),
        remedy="give an nnunet backbone or weights that `distributed-iac export` wrote, or set "
        "spacing, patch and normalisation by hand",
    )


def _followed(dataset: DatasetSettings, plans: Mapping[str, PreprocessSettings]) -> DatasetSettings:
    settings = dataset.preprocess
    open_fields = [name for name in FOLLOWED if getattr(settings, name) == "auto"]
    values = _agreed(plans, open_fields) if plans else {}
    unsaid = [name for name, value in values.items() if value == "auto"]
    if unsaid and settings.follow == "backbone":
        raise ConfigError(
            "preprocess: from_backbone needs a backbone whose way can be written as settings",
            came=f"{' and '.join(plans)}, of which {' and '.join(unsaid)} cannot: several "
            "modalities, or slices that are reversed",
            remedy=f"set {' and '.join(unsaid)} beside follow: backbone, or leave follow out: what "
            "then differs is told",
            where=dataset.name,
        )
    chosen = settings.model_copy(update={"follow": "data", **values})
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
