"""One report of a trial, read from a flat mapping that may lack anything.

::

    report = Report.read({"epoch": 7, "js_max": 0.004, "stable_edges": 14})
    report.js_max               # 0.004
    report.converged            # None: not reported
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

WATCHED = ("loss", "weight_loss", "architecture_loss", "val_dice")
"""Values that must be finite wherever they are reported."""


@dataclass(frozen=True, slots=True)
class Report:
    """What the rules look at; None is *not reported, or not of the right kind*.

    Args:
        epoch: Epochs of training. It falls back after a restart from a checkpoint; the later report
            of an epoch replaces the earlier.
        seconds: Training time so far, over all restarts.
        converged: The trainable's own verdict.
        reason: Its sentence, without the code.
        js_max: Largest Jensen-Shannon divergence of an edge, in bits; not a number while there is
            nothing to compare.
        entropy: Mean normalised entropy of the edges' importance, in [0, 1].
        stable_edges: Edges at or below the trainable's own threshold, undecided ones included.
        undecided_edges: Stable edges on which operations could not be told apart.
        live_edges: Edges of the cells that are left.
        live_operations: Operations that are left.
        op_evaluations: Evaluations of candidate operations so far.
        collapsed: Whether the cell is nothing but skips and pooling.
        score: Validation score, larger is better: the best so far where that is reported, else
            the last; None in epochs without validation.
        genotype: Identity of the genotype as it would be cut now.
        not_finite: Names of :data:`WATCHED` that are NaN or infinite.
    """

    epoch: int
    seconds: float | None = None
    converged: bool | None = None
    reason: str | None = None
    js_max: float | None = None
    entropy: float | None = None
    stable_edges: int | None = None
    undecided_edges: int | None = None
    live_edges: int | None = None
    live_operations: int | None = None
    op_evaluations: float | None = None
    collapsed: bool | None = None
    score: float | None = None
    genotype: str | None = None
    not_finite: tuple[str, ...] = ()

    @classmethod
    def read(cls, result: Mapping[str, Any]) -> Self:
        """Read a flat result, whatever it holds.

        One without an epoch is of epoch 0: without a number nothing can be said about the order of
        reports, and no rule counts them.
        """
        best = _number(result.get("best_val_dice"))
        return cls(
            epoch=_count(result.get("epoch")) or 0,
            seconds=_number(result.get("total_seconds")),
            converged=_flag(result.get("converged")),
            reason=_text(result.get("reason")),
            js_max=_number(result.get("js_max")),
            entropy=_number(result.get("entropy")),
            stable_edges=_count(result.get("stable_edges")),
            undecided_edges=_count(result.get("undecided_edges")),
            live_edges=_count(result.get("live_edges")),
            live_operations=_count(result.get("live_operations")),
            op_evaluations=_number(result.get("op_evaluations")),
            collapsed=_flag(result.get("collapsed")),
            score=_number(result.get("val_dice")) if best is None else best,
            genotype=_text(result.get("genotype_id")),
            not_finite=tuple(name for name in WATCHED if _not_finite(result.get(name))),
        )


def _float(value: object) -> float | None:
    """Python and numpy numbers and zero-dimensional tensors; no text, no flags, no arrays."""
    if isinstance(value, float | int) and not isinstance(value, bool):
        return float(value)
    if value is None or isinstance(value, bool | str | bytes) or getattr(value, "shape", 1) != ():
        return None
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def _number(value: object) -> float | None:
    number = _float(value)
    return number if number is not None and math.isfinite(number) else None


def _not_finite(value: object) -> bool:
    number = _float(value)
    return number is not None and not math.isfinite(number)


def _count(value: object) -> int | None:
    number = _number(value)
    return None if number is None else int(number)


def _flag(value: object) -> bool | None:
    """Flags of Python and numpy."""
    if isinstance(value, bool):
        return value
    return bool(value) if type(value).__name__ in ("bool", "bool_") else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
