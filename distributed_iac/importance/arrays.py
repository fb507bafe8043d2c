"""Read-only arrays and the one operation all rules share: restricting weights to the living.

Shapes, here and in all rules: T epochs, S architecture steps of an epoch, R rows (edges of all
cells, ``row = cell * edges + edge``), O operations, N nodes of all cells, C most incoming edges
of a node, G groups of competitors in general (rows or nodes).

::

    restrict(np.array([0.5, 0.25, 0.25]), np.array([True, True, False]))   # [0.667, 0.333, 0]
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float64]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
IntArray: TypeAlias = npt.NDArray[np.int64]

FLOOR = 1e-100
"""Least weight of a live competitor, so that its logarithm exists: below all that a softmax of
float32 can give, above float64 underflow."""


def floats(values: npt.ArrayLike) -> FloatArray:
    """Return a read-only float64 copy."""
    return _read_only(np.array(values, dtype=np.float64))


def bools(values: npt.ArrayLike) -> BoolArray:
    """Return a read-only boolean copy."""
    return _read_only(np.array(values, dtype=np.bool_))


def ints(values: npt.ArrayLike) -> IntArray:
    """Return a read-only int64 copy."""
    return _read_only(np.array(values, dtype=np.int64))


def _read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    array.setflags(write=False)
    return array


def restrict(weights: FloatArray, live: BoolArray) -> FloatArray:
    """Set the dead to exactly zero and let the living sum to 1 along the last axis.

    Args:
        weights: ``(..., G, C)``, non-negative.
        live: ``(G, C)``; a group without a living member stays zero.

    Returns:
        ``(..., G, C)``; every living member has at least about :data:`FLOOR`.
    """
    kept = np.where(live, np.maximum(weights, FLOOR), 0.0)
    total = kept.sum(axis=-1, keepdims=True)
    return kept / np.where(total > 0, total, 1.0)
