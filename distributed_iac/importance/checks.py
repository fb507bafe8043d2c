"""What the samples of an epoch must satisfy before they enter the history.

::

    checked(samples, live, "softmax(alpha)", place)        # (S, G, C) float64, or an error
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from distributed_iac.errors import ConfigError, NumericalError
from distributed_iac.importance.arrays import BoolArray, FloatArray

SUM_TOLERANCE = 1e-5
"""How far weights may miss a sum of 1: above float32 rounding of a softmax over 8."""


def checked(
    samples: npt.ArrayLike, live: BoolArray, name: str, place: Callable[[int], str]
) -> FloatArray:
    """Return the samples of one epoch as float64 if they are distributions over the living.

    Args:
        samples: ``(S, G, C)`` weights at each of the S architecture steps.
        live: ``(G, C)`` who may have weight; groups without a living member must be all zero.
        name: What the samples are called in messages.
        place: Group number -> what it is called in messages.

    Raises:
        ConfigError: The shape is another, or S is 0.
        NumericalError: NaN, infinity, a negative weight, weight on a dead competitor, or a sum
            other than 1.
    """
    values = np.asarray(samples, dtype=np.float64)
    if values.ndim != 3 or values.shape[1:] != live.shape or values.shape[0] < 1:
        raise ConfigError(
            f"{name} of an epoch has the shape (steps, {live.shape[0]}, {live.shape[1]}) with at "
            "least one architecture step",
            came=str(values.shape),
            remedy="leave epochs without architecture steps (the warm-up) out of the history",
        )
    _refuse(
        ~np.isfinite(values),
        name,
        place,
        "must be finite",
        remedy="lower the architecture learning rate or the loss scale; the last good checkpoint "
        "still holds the search",
    )
    _refuse(values < 0, name, place, "must not be negative")
    _refuse((values != 0) & ~live, name, place, "must be exactly 0 for what has been pruned")
    off = np.abs(values.sum(axis=-1) - live.any(axis=-1)) > SUM_TOLERANCE
    _refuse(off[..., None], name, place, "must sum to 1 over what is alive")
    return values


def _refuse(
    wrong: BoolArray,
    name: str,
    place: Callable[[int], str],
    rule: str,
    remedy: str = "pass the softmax over what is alive, zero elsewhere",
) -> None:
    if not wrong.any():
        return
    step, group, _ = np.argwhere(wrong)[0]
    raise NumericalError(
        f"{name} {rule}",
        came=f"step {step}, {place(int(group))} (and {int(wrong.sum()) - 1} more places)",
        remedy=remedy,
    )
