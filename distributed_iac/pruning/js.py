"""Ours: prune what is stable and significantly behind; stop when nothing is left to decide.

::

    policy = JsPolicy(settings.stability, settings.signal, settings.js)
    decision = policy.decide(history)

After every epoch, in this order:

1. **Operations.** On every stable edge (:mod:`distributed_iac.stability`), an operation goes if
   another one is ahead of it for good (:mod:`distributed_iac.pruning.signal`) and it is not
   among the edge's best: those are at least ``keep_top``, and at least ``keep_fraction`` of what
   the edge has left, so that an edge thins out in stages (7, 4, 2, 1).
2. **Edges.** A node's edges are compared by the same rule on softmax(beta), once every edge
   that enters it has settled: it has one operation, or is undecided. An edge goes if two others
   are beyond doubt ahead of it. Where PC-DARTS's own ranking of edges (beta times the best
   operation's weight) says otherwise, nothing goes.
3. **Undecided.** What stays stable for ``max_wait`` epochs without a loser is undecided. It is
   not frozen: it keeps training, and should evidence come while other edges are still open, it
   is used.
4. **Converged**, when every live edge has one operation or is undecided, and every node has its
   two edges or is undecided.

**The operation ``none``** is a candidate of the mixture that the genotype ignores (PC-DARTS).
Here it can lose, like any other, against an operation that is ahead of it; but nothing loses
against it, it does not count among an edge's best, and it never is the survivor. An edge with
one operation beside ``none`` is decided. Should ``none`` be strong there, it stays in the
mixture, because its weight is what makes the edge weak; it costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from distributed_iac.config.pruning import (
    JsSettings,
    PolicyName,
    SignalSettings,
    StabilitySettings,
)
from distributed_iac.genotype import OPERATIONS
from distributed_iac.importance.arrays import BoolArray, FloatArray, IntArray, restrict
from distributed_iac.importance.history import ImportanceHistory
from distributed_iac.importance.removal import EdgeRemoval, OperationRemoval, in_row_order
from distributed_iac.pruning.decision import Convergence, PruneDecision, Undecided
from distributed_iac.pruning.signal import PairComparison, among_the_best, compare
from distributed_iac.stability import NONE, Stability, assess


@dataclass(frozen=True)
class JsPolicy:
    """Progressive pruning by Jensen-Shannon stability and signal."""

    stability: StabilitySettings = field(default_factory=StabilitySettings)
    signal: SignalSettings = field(default_factory=SignalSettings)
    js: JsSettings = field(default_factory=JsSettings)
    name: ClassVar[PolicyName] = "js"

    def decide(
        self, history: ImportanceHistory, importance: FloatArray | None = None
    ) -> PruneDecision:
        """Prune what has lost, and say what cannot be decided and whether all is done."""
        stability = assess(history, self.stability)
        ranked = stability.weights
        if importance is not None:
            ranked = restrict(importance, history.live_operations)
        operations = tuple(self._operations(history, stability, ranked))
        settled = self._settled(stability)
        settled[[one.row for one in operations]] = False
        ready: BoolArray = np.asarray(
            (history.layout.gather(settled) | ~history.live_slots).all(axis=1)
        )
        edges = tuple(self._edges(history, stability, ranked, ready))
        return PruneDecision(
            policy=self.name,
            epoch=history.epoch,
            removals=in_row_order(*operations, *edges),
            newly_undecided=tuple(self._newly_undecided(history, stability, settled, ready)),
            converged=None if operations or edges else self._verdict(history, stability, ready),
        )

    def _settled(self, stability: Stability) -> BoolArray:
        """``(R,)`` rows on which nothing more is expected."""
        as_far_as_allowed = stability.stable & (stability.choices <= self.js.keep_top)
        return (stability.choices <= 1) | stability.undecided | as_far_as_allowed

    def _keep(self, count: IntArray, least: IntArray | int) -> IntArray:
        """How many of ``count`` stay in one decision."""
        share = np.ceil(count * self.js.keep_fraction).astype(np.int64)
        result: IntArray = np.maximum(share, least)
        return result

    def _operations(
        self, history: ImportanceHistory, stability: Stability, ranked: FloatArray
    ) -> Iterator[OperationRemoval]:
        live = history.live_operations
        everyone = np.ones_like(live)
        series = history.operation_series(2 * self.stability.window)
        comparison = compare(series, history.operation_drift, everyone, live, self.signal)
        ahead = comparison.ahead.copy()
        ahead[:, NONE, :] = False
        choices = live.copy()
        choices[:, NONE] = False
        count = self._keep(stability.choices, self.js.keep_top)
        protected = among_the_best(ranked, choices, count)
        lost = ahead.any(axis=1) & stability.stable[:, None] & ~protected
        for row, column in np.argwhere(lost):
            winners = np.where(ahead[row, :, column], stability.weights[row], -1.0)
            yield self._operation(
                history, stability, comparison, row, column, int(np.argmax(winners))
            )

    def _operation(
        self,
        history: ImportanceHistory,
        stability: Stability,
        comparison: PairComparison,
        row: int,
        column: int,
        winner: int,
    ) -> OperationRemoval:
        cell, edge = history.layout.place(int(row))
        weights = stability.weights[row]
        return OperationRemoval(
            epoch=history.epoch,
            row=int(row),
            cell=cell,
            edge=edge,
            operation=OPERATIONS[column],
            weight=float(weights[column]),
            winner=OPERATIONS[winner],
            ratio=float(weights[winner] / weights[column]),
            js=float(stability.js[row]),
            p_value=float(comparison.p_values[row, winner, column]),
            reason=f"stable, JS = {stability.js[row]:.2g}",
        )

    def _edges(
        self,
        history: ImportanceHistory,
        stability: Stability,
        ranked: FloatArray,
        ready: BoolArray,
    ) -> Iterator[EdgeRemoval]:
        layout, live = history.layout, history.live_slots
        kept = layout.kept_per_node
        series = history.edge_series(2 * self.stability.window)
        comparison = compare(series, history.edge_drift, layout.real, live, self.signal)
        count = self._keep(live.sum(axis=1), kept)
        best = layout.gather(ranked[:, NONE + 1 :].max(axis=1))
        strongest = among_the_best(best * stability.edge_weights, live, kept)
        protected = among_the_best(stability.edge_weights, live, count) | strongest
        lost = comparison.ahead.sum(axis=1) >= kept[:, None]
        lost &= (ready & stability.node_stable)[:, None] & live & ~protected
        for node, slot in np.argwhere(lost):
            yield self._edge(history, stability, comparison, int(node), int(slot))

    def _edge(
        self,
        history: ImportanceHistory,
        stability: Stability,
        comparison: PairComparison,
        node: int,
        slot: int,
    ) -> EdgeRemoval:
        layout, weights = history.layout, stability.edge_weights[node]
        ahead = np.flatnonzero(comparison.ahead[node, :, slot])
        kept = int(layout.kept_per_node[node])
        winners = ahead[np.argsort(-weights[ahead], kind="stable")][:kept]
        row = int(layout.slots[node, slot])
        cell, edge = layout.place(row)
        return EdgeRemoval(
            epoch=history.epoch,
            row=row,
            cell=cell,
            edge=edge,
            weight=float(weights[slot]),
            winners=tuple(sorted(layout.place(int(r))[1] for r in layout.slots[node, winners])),
            ratio=float(weights[winners].min() / weights[slot]),
            js=float(stability.node_js[node]),
            p_value=float(comparison.p_values[node, winners, slot].max()),
            reason=f"stable, JS = {stability.node_js[node]:.2g}",
        )

    def _newly_undecided(
        self,
        history: ImportanceHistory,
        stability: Stability,
        settled: BoolArray,
        ready: BoolArray,
    ) -> Iterator[Undecided]:
        layout, wait = history.layout, self.stability.patience + self.stability.max_wait
        capped = stability.choices <= self.js.keep_top
        given_up = settled & stability.undecided & ~capped & (stability.stable_for == wait)
        for row in np.flatnonzero(given_up):
            cell, edge = layout.place(int(row))
            names = [OPERATIONS[o] for o in np.flatnonzero(history.live_operations[row])]
            candidates = tuple(name for name in names if name != OPERATIONS[NONE])
            yield Undecided("operations", cell, edge, candidates, wait)
        last_row = given_up | (stability.stable & capped & (stability.stable_for == wait))
        fresh = (stability.node_stable_for == wait) | layout.gather(last_row).any(axis=1)
        for node in np.flatnonzero(stability.node_undecided & ready & fresh):
            cell, number = divmod(int(node), layout.topology.nodes)
            rows = layout.slots[node, history.live_slots[node]]
            candidates = tuple(str(layout.place(int(row))[1]) for row in rows)
            yield Undecided("edges", cell, number, candidates, wait)

    def _verdict(
        self, history: ImportanceHistory, stability: Stability, ready: BoolArray
    ) -> Convergence | None:
        has_its_edges = history.live_slots.sum(axis=1) <= history.layout.kept_per_node
        if not (ready & (has_its_edges | stability.node_undecided)).all():
            return None
        live = history.live_edges
        decided = int((live & (stability.choices == 1)).sum())
        undecided = int(live.sum()) - decided
        nodes = int((~has_its_edges).sum())
        return Convergence(
            epoch=history.epoch,
            decided_edges=decided,
            undecided_edges=undecided,
            undecided_nodes=nodes,
            reason=f"{decided} edges have one operation, {undecided} stay undecided; "
            f"{len(has_its_edges) - nodes} nodes have their edges, {nodes} stay undecided",
        )
