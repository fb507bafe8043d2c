"""Baseline U-Net++ (Zhou et al., arXiv 1807.10165), MONAI's BasicUNetPlusPlus.

::

    backbone = build(BasicUnetPlusPlusSettings(features="tiny"), in_channels=1, out_channels=4)
    [tap.name for tap in backbone.taps]   # node_3_1, node_2_1, node_2_2, node_1_1, ... node_0_4

Node (i, j) lies at stride 2^i and joins the j earlier nodes of its row, concatenated, with node
(i+1, j-1) upsampled. Each of the ten joins is a tap.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.nets.basic_unetplusplus import BasicUNetPlusPlus
from torch import Tensor, nn

from distributed_iac.config.backbone import BasicUnetPlusPlusSettings
from distributed_iac.nets.basic_unet import NORM
from distributed_iac.nets.contract import Implant, Tap
from distributed_iac.nets.joins import join_upcat
from distributed_iac.nets.planner import Fingerprint2d
from distributed_iac.nets.wrapped import WrappedBackbone

LEVELS = 4
"""Rows with joins; row 4 is the bottleneck."""

NODES = tuple((row, column) for row in (3, 2, 1, 0) for column in range(1, LEVELS - row + 1))
"""(row, column) of every tap, deepest row first."""


class BasicUnetPlusPlusBackbone(WrappedBackbone):
    """U-Net++ with its ten joins open; supervises up to four nested networks.

    Args:
        net: A 2-D network of MONAI's class.
        widths: The six channel counts that it was built with.
        supervised_scales: Outputs in training, deepest nested network first; all four lie at
            full resolution.
    """

    def __init__(
        self, net: BasicUNetPlusPlus, widths: Sequence[int], supervised_scales: int
    ) -> None:
        super().__init__(net, supervised_scales=supervised_scales)
        self._taps = tuple(
            Tap(
                name=f"node_{row}_{column}",
                channels=widths[row] * column,
                decoder_channels=widths[row + 1] // (2 if row else 1),
                stride=2**row,
            )
            for row, column in NODES
        )

    @property
    def taps(self) -> tuple[Tap, ...]:
        """All joins, deepest row first, from left to right in a row."""
        return self._taps

    @property
    def encoder_modules(self) -> tuple[nn.Module, ...]:
        """``conv_0_0`` to ``conv_4_0``."""
        return tuple(getattr(self.net, f"conv_{row}_0") for row in range(LEVELS + 1))

    def _encode(self, x: Tensor) -> Sequence[Tensor]:
        features = []
        for module in self.encoder_modules:
            x = module(x)
            features.append(x)
        return features

    def _decode(self, features: Sequence[Tensor], implant: Implant) -> Sequence[Tensor]:
        rows = [[feature] for feature in features]
        for column in range(1, LEVELS + 1):
            for row in range(LEVELS - column + 1):
                rows[row].append(self._node(row, column, rows, implant))
        return rows[0][:0:-1]

    def _node(self, row: int, column: int, rows: list[list[Tensor]], implant: Implant) -> Tensor:
        block = getattr(self.net, f"upcat_{row}_{column}")
        earlier = rows[row][0] if column == 1 else torch.cat(rows[row], dim=1)
        tap = NODES.index((row, column))
        return join_upcat(block, tap, rows[row + 1][column - 1], earlier, implant)

    def _heads(self) -> Sequence[nn.Module]:
        return tuple(getattr(self.net, f"final_conv_0_{column}") for column in (4, 3, 2, 1))


def build(
    settings: BasicUnetPlusPlusSettings,
    in_channels: int,
    out_channels: int,
    _fingerprint: Fingerprint2d | None = None,
) -> BasicUnetPlusPlusBackbone:
    """Build the network from its settings, randomly initialised."""
    net = BasicUNetPlusPlus(
        spatial_dims=2,
        in_channels=in_channels,
        out_channels=out_channels,
        features=settings.widths,
        norm=NORM[settings.norm],
        dropout=settings.dropout,
    )
    scales = LEVELS if settings.supervised_scales == "all" else settings.supervised_scales
    return BasicUnetPlusPlusBackbone(net, settings.widths, scales)
