"""MONAI's UNet: nested levels of strided convolutions, joined before they are upsampled.

::

    backbone = build(UnetSettings(num_res_units=2), Wanted(in_channels=1, out_channels=4))
    [tap.stride for tap in backbone.taps]       # [16, 8, 4, 2]: none at full resolution

The deepest tap joins the bottom, which lies at its own resolution; the others join the level below,
upsampled by that level's own block.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from monai.networks.nets.unet import UNet

from distributed_iac.config.backbone import UnetSettings
from distributed_iac.nets.contract import Tap
from distributed_iac.nets.monai_internals import order_unet_outputs, unet_parts
from distributed_iac.nets.wrapped import Parts, Wanted, WrappedBackbone


class UnetBackbone(WrappedBackbone):
    """UNet with its skips open.

    Args:
        net: A 2-D network of MONAI's class.
        channels: Channels per level that it was built with, finest first, the bottom last.
        strides: Of every level but the bottom.
    """

    def __init__(self, net: UNet, channels: Sequence[int], strides: Sequence[int]) -> None:
        levels = range(len(strides))
        deeper = (*channels[:-2], channels[-1])  # a level hands up as many channels as it was given
        taps = (
            Tap(f"level_{level}", channels[level], deeper[level], prod(strides[: level + 1]))
            for level in reversed(levels)
        )
        super().__init__(net, taps, multiple=(prod(strides), prod(strides)))

    def _parts(self) -> Parts:
        return unet_parts(self.net)

    def _order_outputs(self, order: list[int]) -> None:
        order_unet_outputs(self.net, order)


def build(settings: UnetSettings, wanted: Wanted) -> UnetBackbone:
    """Build the network from its settings, randomly initialised."""
    strides = settings.all_strides
    net = UNet(
        spatial_dims=2,
        in_channels=wanted.in_channels,
        out_channels=wanted.out_channels,
        channels=settings.channels,
        strides=strides,
        kernel_size=settings.kernel_size,
        up_kernel_size=settings.up_kernel_size,
        num_res_units=settings.num_res_units,
        act=settings.act,
        norm=settings.norm,
        dropout=settings.dropout,
        bias=settings.bias,
        adn_ordering=settings.adn_ordering,
    )
    return UnetBackbone(net, settings.channels, strides)
