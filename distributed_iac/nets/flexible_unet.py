"""MONAI's FlexibleUNet: a residual or efficient encoder under a U-Net decoder.

::

    backbone = build(FlexibleUnetSettings(encoder="resnet34"), in_channels=1, out_channels=4)
    [tap.stride for tap in backbone.taps]       # [16, 8, 4, 2]: none at full resolution

Nothing is downloaded: weights of the encoder come from ``encoder_weights``, a local file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from monai.networks.nets.flexible_unet import FLEXUNET_BACKBONE, FlexibleUNet
from torch import Tensor, nn

from distributed_iac.config.backbone import FlexibleUnetSettings
from distributed_iac.nets.contract import Implant, Tap
from distributed_iac.nets.joins import join_upcat
from distributed_iac.nets.planner import Fingerprint2d
from distributed_iac.nets.weights import load_encoder_weights
from distributed_iac.nets.wrapped import WrappedBackbone

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
        super().__init__(net, multiple=(TOTAL_STRIDE, TOTAL_STRIDE))
        entering = (encoder_channels[-1], *decoder_channels)
        self._taps = tuple(
            Tap(f"feature_{level}", encoder_channels[level], entering[3 - level] // 2, 2 << level)
            for level in (3, 2, 1, 0)
        )

    @property
    def taps(self) -> tuple[Tap, ...]:
        """Skips of the encoder's features 3, 2, 1, 0."""
        return self._taps

    @property
    def encoder_modules(self) -> tuple[nn.Module, ...]:
        """The encoder."""
        return (self.net.encoder,)

    def _encode(self, x: Tensor) -> Sequence[Tensor]:
        features: Sequence[Tensor] = self.net.encoder(x)
        return features

    def _decode(self, features: Sequence[Tensor], implant: Implant) -> Sequence[Tensor]:
        *skips, x = features
        *joining, last = self.net.decoder.blocks
        for tap, (block, skip) in enumerate(zip(joining, reversed(skips), strict=True)):
            x = join_upcat(block, tap, x, skip, implant)
        return (last(x, None),)

    def _heads(self) -> Sequence[nn.Module]:
        return (self.net.segmentation_head,)


def build(
    settings: FlexibleUnetSettings,
    in_channels: int,
    out_channels: int,
    _fingerprint: Fingerprint2d | None = None,
) -> FlexibleUnetBackbone:
    """Build the network from its settings; only ``encoder_weights`` are read from disk."""
    entry = FLEXUNET_BACKBONE.register_dict[settings.encoder]
    net = _network(settings, in_channels, out_channels, entry["parameter"])
    if settings.encoder_weights is not None:
        load_encoder_weights(net.encoder, settings.encoder_weights)
    return FlexibleUnetBackbone(net, entry["feature_channel"], settings.decoder_channels)


def _network(
    settings: FlexibleUnetSettings, in_channels: int, out_channels: int, shared: dict[str, Any]
) -> FlexibleUNet:
    """Construct, and undo what MONAI's constructor writes into its shared register."""
    before = dict(shared)
    try:
        return FlexibleUNet(
            in_channels=in_channels,
            out_channels=out_channels,
            backbone=settings.encoder,
            pretrained=False,
            decoder_channels=settings.decoder_channels,
            spatial_dims=2,
            dropout=settings.dropout,
        )
    finally:
        shared.clear()
        shared.update(before)
