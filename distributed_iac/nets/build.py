"""How a network is built from its settings.

::

    backbone = build_backbone(BasicUnetSettings(features="small"), in_channels=1, out_channels=4)
    build_backbone(DynUnetSettings(), 1, 4, Fingerprint2d((256, 224), (1.56, 1.56)), seed=3)

Every family is a module of this package that is called as the ``name`` in its settings and has a
``build``. Importing this module imports neither MONAI nor any other network library; a family's
module is imported when the first network of it is built.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Literal, Protocol, cast

import torch

from distributed_iac.config.backbone import BackboneSettings, NnUnetSettings
from distributed_iac.nets.expectation import Agreement, NetworkCard, agree
from distributed_iac.nets.planner import Fingerprint2d
from distributed_iac.nets.trained import card_of_backbone, names_of
from distributed_iac.nets.weights import load_weights
from distributed_iac.nets.wrapped import Wanted, WrappedBackbone


class _Family(Protocol):
    """What a family's module offers."""

    def build(self, settings: BackboneSettings, wanted: Wanted, /) -> WrappedBackbone: ...


def build_backbone(
    settings: BackboneSettings,
    in_channels: int,
    out_channels: int,
    fingerprint: Fingerprint2d | None = None,
    *,
    seed: int = 0,
    store: NetworkCard | None = None,
) -> WrappedBackbone:
    """Build a network on the CPU and load its weights, if the settings name any.

    Args:
        settings: The run's ``backbone`` branch.
        in_channels: Channels of an image.
        out_channels: Classes K, background included, or regions; of a trained network that says
            so, what it has beyond the store's.
        fingerprint: Patch size and spacing of the store, for planned families.
        seed: Of the random initialisation. The same seed gives the same weights, and the
            process's own generator is left as it was.
        store: What the images and labels are. A trained network is brought into their order;
            None to take it as it is.

    Raises:
        ConfigError: If the settings cannot be met: a package or file is missing, a fingerprint is
            needed, weights do not fit, or were trained on other channels or labels.
        CheckpointError: If a weights file is damaged.
    """
    network = None if store is None else card_of_backbone(settings)
    agreed = None
    if network is not None and store is not None:
        where = settings.folder if isinstance(settings, NnUnetSettings) else settings.weights
        agreed = agree(network, store, names_of(settings), where)
        out_channels = len(network.outputs)
    family = cast(_Family, import_module(f"distributed_iac.nets.{settings.name}"))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        backbone = family.build(settings, Wanted(in_channels, out_channels, fingerprint))
    if settings.weights is not None:
        load_weights(backbone, settings.weights)
    if agreed is not None and store is not None:
        arrange(backbone, agreed, store.activation)
    return backbone


def rearrange(
    backbone: WrappedBackbone, settings: BackboneSettings, made_for: NetworkCard, store: NetworkCard
) -> None:
    """Bring a trained network that was built for one store into the order of another.

    Args:
        backbone: Built for ``made_for``; it may have been trained on since. Changed in place.
        settings: It was built from.
        made_for: The store that it was built for.
        store: The other store; names that the user gave for the first one alone do not count.

    Raises:
        ConfigError: The network was trained on other channels or labels than the store's.
    """
    network = card_of_backbone(settings) or made_for
    names = names_of(settings)
    before = agree(network, made_for, names.between(network, made_for), settings.key)
    now = replace(
        network,
        channels=tuple(network.channels[place] for place in before.inputs),
        outputs=tuple(network.outputs[place] for place in (*before.outputs, *before.spare)),
    )
    agreed = agree(now, store, names.between(now, store), settings.key)
    arrange(backbone, agreed, store.activation)


def arrange(
    backbone: WrappedBackbone, agreed: Agreement, activation: Literal["softmax", "sigmoid"]
) -> None:
    """Bring a network's channels and outputs into a store's order; spare outputs are left out.

    ``agreed`` speaks of all outputs that the network has, also of those left out until now.
    """
    backbone.keep_outputs(None, activation)
    backbone.reorder(agreed.inputs, (*agreed.outputs, *agreed.spare))
    if agreed.spare:
        backbone.keep_outputs(len(agreed.outputs), activation)
