"""Is there a difference at all? Wilcoxon's signed-rank test over patients, and Holm's correction.

::

    test = signed_rank(differences)           # one number a patient
    holm([one.p_value for one in tests])      # one test a group

A large p-value never says that two things are equal; see
:mod:`distributed_iac.comparison.equivalence` for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import stats

SignedRankMethod = Literal["exact", "permutation", "asymptotic", "none"]

DECIMALS = 12
"""Differences are rounded to so many decimals: averages of equal numbers taken in another order
must still be ties."""

LARGEST_EXACT = 50
"""Most patients for the exact distribution (scipy's own limit)."""

LARGEST_PERMUTATION = 12
"""Most patients with tied differences for all sign changes, 4,096 of them; above, the normal
approximation with its correction for ties."""


@dataclass(frozen=True)
class SignedRank:
    """A two-sided signed-rank test.

    Args:
        patients: Patients with a defined difference.
        zeros: Those without any difference, which the test drops (Wilcoxon's own treatment).
        p_value: Probability of so unequal rank sums without a systematic difference; 1 where no
            patient differs.
        least_p: The smallest p-value that this number of patients can give.
        method: How it was computed; ``none`` where no patient differs.
    """

    patients: int
    zeros: int
    p_value: float
    least_p: float
    method: SignedRankMethod


def signed_rank(differences: npt.ArrayLike) -> SignedRank:
    """Test one difference a patient; undefined ones (NaN) are left out."""
    values = np.asarray(differences, dtype=np.float64).ravel()
    values = np.round(values[np.isfinite(values)], DECIMALS)
    moved = values[values != 0]
    zeros, count = int(len(values) - len(moved)), len(moved)
    least = min(1.0, 2.0 ** (1 - count))
    if count == 0:
        return SignedRank(len(values), zeros, 1.0, 1.0, "none")
    method = _method(moved)
    if method == "permutation":
        every = stats.PermutationMethod(n_resamples=2**count, rng=np.random.default_rng(0))
        result = stats.wilcoxon(moved, method=every)
    else:  # the stubs still call the method by its former name, approx
        result = stats.wilcoxon(moved, method=method)  # type: ignore[arg-type]
    return SignedRank(len(values), zeros, float(result.pvalue), least, method)


def _method(moved: npt.NDArray[np.float64]) -> Literal["exact", "permutation", "asymptotic"]:
    tied = len(np.unique(np.abs(moved))) < len(moved)
    if tied:
        return "permutation" if len(moved) <= LARGEST_PERMUTATION else "asymptotic"
    return "exact" if len(moved) <= LARGEST_EXACT else "asymptotic"


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Correct p-values for their number; the family-wise error stays below the level.

    Args:
        p_values: Of all tests of one family.

    Returns:
        Corrected values in the same order, at most 1.

    Reference:
        Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    raw = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(raw, kind="stable")
    steps = raw[order] * np.arange(len(raw), 0, -1)
    corrected = np.empty_like(raw)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return tuple(float(value) for value in corrected)
