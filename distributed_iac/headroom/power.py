"""The smallest difference between two models that so many patients and seeds show.

::

    spread = Spread(by_seed=4e-6, by_patient=9e-6, by_both=2e-5)
    smallest_difference(spread, seeds=3, patients=20, confidence=0.95)      # 0.007

Two models are trained with the same S seeds and scored on the same P patients. Their difference
varies with the seed, with the patient, and with both together; the mean over all has the variance
``2 (by_seed / S + by_patient / P + by_both / (S P))``, because each model brings its own spread. It
is shown at a confidence c in 80 of 100 repetitions when it is ``t((1 + c) / 2) + t(0.8)`` standard
errors large; the usual approximation. Degrees of freedom are those of the interval of a
comparison (:mod:`distributed_iac.comparison.bootstrap`): of patients where there are several, so
that with few seeds both err on the narrow side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from distributed_iac.importance.arrays import FloatArray

POWER = 0.8
"""How often a difference of that size is to be seen: the convention."""

Number = float | FloatArray


@dataclass(frozen=True, eq=False)
class Spread:
    """Variances between trainings of random cells; numbers, or draws (B,).

    Args:
        by_seed: Of a seed's cell and how it fares with that seed, on all patients alike.
        by_patient: Of how a cell fares on a patient, with all seeds alike.
        by_both: Of a cell with a seed on a patient.
    """

    by_seed: Number
    by_patient: Number
    by_both: Number


def smallest_difference(
    spread: Spread, seeds: int, patients: int, confidence: float
) -> FloatArray | None:
    """What is seen with a power of :data:`POWER`.

    With one seed it is what holds for that seed alone, with one patient for that patient.

    Args:
        spread: Of the cells.
        seeds: S, at least 1.
        patients: P, at least 1.
        confidence: Of the statement, in (0, 1).

    Returns:
        At least 0, of the spread's shape; None where neither seeds nor patients repeat.
    """
    if seeds == patients == 1:
        return None
    if seeds == 1:
        parts = [_sum(spread.by_patient, spread.by_both) / patients]
    elif patients == 1:
        parts = [_sum(spread.by_seed, spread.by_both) / seeds]
    else:
        both = _sum(spread.by_both) / (seeds * patients)
        parts = [_sum(spread.by_seed) / seeds, _sum(spread.by_patient) / patients, both]
    freedom = patients - 1 if patients > 1 else seeds - 1
    quantiles = stats.t.ppf((1 + confidence) / 2, freedom) + stats.t.ppf(POWER, freedom)
    result: FloatArray = quantiles * np.sqrt(2 * _sum(*parts))
    return result


def _sum(*numbers: Number) -> FloatArray:
    total: FloatArray = np.sum([np.asarray(one, np.float64) for one in numbers], axis=0)
    return total
