"""MONAI's DynUNet, planned by nnU-Net's 2-D rules.

::

    backbone = build(DynUnetSettings(), Wanted(1, 4, Fingerprint2d((256, 224), (1.56, 1.56))))
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

from typing import ClassVar, Literal

from monai.networks.nets.dynunet import DynUNet

from distributed_iac.config.backbone import DynUnetSettings
from distributed_iac.errors import ConfigError
from distributed_iac.nets.monai_internals import drop_second_tree, dynunet_parts
from distributed_iac.nets.planner import Fingerprint2d, Plan2d, doubling, plan_2d, total_stride
from distributed_iac.nets.wrapped import Parts, Wanted, WrappedBackbone, stage_taps


class DynUnetBackbone(WrappedBackbone):
    """DynUNet with its skips open.

    Args:
        net: A 2-D network of MONAI's class; its ``skip_layers`` are removed.
        plan: The stages that it was built with.
        supervised_scales: Outputs in training, finest first.
    """

    redundant_keys: ClassVar[tuple[str, ...]] = (r"^skip_layers\.", r"^deep_supervision_heads\.")

    def __init__(
        self,
        net: DynUNet,
        plan: Plan2d,
        supervised_scales: int | Literal["all"],
    ) -> None:
        drop_second_tree(net)
        super().__init__(
            net,
            stage_taps(plan.strides, plan.features),
            multiple=total_stride(plan.strides),
            supervised_scales=supervised_scales,
        )

    def _parts(self) -> Parts:
        return dynunet_parts(self.net)


def build(settings: DynUnetSettings, wanted: Wanted) -> DynUnetBackbone:
    """Plan and build the network, initialised as MONAI does (Kaiming, slope 0.01).

    Raises:
        ConfigError: If neither a fingerprint nor strides are given.
    """
    plan = _plan(settings, wanted.fingerprint)
    heads = len(plan.strides) - 2
    net = DynUNet(
        spatial_dims=2,
        in_channels=wanted.in_channels,
        out_channels=wanted.out_channels,
        kernel_size=plan.kernels,
        strides=plan.strides,
        upsample_kernel_size=plan.strides[1:],
        filters=plan.features,
        norm_name=("INSTANCE", {"affine": True}),
        deep_supervision=settings.supervised_scales != 1,
        deep_supr_num=max(heads, 1),
    )
    return DynUnetBackbone(net, plan, settings.supervised_scales)


def _plan(settings: DynUnetSettings, fingerprint: Fingerprint2d | None) -> Plan2d:
    """The stages, as set or as planned."""
    if settings.strides is not None:
        stages = len(settings.strides)
        kernels = settings.kernels or ((3, 3),) * stages
        features = doubling(stages, settings.base_features, settings.max_features)
        return Plan2d(settings.strides, kernels, features)
    if fingerprint is None:
        raise ConfigError(
            "a dynunet backbone is planned from the store's patch size and spacing",
            came="no fingerprint and no strides",
            remedy="pass fingerprint=Fingerprint2d(patch_size, spacing), or set strides",
        )
    return plan_2d(
        fingerprint,
        base_features=settings.base_features,
        max_features=settings.max_features,
        max_stages=settings.max_stages,
    )
