"""What a search has cost, counted in executed operations: deterministic and without hardware.

::

    spent = 98 * 30                                                # a full 14-edge cell, 30 steps
    full_epoch_equivalents(spent, rows=14, steps_per_epoch=30)     # 1.0

An operation counts once for every step of the search that executes it, on every live edge.
``none`` does not count: it takes part in the mixture but nothing is executed for it. Without it
the full supernet has 7 operations an edge.
"""

from __future__ import annotations

from distributed_iac.errors import ConfigError
from distributed_iac.genotype import OPERATIONS

EXECUTED = len(OPERATIONS) - 1
"""Operations of a full edge that are executed: all but ``none``."""


def full_epoch_equivalents(evaluations: int, rows: int, steps_per_epoch: int) -> float:
    """Evaluations in units of one epoch of the full supernet.

    Args:
        evaluations: Executed operations, summed over all steps so far.
        rows: R, edges of all cells.
        steps_per_epoch: Steps of an epoch, counted as they were for ``evaluations``.

    Raises:
        ConfigError: An epoch without steps or cells without edges.
    """
    full = rows * EXECUTED * steps_per_epoch
    if full < 1:
        raise ConfigError(
            "a full epoch has at least one edge and one step",
            came=f"{rows} edges, {steps_per_epoch} steps",
        )
    return evaluations / full
