"""MONAI's SwinUNETR in 2-D (Hatamizadeh et al., arXiv 2201.01266).

::

    backbone = build(SwinUnetrSettings(feature_size=24), Wanted(1, 4))
    [tap.stride for tap in backbone.taps]       # [16, 8, 4, 2, 1]

The deepest tap sees a hidden state of the transformer as it is; the other skips have passed a
residual block of their own.
"""

from __future__ import annotations

from collections.abc import Sequence

from monai.networks.nets.swin_unetr import SwinUNETR
from torch import Tensor

from distributed_iac.config.backbone import SwinUnetrSettings
from distributed_iac.nets.contract import Tap
from distributed_iac.nets.monai_internals import swin_unetr_features, swin_unetr_parts
from distributed_iac.nets.wrapped import Parts, Wanted, WrappedBackbone

TOTAL_STRIDE = 32


class SwinUnetrBackbone(WrappedBackbone):
    """SwinUNETR with its five skips open.

    Args:
        net: A 2-D network of MONAI's class, patch size 2.
        feature_size: Channels at full resolution that it was built with.
    """

    def __init__(self, net: SwinUNETR, feature_size: int) -> None:
        channels = [feature_size * factor for factor in (8, 4, 2, 1, 1)]
        taps = (
            Tap(f"decoder_{5 - tap}", width, width, 16 >> tap) for tap, width in enumerate(channels)
        )
        super().__init__(net, taps, multiple=(TOTAL_STRIDE, TOTAL_STRIDE))

    def _parts(self) -> Parts:
        return swin_unetr_parts(self.net)

    def _encode(self, x: Tensor) -> Sequence[Tensor]:
        return swin_unetr_features(self.net, x)


def build(settings: SwinUnetrSettings, wanted: Wanted) -> SwinUnetrBackbone:
    """Build the network from its settings, randomly initialised."""
    net = SwinUNETR(
        in_channels=wanted.in_channels,
        out_channels=wanted.out_channels,
        spatial_dims=2,
        feature_size=settings.feature_size,
        depths=settings.depths,
        window_size=settings.window_size,
        dropout_path_rate=settings.drop_path,
    )
    return SwinUnetrBackbone(net, settings.feature_size)
