"""Do two searches, or an early and a late epoch of one, say the same? Always against chance.

::

    match = gene_agreement(genotype_a, genotype_b)
    match.sentence("edges")              # "edges the same in 7 of 8 places (chance 4.1, p = ..."
    containment(history, final)          # was the final operation among the top k at epoch t?

A search always ends with *some* operations. Whether they mean anything shows in whether another
seed finds them too, which is worth no more than its distance from what two searches that know
nothing would share. Chance is therefore part of every figure here:

* for operations, two independent uniform choices among the seven other than ``none``, which no
  genotype can contain; counts over edges are then binomial;
* for kept edges of a node, two uniform draws of the same size without replacement; counts are
  hypergeometric, summed over nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from distributed_iac.errors import ConfigError
from distributed_iac.genotype import OPERATIONS, CellGenotype, Genotype
from distributed_iac.importance.arrays import FloatArray, IntArray
from distributed_iac.importance.history import ImportanceHistory
from distributed_iac.stability import NONE

CHOICES = len(OPERATIONS) - 1
"""Operations that a genotype may contain."""


@dataclass(frozen=True)
class Match:
    """How often two sides say the same.

    Args:
        same: Places where they do.
        total: Places compared.
        chance: Expected number of them if both knew nothing.
        p_value: Probability of at least as many by chance, one-sided.
    """

    same: int
    total: int
    chance: float
    p_value: float

    def sentence(self, what: str) -> str:
        """One line for reports."""
        return (
            f"{what} the same in {self.same} of {self.total} places "
            f"(chance {self.chance:.1f}, p = {self.p_value:.2g})"
        )


def gene_agreement(
    first: Genotype, second: Genotype, what: Literal["edge", "gene"] = "gene"
) -> Match:
    """Compare what two genotypes of the same search graph kept.

    Args:
        first: A genotype.
        second: Another one with as many cells of the same topology.
        what: ``edge``: the same edge was kept; ``gene``: with the same operation.

    Raises:
        ConfigError: Different graphs.
    """
    if [cell.topology for cell in first.cells] != [cell.topology for cell in second.cells]:
        raise ConfigError("only genotypes of the same cells can be compared", came="two graphs")
    distribution, same, total = np.ones(1), 0, 0
    for mine, yours in zip(first.cells, second.cells, strict=True):
        same += len(_kept(mine, what) & _kept(yours, what))
        for offset, (a, b) in enumerate(zip(mine.nodes, yours.nodes, strict=True)):
            of_node = _shared_edges(mine.inputs + offset, len(a), len(b))
            if what == "gene":
                of_node = _thinned(of_node, 1 / CHOICES)
            distribution = np.convolve(distribution, of_node)
            total += min(len(a), len(b))
    expected = float((np.arange(len(distribution)) * distribution).sum())
    return Match(same, total, expected, min(1.0, float(distribution[same:].sum())))


@dataclass(frozen=True, eq=False)
class Containment:
    """How early the final operations were among the strongest of their edge.

    Args:
        epochs: ``(T,)`` epoch numbers.
        top: The k that were asked for.
        share: ``(T, K)`` share of kept edges whose final operation is among the k strongest.
        chance: ``(K,)`` the share for a random order: ``k / 7``.
    """

    epochs: IntArray
    top: tuple[int, ...]
    share: FloatArray
    chance: FloatArray


def containment(
    history: ImportanceHistory, final: Genotype, top: Sequence[int] = (1, 3)
) -> Containment:
    """Follow the final operations back through the epochs of their own search.

    Args:
        history: The search, best one that was not pruned: in a pruned one the final operation
            cannot be anywhere but among the few that are left.
        final: The genotype it ended with.
        top: Which k, each from 1 to 7. Ties count for the final operation only where its rank
            does not depend on how they are broken.
    """
    rows, columns = _final(history, final)
    weights = np.array([entry.operations for entry in history.epochs])[:, rows]
    own = np.take_along_axis(weights, columns[None, :, None], axis=2)
    rank = (weights[:, :, NONE + 1 :] >= own).sum(axis=2)
    share = np.stack([(rank <= k).mean(axis=1) for k in top], axis=1)
    return Containment(
        epochs=np.array([entry.epoch for entry in history.epochs], dtype=np.int64),
        top=tuple(top),
        share=share,
        chance=np.array(top) / CHOICES,
    )


def _kept(cell: CellGenotype, what: Literal["edge", "gene"]) -> set[tuple[object, ...]]:
    return {(edge, operation) if what == "gene" else (edge,) for edge, operation in cell.genes}


def _shared_edges(incoming: int, mine: int, yours: int) -> FloatArray:
    """Probabilities of 0, 1, ... shared edges in two draws from a node's incoming ones."""
    shared = np.arange(min(mine, yours) + 1)
    return np.asarray(stats.hypergeom.pmf(shared, incoming, mine, yours), dtype=np.float64)


def _thinned(distribution: FloatArray, probability: float) -> FloatArray:
    """The same where each of the shared counts only with a probability."""
    count = np.arange(len(distribution))
    table = stats.binom.pmf(count[:, None], count[None, :], probability)
    return np.asarray(table @ distribution, dtype=np.float64)


def _final(history: ImportanceHistory, final: Genotype) -> tuple[IntArray, IntArray]:
    """Rows and operation columns of the kept edges."""
    cells, topology = history.layout.cells, history.topology
    if [cell.topology for cell in final.cells] != [topology] * cells:
        raise ConfigError(
            "the genotype must come from the history's search graph",
            came=f"{len(final.cells)} cells against {cells} of {topology}",
        )
    places = [
        (number * history.layout.edges + topology.edges.index(edge), OPERATIONS.index(operation))
        for number, cell in enumerate(final.cells)
        for edge, operation in cell.genes
    ]
    rows, columns = np.array(places, dtype=np.int64).T
    return rows, columns
