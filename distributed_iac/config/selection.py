"""Settings of which found cells are retrained.

::

    SelectionSettings()                            # each seed retrains its own cell
    SelectionSettings(rule="top_k", count=3).slots(seeds=5)     # 3

All defaults are our choice.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from distributed_iac.config.base import Count, Settings

SelectionRule = Literal["each", "best", "consensus", "top_k", "pareto"]
CostMeasure = Literal["macs", "parameters"]


class SelectionSettings(Settings):
    """Which cells of a group's searches are retrained, per arm."""

    rule: SelectionRule = "each"
    """each: seed k retrains seed k's own cell, the only rule that keeps arms paired by seed;
    best: the cell with the highest validation Dice; consensus: the searches' vote;
    top_k: the `count` best; pareto: at most `count` cells that no other beats in both Dice and
    cost."""
    count: Count = 3
    """Most cells that top_k and pareto pick."""
    near_tie: Annotated[float, Field(ge=0, lt=1)] = 0.005
    """Validation Dice within which two cells are called near-tied. Half a Dice point: less than
    the usual spread of one network over its training seeds."""
    cost: CostMeasure = "macs"
    """Against what pareto weighs Dice."""

    def slots(self, seeds: int) -> int:
        """Most cells that can be picked, and so the retrainings a seed needs.

        Args:
            seeds: Searches of the arm in the group.
        """
        return min(self.count, seeds) if self.rule in ("top_k", "pareto") else 1
