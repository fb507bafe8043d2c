"""Baseline Attention U-Net (Oktay et al., arXiv 1804.03999), MONAI's AttentionUnet.

::

    backbone = build(AttentionUnetSettings(), in_channels=1, out_channels=4)
    [tap.stride for tap in backbone.taps]       # [8, 4, 2, 1]

MONAI builds it as nested layers, each with its own gate; they are walked here once per call.
What a tap sees is the gated skip, right before it is joined.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from monai.networks.nets.attentionunet import AttentionUnet
from torch import Tensor, nn

from distributed_iac.config.backbone import AttentionUnetSettings
from distributed_iac.nets.contract import Implant, Tap
from distributed_iac.nets.planner import Fingerprint2d
from distributed_iac.nets.wrapped import WrappedBackbone


class AttentionUnetBackbone(WrappedBackbone):
    """AttentionUnet with its gated skips open.

    Args:
        net: A 2-D network of MONAI's class, stride 2 at every level.
        channels: Channels per level that it was built with, finest first.
    """

    def __init__(self, net: AttentionUnet, channels: Sequence[int]) -> None:
        stride = 2 ** (len(channels) - 1)
        super().__init__(net, multiple=(stride, stride))
        levels = reversed(range(len(channels) - 1))
        self._taps = tuple(
            Tap(f"level_{level}", channels[level], channels[level], 2**level) for level in levels
        )

    @property
    def taps(self) -> tuple[Tap, ...]:
        """Gated skips, deepest first."""
        return self._taps

    @property
    def encoder_modules(self) -> tuple[nn.Module, ...]:
        """The head and the convolution of every level below."""
        head = self.net.model[0]
        return (head, *(_down(layer) for layer in self._layers()))

    def _layers(self) -> list[Any]:
        layers = [self.net.model[1]]
        while isinstance(layers[-1].submodule, nn.Sequential):
            layers.append(layers[-1].submodule[1])
        return layers

    def _encode(self, x: Tensor) -> Sequence[Tensor]:
        features = []
        for module in self.encoder_modules:
            x = module(x)
            features.append(x)
        return features

    def _decode(self, features: Sequence[Tensor], implant: Implant) -> Sequence[Tensor]:
        *skips, x = features
        for tap, (layer, skip) in enumerate(
            zip(reversed(self._layers()), reversed(skips), strict=True)
        ):
            up = layer.upconv(x)
            gated = layer.attention(g=up, x=skip)
            x = layer.merge(torch.cat((implant(tap, gated, up), up), dim=1))
        return (x,)

    def _heads(self) -> Sequence[nn.Module]:
        return (self.net.model[2],)


def build(
    settings: AttentionUnetSettings,
    in_channels: int,
    out_channels: int,
    _fingerprint: Fingerprint2d | None = None,
) -> AttentionUnetBackbone:
    """Build the network from its settings, randomly initialised."""
    net = AttentionUnet(
        spatial_dims=2,
        in_channels=in_channels,
        out_channels=out_channels,
        channels=settings.channels,
        strides=[2] * (len(settings.channels) - 1),
        dropout=settings.dropout,
    )
    return AttentionUnetBackbone(net, settings.channels)


def _down(layer: Any) -> nn.Module:
    """The convolution that leads one level down: alone at the bottom, else before a layer."""
    below: nn.Module = layer.submodule
    return below[0] if isinstance(below, nn.Sequential) else below
