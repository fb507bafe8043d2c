"""Parameters and multiplications of cells, counted without building them.

::

    size = (256, 256)
    derived = derived_network_cost(backbone.taps, genotype, settings, size)
    derived.parameters, derived.macs
    search_network_cost(backbone.taps, structures, settings, size).macs / derived.macs

A multiply-accumulate (MAC) is counted for every convolution weight and output pixel, for one image
and one forward pass. Poolings, normalisation and sums are not counted, as usual; note that
measured time does not follow MACs, because depthwise convolutions are bound by memory.

Everything is counted as the modules compute it edge by edge; the grouped supernet does the same
multiplications in fewer calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil

from distributed_iac.cell.operations import CONVOLUTIONS, DERIVED, SEARCH, Normalisation
from distributed_iac.cell.search_cell import input_channels
from distributed_iac.cell.structure import CellStructure
from distributed_iac.config.cell import CellSettings
from distributed_iac.genotype import FAMILY, CellGenotype, Genotype
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


def operation_cost(name: str, channels: int, normalisation: Normalisation, pixels: int) -> Cost:
    """Count one operation.

    Args:
        name: One of ``OPERATIONS``.
        channels: Channels that pass through it.
        normalisation: ``SEARCH`` or ``DERIVED``.
        pixels: H x W of its feature.
    """
    if name in CONVOLUTIONS:
        convolution = CONVOLUTIONS[name]
        weights = channels * convolution.kernel**2 + channels**2
        unit = Cost(weights, weights * pixels) + _norm(channels, normalisation)
        return total(unit for _ in range(convolution.repeats))
    if FAMILY[name] == "pool" and normalisation.after_pooling:
        return _norm(channels, normalisation)
    return Cost()


def search_cell_cost(
    structure: CellStructure,
    in_channels: Sequence[int],
    width: int,
    partial_channels: int,
    pixels: int,
) -> Cost:
    """Count a cell that is being searched, as it is alive now.

    Args:
        structure: What is alive.
        in_channels: Channels of each input.
        width: Channels C of every node.
        partial_channels: K.
        pixels: H x W.
    """
    used = [n for i, n in enumerate(in_channels) if structure.outgoing(i)]
    return _inputs(used, width, SEARCH, pixels) + total(
        operation_cost(name, width // partial_channels, SEARCH, pixels)
        for names in structure.operations
        for name in names
    )


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
    return _inputs(used, width, DERIVED, pixels) + total(
        operation_cost(operation, width, DERIVED, pixels) for _, operation in genotype.genes
    )


def search_network_cost(
    taps: Sequence[Tap],
    structures: Sequence[CellStructure],
    settings: CellSettings,
    size: tuple[int, int],
) -> Cost:
    """Count all cells of a search with their projections; the backbone is not counted.

    Args:
        taps: The backbone's skip connections.
        structures: What is alive: one for all taps, or one a tap.
        settings: The cells.
        size: H and W of the image.
    """
    parts = []
    for index, tap in enumerate(taps):
        structure = structures[index if settings.genotype_scope == "per_skip" else 0]
        width, pixels = settings.width_for(tap.channels), pixels_at(tap, size)
        channels = input_channels(tap, settings)
        parts.append(
            search_cell_cost(structure, channels, width, settings.partial_channels, pixels)
        )
        parts.append(_projection(width * settings.nodes, tap.channels, pixels))
    return total(parts)


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


def _inputs(
    in_channels: Sequence[int], width: int, normalisation: Normalisation, pixels: int
) -> Cost:
    return total(
        Cost(channels * width, channels * width * pixels) + _norm(width, normalisation)
        for channels in in_channels
    )


def _norm(channels: int, normalisation: Normalisation) -> Cost:
    return Cost(2 * channels if normalisation.affine else 0)


def _projection(in_channels: int, out_channels: int, pixels: int) -> Cost:
    """Count the 1 x 1 convolution back to the skip; its bias is a parameter, but no MAC."""
    weights = in_channels * out_channels
    return Cost(weights + out_channels, weights * pixels)
