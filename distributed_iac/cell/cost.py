"""Parameters and multiplications of discrete cells, counted without building them.

::

    size = (256, 256)
    derived = derived_network_cost(backbone.taps, genotype, settings, size)
    derived.parameters, derived.macs

A multiply-accumulate (MAC) is counted for every convolution weight and output pixel, for one image
and one forward pass. Poolings, normalisation and sums are not counted, as usual; note that
measured time does not follow MACs, because depthwise convolutions are bound by memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil

from distributed_iac.cell.operations import CONVOLUTIONS
from distributed_iac.cell.search_cell import input_channels
from distributed_iac.config.cell import CellSettings
from distributed_iac.genotype import CellGenotype, Genotype
from distributed_iac.nets.contract import Tap


@dataclass(frozen=True)
class Cost:
    """What something adds to a network.

    Args:
        parameters: Trainable numbers.
        macs: Multiply-accumulates of one forward pass over one image.
    """

    parameters: int = 0
    macs: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.parameters + other.parameters, self.macs + other.macs)


def operation_cost(name: str, channels: int, pixels: int) -> Cost:
    """Count one operation.

    Args:
        name: One of ``OPERATIONS``.
        channels: Channels that pass through it.
        pixels: H x W of its feature.
    """
    if name in CONVOLUTIONS:
        convolution = CONVOLUTIONS[name]
        weights = channels * convolution.kernel**2 + channels**2
        unit = Cost(weights, weights * pixels) + _norm(channels)
        return total(unit for _ in range(convolution.repeats))
    return Cost()


def derived_cell_cost(
    genotype: CellGenotype, in_channels: Sequence[int], width: int, pixels: int
) -> Cost:
    """Count a discrete cell.

    Args:
        genotype: Its edges and operations.
        in_channels: Channels of each input.
        width: Channels C of every node.
        pixels: H x W.
    """
    sources = {edge.source for edge, _ in genotype.genes}
    used = [channels for i, channels in enumerate(in_channels) if i in sources]
    return _inputs(used, width, pixels) + total(
        operation_cost(operation, width, pixels) for _, operation in genotype.genes
    )


def derived_network_cost(
    taps: Sequence[Tap], genotype: Genotype, settings: CellSettings, size: tuple[int, int]
) -> Cost:
    """Count all discrete cells with their projections; the backbone is not counted.

    Args:
        taps: The backbone's skip connections.
        genotype: The cells.
        settings: Inputs and width of the cells.
        size: H and W of the image.
    """
    parts = []
    for index, tap in enumerate(taps):
        cell = genotype.cell(index)
        width, pixels = settings.width_for(tap.channels), pixels_at(tap, size)
        parts.append(derived_cell_cost(cell, input_channels(tap, settings), width, pixels))
        parts.append(_projection(width * len(cell.nodes), tap.channels, pixels))
    return total(parts)


def pixels_at(tap: Tap, size: tuple[int, int]) -> int:
    """Pixels of a tap's feature; exact when its stride divides the image's H and W."""
    return ceil(size[0] / tap.stride) * ceil(size[1] / tap.stride)


def total(costs: Iterable[Cost]) -> Cost:
    """Add costs up."""
    return sum(costs, start=Cost())


def _inputs(in_channels: Sequence[int], width: int, pixels: int) -> Cost:
    return total(
        Cost(channels * width, channels * width * pixels) + _norm(width) for channels in in_channels
    )


def _norm(channels: int) -> Cost:
    """Count the BatchNorm of a discrete cell: scale and shift."""
    return Cost(2 * channels)


def _projection(in_channels: int, out_channels: int, pixels: int) -> Cost:
    """Count the 1 x 1 convolution back to the skip; its bias is a parameter, but no MAC."""
    weights = in_channels * out_channels
    return Cost(weights + out_channels, weights * pixels)
