"""Settings of the question that comes before a search: how much could any cell gain here?

::

    HeadroomSettings(cells=8, seeds=3)      # 24 retrainings

All defaults are our choice.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from distributed_iac.config.base import Settings

Question = Literal["comparison", "headroom"]
"""What a run's jobs are for."""

BESIDE = "-headroom"
"""Behind a run's name: its headroom run."""


class HeadroomSettings(Settings):
    """Random cells, each retrained with every one of several seeds."""

    cells: Annotated[int, Field(ge=1, le=1000)] = 6
    """With 6 the spread between all cells may be 2.5 times the one between those seen, with 4 3.7
    and with 12 1.7 times (upper end of the 95 % interval, chi-square)."""
    seeds: Annotated[int, Field(ge=1, le=1000)] = 3
    """The run's own seeds first, then others. With one nothing tells a cell from its luck."""
