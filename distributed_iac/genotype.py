"""The discrete description of a cell, and the graph that it is chosen from.

Room 0: plain values, no torch, no ray::

    topology = CellTopology(inputs=2, nodes=4)
    len(topology.edges)                                   # 14
    genotype = Genotype.from_json(path.read_text())
    genotype.id                                           # "b1946ac92492d234"
    print(genotype.describe())

Vocabulary: a *cell* has ``inputs`` input nodes and ``nodes`` intermediate nodes, numbered
through (inputs first). An *edge* leads from an earlier node to a later, intermediate one and
carries one *operation*. With ``genotype_scope: shared`` one cell genotype serves every skip
connection; with ``per_skip`` each tap has its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from distributed_iac.errors import ConfigError
from distributed_iac.files import parse_json

OPERATIONS: tuple[str, ...] = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
"""The candidates in PC-DARTS's order (arXiv 1907.05737)."""

OperationFamily = Literal["none", "pool", "skip", "conv"]

FAMILY: dict[str, OperationFamily] = {
    "none": "none",
    "max_pool_3x3": "pool",
    "avg_pool_3x3": "pool",
    "skip_connect": "skip",
    "sep_conv_3x3": "conv",
    "sep_conv_5x5": "conv",
    "dil_conv_3x3": "conv",
    "dil_conv_5x5": "conv",
}

EDGES_PER_NODE = 2
"""Incoming edges that a discrete node keeps (DARTS and PC-DARTS)."""

GenotypeScope = Literal["shared", "per_skip"]


class Edge(NamedTuple):
    """A directed edge of a cell; ``source < target``, both counted over all nodes."""

    source: int
    target: int


@dataclass(frozen=True)
class CellTopology:
    """All edges that a search may use.

    Args:
        inputs: Input nodes of the cell: 1 (the skip) or 2 (the skip and the decoder feature).
        nodes: Intermediate nodes, at least 1.
    """

    inputs: int = 2
    nodes: int = 4

    def __post_init__(self) -> None:
        if self.inputs < 1 or self.nodes < 1:
            raise ConfigError(
                "a cell needs at least one input and one intermediate node",
                came=f"inputs={self.inputs}, nodes={self.nodes}",
                remedy="the usual cell has 2 inputs and 4 nodes",
            )

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """Edges in canonical order: by target, then by source. Index = row of alpha."""
        return tuple(Edge(source, target) for target in self.targets for source in range(target))

    @property
    def targets(self) -> range:
        """Indices of the intermediate nodes."""
        return range(self.inputs, self.inputs + self.nodes)

    def incoming(self, target: int) -> tuple[int, ...]:
        """Edge indices that end in ``target``, by source."""
        return tuple(i for i, edge in enumerate(self.edges) if edge.target == target)

    def kept_per_node(self, target: int) -> int:
        """How many incoming edges a discrete node keeps: 2, or 1 if it has only one."""
        return min(EDGES_PER_NODE, len(self.incoming(target)))


class Gene(NamedTuple):
    """One kept edge of a discrete node: where it comes from and what it does."""

    source: int
    operation: str


@dataclass(frozen=True)
class CellGenotype:
    """One discrete cell: for each intermediate node its genes, ordered by source.

    Args:
        inputs: Number of input nodes.
        nodes: Genes of every intermediate node, in node order.

    Raises:
        ConfigError: No input, no node, an unknown operation, a source that does not come before
            its node, a node without genes, or two genes of a node from one source.
    """

    inputs: int
    nodes: tuple[tuple[Gene, ...], ...]

    def __post_init__(self) -> None:
        canonical = tuple(
            tuple(sorted(Gene(int(source), str(operation)) for source, operation in genes))
            for genes in self.nodes
        )
        object.__setattr__(self, "nodes", canonical)
        CellTopology(self.inputs, len(canonical))  # refuses a cell without inputs or nodes
        for offset, genes in enumerate(canonical):
            self._validate_node(self.inputs + offset, genes)

    def _validate_node(self, target: int, genes: Sequence[Gene]) -> None:
        if not genes:
            raise ConfigError(
                "every intermediate node of a genotype needs at least one incoming edge",
                came=f"node {target} has none",
            )
        if len({gene.source for gene in genes}) != len(genes):
            raise ConfigError(
                "a node of a genotype takes each source at most once",
                came=f"node {target}: {[gene.source for gene in genes]}",
            )
        for gene in genes:
            if gene.operation not in OPERATIONS:
                raise ConfigError(
                    f"operations are {', '.join(OPERATIONS)}", came=repr(gene.operation)
                )
            if not 0 <= gene.source < target:
                raise ConfigError(
                    f"node {target} can only take edges from nodes 0 to {target - 1}",
                    came=str(gene.source),
                )

    @property
    def topology(self) -> CellTopology:
        """The search graph that this cell was cut from."""
        return CellTopology(self.inputs, len(self.nodes))

    @property
    def genes(self) -> tuple[tuple[Edge, str], ...]:
        """Every kept edge with its operation, in canonical edge order."""
        return tuple(
            (Edge(gene.source, self.inputs + offset), gene.operation)
            for offset, genes in enumerate(self.nodes)
            for gene in genes
        )

    @property
    def is_parameter_free(self) -> bool:
        """Whether the cell is nothing but skips and poolings: the known collapse of DARTS."""
        return all(FAMILY[operation] != "conv" for _, operation in self.genes)


