"""Cells that nobody searched: which there are, and what the jobs that train them are called.

::

    RandomCell(seed=0, number=2).job_name(trained_with=0)       # "random.2"
    RandomCell(seed=0, number=2).job_name(trained_with=1)       # "random.2.seed0"
    random_cell("random", seed=3)                               # RandomCell(3, 1)
    crossed_cells((0, 1, 2), 4)                                 # cells for every seed to train
    log_genotypes(CellTopology(2, 4))                           # 20.8: about 1e9 cells

A cell is drawn from a seed and a number. Whoever wants the same cell with the same seed gets the
same job, so ``random``, ``random_search`` and ``headroom`` share theirs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from distributed_iac.config.run import RunConfig
from distributed_iac.genotype import OPERATIONS, CellTopology

_NAME = re.compile(r"random(?:\.([1-9][0-9]*)(?:\.seed([0-9]+))?)?")


@dataclass(frozen=True)
class RandomCell:
    """One cell.

    Args:
        seed: Of its draw.
        number: Which of those drawn from this seed, from 1 on.
    """

    seed: int
    number: int = 1

    def job_name(self, trained_with: int) -> str:
        """Name of the retraining with a seed; the first cell of that seed is the control."""
        if trained_with != self.seed:
            return f"random.{self.number}.seed{self.seed}"
        return "random" if self.number == 1 else f"random.{self.number}"

    @property
    def label(self) -> str:
        """For people."""
        return f"cell {self.number} of seed {self.seed}"


def random_cell(name: str, seed: int) -> RandomCell | None:
    """The cell that a retraining without a search trains; None if its name is another model's.

    Args:
        name: Of the job.
        seed: The job's.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    number, drawn = match.groups()
    return RandomCell(seed if drawn is None else int(drawn), int(number or 1))


def own_cells(seed: int, count: int) -> tuple[RandomCell, ...]:
    """Those that ``random_search`` retrains with a seed."""
    return tuple(RandomCell(seed, number) for number in range(1, count + 1))


def crossed_cells(seeds: Sequence[int], count: int) -> tuple[RandomCell, ...]:
    """Cells to be retrained with all of these seeds.

    The first ones of every seed in turn, because a sweep trains each of those with its own seed.
    """
    return tuple(
        RandomCell(seeds[place % len(seeds)], place // len(seeds) + 1) for place in range(count)
    )


def crossed_seeds(seeds: Sequence[int], count: int) -> tuple[int, ...]:
    """A number of seeds: those given first, then the smallest others."""
    others = (seed for seed in range(count + len(seeds)) if seed not in seeds)
    return (*seeds, *others)[:count]


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
