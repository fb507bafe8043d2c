"""MONAI's BasicUNet: five levels, four skips, the smallest network here.

::

    backbone = build(BasicUnetSettings(features="tiny"), Wanted(1, 4))
    [tap.stride for tap in backbone.taps]       # [8, 4, 2, 1]

Any size is accepted as it is: MONAI's UpCat repeats the border where an odd size was halved.
"""

from __future__ import annotations

from collections.abc import Sequence

from monai.networks.nets.basic_unet import BasicUNet

from distributed_iac.config.backbone import BasicUnetSettings
from distributed_iac.nets.contract import Tap
from distributed_iac.nets.monai_internals import basic_unet_parts
from distributed_iac.nets.wrapped import Parts, Wanted, WrappedBackbone

NORM = {"instance": ("instance", {"affine": True}), "batch": "batch"}
"""MONAI's names; its own default is the first."""


class BasicUnetBackbone(WrappedBackbone):
    """BasicUNet with the skips of its levels 3, 2, 1, 0 open.

    Args:
        net: A 2-D network of MONAI's class.
        widths: The six channel counts that it was built with.
    """

    def __init__(self, net: BasicUNet, widths: Sequence[int]) -> None:
        up = [widths[4] // 2, widths[3] // 2, widths[2] // 2, widths[1]]
        taps = (
            Tap(f"level_{level}", widths[level], up[3 - level], 2**level) for level in (3, 2, 1, 0)
        )
        super().__init__(net, taps)

    def _parts(self) -> Parts:
        return basic_unet_parts(self.net)


def build(settings: BasicUnetSettings, wanted: Wanted) -> BasicUnetBackbone:
    """Build the network from its settings, randomly initialised."""
    net = BasicUNet(
        spatial_dims=2,
        in_channels=wanted.in_channels,
        out_channels=wanted.out_channels,
        features=settings.widths,
        norm=NORM[settings.norm],
        dropout=settings.dropout,
        upsample=settings.upsample,
    )
    return BasicUnetBackbone(net, settings.widths)
