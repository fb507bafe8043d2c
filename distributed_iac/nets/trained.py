"""What networks that were trained elsewhere expect, and what a store has, in the same words.

::

    card = card_of_backbone(settings)                # None: nothing is known of it
    agree(card, card_of_store(store.fingerprint), names_of(settings), settings.folder)

An nnU-Net folder says it in ``plans.json`` and ``dataset.json``, an exported model in its card; a
bare ``state_dict`` says nothing.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from distributed_iac.config.backbone import BackboneSettings, NnUnetSettings
from distributed_iac.config.dataset import DatasetSettings
from distributed_iac.config.difference import first_difference
from distributed_iac.config.run import RunConfig
from distributed_iac.data.contract import LabelScheme, Source
from distributed_iac.data.formats.registry import read_dataset
from distributed_iac.data.store import Store
from distributed_iac.data.store.fingerprint import Fingerprint
from distributed_iac.data.store.manifest import MANIFEST
from distributed_iac.data.volumes.geometry import describe_cut
from distributed_iac.data.volumes.intensity import CtNormaliser, Normaliser, PerChannel, ZScore
from distributed_iac.errors import ConfigError
from distributed_iac.nets.card import ModelCard, read_card
from distributed_iac.nets.expectation import BACKGROUND, Intensities, Names, NetworkCard, agree
from distributed_iac.nets.nnunet_folder import read_nnunet_plan
from distributed_iac.nets.nnunet_plan import NnUnetPlan
from distributed_iac.nets.nnunet_preprocess import SCHEMES, plan_cut, plan_schemes

_NOT_OF_THE_NETWORK = ("label", "weights", "encoder_weights", "channel_names", "label_names")


def card_of_backbone(settings: BackboneSettings) -> NetworkCard | None:
    """Read what a trained backbone expects; None for one that is untrained or says nothing.

    Raises:
        ConfigError: The folder is no model, or one of other settings.
        CheckpointError: The card of an exported model is damaged.
    """
    if isinstance(settings, NnUnetSettings):
        return _of_plan(read_nnunet_plan(settings.folder))
    if settings.weights is None or not settings.weights.is_dir():
        return None
    card = read_card(settings.weights)
    require_same_settings(card, settings, settings.weights)
    return known_by(card)


def require_same_settings(card: ModelCard, settings: BackboneSettings, folder: Path) -> None:
    """Refuse an exported model that is built otherwise than a backbone, be its weights the same.

    Args:
        card: Of the model.
        settings: The backbone; one of nnU-Net is built by the plan that comes with its weights.
        folder: Of the model, for messages.

    Raises:
        ConfigError: A setting differs.
    """
    if isinstance(settings, NnUnetSettings):
        return
    difference = first_difference(
        card.backbone.model_dump(mode="json", exclude=set(_NOT_OF_THE_NETWORK)),
        settings.model_dump(mode="json", exclude=set(_NOT_OF_THE_NETWORK)),
    )
    if difference is not None:
        raise ConfigError(
            "the backbone's settings must be those of the exported model",
            came=f"{difference.path}: {difference.asked}, the model's is {difference.stored}",
            remedy="take over the settings of its model.json",
            where=folder,
        )


def known_by(card: ModelCard) -> NetworkCard:
    """Say what an exported network expects, with all that it tells apart."""
    known = card_of_store(card.fingerprint)
    return replace(known, outputs=(*known.outputs, *card.spare_outputs))


def spare_outputs(settings: BackboneSettings, store: NetworkCard) -> tuple[str, ...]:
    """What a trained backbone tells apart beyond a store's labels, in the order of its weights.

    Raises:
        ConfigError: It is of other channels or labels.
        CheckpointError: It is an exported model that is damaged.
    """
    network = card_of_backbone(settings)
    if network is None:
        return ()
    agreed = agree(network, store, names_of(settings), settings.key)
    return tuple(network.outputs[place] for place in agreed.spare)


def names_of(settings: BackboneSettings) -> Names:
    """What the user says is the same under another name."""
    return Names(settings.channel_names, settings.label_names)


def has_a_cell(settings: BackboneSettings) -> bool:
    """Whether given weights are an exported model's that has a cell beside the network."""
    weights = settings.weights
    return weights is not None and weights.is_dir() and read_card(weights).cell is not None


