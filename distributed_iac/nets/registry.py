"""The one table of networks, and how to build them.

::

    backbone = build_backbone(BasicUnetSettings(features="small"), in_channels=1, out_channels=4)
    build_backbone(DynUnetSettings(), 1, 4, Fingerprint2d((256, 224), (1.56, 1.56)), seed=3)
    [entry.name for entry in REGISTRY.values() if entry.role == "baseline"]

Importing this module imports neither MONAI nor any other network library; a family's module is
imported when the first network of it is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Literal, Protocol, cast

import torch

from distributed_iac.config.backbone import (
    AttentionUnetSettings,
    BackboneSettings,
    BasicUnetPlusPlusSettings,
    BasicUnetSettings,
    DynUnetSettings,
    FlexibleUnetSettings,
    NnUnetSettings,
    SmpUnetSettings,
    SwinUnetrSettings,
)
from distributed_iac.nets.contract import Backbone
from distributed_iac.nets.expectation import NetworkCard, agree
from distributed_iac.nets.planner import Fingerprint2d
from distributed_iac.nets.trained import card_of_backbone, names_of
from distributed_iac.nets.weights import load_weights
from distributed_iac.nets.wrapped import WrappedBackbone

Role = Literal["backbone", "baseline"]


@dataclass(frozen=True)
class Entry:
    """One family of networks.

    Args:
        name: The ``name`` in its settings.
        role: ``backbone`` to search in, ``baseline`` to compare with (it can be searched in too).
        module: Module of this room with the family's ``build``.
        summary: One line for listings.
        compact: Small settings for a processor: tests, the quick start. None where a trained
            model on disk decides the size.
        requires: Packages beside the core dependencies, by import name.
    """

    name: str
    role: Role
    module: str
    summary: str
    compact: BackboneSettings | None
    requires: tuple[str, ...] = ()


_ENTRIES = (
    Entry(
        "basic_unet",
        "backbone",
        "basic_unet",
        "MONAI BasicUNet: five levels, max pooling, four skips",
        BasicUnetSettings(features="tiny"),
    ),
    Entry(
        "dynunet",
        "backbone",
        "dynunet",
        "MONAI DynUNet, planned by nnU-Net's 2-D rules",
        DynUnetSettings(base_features=8, strides=((1, 1), (2, 2), (2, 2), (2, 2))),
    ),
    Entry(
        "flexible_unet",
        "backbone",
        "flexible_unet",
        "MONAI FlexibleUNet: ResNet or EfficientNet encoder",
        FlexibleUnetSettings(encoder="resnet10", decoder_channels=(32, 32, 16, 16, 8)),
    ),
    Entry(
        "swin_unetr",
        "backbone",
        "swin_unetr",
        "MONAI SwinUNETR: shifted-window transformer encoder",
        SwinUnetrSettings(feature_size=12, depths=(1, 1, 1, 1), window_size=4),
    ),
    Entry(
        "smp_unet",
        "backbone",
        "smp_unet",
        "U-Net of segmentation-models-pytorch with any of its encoders",
        SmpUnetSettings(encoder="resnet18", decoder_channels=(32, 32, 16, 16, 8)),
        requires=("segmentation_models_pytorch",),
    ),
    Entry(
        "nnunet",
        "backbone",
        "nnunet",
        "a 2-D network trained by nnU-Net v2, from its model folder",
        None,
    ),
    Entry(
        "attention_unet",
        "baseline",
        "attention_unet",
        "MONAI AttentionUnet: gated skips",
        AttentionUnetSettings(channels=(8, 16, 16, 32, 32)),
    ),
    Entry(
        "basic_unetplusplus",
        "baseline",
        "basic_unetplusplus",
        "MONAI BasicUNetPlusPlus: dense skips",
        BasicUnetPlusPlusSettings(features="tiny"),
    ),
)

REGISTRY: Mapping[str, Entry] = MappingProxyType({entry.name: entry for entry in _ENTRIES})
"""Every family by name."""


class _Family(Protocol):
    """What a family's module offers."""

    def build(
        self,
        settings: BackboneSettings,
        in_channels: int,
        out_channels: int,
        fingerprint: Fingerprint2d | None,
        /,
    ) -> WrappedBackbone: ...


def build_backbone(
    settings: BackboneSettings,
    in_channels: int,
    out_channels: int,
    fingerprint: Fingerprint2d | None = None,
    *,
    seed: int = 0,
    store: NetworkCard | None = None,
) -> Backbone:
    """Build a network on the CPU and load its weights, if the settings name any.

    Args:
        settings: The run's ``backbone`` branch.
        in_channels: Channels of an image.
        out_channels: Classes K, background included, or regions.
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
    family = cast(_Family, import_module(f"distributed_iac.nets.{REGISTRY[settings.name].module}"))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        backbone = family.build(settings, in_channels, out_channels, fingerprint)
    if settings.weights is not None:
        load_weights(backbone, settings.weights)
    if agreed is not None:
        backbone.reorder(agreed.inputs, agreed.outputs)
    return backbone
