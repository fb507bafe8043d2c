"""The cell that several searches vote for, node by node.

::

    found = consensus_genotype([a.genotype, b.genotype, c.genotype])
    found.genotype
    found.ties        # what the vote did not settle, and what did

Our choice; the IAC papers retrain single cells. Every search has one vote a gene: a node keeps
the edges that most searches kept, and on each of them the operation that most of those searches
put there. Votes count more than summed weights because softmax weights of two searches that
stopped at different epochs are not on one scale. A draw goes to the lower node and the earlier
operation, and is named.

The result can be a cell that no search found as a whole, whose score nobody has measured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from distributed_iac.errors import ConfigError
from distributed_iac.genotype import OPERATIONS, CellGenotype, Gene, Genotype, node_name

Choice = TypeVar("Choice")


@dataclass(frozen=True)
class Consensus:
    """The voted cell.

    Args:
        genotype: The cell.
        votes: Searches that voted.
        support: For every kept edge in order, the searches that kept it with this operation.
        ties: A sentence for every draw.
    """

    genotype: Genotype
    votes: int
    support: tuple[int, ...]
    ties: tuple[str, ...]


def consensus_genotype(genotypes: Sequence[Genotype]) -> Consensus:
    """Vote over genotypes of one search graph.

    Args:
        genotypes: One a search; a genotype found twice has two votes.

    Raises:
        ConfigError: No genotype, or different graphs.
    """
    _require_one_graph(genotypes)
    cells, support, ties = [], list[int](), list[str]()
    for number in range(len(genotypes[0].cells)):
        of_cell = [genotype.cells[number] for genotype in genotypes]
        nodes = []
        for offset in range(len(of_cell[0].nodes)):
            genes = _vote(number, offset, of_cell, ties)
            nodes.append(genes)
            support.extend(sum(gene in cell.nodes[offset] for cell in of_cell) for gene in genes)
        cells.append(CellGenotype(of_cell[0].inputs, tuple(nodes)))
    genotype = Genotype(genotypes[0].scope, tuple(cells))
    return Consensus(genotype, len(genotypes), tuple(support), tuple(ties))


def _vote(
    number: int, offset: int, cells: Sequence[CellGenotype], ties: list[str]
) -> tuple[Gene, ...]:
    """Elect the genes of one node, ordered by source; draws are written to ``ties``."""
    inputs = cells[0].inputs
    place = f"cell {number}, {node_name(inputs + offset, inputs)}"
    sources = Counter(gene.source for cell in cells for gene in cell.nodes[offset])
    seats = min(max(len(cell.nodes[offset]) for cell in cells), len(sources))
    elected, drawn = _elect(sources, seats, sorted(sources))
    if drawn:
        names = [node_name(source, inputs) for source in drawn]
        ties.append(_tie(f"{place}: edge from", names, sources[drawn[0]]))
    genes = []
    for source in sorted(elected):
        operations = Counter(
            gene.operation for cell in cells for gene in cell.nodes[offset] if gene.source == source
        )
        order = sorted(operations, key=OPERATIONS.index)
        (winner,), drawn_names = _elect(operations, 1, order)
        if drawn_names:
            where = f"{place}, edge from {node_name(source, inputs)}:"
            ties.append(_tie(where, drawn_names, operations[drawn_names[0]]))
        genes.append(Gene(source, winner))
    return tuple(genes)


def _elect(
    votes: Mapping[Choice, int], seats: int, order: Sequence[Choice]
) -> tuple[list[Choice], list[Choice]]:
    """Fill the seats by votes; also return those between whom votes alone did not decide."""
    ranked = sorted(order, key=lambda one: -votes[one])
    last = votes[ranked[seats - 1]]
    drawn = [one for one in ranked if votes[one] == last]
    open_seats = seats - sum(votes[one] > last for one in ranked)
    return ranked[:seats], drawn if len(drawn) > open_seats else []


def _tie(where: str, names: Iterable[str], votes: int) -> str:
    return f"{where} {', '.join(names)} drew with {votes} votes each; settled by order alone"


def _require_one_graph(genotypes: Sequence[Genotype]) -> None:
    if not genotypes:
        raise ConfigError("a consensus needs at least one genotype", came="none")
    graphs = {(one.scope, tuple(cell.topology for cell in one.cells)) for one in genotypes}
    if len(graphs) > 1:
        raise ConfigError(
            "only cells of one search graph can vote together", came=f"{len(graphs)} graphs"
        )
