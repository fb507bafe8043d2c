"""Whose the variance of val Dice is: the cell's, the seed's, or that of both together.

::

    shares = Shares.of(val_dice, settings, rng)         # (C, S), complete
    shares.share(CELL)                                  # Figure(0.4, 0.1, 0.8)
    shares.deviation(SEED, BOTH)                        # between trainings of one cell
    shares.best_of(4)                                   # what picking from four cells gains

Shape legend: C cells, S seeds, B draws. The rows may as well be anything else that is trained with
the same seeds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from distributed_iac.config.comparison import ComparisonSettings
from distributed_iac.headroom.best_cell import expected_best
from distributed_iac.headroom.crossed import NOTHING, Crossed, Figure, Term, figure
from distributed_iac.importance.arrays import FloatArray

CELL, SEED, BOTH = Term({0}), Term({1}), Term({0, 1})


@dataclass(frozen=True, eq=False)
class Shares:
    """Variances by term.

    Args:
        value: Estimates; None where nothing repeats.
        draws: (B,) that agree with what was seen; nothing where an axis has one place.
        confidence: Of intervals.
    """

    value: Mapping[Term, float | None]
    draws: Mapping[Term, FloatArray]
    confidence: float

    @classmethod
    def of(
        cls, values: FloatArray, settings: ComparisonSettings, rng: np.random.Generator
    ) -> Shares:
        """Read a complete table (C, S), or an empty one, of which nothing is known."""
        if not values.size:
            return cls(dict.fromkeys((CELL, SEED, BOTH)), {}, settings.confidence)
        table = Crossed(values)
        draws = table.draws(settings.resamples, rng)
        value = {term: table.variance(term) for term in table.terms}
        return cls(value, draws, settings.confidence)

    def share(self, term: Term) -> Figure:
        """Of the sum of all three; not known unless all are, and where nothing varies."""
        known = [one for one in self.value.values() if one is not None]
        if len(known) < len(self.value) or not sum(known):
            return NOTHING
        whole = sum(self.draws.values(), start=np.zeros(()))
        return figure((self.value[term] or 0.0) / sum(known), _ratio(self.draws[term], whole),
                      self.confidence)  # fmt: skip

    def deviation(self, *terms: Term) -> Figure:
        """Standard deviation of the sum of these effects.

        Where seeds do not repeat, the upper end alone is known: all may be the cell's.
        """
        if not set(terms) <= set(self.draws):
            return NOTHING
        drawn = np.sqrt(sum((self.draws[term] for term in terms), start=np.zeros(())))
        known = [one for term in terms if (one := self.value[term]) is not None]
        if len(known) < len(terms):
            return Figure(None, 0.0, figure(None, drawn, self.confidence).high)
        return figure(math.sqrt(sum(known)), drawn, self.confidence)

    def ratio(self) -> Figure:
        """Deviation between cells over that between trainings of one of them."""
        top, known = self.value[CELL], [self.value[SEED], self.value[BOTH]]
        below = sum(one for one in known if one is not None)
        if top is None or None in known or not below:
            return NOTHING
        drawn = _ratio(self.draws[CELL], self.draws[SEED] + self.draws[BOTH])
        return figure(math.sqrt(top / below), np.sqrt(drawn), self.confidence)

    def best_of(self, count: int) -> Figure:
        """Expected gain over one cell of the best on val of several, trained with one seed.

        Part of what is chosen is luck: ``E max * cell / sqrt(cell + both)``.
        """
        cell, luck = self.value[CELL], self.value[BOTH]
        if cell is None or luck is None:
            return NOTHING
        value = expected_best(count) * (cell / math.sqrt(cell + luck) if cell else 0.0)
        drawn = self.draws[CELL]
        gain = _ratio(drawn, np.sqrt(drawn + self.draws[BOTH]))
        return figure(value, expected_best(count) * gain, self.confidence)


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    """0 where there is nothing to take a part of."""
    result: FloatArray = np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
    return result
