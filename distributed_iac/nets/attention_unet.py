"""Baseline Attention U-Net (Oktay et al., arXiv 1804.03999), MONAI's AttentionUnet.

::

    backbone = build(AttentionUnetSettings(), Wanted(1, 4))
    [tap.stride for tap in backbone.taps]       # [8, 4, 2, 1]

What a tap sees is the gated skip, right before it is joined.
"""

from __future__ import annotations

from collections.abc import Sequence

from monai.networks.nets.attentionunet import AttentionUnet

from distributed_iac.config.backbone import AttentionUnetSettings
from distributed_iac.nets.contract import Tap
from distributed_iac.nets.monai_internals import attention_unet_parts
from distributed_iac.nets.wrapped import Parts, Wanted, WrappedBackbone


class AttentionUnetBackbone(WrappedBackbone):
    """AttentionUnet with its gated skips open.

    Args:
        net: A 2-D network of MONAI's class, stride 2 at every level.
        channels: Channels per level that it was built with, finest first.
    """

    def __init__(self, net: AttentionUnet, channels: Sequence[int]) -> None:
        stride = 2 ** (len(channels) - 1)
        levels = reversed(range(len(channels) - 1))
        taps = (
            Tap(f"level_{level}", channels[level], channels[level], 2**level) for level in levels
        )
        super().__init__(net, taps, multiple=(stride, stride))

    def _parts(self) -> Parts:
        return attention_unet_parts(self.net)


def build(settings: AttentionUnetSettings, wanted: Wanted) -> AttentionUnetBackbone:
    """Build the network from its settings, randomly initialised."""
    net = AttentionUnet(
        spatial_dims=2,
        in_channels=wanted.in_channels,
        out_channels=wanted.out_channels,
        channels=settings.channels,
        strides=[2] * (len(settings.channels) - 1),
        dropout=settings.dropout,
    )
    return AttentionUnetBackbone(net, settings.channels)
