"""Baseline U-Net++ (Zhou et al., arXiv 1807.10165), MONAI's BasicUNetPlusPlus.

::

    backbone = build(BasicUnetPlusPlusSettings(features="tiny"), Wanted(1, 4))
    [tap.name for tap in backbone.taps]   # node_3_1, node_2_1, node_2_2, node_1_1, ... node_0_4

Node (i, j) lies at stride 2^i and joins the j earlier nodes of its row, concatenated, with node
(i+1, j-1) upsampled. Each of the ten joins is a tap.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.nets.basic_unetplusplus import BasicUNetPlusPlus
from torch import Tensor

from distributed_iac.config.backbone import BasicUnetPlusPlusSettings
from distributed_iac.nets.basic_unet import NORM
from distributed_iac.nets.contract import Implant, Tap
from distributed_iac.nets.monai_internals import basic_unetplusplus_parts
from distributed_iac.nets.wrapped import Parts, Wanted, WrappedBackbone

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
        taps = (
            Tap(
                name=f"node_{row}_{column}",
                channels=widths[row] * column,
                decoder_channels=widths[row + 1] // (2 if row else 1),
                stride=2**row,
            )
            for row, column in NODES
        )
        super().__init__(net, taps, supervised_scales=supervised_scales)

    def _parts(self) -> Parts:
        return basic_unetplusplus_parts(self.net, NODES, LEVELS)

    def _decode(self, features: Sequence[Tensor], implant: Implant) -> Sequence[Tensor]:
        parts = self._parts()
        rows = [[feature] for feature in features]
        for column in range(1, LEVELS + 1):
            for row in range(LEVELS - column + 1):
                tap = NODES.index((row, column))
                deeper, block = rows[row + 1][column - 1], parts.joins[tap]
                earlier = rows[row][0] if column == 1 else torch.cat(rows[row], dim=1)
                rows[row].append(parts.join(block, tap, deeper, earlier, implant))
        return rows[0][:0:-1]


def build(settings: BasicUnetPlusPlusSettings, wanted: Wanted) -> BasicUnetPlusPlusBackbone:
    """Build the network from its settings, randomly initialised."""
    net = BasicUNetPlusPlus(
        spatial_dims=2,
        in_channels=wanted.in_channels,
        out_channels=wanted.out_channels,
        features=settings.widths,
        norm=NORM[settings.norm],
        dropout=settings.dropout,
    )
    scales = LEVELS if settings.supervised_scales == "all" else settings.supervised_scales
    return BasicUnetPlusPlusBackbone(net, settings.widths, scales)
