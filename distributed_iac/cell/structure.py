"""Which operations of a cell are still alive: a frozen value, free of torch.

::

    structure = CellStructure.full(CellTopology(inputs=2, nodes=4))
    smaller = structure.without_operation(3, "none").without_edge(0)
    smaller.operations[3]                       # ("max_pool_3x3", ..., "dil_conv_5x5")
    smaller.live_operations, smaller.live_edges # 103, 13

Edges are counted as in ``CellTopology.edges``. An edge without operations is removed; every
intermediate node keeps at least one edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from distributed_iac.errors import ConfigError
from distributed_iac.genotype import FAMILY, OPERATIONS, CellGenotype, CellTopology

FULL_EDGE = sum(FAMILY[name] != "none" for name in OPERATIONS)
"""Operations of a full edge that are executed."""


@dataclass(frozen=True)
class CellStructure:
    """The live part of a cell that is being searched.

    Args:
        topology: The graph at the start of the search.
        operations: Live operations of every edge, in the order of ``OPERATIONS``; an empty tuple
            is a removed edge.

    Raises:
        ValueError: An unknown operation, or a node without live edges.
    """

    topology: CellTopology
    operations: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        if len(self.operations) != len(self.topology.edges):
            raise ValueError(
                f"the topology has {len(self.topology.edges)} edges, not {len(self.operations)}"
            )
        for names in self.operations:
            if list(names) != [name for name in OPERATIONS if name in names]:
                raise ValueError(f"operations are unknown, repeated or out of order: {names}")
        for target in self.topology.targets:
            if not self.incoming(target):
                raise ValueError(f"node {target} needs at least one live edge")

    @classmethod
    def full(cls, topology: CellTopology, candidates: tuple[str, ...] = OPERATIONS) -> Self:
        """Return the structure in which every candidate is alive."""
        return cls(topology, (candidates,) * len(topology.edges))

    @classmethod
    def from_mask(cls, topology: CellTopology, mask: NDArray[np.bool_] | Sequence[object]) -> Self:
        """Read a mask of shape (edges, operations); true is alive."""
        rows = np.asarray(mask, dtype=bool)
        return cls(
            topology,
            tuple(
                tuple(name for name, live in zip(OPERATIONS, row, strict=True) if live)
                for row in rows
            ),
        )

    @classmethod
    def of_cell(cls, cell: CellGenotype) -> Self:
        """What is alive when only a discrete cell's operations are."""
        chosen = dict(cell.genes)
        edges = cell.topology.edges
        return cls(
            cell.topology, tuple((chosen[edge],) if edge in chosen else () for edge in edges)
        )

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Live operations as an array of shape (edges, operations)."""
        return np.array([[name in names for name in OPERATIONS] for names in self.operations])

    @cached_property
    def edges(self) -> tuple[int, ...]:
        """Indices of the live edges."""
        return tuple(index for index, names in enumerate(self.operations) if names)

    def incoming(self, target: int) -> tuple[int, ...]:
        """Live edges that end in a node."""
        return tuple(i for i in self.topology.incoming(target) if self.operations[i])

    def outgoing(self, source: int) -> tuple[int, ...]:
        """Live edges that leave a node, by target."""
        return tuple(i for i in self.edges if self.topology.edges[i].source == source)

    @property
    def live_edges(self) -> int:
        """Number of live edges."""
        return len(self.edges)

    @property
    def live_operations(self) -> int:
        """Number of live operations over all edges, ``none`` among them."""
        return sum(len(names) for names in self.operations)

    @property
    def op_evaluations(self) -> int:
        """Operations that one forward pass has to compute; ``none`` computes nothing."""
        return sum(FAMILY[name] != "none" for names in self.operations for name in names)

    def without_operation(self, edge: int, operation: str) -> Self:
        """Remove one operation of a live edge.

        Raises:
            ValueError: It is not alive, or it is the edge's last: remove the edge instead.
        """
        names = self.operations[edge]
        if operation not in names:
            raise ValueError(f"edge {edge} has no live {operation}, only {names}")
        if len(names) == 1:
            raise ValueError(f"{operation} is the last operation of edge {edge}; remove the edge")
        return self._with_edge(edge, tuple(name for name in names if name != operation))

    def without_edge(self, edge: int) -> Self:
        """Remove a live edge with all its operations.

        Raises:
            ValueError: It is not alive, or it is its node's last.
        """
        if not self.operations[edge]:
            raise ValueError(f"edge {edge} is already removed")
        return self._with_edge(edge, ())

    def _with_edge(self, edge: int, names: tuple[str, ...]) -> Self:
        changed = (*self.operations[:edge], names, *self.operations[edge + 1 :])
        return replace(self, operations=changed)

    def contains(self, other: CellStructure) -> bool:
        """Whether ``other`` can be reached from here by removals alone."""
        return self.topology == other.topology and not bool((other.mask & ~self.mask).any())


def full_epoch_equivalents(evaluations: int, rows: int, steps_per_epoch: int) -> float:
    """What a search has cost, in units of one epoch of the full supernet.

    Counted in executed operations (:attr:`CellStructure.op_evaluations`): deterministic, and
    without hardware. A full cell of 14 edges executes 98 operations a step.

    Args:
        evaluations: Executed operations, summed over all steps so far.
        rows: R, edges of all cells.
        steps_per_epoch: Steps of an epoch, counted as they were for ``evaluations``.

    Raises:
        ConfigError: An epoch without steps or cells without edges.
    """
    full = rows * FULL_EDGE * steps_per_epoch
    if full < 1:
        raise ConfigError(
            "a full epoch has at least one edge and one step",
            came=f"{rows} edges, {steps_per_epoch} steps",
        )
    return evaluations / full
