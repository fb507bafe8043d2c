r"""Would a loser catch up with its leader if the search went on?

::

    risk = catch_up_risk(series, live, horizon=50)       # (G, C, C): j overtakes i within 50 epochs

An operation that is pruned cannot come back, so the price of pruning is the chance that a longer
search would have preferred it. That chance is bounded by the fluctuation that the edge still
shows. With L(t) the log-ratio of the weights of i and j in epoch t, over the last n + 1 epochs:

* the noise of one epoch is ``s = sqrt(1.5 mean((L(t) - L(t-1))^2))``. The mean is not taken off, so
  a lead that is still growing counts as noise too, and delays the verdict. Where the steps of
  alpha are independent, means over successive epochs differ by 2/3 of the variance that the walk
  gains in an epoch: hence 1.5;
* a driftless walk with that noise falls by the present lead m at some time within the next h epochs
  with probability ``2 P(N(0, 1) > m / (s sqrt(h)))`` (reflection principle). As s is estimated from
  n differences, the normal distribution is replaced by Student's t with n degrees of freedom;
* Bonferroni over the rivals of a leader.

Fluctuation around a fixed level turns back on itself and passes even less often than a walk. Our
choice throughout: no criterion of the papers' is known to us.

**What it does not say.** That the order is more than this run's history: a walk without any
signal that has come to rest would keep its order as well. That is what
:mod:`distributed_iac.importance.drift` tests, and what a cell's confidence reports.
"""

from __future__ import annotations

import numpy as np
from scipy.special import stdtr

from distributed_iac.importance.arrays import FLOOR, BoolArray, FloatArray

WALK_PER_EPOCH = 1.5
"""Variance that a walk gains in an epoch, in units of the mean square difference of epoch means."""


def catch_up_risk(series: FloatArray, live: BoolArray, horizon: int) -> FloatArray:
    """Bound the probability that a loser overtakes.

    Args:
        series: ``(W, G, C)`` weights of the last W epochs, oldest first.
        live: ``(G, C)`` who is left.
        horizon: Epochs to look ahead, at least 1.

    Returns:
        ``(G, C, C)`` in [0, 1] for "j overtakes i", corrected for the number of rivals; 1 where i
        is not ahead of j now, where one of them is dead, or with fewer than three epochs.
    """
    count = len(series) - 1
    both = live[:, :, None] & live[:, None, :]
    if count < 2:
        return np.ones(both.shape)
    logs = np.log(np.maximum(series, FLOOR))
    lead = logs[..., :, None] - logs[..., None, :]
    noise = np.sqrt(WALK_PER_EPOCH * np.square(np.diff(lead, axis=0)).mean(axis=0) * horizon)
    recent = lead[len(lead) // 2 :].mean(axis=0)
    ahead = both & (recent > 0)
    distance = np.divide(recent, noise, out=np.full_like(noise, np.inf), where=noise > 0)
    rivals = np.maximum(live.sum(axis=1) - 1, 1)[:, None, None]
    once = 2.0 * stdtr(count, -np.where(ahead, distance, 0.0))
    risk: FloatArray = np.where(ahead, np.minimum(rivals * once, 1.0), 1.0)
    return risk
