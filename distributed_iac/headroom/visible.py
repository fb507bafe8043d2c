"""Which differences the test patients and seeds of a run can show, judged by its val patients.

::

    visible = Visible.of(by_patient, settings, rng)             # (C, S, P)
    visible.smallest(seeds=3, patients=20)                      # Figure(0.011, 0.008, 0.017)
    visible.enough(0.006, seeds=3, patients=20, more="seeds")   # 12

Shape legend: C cells, S seeds, P val patients. A test patient is taken to vary as a val patient
does. Every seed of an arm or control has its own cell (``selection.rule: each``, ``random``), so
that cells count with the seeds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from distributed_iac.config.comparison import ComparisonSettings
from distributed_iac.headroom.crossed import NOTHING, Crossed, Figure, Term, complete_part, figure
from distributed_iac.headroom.power import Spread, smallest_difference
from distributed_iac.importance.arrays import FloatArray

DOUBLINGS = 6
"""Up to 64 times as many patients or seeds are looked at. Our choice."""


@dataclass(frozen=True, eq=False)
class Visible:
    """Variances of val Dice between trainings and patients.

    Args:
        patients: Val patients that every training has a Dice of.
        value: The estimates; None where nothing is known.
        drawn: (B,) that agree with what was seen.
        seeds: Whether several seeds were seen; with one, statements hold for one.
        confidence: Of statements.
    """

    patients: int
    value: Spread | None
    drawn: Spread | None
    seeds: Literal["several", "one"]
    confidence: float

    @classmethod
    def of(
        cls, by_patient: FloatArray, settings: ComparisonSettings, rng: np.random.Generator
    ) -> Visible:
        """Read a table (C, S, P).

        Cells and seeds of which no patient is known, and patients with a gap, are left out.
        """
        scored = np.where(np.isfinite(by_patient).any(axis=2), 1.0, np.nan)
        table = by_patient[np.ix_(*complete_part(scored))]
        table = table[..., np.isfinite(table).all(axis=(0, 1))]
        cells, seeds, patients = table.shape
        several: Literal["several", "one"] = "several" if seeds > 1 else "one"
        if cells < 2 or not seeds or not patients or seeds == patients == 1:
            return cls(patients, None, None, several, settings.confidence)
        crossed = Crossed(table)
        draws, none = crossed.draws(settings.resamples, rng), np.zeros(settings.resamples)
        terms = (Term({0}), Term({0, 1}), Term({0, 2}), Term({0, 1, 2}))
        if seeds == 1:  # of one seed's models nothing but the patients is drawn anew
            value = [0.0, 0.0, crossed.only(0, 2).variance(Term({0, 1})) or 0.0, 0.0]
            drawn = [none, none, draws[Term({0, 2})], none]
        else:
            known = crossed if patients > 1 else crossed.only(0, 1)
            value = [known.variance(one) or 0.0 if one in known.terms else 0.0 for one in terms]
            drawn = [draws.get(one, none) for one in terms]
        cell, *own = value
        drawn_cell, *drawn_own = drawn
        return cls(
            patients,
            Spread(cell + own[0], *own[1:]),
            Spread(drawn_cell + drawn_own[0], *drawn_own[1:]),
            several,
            settings.confidence,
        )

    def smallest(self, seeds: int, patients: int) -> Figure:
        """The paired difference that is seen 8 times of 10."""
        value = self._smallest(self.value, seeds, patients)
        drawn = self._smallest(self.drawn, seeds, patients)
        return NOTHING if value is None or drawn is None else figure(float(value), drawn,
                                                                     self.confidence)  # fmt: skip

    def enough(
        self, difference: float, seeds: int, patients: int, more: Literal["seeds", "patients"]
    ) -> int | None:
        """How many of them show a difference, doubled again and again; None: no such number."""
        for factor in (2**doubling for doubling in range(DOUBLINGS + 1)):
            now = (seeds * factor, patients) if more == "seeds" else (seeds, patients * factor)
            value = self._smallest(self.value, *now)
            if value is not None and float(value) <= difference:
                return now[0] if more == "seeds" else now[1]
        return None

    def _smallest(self, spread: Spread | None, seeds: int, patients: int) -> FloatArray | None:
        if spread is None or patients < 1:
            return None
        seeds = seeds if self.seeds == "several" else 1
        patients = patients if self.patients > 1 else 1
        return smallest_difference(spread, seeds, patients, self.confidence)
