"""Settings of the scheduler that stops searches: what it stops, and whom it never stops.

::

    SchedulerSettings()                                          # converged or diverged
    SchedulerSettings(budget=BudgetSettings(seconds=3600))       # and nobody longer than an hour
    SchedulerSettings(consensus=ConsensusSettings(seeds=3))      # and where three seeds agree

All numbers are our choice. The rules that look at other trials (``consensus``, ``dominated``) and
the one on collapse change what the surviving searches mean, so they are off unless asked for.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from distributed_iac.config.base import Count, Settings


class ConvergenceSettings(Settings):
    """When a search is taken to have settled, if the trainable does not say so itself.

    A trainable that reports ``converged`` is believed, whatever these numbers are.
    """

    tau: Annotated[float, Field(gt=0, lt=1)] = 0.01
    """Largest ``js_max`` of a calm report, in bits; that of ``StabilitySettings``."""
    patience: Count = 3
    """Calm reports in a row; that of ``StabilitySettings``."""
    grace: Annotated[int, Field(ge=0)] = 10
    """Reports before anything is concluded from ``js_max``; the warm-up of
    ``StabilitySettings``."""
    max_entropy: Annotated[float, Field(gt=0, le=1)] = 0.99
    """Largest normalised entropy of a calm report, where it is reported: importance that never
    left uniform is calm as well (measured: entropy 0.999, divergence 1e-5 from the first epoch)
    and has settled nothing. 1 switches the guard off."""


class DivergenceSettings(Settings):
    """When a search is given up because its numbers are not finite."""

    reports: Count = 2
    """Reports in a row with a loss or score that is NaN or infinite. Two, because one can be a
    single overflow that mixed precision skips."""
    protected: Literal["stop", "run"] = "stop"
    """What happens to a protected trial then. Weights that are NaN stay NaN: running on costs the
    rest of the budget and changes nothing, and the stop is recorded as a failure, never as a fast
    finish."""


class BudgetSettings(Settings):
    """What one search may cost; None: as much as it likes."""

    epochs: Count | None = None
    seconds: Annotated[float, Field(gt=0)] | None = None
    """Of training time, over all restarts."""
    op_evaluations: Count | None = None
    """Evaluations of candidate operations."""


class ConsensusSettings(Settings):
    """Stop the other seeds of an arm once enough have ended with one and the same genotype."""

    seeds: Annotated[int, Field(ge=2)]
    """Finished searches of one group and arm that must agree."""


class DominatedSettings(Settings):
    """Stop a search that is clearly behind others of its arm at the same epoch."""

    rivals: Count = 3
    """Searches of the same group and arm that must be ahead."""
    margin: Annotated[float, Field(ge=0)] = 0.02
    """Score by which each of them must be ahead: best so far against best so far."""
    grace: Annotated[int, Field(ge=0)] = 20
    """Epochs before anybody is behind."""


class SchedulerSettings(Settings):
    """Which searches are stopped, and which run to their end whatever happens."""

    convergence: ConvergenceSettings = ConvergenceSettings()
    divergence: DivergenceSettings = DivergenceSettings()
    collapse: Count | None = None
    """Reports in a row in which the cell is nothing but skips and pooling; None: not stopped."""
    budget: BudgetSettings = BudgetSettings()
    consensus: ConsensusSettings | None = None
    dominated: DominatedSettings | None = None
    protect: tuple[str, ...] = ("full",)
    """Arms that run to their end, so that the fast arms have something to be compared with."""
