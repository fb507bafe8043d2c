"""How far the best of many cells can be above a random one.

::

    log_genotypes(CellTopology(2, 4))           # 20.8: about 1e9 cells
    most_of_all(spread=0.004, log_count=20.8)   # 0.026
    expected_best(4)                            # 1.03 standard deviations above the mean
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache

import numpy as np
from scipy import integrate, stats

from distributed_iac.config.run import RunConfig
from distributed_iac.genotype import OPERATIONS, CellTopology
from distributed_iac.importance.arrays import FloatArray


def log_genotypes(topology: CellTopology, cells: int = 1) -> float:
    """Natural logarithm of the number of genotypes that a search chooses from.

    Args:
        topology: Of a cell.
        cells: How many cells of their own a network has.
    """
    operations = len(OPERATIONS) - 1  # all but none
    return cells * sum(
        math.log(math.comb(target, topology.kept_per_node(target)))
        + topology.kept_per_node(target) * math.log(operations)
        for target in topology.targets
    )


def more_than_exist(config: RunConfig) -> Iterator[str]:
    """Random cells that a run asks for beyond all that there are, a sentence each."""
    asked = {"headroom.cells": config.headroom.cells}
    if "random_search" in config.controls:
        asked["comparison.random_cells"] = config.comparison.random_cells
    shared = [one.cell for one in config.views.values() if one.cell.genotype_scope == "shared"]
    fewest = min((log_genotypes(one.topology) for one in shared), default=math.inf)
    for name, count in asked.items():
        if math.log(count) > fewest + 1e-9:
            yield (
                f"{name} asks for {count} random cells where there are {math.exp(fewest):.0f}: "
                "some are drawn more than once, and trained to the same"
            )


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
