"""What people put into a skip connection by hand, implanted and trained as cells are: controls.

::

    network = SkipNetwork(backbone, "attention_gate", cell_settings, generator)
    groups = retrained(network, "cells", rate=1.0)      # as of a network with cells

Each stands where a cell would: its output passes a 1 x 1 convolution that starts at zero and is
added to the skip (or takes its place, as ``cell.residual`` says), so that only what is computed
differs from a cell.

* ``squeeze_excitation``: channels of the skip, weighted (arXiv 1709.01507; MONAI's ChannelSELayer).
* ``attention_gate``: pixels of the skip, weighted by what the decoder asks for (arXiv 1804.03999;
  MONAI's AttentionBlock).
* ``spatial_channel``: the sum of skips weighted by channel and by pixel (scSE, arXiv 1803.02579).
* ``convolution``: 3 x 3 convolution, BatchNorm, ReLU on what a cell would see, as wide as gives the
  number of parameters that a cell drawn at random has on average.

Shapes: B batch, C channels of the skip, H x W pixels.
"""

from __future__ import annotations

from statistics import fmean

import torch
from monai.networks.blocks import ChannelSELayer
from torch import Tensor, nn

from distributed_iac.cell.cost import operation_cost
from distributed_iac.cell.implant import ImplantedNetwork, Projections, require_taps, seeded_by
from distributed_iac.cell.search_cell import input_channels
from distributed_iac.config.cell import CellSettings
from distributed_iac.config.comparison import SkipModule
from distributed_iac.genotype import OPERATIONS
from distributed_iac.nets.contract import Backbone, Tap
from distributed_iac.nets.monai_internals import attention_gate


class SkipNetwork(ImplantedNetwork):
    """A backbone with a hand-made module at every tap.

    Args:
        backbone: Trained; what of it is frozen is the caller's choice.
        module: Which.
        settings: Of the cell in whose place it stands: inputs, width, way of joining.
        generator: Source of the initial weights.
    """

    def __init__(
        self,
        backbone: Backbone,
        module: SkipModule,
        settings: CellSettings,
        generator: torch.Generator,
    ) -> None:
        super().__init__(backbone)
        taps = require_taps(backbone)
        with seeded_by(generator):
            blocks = [_build(module, tap, settings) for tap in taps]
            self.cells = nn.ModuleList(blocks)
            widths = [
                block.width if isinstance(block, Convolution) else tap.channels
                for block, tap in zip(blocks, taps, strict=True)
            ]
            self.projections = Projections(taps, widths, settings.residual)

    def _nodes(self, tap: int, skip: Tensor, decoder: Tensor) -> Tensor:
        nodes: Tensor = self.cells[tap](skip, decoder)
        return nodes


class SqueezeExcitation(nn.Module):
    """Weights of channels from their means over all pixels."""

    def __init__(self, tap: Tap) -> None:
        super().__init__()
        self.layer = ChannelSELayer(2, tap.channels, r=min(2, tap.channels))

    def forward(self, skip: Tensor, _decoder: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        weighted: Tensor = self.layer(skip)
        return weighted


class AttentionGate(nn.Module):
    """Weights of pixels from skip and decoder feature."""

    def __init__(self, tap: Tap) -> None:
        super().__init__()
        inner = max(1, tap.channels // 2)
        self.gate = attention_gate(inner, tap.decoder_channels, tap.channels)

    def forward(self, skip: Tensor, decoder: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        gated: Tensor = self.gate(decoder, skip)
        return gated


class SpatialChannel(nn.Module):
    """Concurrent spatial and channel squeeze and excitation."""

    def __init__(self, tap: Tap) -> None:
        super().__init__()
        self.channels = ChannelSELayer(2, tap.channels, r=min(2, tap.channels))
        self.pixels = nn.Conv2d(tap.channels, 1, 1)

    def forward(self, skip: Tensor, _decoder: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        weighted: Tensor = self.channels(skip) + skip * torch.sigmoid(self.pixels(skip))
        return weighted


class Convolution(nn.Module):
    """A plain convolution of a cell's inputs.

    Args:
        tap: Where it stands.
        settings: Of the cell in whose place it stands.
    """

    def __init__(self, tap: Tap, settings: CellSettings) -> None:
        super().__init__()
        inputs = input_channels(tap, settings)
        self.uses_decoder = len(inputs) == 2
        self.width = matched_width(tap, settings)
        self.layers = nn.Sequential(
            nn.Conv2d(sum(inputs), self.width, 3, padding=1, bias=False),
            nn.BatchNorm2d(self.width),
            nn.ReLU(),
        )

    def forward(self, skip: Tensor, decoder: Tensor) -> Tensor:
        """(B, C, H, W) and the decoder's feature to (B, width, H, W)."""
        inputs = torch.cat((skip, decoder), 1) if self.uses_decoder else skip
        nodes: Tensor = self.layers(inputs)
        return nodes


def matched_width(tap: Tap, settings: CellSettings) -> int:
    """Channels with which the convolution block and its projection have a mean cell's parameters.

    The mean is over cells whose operations are drawn at random, both inputs used.
    """
    per_channel = sum(input_channels(tap, settings)) * 9 + 2 + tap.channels
    return max(1, round(mean_cell_parameters(tap, settings) / per_channel))


def mean_cell_parameters(tap: Tap, settings: CellSettings) -> float:
    """Parameters of a cell of random operations and its projection, without the projection's bias.

    Two edges end in every node, each with any operation but ``none``.
    """
    width, topology = settings.width_for(tap.channels), settings.topology
    operations = [one for one in OPERATIONS if one != "none"]
    one = fmean(operation_cost(name, width, pixels=1).parameters for name in operations)
    inputs = sum((channels + 2) * width for channels in input_channels(tap, settings))
    return inputs + 2 * topology.nodes * one + width * topology.nodes * tap.channels


def _build(module: SkipModule, tap: Tap, settings: CellSettings) -> nn.Module:
    match module:
        case "squeeze_excitation":
            return SqueezeExcitation(tap)
        case "attention_gate":
            return AttentionGate(tap)
        case "spatial_channel":
            return SpatialChannel(tap)
        case "convolution":
            return Convolution(tap, settings)