@dataclass(frozen=True)
class Genotype:
    """A whole network's cells: one for all taps (``shared``) or one a tap (``per_skip``).

    Args:
        scope: Whether the taps share one cell genotype.
        cells: One cell, or one a tap in the backbone's tap order.

    Raises:
        ConfigError: Another scope, no cell, or several cells that are called shared.
    """

    scope: GenotypeScope
    cells: tuple[CellGenotype, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "cells", tuple(self.cells))
        if self.scope not in ("shared", "per_skip"):
            raise ConfigError("a genotype's scope is shared or per_skip", came=repr(self.scope))
        if self.scope == "shared" and len(self.cells) != 1:
            raise ConfigError("a shared genotype has exactly one cell", came=str(len(self.cells)))
        if not self.cells:
            raise ConfigError("a genotype needs at least one cell", came="none")

    @classmethod
    def shared(cls, inputs: int, nodes: Iterable[Iterable[tuple[int, str]]]) -> Genotype:
        """Build a shared genotype from plain (source, operation) pairs, a list per node."""
        genes = tuple(tuple(Gene(*pair) for pair in node) for node in nodes)
        return cls("shared", (CellGenotype(inputs, genes),))

    def cell(self, tap: int) -> CellGenotype:
        """The cell genotype that tap number ``tap`` uses."""
        return self.cells[0] if self.scope == "shared" else self.cells[tap]

    def to_dict(self) -> dict[str, Any]:
        """Return the canonical JSON-able form."""
        return {
            "scope": self.scope,
            "cells": [
                {
                    "inputs": cell.inputs,
                    "nodes": [[list(gene) for gene in genes] for genes in cell.nodes],
                }
                for cell in self.cells
            ],
        }

    def to_json(self) -> str:
        """Return canonical JSON: equal genotypes give equal text."""
        return json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_dict(cls, value: Any) -> Genotype:
        """Read what :meth:`to_dict` wrote.

        Raises:
            ConfigError: The value is not a genotype.
        """
        try:
            cells = tuple(
                CellGenotype(
                    _whole(cell["inputs"]),
                    tuple(
                        tuple(Gene(_whole(source), str(operation)) for source, operation in genes)
                        for genes in cell["nodes"]
                    ),
                )
                for cell in value["cells"]
            )
            scope = value["scope"]
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                'a genotype is {"scope": ..., "cells": [{"inputs": ..., "nodes": ...}]}',
                came=repr(value)[:200],
            ) from error
        return cls(scope, cells)

    @classmethod
    def from_json(cls, text: str) -> Genotype:
        """Read what :meth:`to_json` wrote.

        Raises:
            ConfigError: Not JSON, or not a genotype.
        """
        try:
            value = parse_json(text)
        except (ValueError, RecursionError) as error:
            raise ConfigError("a genotype file holds JSON", came=str(error)) from error
        return cls.from_dict(value)

    @property
    def id(self) -> str:
        """Stable identifier: the first 16 hexadecimal digits of the SHA-256 of the JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:16]

    def describe(self) -> str:
        """Return a few lines a person can read, one per node."""
        lines: list[str] = []
        for number, cell in enumerate(self.cells):
            if self.scope == "per_skip":
                lines.append(f"tap {number}")
            for offset, genes in enumerate(cell.nodes):
                parts = ", ".join(
                    f"{gene.operation}({node_name(gene.source, cell.inputs)})" for gene in genes
                )
                lines.append(f"  node {offset} = {parts}")
        return "\n".join(lines)


def _whole(value: object) -> int:
    """An integer as JSON writes it; 1.5 or true would otherwise become 1 unnoticed."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r} is not a whole number")
    return value


def node_name(index: int, inputs: int) -> str:
    """Name of a node for people: ``skip``, ``decoder``, ``node 0`` ..."""
    names = ("skip", "decoder")
    return names[index] if index < min(inputs, 2) else f"node {index - inputs}"
