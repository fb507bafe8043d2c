"""The signal guard: who is really behind whom, and who may therefore go.

::

    comparison = compare(window_series, history.operation_drift, members, live, settings)
    comparison.ahead[row, i, j]                      # i is ahead of j, beyond doubt and by enough
    among_the_best(importance, live, count)          # these stay whatever the evidence says

Stability alone cannot tell "settled" from "never moved": a search that learns nothing is
perfectly stable. Competitor j counts as *behind* i only if two things hold:

* **It is significant**: the run's movement from the start separates them beyond what a driftless
  random walk does, by :class:`~distributed_iac.importance.drift.DriftEvidence` at level
  ``alpha`` per group, all pairs and all epochs of the search included.
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


@dataclass(frozen=True, eq=False)
class Comparison:
    """All pairs of all groups.

    Args:
        ahead: ``(G, C, C)`` i is significantly and materially ahead of j.
        p_values: ``(G, C, C)`` of "i is not ahead of j", corrected and anytime-valid.
    """

    ahead: BoolArray
    p_values: FloatArray


def compare(
    series: FloatArray,
    drift: DriftEvidence,
    members: BoolArray,
    live: BoolArray,
    settings: SignalSettings,
) -> Comparison:
    """Compare all pairs of live competitors.

    Args:
        series: ``(W, G, C)`` weights of the window's epochs.
        drift: Evidence of all epochs.
        members: ``(G, C)`` who took part at the start: that many pairs are corrected for.
        live: ``(G, C)`` who is left.
        settings: Level and least ratio.
    """
    p_values = drift.p_values(pairs_of(members))
    logs = np.log(np.maximum(series, FLOOR))
    lead = (logs[..., :, None] - logs[..., None, :]).min(axis=0)
    matters = lead >= np.log(settings.min_ratio)
    both = live[:, :, None] & live[:, None, :]
    ahead = (p_values <= settings.alpha) & matters & both
    ahead &= ~np.eye(live.shape[1], dtype=np.bool_)
    return Comparison(ahead=ahead, p_values=p_values)


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
