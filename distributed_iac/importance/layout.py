"""Where rows and nodes of all cells lie, and how edge weights change between the two views.

::

    layout = Layout(CellTopology(2, 4), cells=1)
    layout.gather(beta_weights)      # (..., R) by row  -> (..., N, C) by node, padded with 0
    layout.scatter(by_node)          # and back

Operations compete within a row; edges compete within the node that they enter. Nodes have
different numbers of incoming edges, so the view by node is padded.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from distributed_iac.errors import ConfigError
from distributed_iac.genotype import CellTopology, node_name
from distributed_iac.importance.arrays import BoolArray, IntArray, bools, ints

Kind = TypeVar("Kind", bound=np.generic)


@dataclass(frozen=True)
class Layout:
    """Rows (edges of all cells) and nodes of all cells.

    Args:
        topology: Graph of every cell.
        cells: How many cells, at least 1.
    """

    topology: CellTopology
    cells: int = 1

    def __post_init__(self) -> None:
        if self.cells < 1:
            raise ConfigError("a search has at least one cell", came=str(self.cells))

    @property
    def edges(self) -> int:
        """Edges of one cell."""
        return len(self.topology.edges)

    @property
    def rows(self) -> int:
        """R: edges of all cells."""
        return self.cells * self.edges

    @cached_property
    def slots(self) -> IntArray:
        """``(N, C)`` rows that enter each node, by source; -1 where a node has fewer."""
        incoming = [self.topology.incoming(target) for target in self.topology.targets]
        width = max(len(edges) for edges in incoming)
        one = np.array([[*edges, *[-1] * (width - len(edges))] for edges in incoming])
        offsets = np.arange(self.cells)[:, None, None] * self.edges
        return ints(np.where(one >= 0, one + offsets, -1).reshape(-1, width))

    @cached_property
    def real(self) -> BoolArray:
        """``(N, C)`` which slots hold an edge."""
        return bools(self.slots >= 0)

    @cached_property
    def node_of(self) -> IntArray:
        """``(R,)`` the node that each row enters."""
        nodes = np.zeros(self.rows, dtype=np.int64)
        node, _ = np.nonzero(self.real)
        nodes[self.slots[self.real]] = node
        return ints(nodes)

    @cached_property
    def kept_per_node(self) -> IntArray:
        """``(N,)`` how many incoming edges a discrete node keeps."""
        one = [self.topology.kept_per_node(target) for target in self.topology.targets]
        return ints(np.tile(one, self.cells))

    def gather(self, by_row: npt.NDArray[Kind]) -> npt.NDArray[Kind]:
        """``(..., R)`` -> ``(..., N, C)``; padding is zero or false."""
        values = by_row[..., self.slots]
        return np.where(self.real, values, np.zeros((), dtype=by_row.dtype))

    def scatter(self, by_node: npt.NDArray[Kind]) -> npt.NDArray[Kind]:
        """``(..., N, C)`` -> ``(..., R)``."""
        rows = np.zeros((*by_node.shape[:-2], self.rows), dtype=by_node.dtype)
        rows[..., self.slots[self.real]] = by_node[..., self.real]
        return rows

    def place(self, row: int) -> tuple[int, int]:
        """Cell and edge number of a row."""
        return divmod(row, self.edges)

    def name_row(self, row: int) -> str:
        """What a row is called in messages."""
        cell, edge = self.place(row)
        source, target = self.topology.edges[edge]
        inputs = self.topology.inputs
        names = f"{node_name(source, inputs)} to {node_name(target, inputs)}"
        return f"cell {cell}, edge {edge} ({names})"

    def name_node(self, node: int) -> str:
        """What a node is called in messages."""
        cell, number = divmod(node, self.topology.nodes)
        return f"cell {cell}, node {number}"