def card_of_store(fingerprint: Fingerprint) -> NetworkCard:
    """Say what a network trained on a store expects."""
    recipe = fingerprint.recipe
    return NetworkCard(
        channels=fingerprint.channel_names,
        outputs=_outputs(fingerprint.labels),
        activation=_activation(fingerprint.labels),
        spacing=recipe.spacing,
        patch=recipe.patch,
        normalisation=tuple(
            word for rule in recipe.normalisers.values() for word in _normalisation(rule)
        ),
        orientation=" and ".join(describe_cut(cut, fingerprint.axis_codes) for cut in recipe.cuts),
        cut=" and ".join(map(describe_cut, recipe.cuts)),
        intensities=_intensities(recipe.normalisers.get("CT")),
    )


def card_of_data(config: RunConfig, dataset: DatasetSettings) -> NetworkCard | None:
    """Say what a data set has, as its store or its source tells; None where neither is there.

    Raises:
        DataError: The store, or the source, cannot be read.
    """
    folder = config.store_folder(dataset)
    if (folder / MANIFEST).exists():
        return card_of_store(Store.open(folder).fingerprint)
    if not dataset.source.exists():
        return None
    source = read_dataset(dataset)
    return card_of_source(source)


def size_for(settings: BackboneSettings, data: NetworkCard) -> tuple[int, int]:
    """Input channels and outputs of a network for a data set."""
    network = card_of_backbone(settings) or data
    return len(data.channels), len(network.outputs)


def card_of_source(source: Source) -> NetworkCard:
    """Say what is known before a store is prepared."""
    scheme = source.labels
    return NetworkCard(source.channel_names, _outputs(scheme), _activation(scheme))


def _of_plan(plan: NnUnetPlan) -> NetworkCard:
    values = {
        name: value if isinstance(value, tuple) else (value,) for name, value in plan.labels.items()
    }
    if plan.output == "sigmoid":  # regions, in the order of dataset.json (nnU-Net's LabelManager)
        outputs = [name for name, value in values.items() if set(value) != {0}]
    else:
        outputs = sorted(values, key=lambda name: values[name])
    ct = tuple(
        Intensities(known["mean"], known["std"])
        for name, known in zip(plan.normalization, plan.intensities, strict=True)
        if SCHEMES.get(name) == "ct"
    )
    return NetworkCard(
        channels=plan.channel_names,
        outputs=tuple(outputs),
        activation=plan.output,
        spacing=plan.spacing,
        patch=plan.patch_size,
        normalisation=tuple(plan_schemes(plan)),
        orientation=describe_cut(plan_cut(plan)),
        intensities=ct or None,
    )


def _outputs(scheme: LabelScheme) -> tuple[str, ...]:
    names = tuple(target.name for target in scheme.targets)
    return names if scheme.regions else (BACKGROUND, *names)


def _activation(scheme: LabelScheme) -> Literal["softmax", "sigmoid"]:
    return "sigmoid" if scheme.regions else "softmax"


def _normalisation(rule: Normaliser) -> tuple[str, ...]:
    if isinstance(rule, PerChannel):
        return rule.schemes
    if isinstance(rule, ZScore):
        return ("zscore_nonzero" if rule.where == "nonzero" else "zscore_all",)
    return ("ct",)


def _intensities(rule: Normaliser | None) -> tuple[Intensities, ...] | None:
    if not isinstance(rule, CtNormaliser | PerChannel):
        return None
    known = [channel for channel in rule.channels if channel is not None]
    return tuple(Intensities(one.mean, one.deviation) for one in known) or None
