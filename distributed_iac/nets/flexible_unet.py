"""MONAI's FlexibleUNet: a residual or efficient encoder under a U-Net decoder.

::

    backbone = build(FlexibleUnetSettings(encoder="resnet34"), Wanted(1, 4))
    [tap.stride for tap in backbone.taps]       # [16, 8, 4, 2]: none at full resolution

Nothing is downloaded: weights of the encoder come from ``encoder_weights``, a local file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from monai.networks.nets.flexible_unet import FlexibleUNet
from torch import Tensor

from distributed_iac.config.backbone import FlexibleUnetSettings
from distributed_iac.nets.contract import Implant, Tap
from distributed_iac.nets.monai_internals import (
    encoder_entry,
    flexible_unet_finish,
    flexible_unet_parts,
)
from distributed_iac.nets.weights import load_encoder_weights
from distributed_iac.nets.wrapped import Parts, Wanted, WrappedBackbone

TOTAL_STRIDE = 32


class FlexibleUnetBackbone(WrappedBackbone):
    """FlexibleUNet with its four skips open.

    Args:
        net: A 2-D network of MONAI's class.
        encoder_channels: Channels of the encoder's five features, finest first.
        decoder_channels: Channels of the five decoder blocks, deepest first.
    """

    def __init__(
        self, net: FlexibleUNet, encoder_channels: Sequence[int], decoder_channels: Sequence[int]
    ) -> None:
        entering = (encoder_channels[-1], *decoder_channels)
        taps = (
            Tap(f"feature_{level}", encoder_channels[level], entering[3 - level] // 2, 2 << level)
            for level in (3, 2, 1, 0)
        )
        super().__init__(net, taps, multiple=(TOTAL_STRIDE, TOTAL_STRIDE))

    def _parts(self) -> Parts:
        return flexible_unet_parts(self.net)

    def _encode(self, x: Tensor) -> Sequence[Tensor]:
        (encoder,) = self.encoder_modules
        features: Sequence[Tensor] = encoder(x)
        return features

    def _decode(self, features: Sequence[Tensor], implant: Implant) -> Sequence[Tensor]:
        return (flexible_unet_finish(self.net, super()._decode(features, implant)[0]),)


def build(settings: FlexibleUnetSettings, wanted: Wanted) -> FlexibleUnetBackbone:
    """Build the network from its settings; only ``encoder_weights`` are read from disk."""
    entry = encoder_entry(settings.encoder)
    net = _network(settings, wanted, entry["parameter"])
    backbone = FlexibleUnetBackbone(net, entry["feature_channel"], settings.decoder_channels)
    if settings.encoder_weights is not None:
        (encoder,) = backbone.encoder_modules
        load_encoder_weights(encoder, settings.encoder_weights)
    return backbone


def _network(
    settings: FlexibleUnetSettings, wanted: Wanted, shared: dict[str, Any]
) -> FlexibleUNet:
    """Construct, and undo what MONAI's constructor writes into its shared register."""
    before = dict(shared)
    try:
        return FlexibleUNet(
            in_channels=wanted.in_channels,
            out_channels=wanted.out_channels,
            backbone=settings.encoder,
            pretrained=False,
            decoder_channels=settings.decoder_channels,
            spatial_dims=2,
            dropout=settings.dropout,
        )
    finally:
        shared.clear()
        shared.update(before)
