"""What the two implementations of a searched cell have in common: modules and their names.

::

    cell = SupernetCell(SearchCellShape(topology, (32, 64), width=32, partial_channels=4))
    cell.restrict(cell.structure.without_operation(3, "none"))
    cell.relax(partial_channels=2)              # the operations that are left see more channels
    nodes = cell([skip, decoder], operation_weights, edge_weights)      # (B, nodes * C, H, W)

Shapes: B batch, C width of the cell, K partial channels, P = C / K channels that pass through the
operations, H x W pixels, E edges, O operations.

Every operation of every edge is a module of its own, ``edges.<source>_<target>.<operation>``,
whichever implementation computes it. So a ``state_dict`` does not depend on how a cell is
computed, optimiser state belongs to single operations, and removing an operation is deleting its
module.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn

from distributed_iac.cell.growth import Growth, grow
from distributed_iac.cell.operations import SEARCH, Normalisation, build_operation
from distributed_iac.cell.structure import CellStructure
from distributed_iac.config.cell import CellSettings, check_partial_channels
from distributed_iac.errors import CheckpointError
from distributed_iac.genotype import CellTopology, Edge
from distributed_iac.nets.contract import Tap


@dataclass(frozen=True)
class SearchCellShape:
    """Everything that is fixed about a searched cell.

    Args:
        topology: Its graph.
        in_channels: Channels of each of its inputs.
        width: Channels C of every node.
        partial_channels: K; C / K channels pass through the operations.

    Raises:
        ConfigError: K does not divide C.
    """

    topology: CellTopology
    in_channels: tuple[int, ...]
    width: int
    partial_channels: int

    def __post_init__(self) -> None:
        assert len(self.in_channels) == self.topology.inputs
        check_partial_channels(self.width, self.partial_channels)

    @property
    def operation_channels(self) -> int:
        """Channels P that pass through the operations."""
        return self.width // self.partial_channels

    @property
    def out_channels(self) -> int:
        """Channels of the concatenated nodes."""
        return self.width * self.topology.nodes


def preprocess(in_channels: int, width: int, normalisation: Normalisation) -> nn.Sequential:
    """Build what every input of a cell passes first: ReLU, 1 x 1 convolution, BatchNorm (DARTS)."""
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(in_channels, width, 1, bias=False),
        normalisation.after_convolution(width),
    )


def input_channels(tap: Tap, settings: CellSettings) -> tuple[int, ...]:
    """Channels of each input of the cell at a tap: the skip's and, if used, the decoder's."""
    return (tap.channels, tap.decoder_channels)[: settings.topology.inputs]


def edge_name(edge: Edge) -> str:
    """Name of an edge in module paths."""
    return f"{edge.source}_{edge.target}"


class SearchCell(nn.Module, ABC):
    """A cell in which every live edge carries all its live operations, weighted.

    ``node_j = sum_e b_e shuffle(concat(sum_o w_eo op_eo(x_e[:P]), x_e[P:]))`` over the live edges
    e that end in j, where x_e is the edge's source (PC-DARTS, arXiv 1907.05737).

    Args:
        shape: Graph and channels.
        structure: What is alive; default: everything.
    """

    def __init__(self, shape: SearchCellShape, structure: CellStructure | None = None) -> None:
        super().__init__()
        self.shape = shape
        self.structure = structure or CellStructure.full(shape.topology)
        self.inputs = nn.ModuleDict()
        self.edges = nn.ModuleDict()
        for index, channels in enumerate(shape.in_channels):
            if self.structure.outgoing(index):
                self.inputs[str(index)] = preprocess(channels, shape.width, SEARCH)
        for index in self.structure.edges:
            self.edges[edge_name(shape.topology.edges[index])] = nn.ModuleDict(
                {
                    name: build_operation(name, shape.operation_channels, SEARCH)
                    for name in self.structure.operations[index]
                }
            )

    def operation(self, edge: int, name: str) -> nn.Module:
        """The module of a live operation."""
        operations = self.edges[edge_name(self.shape.topology.edges[edge])]
        assert isinstance(operations, nn.ModuleDict)
        module: nn.Module = operations[name]
        return module

    def restrict(self, structure: CellStructure) -> None:
        """Delete the modules of everything that ``structure`` no longer has.

        An input that no live edge leaves loses its projection too.

        Raises:
            CheckpointError: ``structure`` has something that was already removed here.
        """
        if not self.structure.contains(structure):
            raise CheckpointError("the modules of removed operations do not come back")
        for index in self.structure.edges:
            self._restrict_edge(index, structure.operations[index])
        for index in range(structure.topology.inputs):
            if not structure.outgoing(index) and str(index) in self.inputs:
                del self.inputs[str(index)]
        self.structure = structure

    def _restrict_edge(self, index: int, names: Sequence[str]) -> None:
        key = edge_name(self.shape.topology.edges[index])
        if not names:
            del self.edges[key]
            return
        operations = self.edges[key]
        assert isinstance(operations, nn.ModuleDict)
        for name in self.structure.operations[index]:
            if name not in names:
                del operations[name]

    def relax(self, partial_channels: int) -> list[Growth]:
        """Let more channels pass through the operations: K becomes smaller.

        Every operation keeps its weights and statistics for the channels that it had, and starts
        afresh for the others, from torch's global generator. The cell is not the same function
        afterwards: what used to bypass the operations now passes through them, and the shuffle
        interleaves fewer groups. As all else here it goes on learning from there.

        Args:
            partial_channels: The new K, a divisor of the present one.

        Returns:
            The weights that were replaced by larger ones.
        """
        assert self.shape.partial_channels % partial_channels == 0
        self.shape = replace(self.shape, partial_channels=partial_channels)
        like = next(self.inputs.parameters())
        growth: list[Growth] = []
        for operations in self.edges.values():
            assert isinstance(operations, nn.ModuleDict)
            for name, smaller in operations.items():
                larger = build_operation(name, self.shape.operation_channels, SEARCH).to(like)
                growth += grow(smaller, larger)
                operations[name] = larger.train(smaller.training)
        return growth

    def _project(self, inputs: Sequence[Tensor]) -> list[Tensor | None]:
        """Preprocess the inputs that are still in use, each to (B, C, H, W)."""
        return [
            self.inputs[str(index)](x) if str(index) in self.inputs else None
            for index, x in enumerate(inputs)
        ]

    @abstractmethod
    def forward(
        self, inputs: Sequence[Tensor], operation_weights: Tensor, edge_weights: Tensor
    ) -> Tensor:
        """Compute the cell.

        Args:
            inputs: One tensor per input, (B, in_channels[i], H, W).
            operation_weights: Shape (E, O); only live entries are used.
            edge_weights: Shape (E,); only live entries are used.

        Returns:
            The concatenated nodes, (B, nodes * C, H, W).
        """


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """Interleave ``groups`` equal groups of channels: (g, p) goes to (p, g) (ShuffleNet).

    Args:
        x: Shape (B, C, H, W).
        groups: Divisor of C.
    """
    if groups == 1:
        return x
    shuffled: Tensor = x.unflatten(1, (groups, -1)).transpose(1, 2)
    return shuffled.flatten(1, 2)
