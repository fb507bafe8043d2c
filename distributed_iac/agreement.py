"""Do two searches, or an early and a late epoch of one, say the same? Always against chance.

::

    match = top_agreement(first.weights, second.weights)
    match.sentence("top operation")      # "top operation the same in 7 of 14 places (chance 2 ..."
    rank_agreement(first.weights, second.weights, rng).mean
    gene_agreement(genotype_a, genotype_b)
    containment(history, final)          # was the final operation among the top k at epoch t?

A search always ends with *some* operations. Whether they mean anything shows in whether another
seed finds them too, which is worth no more than its distance from what two searches that know
nothing would share. Chance is therefore part of every figure here:

* for operations, two independent uniform choices among the seven other than ``none``, which no
  genotype can contain; counts over edges are then binomial;
* for kept edges of a node, two uniform draws of the same size without replacement; counts are
  hypergeometric, summed over nodes;
* for rank correlations, a permutation of one side's operations on every edge.

A search that prefers the same operations on all edges agrees with its kind by preference rather
than edge by edge; ``shuffled`` tests for the latter by permuting edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from distributed_iac.errors import ConfigError
from distributed_iac.genotype import FAMILY, OPERATIONS, CellGenotype, Genotype
from distributed_iac.importance.arrays import FloatArray, IntArray
from distributed_iac.importance.history import ImportanceHistory
from distributed_iac.stability import NONE, leaders

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


@dataclass(frozen=True)
class Correlation:
    """Rank correlation of two sides' operations, edge by edge.

    Args:
        mean: Mean over edges, in [-1, 1]; 0 by chance.
        edges: Edges compared.
        p_value: Probability of at least this mean under permutation, one-sided.
    """

    mean: float
    edges: int
    p_value: float


def top_agreement(
    first: FloatArray,
    second: FloatArray,
    what: Literal["operation", "family"] = "operation",
) -> Match:
    """Compare the strongest operation other than ``none`` of every edge.

    Args:
        first: ``(R, O)`` importance.
        second: The same rows of another search.
        what: Whether the operation itself must agree, or only pool, skip or conv.

    Raises:
        ConfigError: Different shapes.
    """
    a, b = _pair(first, second)
    mine, yours = leaders(a)[0], leaders(b)[0]
    if what == "operation":
        return _binomial(int((mine == yours).sum()), len(mine), 1 / CHOICES)
    family = np.array([FAMILY[name] for name in OPERATIONS])
    same = int((family[mine] == family[yours]).sum())
    _, counts = np.unique(family[NONE + 1 :], return_counts=True)
    return _binomial(same, len(mine), float(((counts / CHOICES) ** 2).sum()))


def shuffled(
    first: FloatArray, second: FloatArray, rng: np.random.Generator, draws: int = 2000
) -> Match:
    """Compare the strongest operations with those of *other* edges of the second search.

    Chance keeps each side's preferences and only breaks which edge they belong to.

    Args:
        first: ``(R, O)`` importance.
        second: The same rows of another search.
        rng: Of the permutations of the second side's edges.
        draws: How many.
    """
    a, b = _pair(first, second)
    mine, yours = leaders(a)[0], leaders(b)[0]
    same = int((mine == yours).sum())
    chance = (np.bincount(mine, minlength=8) * np.bincount(yours, minlength=8)).sum() / len(mine)
    permuted = rng.permuted(np.tile(yours, (draws, 1)), axis=1)
    as_many = int(((permuted == mine).sum(axis=1) >= same).sum())
    return Match(same, len(mine), float(chance), (as_many + 1) / (draws + 1))


def rank_agreement(
    first: FloatArray,
    second: FloatArray,
    rng: np.random.Generator,
    measure: Literal["spearman", "kendall"] = "spearman",
    draws: int = 1000,
) -> Correlation:
    """Correlate the order of the operations other than ``none``, edge by edge.

    Args:
        first: ``(R, O)`` importance; compare searches before anything was pruned, for the pruned
            tie at zero.
        second: The same rows of another search.
        rng: Of the permutations of the second side's operations.
        measure: Spearman's rho or Kendall's tau-b; ties get mean ranks.
        draws: How many permutations.
    """
    a, b = _pair(first, second)
    a, b = a[:, NONE + 1 :], b[:, NONE + 1 :]
    mine = _directions(a, measure)
    observed = float((mine * _directions(b, measure)).sum(axis=-1).mean())
    permuted = rng.permuted(np.broadcast_to(b, (draws, *b.shape)), axis=2)
    by_chance = (mine * _directions(permuted, measure)).sum(axis=-1).mean(axis=-1)
    as_much = int((by_chance >= observed - 1e-12).sum())
    return Correlation(observed, len(a), (as_much + 1) / (draws + 1))


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


def _pair(first: FloatArray, second: FloatArray) -> tuple[FloatArray, FloatArray]:
    if first.shape != second.shape or first.ndim != 2 or first.shape[1] != len(OPERATIONS):
        raise ConfigError(
            f"importance is compared row by row, (rows, {len(OPERATIONS)}) on both sides",
            came=f"{first.shape} and {second.shape}",
        )
    return first, second


def _binomial(same: int, total: int, probability: float) -> Match:
    tail = float(stats.binom.sf(same - 1, total, probability))
    return Match(same, total, total * probability, tail)


def _directions(values: FloatArray, measure: Literal["spearman", "kendall"]) -> FloatArray:
    """Unit vectors whose inner product is the rank correlation; zero where all values tie."""
    if measure == "spearman":
        raw = stats.rankdata(values, axis=-1) - (values.shape[-1] + 1) / 2
    else:
        first, second = np.triu_indices(values.shape[-1], k=1)
        raw = np.sign(values[..., first] - values[..., second])
    length = np.linalg.norm(raw, axis=-1, keepdims=True)
    unit: FloatArray = np.divide(raw, length, out=np.zeros_like(raw), where=length > 0)
    return unit


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
