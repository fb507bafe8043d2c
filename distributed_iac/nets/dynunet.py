"""MONAI's DynUNet, planned by nnU-Net's 2-D rules.

::

    backbone = build(DynUnetSettings(), 1, 4, Fingerprint2d((256, 224), (1.56, 1.56)))
    [tap.stride for tap in backbone.taps]       # [16, 8, 4, 2, 1]
    backbone.training_outputs(x)                # with supervised_scales="all": five scales

MONAI registers every block twice, as itself and inside its recursive ``skip_layers``; that second
tree is removed here, so that a state_dict holds each tensor once. Files with both load as well.

Differs from nnU-Net's PlainConvUNet in: 1. convolutions carry no bias, which the instance norm
behind them would remove; 2. transposed convolutions carry none either (MONAI's default);
3. blocks of two convolutions everywhere. Differs from MONAI's forward in: outputs of deep
supervision come at their own scale, as in nnU-Net, not stacked at full resolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from monai.networks.nets.dynunet import DynUNet

from distributed_iac.config.backbone import DynUnetSettings
from distributed_iac.errors import ConfigError
from distributed_iac.nets.monai_internals import drop_second_tree, dynunet_parts
from distributed_iac.nets.planner import Fingerprint2d, Pair, doubling, plan_2d, total_stride
from distributed_iac.nets.wrapped import Parts, WrappedBackbone, stage_taps


class DynUnetBackbone(WrappedBackbone):
    """DynUNet with its skips open.

    Args:
        net: A 2-D network of MONAI's class; its ``skip_layers`` are removed.
        strides: Strides per stage that it was built with.
        features: Channels per stage that it was built with.
        supervised_scales: Outputs in training, finest first.
    """

    redundant_keys: ClassVar[tuple[str, ...]] = (r"^skip_layers\.", r"^deep_supervision_heads\.")

    def __init__(
        self,
        net: DynUNet,
        strides: tuple[Pair, ...],
        features: Sequence[int],
        supervised_scales: int | Literal["all"],
    ) -> None:
        drop_second_tree(net)
        super().__init__(
            net,
            stage_taps(strides, features),
            multiple=total_stride(strides),
            supervised_scales=supervised_scales,
        )

    def _parts(self) -> Parts:
        return dynunet_parts(self.net)


def build(
    settings: DynUnetSettings,
    in_channels: int,
    out_channels: int,
    fingerprint: Fingerprint2d | None = None,
) -> DynUnetBackbone:
    """Plan and build the network, initialised as MONAI does (Kaiming, slope 0.01).

    Raises:
        ConfigError: If neither a fingerprint nor strides are given.
    """
    strides, kernels, features = _stages(settings, fingerprint)
    heads = len(strides) - 2
    net = DynUNet(
        spatial_dims=2,
        in_channels=in_channels,
        out_channels=out_channels,
        kernel_size=kernels,
        strides=strides,
        upsample_kernel_size=strides[1:],
        filters=features,
        norm_name=("INSTANCE", {"affine": True}),
        deep_supervision=settings.supervised_scales != 1,
        deep_supr_num=max(heads, 1),
    )
    return DynUnetBackbone(net, strides, features, settings.supervised_scales)


def _stages(
    settings: DynUnetSettings, fingerprint: Fingerprint2d | None
) -> tuple[tuple[Pair, ...], tuple[Pair, ...], tuple[int, ...]]:
    """Return strides, kernels and channels per stage, as set or as planned."""
    if settings.strides is not None:
        stages = len(settings.strides)
        kernels = settings.kernels or ((3, 3),) * stages
        features = doubling(stages, settings.base_features, settings.max_features)
        return settings.strides, kernels, features
    if fingerprint is None:
        raise ConfigError(
            "a dynunet backbone is planned from the store's patch size and spacing",
            came="no fingerprint and no strides",
            remedy="pass fingerprint=Fingerprint2d(patch_size, spacing), or set strides",
        )
    plan = plan_2d(
        fingerprint,
        base_features=settings.base_features,
        max_features=settings.max_features,
        max_stages=settings.max_stages,
    )
    return plan.strides, plan.kernels, plan.features
