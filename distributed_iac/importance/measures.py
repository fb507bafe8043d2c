"""How importance is measured: mixture weight, that times the edge's, or what is lost without it.

::

    softmax_x_beta(operation_weights, edge_weights)         # PC-DARTS's ranking over a node
    perturbation(scores, baseline, live)                    # DARTS-PT's ranking on an edge
    ranking(history, "softmax", window=5)                   # (R, O), what a policy ranks by

Within one edge, ``softmax`` and ``softmax_x_beta`` are the same up to a factor and so prune the
same operations; they differ where operations of different edges are compared, as at the end.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from distributed_iac.config.pruning import ImportanceMeasure
from distributed_iac.errors import ConfigError, NumericalError
from distributed_iac.importance.arrays import BoolArray, FloatArray, restrict
from distributed_iac.importance.history import ImportanceHistory

TEMPERATURE = 0.05
"""Drop of the validation score that multiplies importance by e: five points of Dice. Our choice;
it scales the distribution and cannot change the ranking, for even a drop of 1 stays above the
least weight."""


def softmax_x_beta(operations: FloatArray, edges: FloatArray) -> FloatArray:
    """Weight of an operation in its node: ``softmax(alpha_e)_o * softmax(beta)_e``.

    Args:
        operations: ``(..., R, O)``.
        edges: ``(..., R)``.

    Returns:
        ``(..., R, O)``; sums to 1 over all live operations that enter a node.

    Reference:
        PC-DARTS, arXiv 1907.05737.
    """
    result: FloatArray = operations * edges[..., None]
    return result


def perturbation(scores: npt.ArrayLike, baseline: float, live: BoolArray) -> FloatArray:
    """Importance from the drop of the validation score when one operation is masked.

    Args:
        scores: ``(R, O)`` score with that operation masked, higher is better. Not looked at
            where nothing is alive or only one operation is, which may be left NaN.
        baseline: Score with nothing masked.
        live: ``(R, O)``.

    Returns:
        ``(R, O)``: softmax of the drops over the live operations of each edge, with
        :data:`TEMPERATURE`. The operation whose loss hurts most leads.

    Raises:
        ConfigError: Another shape.
        NumericalError: A score that is needed is not finite.

    Reference:
        The ranking is that of Wang et al., arXiv 2108.04392 (DARTS-PT); turning it into a
        distribution is our choice.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.shape != live.shape:
        raise ConfigError(f"perturbation scores have the shape {live.shape}", came=values.shape)
    needed = live & (live.sum(axis=1, keepdims=True) > 1)
    if not (np.isfinite(values[needed]).all() and np.isfinite(baseline)):
        raise NumericalError(
            "perturbation needs a finite score for every live operation of an edge with several",
            came=f"{int((~np.isfinite(values[needed])).sum())} missing, baseline {baseline}",
        )
    drop = np.where(needed, (baseline - values) / TEMPERATURE, 0.0)
    largest = np.max(drop, axis=1, keepdims=True, initial=-np.inf, where=live)
    shifted: FloatArray = np.subtract(drop, largest, out=np.zeros_like(drop), where=live)
    weights: FloatArray = np.exp(shifted)
    return restrict(weights, live)


def ranking(
    history: ImportanceHistory,
    measure: ImportanceMeasure,
    window: int,
    perturbed: FloatArray | None = None,
) -> FloatArray:
    """What operations are ranked by: ``(R, O)``.

    Args:
        history: At least one observed epoch.
        measure: The setting ``search.pruning.importance``.
        window: Epochs of the mean of the first two measures.
        perturbed: From :func:`perturbation`; needed for that measure and no other.

    Raises:
        ConfigError: ``perturbation`` without scores, or scores without it.
    """
    if (measure == "perturbation") != (perturbed is not None):
        raise ConfigError(
            "perturbation scores go with importance: perturbation and with no other",
            came=f"importance: {measure}, scores {'absent' if perturbed is None else 'present'}",
        )
    if perturbed is not None:
        return perturbed
    operations: FloatArray = history.operation_series(window).mean(axis=0)
    if measure == "softmax":
        return operations
    edges = history.layout.scatter(history.edge_series(window).mean(axis=0))
    return softmax_x_beta(operations, edges)
