"""What of a searched cell is computed together: found once, used in every pass.

::

    plan = CellPlan.of(cell, like=edge_weights)
    for departure in plan.departures: ...            # what leaves each node, in order
    plan.weights(operation_weights, edge_weights)    # what weighs what it sends

A plan holds the modules themselves, and looks their weights up in every pass: loading a state or
moving the cell leaves it valid. It is made anew when what is alive, K, device or precision change
(:meth:`CellPlan.fits`).

Shapes: E edges, O operations, C width, P channels that pass through the operations.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from distributed_iac.cell.operations import CONVOLUTIONS, POOLINGS, Pool, SeparableUnit
from distributed_iac.cell.search_cell import SearchCell, SearchCellShape, channel_shuffle
from distributed_iac.cell.structure import CellStructure
from distributed_iac.genotype import OPERATIONS

Edges = tuple[int, ...]


@dataclass(frozen=True)
class Convolutions:
    """One kind of convolution on the m edges that leave a node and have it alive.

    Args:
        name: The kind.
        edges: Those edges.
        steps: For each of its units in turn, the m modules.
    """

    name: str
    edges: Edges
    steps: tuple[tuple[SeparableUnit, ...], ...]


@dataclass(frozen=True)
class Departure:
    """Everything that leaves a node.

    Args:
        edges: Live edges that leave it.
        targets: The node at the end of each.
        shared: Operations that do the same on every edge: skip and poolings, where alive.
        pooled: For each pooling among them, the BatchNorms of all edges that have it.
        convolutions: Kinds of convolution, grouped by the targets of the edges that have them.
    """

    edges: Edges
    targets: tuple[int, ...]
    shared: tuple[str, ...]
    pooled: dict[str, tuple[nn.BatchNorm2d, ...]]
    convolutions: dict[Edges, tuple[Convolutions, ...]]


@dataclass(frozen=True, eq=False)
class CellPlan:
    """What is computed together, and where its weights are found.

    Args:
        structure: What was alive when the plan was made.
        shape: Graph and channels then.
        departures: What leaves each node, inputs first.
        norms: How many groups of P channels are normalised.
        bypass: The channels that pass no operation, shuffled; 0/1 matrix (C, C).
        place: The channels that pass the operations, shuffled; 0/1 matrix (P, C).
        order: Index of every weight that is used in the flattened (E, O), E * O for none.
        pieces: How many of those belong together, in the order of their use.
    """

    structure: CellStructure
    shape: SearchCellShape
    departures: tuple[Departure, ...]
    norms: int
    bypass: Tensor
    place: Tensor
    order: Tensor
    pieces: tuple[int, ...]

    @classmethod
    def of(cls, cell: SearchCell, like: Tensor) -> CellPlan:
        """CellPlan a cell; constants get device and precision of ``like``."""
        nodes = range(cell.shape.topology.inputs + cell.shape.topology.nodes)
        departures = tuple(_departure(cell, node) for node in nodes)
        channels, width = cell.shape.operation_channels, cell.shape.width
        shuffled = channel_shuffle(
            torch.eye(width, dtype=like.dtype, device=like.device).view(width, width, 1, 1),
            cell.shape.partial_channels,
        ).view(width, width)
        bypass = shuffled.clone()
        bypass[:channels] = 0
        pieces = [piece for one in departures for piece in _order(cell, one)]
        return cls(
            cell.structure,
            cell.shape,
            departures,
            sum(_norms(one) for one in departures),
            bypass,
            shuffled[:channels].clone(),
            torch.tensor(
                [index for piece in pieces for index in piece],
                dtype=torch.long,
                device=like.device,
            ),
            tuple(len(piece) for piece in pieces),
        )

    def fits(self, cell: SearchCell, like: Tensor) -> bool:
        """Whether the plan was made for the cell as it is."""
        return (
            self.structure is cell.structure
            and self.shape is cell.shape
            and self.bypass.dtype == like.dtype
            and self.bypass.device == like.device
        )

    def weights(self, operation_weights: Tensor, edge_weights: Tensor) -> Sequence[Tensor]:
        """All weights in the order of their use, gathered at once.

        Returns:
            For each departure: the weights of its shared operations, (edges * shared,), edge by
            edge, if it has any; then for each kind of convolution P equal ones an edge, (m P,).
        """
        product = (edge_weights.unsqueeze(1) * operation_weights).flatten()
        padded = torch.cat([product, product.new_zeros(1)])
        gathered: Sequence[Tensor] = padded.index_select(0, self.order).split(self.pieces)
        return gathered


def _departure(cell: SearchCell, node: int) -> Departure:
    edges = cell.structure.outgoing(node)
    alive = {
        name: tuple(edge for edge in edges if name in cell.structure.operations[edge])
        for name in OPERATIONS
    }
    kinds = [name for name in CONVOLUTIONS if alive[name]]

    def targets(members: Edges) -> Edges:
        return tuple(cell.shape.topology.edges[edge].target for edge in members)

    return Departure(
        edges,
        targets(edges),
        tuple(name for name in ("skip_connect", *POOLINGS) if alive[name]),
        {name: _pool_norms(cell, alive[name], name) for name in POOLINGS if alive[name]},
        {
            targets(members): tuple(
                _convolutions(cell, members, name) for name in kinds if alive[name] == members
            )
            for members in dict.fromkeys(alive[name] for name in kinds)
        },
    )


def _convolutions(cell: SearchCell, edges: Edges, name: str) -> Convolutions:
    steps = []
    for step in range(CONVOLUTIONS[name].repeats):
        units = []
        for edge in edges:
            operation = cell.operation(edge, name)
            assert isinstance(operation, nn.Sequential)
            unit = operation[step]
            assert isinstance(unit, SeparableUnit)
            units.append(unit)
        steps.append(tuple(units))
    return Convolutions(name, edges, tuple(steps))


def _pool_norms(cell: SearchCell, edges: Edges, name: str) -> tuple[nn.BatchNorm2d, ...]:
    norms = []
    for edge in edges:
        pool = cell.operation(edge, name)
        assert isinstance(pool, Pool)
        assert isinstance(pool.norm, nn.BatchNorm2d)
        norms.append(pool.norm)
    return tuple(norms)


def _order(cell: SearchCell, departure: Departure) -> list[list[int]]:
    """Indices of the weights of what leaves a node, in the order of their use."""
    operations = cell.structure.operations
    nothing = len(operations) * len(OPERATIONS)

    def index(edge: int, name: str) -> int:
        alive = name in operations[edge]
        return edge * len(OPERATIONS) + OPERATIONS.index(name) if alive else nothing

    shared = [index(edge, name) for edge in departure.edges for name in departure.shared]
    convolved = [
        [
            index(edge, kind.name)
            for edge in kind.edges
            for _ in range(cell.shape.operation_channels)
        ]
        for kinds in departure.convolutions.values()
        for kind in kinds
    ]
    return [shared, *convolved] if shared else convolved


def _norms(departure: Departure) -> int:
    """How many groups of P channels are normalised on their own."""
    units = [units for kinds in departure.convolutions.values() for k in kinds for units in k.steps]
    return len(departure.pooled) + sum(len(one) for one in units)
