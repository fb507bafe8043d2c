"""How far the best of many cells can be above a random one.

::

    most_of_all(spread=0.004, log_count=20.8)   # 0.026
    expected_best(4)                            # 1.03 standard deviations above the mean
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from scipy import integrate, stats

from distributed_iac.importance.arrays import FloatArray


def most_of_all(spread: FloatArray | float, log_count: float) -> FloatArray:
    """The expected best of all cells over a random one, at the most.

    For N values around a common mean whose distribution has no heavier tails than a normal one of
    this standard deviation, the largest is expected at most ``sqrt(2 log N)`` of it above the mean,
    however they hang together (Boucheron, Lugosi and Massart, Concentration inequalities, 2013,
    theorem 2.5).

    Args:
        spread: Standard deviation of the cells' own values.
        log_count: log N.
    """
    result: FloatArray = np.asarray(spread, np.float64) * math.sqrt(2 * log_count)
    return result


@cache
def expected_best(count: int) -> float:
    """Expected largest of some standard normal values: 0 for one, 1.03 for four."""
    grid = np.linspace(-8.0, 8.0, 4001)
    density = count * stats.norm.pdf(grid) * stats.norm.cdf(grid) ** (count - 1)
    return float(integrate.trapezoid(grid * density, grid))
