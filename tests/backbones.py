"""Small settings of every family of networks that is built without files, for a processor."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import get_args

from distributed_iac.config.backbone import (
    AttentionUnetSettings,
    BackboneSettings,
    BasicUnetPlusPlusSettings,
    BasicUnetSettings,
    CustomSettings,
    DynUnetSettings,
    FlexibleUnetSettings,
    SmpUnetSettings,
    SwinUnetrSettings,
    UnetSettings,
)

NAMES = tuple(kind.model_fields["name"].default for kind in get_args(get_args(BackboneSettings)[0]))
"""Every family."""

COMPACT: Mapping[str, BackboneSettings] = {
    settings.name: settings
    for settings in (
        BasicUnetSettings(features="tiny"),
        UnetSettings(channels=(8, 8, 16, 32), num_res_units=1),
        DynUnetSettings(base_features=8, strides=((1, 1), (2, 2), (2, 2), (2, 2))),
        FlexibleUnetSettings(encoder="resnet10", decoder_channels=(32, 32, 16, 16, 8)),
        SwinUnetrSettings(feature_size=12, depths=(1, 1, 1, 1), window_size=4),
        SmpUnetSettings(encoder="resnet18", decoder_channels=(32, 32, 16, 16, 8)),
        AttentionUnetSettings(channels=(8, 16, 16, 32, 32)),
        BasicUnetPlusPlusSettings(features="tiny"),
        CustomSettings(import_="tests.foreign:FlatUNet"),
    )
}
"""By name; ``nnunet`` is not among them, whose size a trained model on disk decides."""

REQUIRES: Mapping[str, str] = {"smp_unet": "segmentation_models_pytorch"}
"""Packages beside the core dependencies, by import name."""

INSTALLED = {
    name: settings
    for name, settings in COMPACT.items()
    if name not in REQUIRES or find_spec(REQUIRES[name]) is not None
}
