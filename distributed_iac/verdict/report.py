"""One report of a trial, read from a flat mapping that may lack anything.

::

    report = ReportKeys().read({"training_iteration": 7, "js_max": 0.004, "stable_edges": 14})
    report.js_max               # 0.004
    report.converged            # None: not reported
    ReportKeys(js_max="search/js_max").read(result)       # a trainable with its own names
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Report:
    """What the rules look at; None is *not reported, or not of the right kind*.

    Args:
        iteration: Number of the report, counted from 1. It falls back after a restart from a
            checkpoint; the later report of an iteration replaces the earlier.
        epoch: Epochs of training; the iteration where no epoch is reported.
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
        not_finite: Names of watched values that are NaN or infinite.
    """

    iteration: int
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


@dataclass(frozen=True)
class ReportKeys:
    """Under which names a trainable reports; the defaults are this project's.

    A name with slashes (``search/js_max``) is that of a nested result, as Ray flattens it.

    Args:
        iteration: Ray counts reports itself under this name.
        epoch: Epochs of training.
        seconds: Ray adds up training time over restarts under this name.
        converged: True once nothing is left to decide.
        reason: Why, in words.
        js_max: Largest divergence of an edge.
        entropy: Mean normalised entropy.
        stable_edges: Number of stable edges, undecided ones included.
        undecided_edges: Number of those that are undecided.
        live_edges: Number of edges left.
        live_operations: Number of operations left.
        op_evaluations: Cost so far.
        collapsed: True while the cell is nothing but skips and pooling.
        skip_leaders: Edges led by a skip; with ``pool_leaders``, stands in for ``collapsed``.
        pool_leaders: Edges led by pooling.
        best_score: Best validation score so far, larger is better.
        score: Validation score of the epoch, where no best one is reported.
        genotype_id: Short identity of the genotype.
        genotype: The genotype itself, where no identity is reported.
        watched: Values that must be finite wherever they are reported.
    """

    iteration: str = "training_iteration"
    epoch: str = "epoch"
    seconds: str = "time_total_s"
    converged: str = "converged"
    reason: str = "reason"
    js_max: str = "js_max"
    entropy: str = "entropy"
    stable_edges: str = "stable_edges"
    undecided_edges: str = "undecided_edges"
    live_edges: str = "live_edges"
    live_operations: str = "live_operations"
    op_evaluations: str = "op_evaluations"
    collapsed: str = "collapsed"
    skip_leaders: str = "skip_leaders"
    pool_leaders: str = "pool_leaders"
    best_score: str = "best_val_dice"
    score: str = "val_dice"
    genotype_id: str = "genotype_id"
    genotype: str = "genotype"
    watched: tuple[str, ...] = ("loss", "weight_loss", "architecture_loss", "val_dice")

    def read(self, result: Mapping[str, Any]) -> Report:
        """Read a flat result, whatever it holds; see :class:`Report`.

        A result that numbers itself neither by iteration nor by epoch is iteration 0: without
        a number nothing can be said about the order of reports, and no rule counts them.
        """
        epoch = _count(result.get(self.epoch))
        iteration = _count(result.get(self.iteration))
        if iteration is None:
            iteration = epoch if epoch is not None else 0
        return Report(
            iteration=iteration,
            epoch=epoch if epoch is not None else iteration,
            seconds=_number(result.get(self.seconds)),
            converged=_flag(result.get(self.converged)),
            reason=_text(result.get(self.reason)),
            js_max=_number(result.get(self.js_max)),
            entropy=_number(result.get(self.entropy)),
            stable_edges=_count(result.get(self.stable_edges)),
            undecided_edges=_count(result.get(self.undecided_edges)),
            live_edges=_count(result.get(self.live_edges)),
            live_operations=_count(result.get(self.live_operations)),
            op_evaluations=_number(result.get(self.op_evaluations)),
            collapsed=self._collapsed(result),
            score=self._score(result),
            genotype=_text(result.get(self.genotype_id)) or _text(result.get(self.genotype)),
            not_finite=tuple(name for name in self.watched if _not_finite(result.get(name))),
        )

    def _score(self, result: Mapping[str, Any]) -> float | None:
        best = _number(result.get(self.best_score))
        return best if best is not None else _number(result.get(self.score))

    def _collapsed(self, result: Mapping[str, Any]) -> bool | None:
        reported = _flag(result.get(self.collapsed))
        if reported is not None:
            return reported
        skips, pools = _count(result.get(self.skip_leaders)), _count(result.get(self.pool_leaders))
        edges = _count(result.get(self.live_edges))
        if skips is None or pools is None or not edges:
            return None
        return skips + pools >= edges


REPORTED = ReportKeys(iteration="epoch", seconds="total_seconds")
"""Names under which a sweep's own jobs report: they count epochs and training time over all
restarts themselves."""


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
