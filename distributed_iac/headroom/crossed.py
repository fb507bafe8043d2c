"""How much of the spread of a table is its rows', its columns', or of neither alone.

::

    table = Crossed(values)                     # (cells, seeds), or (cells, seeds, patients)
    table.variance(CELL)                        # 0.0004; None where nothing repeats
    draws = table.draws(5000, rng)              # variances that agree with what was seen, by term
    interval(draws[CELL], 0.95)

The model: every value is a mean, plus an effect of each axis, plus one of each combination of
axes, all drawn independently from normal distributions (random effects, crossed, one value a
place). A term is the set of axes that an effect belongs to. Shape legend: B draws.

* Estimates are those of the analysis of variance: mean squares are set equal to what they are
  expected to be; what comes out below 0 is 0.
* Intervals are generalised confidence intervals: each sum of squares divided by a draw of the
  chi-square distribution with its degrees of freedom takes the place of its mean square (Hamada and
  Weerahandi, Measurement system assessment via generalized inference, Journal of Quality Technology
  32, 2000). One set of draws serves every figure made of several variances.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, combinations

import numpy as np

from distributed_iac.errors import ConfigError
from distributed_iac.importance.arrays import FloatArray

Term = frozenset[int]
"""Axes that an effect belongs to."""


@dataclass(frozen=True)
class Figure:
    """A number with its interval; None where the data say nothing.

    Args:
        value: The estimate.
        low: Lower end.
        high: Upper end.
    """

    value: float | None
    low: float | None
    high: float | None


ROUNDING = 16
"""Effects of so many times what a number is rounded by are none: means of equal numbers differ."""

NOTHING = Figure(None, None, None)
"""Where the data say nothing."""


@dataclass(frozen=True)
class _Square:
    """A sum of squares and its degrees of freedom."""

    total: float
    freedom: int


@dataclass(frozen=True, eq=False)
class Crossed:
    """A complete table of several crossed factors.

    Args:
        values: One number a place; finite, at least one along each axis.

    Raises:
        ConfigError: A value is missing, or an axis is empty.
    """

    values: FloatArray

    def __post_init__(self) -> None:
        if not self.values.size or not np.isfinite(self.values).all():
            raise ConfigError("a crossed table is complete", came=f"{self.values.shape} with gaps")

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """Every combination of axes, the empty one left out."""
        axes = range(self.values.ndim)
        sizes = (combinations(axes, size) for size in range(1, self.values.ndim + 1))
        return tuple(frozenset(one) for one in chain.from_iterable(sizes))

    def only(self, *axes: int) -> Crossed:
        """The table along some of its axes; the others have one place each."""
        return Crossed(self.values.reshape([self.values.shape[axis] for axis in axes]))

    def variance(self, term: Term) -> float | None:
        """Estimated variance of a term's effects, at least 0; None where nothing repeats."""
        squares = [self._squares[one] for one in self._above(term)]
        if not all(one.freedom for one in squares):
            return None
        means = {one: self._squares[one].total / self._squares[one].freedom for one in
                 self._above(term)}  # fmt: skip
        return max(0.0, float(self._solved(term, means)))

    def draws(self, count: int, rng: np.random.Generator) -> Mapping[Term, FloatArray]:
        """``(B,)`` variances of every term that agree with what was seen, drawn together.

        Where an axis does not repeat, what is above a term is not known and is taken as 0: the
        draws are then of the most that the term's variance can be.
        """
        means: dict[Term, FloatArray] = {}
        for term in self.terms:
            square = self._squares[term]
            if square.freedom:
                means[term] = square.total / rng.chisquare(square.freedom, count)
        none = np.zeros(count)
        return {
            term: np.maximum(0.0, self._solved(term, means) + none)
            for term in self.terms
            if term in means
        }

    def _solved(self, term: Term, means: Mapping[Term, FloatArray | float]) -> FloatArray | float:
        """Variance of a term from mean squares.

        A mean square is the sum over the terms above its own of their variances, each as often as
        an effect of theirs occurs; turned around, signs alternate with the number of further axes.
        """
        signed = (
            (-1.0) ** len(one - term) * means[one] for one in self._above(term) if one in means
        )
        return sum(signed) / self._places(term)

    def _above(self, term: Term) -> list[Term]:
        return [one for one in self.terms if term <= one]

    def _places(self, term: Term) -> int:
        """How often each effect of a term occurs in the table."""
        shape = self.values.shape
        return math.prod(shape[axis] for axis in range(len(shape)) if axis not in term)

    @cached_property
    def _squares(self) -> dict[Term, _Square]:
        rounding = ROUNDING * np.finfo(np.float64).eps * float(np.abs(self.values).max())
        squares = {}
        for term in self.terms:
            effects = self._effects(term)
            varies = float(np.abs(effects).max()) > rounding
            squares[term] = _Square(
                float((effects**2).sum()) * self._places(term) if varies else 0.0,
                math.prod(self.values.shape[axis] - 1 for axis in term),
            )
        return squares

    def _effects(self, term: Term) -> FloatArray:
        """Means over all other axes, less all that belongs to fewer of the term's axes."""
        axes = set(range(self.values.ndim))
        effects = np.zeros(())
        for size in range(len(term) + 1):
            for below in combinations(sorted(term), size):
                mean = self.values.mean(axis=tuple(axes - set(below)), keepdims=True)
                effects = effects + (-1.0) ** (len(term) - size) * mean
        return effects


def interval(draws: FloatArray, confidence: float) -> tuple[float, float] | None:
    """Two-sided interval of draws; None where one of them is undefined."""
    if not np.isfinite(draws).all():
        return None
    tail = (1 - confidence) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return float(low), float(high)


def figure(value: float | None, draws: FloatArray, confidence: float) -> Figure:
    """An estimate with the interval of its draws."""
    ends = interval(draws, confidence)
    return Figure(value, None, None) if ends is None else Figure(value, *ends)


def complete_part(values: FloatArray) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Rows and columns of a table (C, S) to keep, so that nothing between them is missing.

    The row or column that lacks the largest share is left out, again and again, of several equal
    ones the last row.

    Returns:
        Their places; both empty if nothing is defined.
    """
    rows, columns = list(range(values.shape[0])), list(range(values.shape[1]))
    while rows and columns:
        gaps = ~np.isfinite(values[np.ix_(rows, columns)])
        if not gaps.any():
            return tuple(rows), tuple(columns)
        by_row, by_column = gaps.mean(axis=1), gaps.mean(axis=0)
        if by_row.max() >= by_column.max():
            del rows[_last_largest(by_row)]
        else:
            del columns[_last_largest(by_column)]
    return (), ()


def _last_largest(values: Sequence[float] | FloatArray) -> int:
    return len(values) - 1 - int(np.argmax(np.asarray(values)[::-1]))
