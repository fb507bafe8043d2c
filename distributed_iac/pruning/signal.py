"""The signal guard: who is behind whom, and who may therefore go.

::

    comparison = compare(window_series, history.operation_drift, members, live, settings)
    comparison.ahead[row, i, j]                      # i is ahead of j, for good and by enough
    among_the_best(importance, live, count)          # these stay whatever the evidence says

Stability alone cannot tell "settled" from "never moved": a search that learns nothing is
perfectly stable. Competitor j counts as *behind* i only if two things hold:

* **It is for good**, in the sense of ``settings.guard``. ``settled``, of the default arm ``lth``:
  with the fluctuation that the windows show, j would hardly overtake i within ``horizon`` epochs
  (:mod:`distributed_iac.pruning.catch_up`). So pruning anticipates what the longer search would
  have chosen, be it chance. ``distinguished``: the run's movement from the start separates them
  beyond what a driftless random walk does (:mod:`distributed_iac.importance.drift`). So pruning
  happens only where the data, not chance, moved the operations apart; that is late or never.
  Whichever is used, a discrete cell says for every edge whether its operation was distinguished.
* **It matters**: in every epoch of the window, i weighs at least ``min_ratio`` times as much.
  Significance without size accumulates for any difference, however small; and a lead that was
  once significant counts only while it is still there, throughout the window.

For an operation it is enough to be behind one other: it cannot be the best then. For an edge of
a node that keeps two it takes two. Nothing is decided by the order of equal numbers: whoever
ties with the last of the protected is protected too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from distributed_iac.config.pruning import SignalSettings
from distributed_iac.importance.arrays import FLOOR, BoolArray, FloatArray, IntArray
from distributed_iac.importance.drift import DriftEvidence, pairs_of
from distributed_iac.pruning.catch_up import catch_up_risk


@dataclass(frozen=True, eq=False)
class PairComparison:
    """All pairs of all groups.

    Args:
        ahead: ``(G, C, C)`` i is ahead of j, for good and by enough.
        p_values: ``(G, C, C)`` of "i is not ahead of j for good", corrected for several rivals:
            the guard's own probability.
    """

    ahead: BoolArray
    p_values: FloatArray


def compare(
    series: FloatArray,
    drift: DriftEvidence,
    members: BoolArray,
    live: BoolArray,
    settings: SignalSettings,
) -> PairComparison:
    """Compare all pairs of live competitors.

    Args:
        series: ``(W, G, C)`` weights of the epochs that the stability verdict looks at: both
            windows, oldest first.
        drift: Evidence of all epochs.
        members: ``(G, C)`` who took part at the start: that many pairs the drift's evidence is
            corrected for.
        live: ``(G, C)`` who is left.
        settings: Guard, level and least ratio.
    """
    if settings.guard == "settled":
        p_values, level = catch_up_risk(series, live, settings.horizon), settings.risk
    else:
        p_values, level = drift.p_values(pairs_of(members)), settings.alpha
    logs = np.log(np.maximum(series[len(series) // 2 :], FLOOR))
    lead = (logs[..., :, None] - logs[..., None, :]).min(axis=0)
    matters = lead >= np.log(settings.min_ratio)
    both = live[:, :, None] & live[:, None, :]
    ahead = (p_values <= level) & matters & both
    ahead &= ~np.eye(live.shape[1], dtype=np.bool_)
    return PairComparison(ahead=ahead, p_values=p_values)


def among_the_best(importance: FloatArray, live: BoolArray, count: IntArray) -> BoolArray:
    """Who is among the ``count`` strongest of a group; ties with the last one included.

    Args:
        importance: ``(G, C)``.
        live: ``(G, C)``; the dead are never among the best.
        count: ``(G,)`` at least 1.
    """
    ranked = -np.sort(-np.where(live, importance, -np.inf), axis=1)
    last = np.minimum(count, live.shape[1]) - 1
    threshold = np.take_along_axis(ranked, last[:, None], axis=1)
    result: BoolArray = live & (importance >= threshold)
    return result
