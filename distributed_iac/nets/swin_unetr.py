"""MONAI's SwinUNETR in 2-D (Hatamizadeh et al., arXiv 2201.01266).

::

    backbone = build(SwinUnetrSettings(feature_size=24), in_channels=1, out_channels=4)
    [tap.stride for tap in backbone.taps]       # [16, 8, 4, 2, 1]

The deepest tap sees a hidden state of the transformer as it is; the other skips have passed a
residual block of their own.
"""

from __future__ import annotations

from collections.abc import Sequence

from monai.networks.nets.swin_unetr import SwinUNETR
from torch import Tensor, nn

from distributed_iac.config.backbone import SwinUnetrSettings
from distributed_iac.nets.contract import Implant, Tap
from distributed_iac.nets.joins import join_up_block
from distributed_iac.nets.planner import Fingerprint2d
from distributed_iac.nets.wrapped import WrappedBackbone

TOTAL_STRIDE = 32


class SwinUnetrBackbone(WrappedBackbone):
    """SwinUNETR with its five skips open.

    Args:
        net: A 2-D network of MONAI's class, patch size 2.
        feature_size: Channels at full resolution that it was built with.
    """

    def __init__(self, net: SwinUNETR, feature_size: int) -> None:
        super().__init__(net, multiple=(TOTAL_STRIDE, TOTAL_STRIDE))
        channels = [feature_size * factor for factor in (8, 4, 2, 1, 1)]
        self._taps = tuple(
            Tap(f"decoder_{5 - tap}", width, width, 16 >> tap) for tap, width in enumerate(channels)
        )

    @property
    def taps(self) -> tuple[Tap, ...]:
        """Skips joined in ``decoder5`` to ``decoder1``."""
        return self._taps

    @property
    def encoder_modules(self) -> tuple[nn.Module, ...]:
        """The transformer and the blocks between its hidden states and the decoder."""
        net = self.net
        return (net.swinViT, net.encoder1, net.encoder2, net.encoder3, net.encoder4, net.encoder10)

    def _encode(self, x: Tensor) -> Sequence[Tensor]:
        net = self.net
        hidden: Sequence[Tensor] = net.swinViT(x, net.normalize)
        return (
            net.encoder1(x),
            net.encoder2(hidden[0]),
            net.encoder3(hidden[1]),
            net.encoder4(hidden[2]),
            hidden[3],
            net.encoder10(hidden[4]),
        )

    def _decode(self, features: Sequence[Tensor], implant: Implant) -> Sequence[Tensor]:
        *skips, x = features
        net = self.net
        blocks = (net.decoder5, net.decoder4, net.decoder3, net.decoder2, net.decoder1)
        for tap, (block, skip) in enumerate(zip(blocks, reversed(skips), strict=True)):
            x = join_up_block(block, tap, x, skip, implant)
        return (x,)

    def _heads(self) -> Sequence[nn.Module]:
        return (self.net.out,)


def build(
    settings: SwinUnetrSettings,
    in_channels: int,
    out_channels: int,
    _fingerprint: Fingerprint2d | None = None,
) -> SwinUnetrBackbone:
    """Build the network from its settings, randomly initialised."""
    net = SwinUNETR(
        in_channels=in_channels,
        out_channels=out_channels,
        spatial_dims=2,
        feature_size=settings.feature_size,
        depths=settings.depths,
        window_size=settings.window_size,
        dropout_path_rate=settings.drop_path,
    )
    return SwinUnetrBackbone(net, settings.feature_size)
