"""MONAI's BasicUNet: five levels, four skips, the smallest network here.

::

    backbone = build(BasicUnetSettings(features="tiny"), in_channels=1, out_channels=4)
    [tap.stride for tap in backbone.taps]       # [8, 4, 2, 1]

Any size is accepted as it is: MONAI's UpCat repeats the border where an odd size was halved.
"""

from __future__ import annotations

from collections.abc import Sequence

from monai.networks.nets.basic_unet import BasicUNet
from torch import Tensor, nn

from distributed_iac.config.backbone import BasicUnetSettings
from distributed_iac.nets.contract import Implant, Tap
from distributed_iac.nets.joins import join_upcat
from distributed_iac.nets.planner import Fingerprint2d
from distributed_iac.nets.wrapped import WrappedBackbone

NORM = {"instance": ("instance", {"affine": True}), "batch": "batch"}
"""MONAI's names; its own default is the first."""


class BasicUnetBackbone(WrappedBackbone):
    """BasicUNet with its skips open.

    Args:
        net: A 2-D network of MONAI's class.
        widths: The six channel counts that it was built with.
    """

    def __init__(self, net: BasicUNet, widths: Sequence[int]) -> None:
        super().__init__(net)
        up = [widths[4] // 2, widths[3] // 2, widths[2] // 2, widths[1]]
        self._taps = tuple(
            Tap(f"level_{level}", widths[level], up[3 - level], 2**level) for level in (3, 2, 1, 0)
        )

    @property
    def taps(self) -> tuple[Tap, ...]:
        """Skips of levels 3, 2, 1, 0, joined in ``upcat_4`` to ``upcat_1``."""
        return self._taps

    @property
    def encoder_modules(self) -> tuple[nn.Module, ...]:
        """``conv_0`` and ``down_1`` to ``down_4``."""
        net = self.net
        return (net.conv_0, net.down_1, net.down_2, net.down_3, net.down_4)

    def _encode(self, x: Tensor) -> Sequence[Tensor]:
        features = []
        for module in self.encoder_modules:
            x = module(x)
            features.append(x)
        return features

    def _decode(self, features: Sequence[Tensor], implant: Implant) -> Sequence[Tensor]:
        *skips, x = features
        net = self.net
        for tap, block in enumerate((net.upcat_4, net.upcat_3, net.upcat_2, net.upcat_1)):
            x = join_upcat(block, tap, x, skips[3 - tap], implant)
        return (x,)

    def _heads(self) -> Sequence[nn.Module]:
        return (self.net.final_conv,)


def build(
    settings: BasicUnetSettings,
    in_channels: int,
    out_channels: int,
    _fingerprint: Fingerprint2d | None = None,
) -> BasicUnetBackbone:
    """Build the network from its settings, randomly initialised."""
    net = BasicUNet(
        spatial_dims=2,
        in_channels=in_channels,
        out_channels=out_channels,
        features=settings.widths,
        norm=NORM[settings.norm],
        dropout=settings.dropout,
        upsample=settings.upsample,
    )
    return BasicUnetBackbone(net, settings.widths)
