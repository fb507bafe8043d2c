"""A 2-D network trained by nnU-Net v2: PlainConvUNet or ResidualEncoderUNet, from its folder.

::

    settings = NnUnetSettings(folder="results/Dataset027_ACDC/nnUNetTrainer__nnUNetPlans__2d")
    backbone = build(settings, Wanted(1, 4))
    [tap.name for tap in backbone.taps]     # stage_4, stage_3, ... stage_0

nnU-Net itself is not needed; ``benchmarks/nnunet_parity.py`` compares the two where it is
installed: the same numbers, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from distributed_iac.config.backbone import NnUnetSettings
from distributed_iac.errors import ConfigError
from distributed_iac.nets.contract import Implant
from distributed_iac.nets.nnunet_folder import read_nnunet_plan, read_nnunet_weights
from distributed_iac.nets.nnunet_network import NnUnetNetwork
from distributed_iac.nets.nnunet_plan import NnUnetArchitecture, NnUnetPlan
from distributed_iac.nets.planner import total_stride
from distributed_iac.nets.weights import fill
from distributed_iac.nets.wrapped import Parts, Wanted, WrappedBackbone, stage_taps


class NnUnetBackbone(WrappedBackbone):
    """nnU-Net's network with its skips open.

    Args:
        net: The network.
        plan: Its architecture.
        supervised_scales: Outputs in training, finest first.
    """

    redundant_keys: ClassVar[tuple[str, ...]] = (r"\.all_modules\.\d+\.", r"^decoder\.encoder\.")

    def __init__(
        self,
        net: NnUnetNetwork,
        plan: NnUnetArchitecture,
        supervised_scales: int | Literal["all"],
    ) -> None:
        super().__init__(
            net,
            stage_taps(plan.strides, plan.features),
            multiple=total_stride(plan.strides),
            supervised_scales=supervised_scales,
        )

    def _parts(self) -> Parts:
        decoder = self.net.decoder
        return Parts(
            (self.net.encoder,),
            tuple(zip(decoder.transpconvs, decoder.stages, strict=True)),
            tuple(decoder.seg_layers)[::-1],
            _join,
        )

    def _encode(self, x: Tensor) -> Sequence[Tensor]:
        features: Sequence[Tensor] = self.net.encoder(x)
        return features


def _join(
    block: tuple[nn.Module, nn.Module], tap: int, deeper: Tensor, skip: Tensor, implant: Implant
) -> Tensor:
    upsample, convolve = block
    up = upsample(deeper)
    joined: Tensor = convolve(torch.cat((up, implant(tap, skip, up)), dim=1))
    return joined


def build(settings: NnUnetSettings, wanted: Wanted) -> NnUnetBackbone:
    """Build the trained network with its weights.

    Raises:
        ConfigError: If the folder is not a trained 2-D model, or of other channels or classes.
        CheckpointError: If the checkpoint is damaged.
    """
    plan = read_nnunet_plan(settings.folder)
    _require_same_task(plan, wanted, settings.folder)
    weights = read_nnunet_weights(
        settings.folder, fold=settings.fold, checkpoint=settings.checkpoint
    )
    backbone = build_planned(settings, plan.architecture, wanted)
    fill(backbone.net, weights, where=settings.folder, redundant=backbone.redundant_keys)
    return backbone


def build_planned(
    settings: NnUnetSettings, plan: NnUnetArchitecture, wanted: Wanted
) -> NnUnetBackbone:
    """Build the network of a plan without its folder, to be filled with weights next.

    An exported model carries only the architecture: ``plans.json`` and ``dataset.json`` may name
    the cases of a hospital.
    """
    net = NnUnetNetwork(plan, wanted.in_channels, wanted.out_channels)
    return NnUnetBackbone(net, plan, settings.supervised_scales)


def _require_same_task(plan: NnUnetPlan, wanted: Wanted, folder: Path) -> None:
    asked = wanted.in_channels, wanted.out_channels
    if asked != (plan.in_channels, plan.out_channels):
        raise ConfigError(
            f"this nnU-Net was trained on {plan.in_channels} channels "
            f"({', '.join(plan.channel_names)}) and {plan.out_channels} classes "
            f"({', '.join(plan.labels)})",
            came=f"a data set of {asked[0]} channels and {asked[1]} classes",
            remedy="take the model that was trained on this data set",
            where=folder,
        )
