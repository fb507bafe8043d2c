r"""Has the search settled? Jensen-Shannon divergence, entropy and margin of every edge.

::

    stability = assess(history, settings.stability)
    stability.js                      # (R,) bits; NaN where there is nothing to compare yet
    stability.stable                  # (R,) at or below tau for `patience` epochs in a row
    stability.scalars()               # js_mean, js_max, stable_edges, undecided_edges, ...

With ``L_e`` the live operations of edge e and ``p_e(t)`` the mean of softmax(alpha_e) over the
architecture steps of epoch t, restricted to ``L_e``: ``P_e(t)`` is the mean of the last
``window`` values of ``p_e`` and ``Q = P_e(t - window)``, so the two windows touch and do not
overlap. ``JS_e(t) = H((P + Q) / 2) - (H(P) + H(Q)) / 2`` in bits. That a Jensen-Shannon
criterion tracks the stability of per-edge importance is IAC-LTH's (arXiv 2604.14849); the
formulas, the window and the patience are ours.

The same is measured on softmax(beta) over the live incoming edges of every node.

Everything is derived from the history, restricted to what is alive *now*: past values are
renormalised, so a pruning does not break the series, and the counting of stable epochs starts
anew with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from distributed_iac.config.pruning import StabilitySettings
from distributed_iac.genotype import FAMILY, OPERATIONS
from distributed_iac.importance.arrays import BoolArray, FloatArray, IntArray
from distributed_iac.importance.history import ImportanceHistory

NONE = OPERATIONS.index("none")


def entropy_bits(weights: FloatArray) -> FloatArray:
    """Shannon entropy in bits along the last axis; ``0 log 0 = 0``."""
    logs = np.log2(weights, out=np.zeros_like(weights), where=weights > 0)
    result: FloatArray = -(weights * logs).sum(axis=-1)
    return result


def jensen_shannon(P: FloatArray, Q: FloatArray) -> FloatArray:
    """Jensen-Shannon divergence in bits between distributions along the last axis.

    Args:
        P: ``(..., C)``, non-negative, summing to 1.
        Q: The same shape.

    Returns:
        ``(...)`` in [0, 1]: 0 for equal distributions, 1 for those without common support.

    Reference:
        Lin, Divergence measures based on the Shannon entropy, IEEE Trans. Inf. Theory 37, 1991.
    """
    divergence = entropy_bits((P + Q) / 2) - (entropy_bits(P) + entropy_bits(Q)) / 2
    result: FloatArray = np.clip(divergence, 0.0, 1.0)
    return result


def rolling_mean(series: FloatArray, window: int) -> FloatArray:
    """Mean of every ``window`` consecutive entries of the first axis: T -> T - window + 1."""
    count = series.shape[0] - window + 1
    if count < 1:
        return series[:0]
    total = sum((series[k : k + count] for k in range(1, window)), start=series[:count])
    return total / window


def edge_stability(series: FloatArray, window: int) -> FloatArray:
    """Divergence between touching windows at every epoch where both are full.

    Args:
        series: ``(T, G, C)`` epoch means of G groups.
        window: Epochs in each window.

    Returns:
        ``(T - 2 window + 1, G)`` bits, the last entry belonging to the last epoch; without rows
        if T is too small.
    """
    means = rolling_mean(series, window)
    if means.shape[0] <= window:
        return np.zeros((0, series.shape[1]))
    return jensen_shannon(means[window:], means[:-window])


@dataclass(frozen=True, eq=False)
class Stability:
    """What the last epoch looked like; arrays by row (R) or by node (N).

    Args:
        weights: ``(R, O)`` P, the window's mean weights.
        edge_weights: ``(N, C)`` the same for edges.
        js: ``(R,)`` bits; NaN before two windows are full and on removed edges.
        node_js: ``(N,)`` the same for edges.
        stable_for: ``(R,)`` epochs in a row at or below tau, since the last pruning of the row,
            counted up to ``patience + max_wait + 1``.
        node_stable_for: ``(N,)`` the same for edges.
        stable: ``(R,)`` stable for at least ``patience`` epochs; false on removed edges.
        node_stable: ``(N,)`` the same for edges.
        choices: ``(R,)`` live operations other than ``none``; 0 on removed edges.
        undecided: ``(R,)`` stable for ``patience + max_wait`` epochs with a choice left.
        node_undecided: ``(N,)`` the same for nodes with more edges than a discrete node keeps.
        entropy: ``(R,)`` of P, in units of the logarithm of the live operations; NaN if removed.
        leader: ``(R,)`` strongest live operation other than ``none``.
        margin: ``(R,)`` weight of the leader minus that of the runner-up, ``none`` not counted.
        live_edges: ``(R,)``.
        live_operations: Number of live operations on live edges, ``none`` included.
    """

    weights: FloatArray
    edge_weights: FloatArray
    js: FloatArray
    node_js: FloatArray
    stable_for: IntArray
    node_stable_for: IntArray
    stable: BoolArray
    node_stable: BoolArray
    choices: IntArray
    undecided: BoolArray
    node_undecided: BoolArray
    entropy: FloatArray
    leader: IntArray
    margin: FloatArray
    live_edges: BoolArray
    live_operations: int

    def scalars(self) -> dict[str, float | int | None]:
        """The epoch's figures for reports, JSON-able.

        Means, medians and maxima are over live edges; the divergence is None before two windows
        are full. ``leader_median`` is the weight of an edge's strongest operation, ``margin`` its
        lead over the next, ``none`` not counted.
        ``skip_leaders`` and ``pool_leaders`` count live edges whose leader is of that family: the
        known collapse of differentiable search shows there first. ``none_leaders`` counts those
        on which ``none`` outweighs every operation: the search would rather not have the edge.
        """
        live = self.live_edges
        js = self.js[live]
        known = bool(np.isfinite(js).all())
        families = [FAMILY[OPERATIONS[leader]] for leader in self.leader[live]]
        return {
            "js_mean": float(js.mean()) if known else None,
            "js_max": float(js.max()) if known else None,
            "stable_edges": int(self.stable.sum()),
            "undecided_edges": int(self.undecided.sum()),
            "live_operations": self.live_operations,
            "live_edges": int(live.sum()),
            "entropy": float(self.entropy[live].mean()),
            "margin": float(self.margin[live].mean()),
            "leader_median": float(np.median(self.weights[live, self.leader[live]])),
            "skip_leaders": families.count("skip"),
            "pool_leaders": families.count("pool"),
            "none_leaders": int((self.weights[live].argmax(axis=1) == NONE).sum()),
        }


def assess(history: ImportanceHistory, settings: StabilitySettings) -> Stability:
    """Measure the stability after the last observed epoch.

    Args:
        history: Before its first epoch everything is uniform and nothing stable.
        settings: Window, threshold, patience, warm-up and longest wait.
    """
    window, longest = settings.window, settings.patience + settings.max_wait + 1
    operations = history.operation_series(2 * window + longest - 1)
    edges = history.edge_series(2 * window + longest - 1)
    js, stable_for = _verdict(operations, history.operation_changed, history.observed, settings)
    node_js, node_for = _verdict(edges, history.node_changed, history.observed, settings)
    choices = history.live_operations[:, NONE + 1 :].sum(axis=1)
    open_node = history.live_slots.sum(axis=1) > history.layout.kept_per_node
    stable = (stable_for >= settings.patience) & history.live_edges
    node_stable = node_for >= settings.patience
    waited = settings.patience + settings.max_wait
    weights = operations[-window:].mean(axis=0)
    leader, margin = leaders(weights)
    return Stability(
        weights=weights,
        edge_weights=edges[-window:].mean(axis=0),
        js=np.where(history.live_edges, js, np.nan),
        node_js=node_js,
        stable_for=stable_for,
        node_stable_for=node_for,
        stable=stable,
        node_stable=node_stable,
        choices=choices,
        undecided=stable & (stable_for >= waited) & (choices > 1),
        node_undecided=node_stable & (node_for >= waited) & open_node,
        entropy=_normalised_entropy(weights, history.live_operations),
        leader=leader,
        margin=margin,
        live_edges=history.live_edges,
        live_operations=int(history.live_operations.sum()),
    )


def leaders(weights: FloatArray) -> tuple[IntArray, FloatArray]:
    """Strongest operation other than ``none`` and its lead over the next, in weight.

    Args:
        weights: ``(R, O)``, zero where dead.

    Returns:
        Operation numbers and margins, each ``(R,)``; an exact tie has margin 0.
    """
    ordered = np.sort(weights[:, NONE + 1 :], axis=1)
    leader = np.argmax(weights[:, NONE + 1 :], axis=1) + NONE + 1
    return leader, ordered[:, -1] - ordered[:, -2]


def _verdict(
    series: FloatArray, changed: IntArray, observed: int, settings: StabilitySettings
) -> tuple[FloatArray, IntArray]:
    """Divergence now, and for how many epochs in a row it has been at or below tau.

    An epoch counts when it lies behind the warm-up and behind the group's last pruning.
    """
    js = edge_stability(series, settings.window)
    if js.shape[0] == 0:
        nothing = np.full(series.shape[1], np.nan)
        return nothing, np.zeros(series.shape[1], dtype=np.int64)
    number = np.arange(observed - js.shape[0] + 1, observed + 1)[:, None]
    calm = (js <= settings.tau) & (number > np.maximum(changed, settings.warmup))
    in_a_row = np.cumprod(calm[::-1], axis=0).sum(axis=0)
    return js[-1], in_a_row.astype(np.int64)


def _normalised_entropy(weights: FloatArray, live: BoolArray) -> FloatArray:
    """Entropy in units of its largest value; 0 with one live operation, NaN without any."""
    count = live.sum(axis=1)
    largest = np.log2(np.maximum(count, 2))
    result: FloatArray = np.where(count > 0, entropy_bits(weights) / largest, np.nan)
    return result
