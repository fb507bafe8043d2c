"""Do the weights of two searches, not only what they kept, say the same? Against chance.

::

    match = top_agreement(first.weights, second.weights)
    match.sentence("top operation")      # "top operation the same in 7 of 14 places (chance 2 ..."
    rank_agreement(first.weights, second.weights, rng).mean

Chance is two independent uniform choices among the seven operations other than ``none``, so that
counts over edges are binomial; for rank correlations, a permutation of one side's operations on
every edge. Genotypes are compared by :mod:`distributed_iac.agreement`. Imported by
``search_phantoms.py``; not run by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from distributed_iac.agreement import CHOICES, Match
from distributed_iac.errors import ConfigError
from distributed_iac.genotype import FAMILY, OPERATIONS
from distributed_iac.importance.arrays import FloatArray
from distributed_iac.stability import NONE, leaders


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


def rank_agreement(
    first: FloatArray,
    second: FloatArray,
    rng: np.random.Generator,
    draws: int = 1000,
) -> Correlation:
    """Correlate the order of the operations other than ``none``, edge by edge (Spearman's rho).

    Args:
        first: ``(R, O)`` importance; compare searches before anything was pruned, for the pruned
            tie at zero.
        second: The same rows of another search.
        rng: Of the permutations of the second side's operations.
        draws: How many permutations.
    """
    a, b = _pair(first, second)
    a, b = a[:, NONE + 1 :], b[:, NONE + 1 :]
    mine = _directions(a)
    observed = float((mine * _directions(b)).sum(axis=-1).mean())
    permuted = rng.permuted(np.broadcast_to(b, (draws, *b.shape)), axis=2)
    by_chance = (mine * _directions(permuted)).sum(axis=-1).mean(axis=-1)
    as_much = int((by_chance >= observed - 1e-12).sum())
    return Correlation(observed, len(a), (as_much + 1) / (draws + 1))


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


def _directions(values: FloatArray) -> FloatArray:
    """Unit vectors whose inner product is the rank correlation; zero where all values tie."""
    raw = stats.rankdata(values, axis=-1) - (values.shape[-1] + 1) / 2  # ties get mean ranks
    length = np.linalg.norm(raw, axis=-1, keepdims=True)
    unit: FloatArray = np.divide(raw, length, out=np.zeros_like(raw), where=length > 0)
    return unit
