"""Pruning at fixed epochs to fixed numbers, after P-DARTS (arXiv 1904.12760).

::

    SchedulePolicy(ScheduleSettings(at=(15, 30, 45), keep=(5, 3, 1))).decide(history)

Published: three stages with 8, 5 and 3 candidate operations, the weakest by softmax(alpha)
dropped at the end of each, at the end of the last ``none`` first and all but one; then two
edges a node. Differs from P-DARTS in:

1. The search goes on with the weights and the architecture it has; P-DARTS starts every stage
   afresh in a deeper network, which an implanted cell does not have.
2. Edges are ranked as in PC-DARTS, by the edge's weight times its best operation's.
3. No dropout on skip connections and no restriction of their number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from distributed_iac.config.pruning import PolicyName, ScheduleSettings
from distributed_iac.genotype import OPERATIONS
from distributed_iac.importance.arrays import BoolArray, FloatArray, restrict
from distributed_iac.importance.history import ImportanceHistory
from distributed_iac.importance.measures import softmax_x_beta
from distributed_iac.importance.removal import EdgeRemoval, OperationRemoval, in_row_order
from distributed_iac.pruning.decision import Convergence, PruneDecision
from distributed_iac.stability import NONE


@dataclass(frozen=True)
class SchedulePolicy:
    """Keeps the strongest so many, whether or not anything is stable or significant."""

    settings: ScheduleSettings
    name: ClassVar[PolicyName] = "schedule"

    def decide(
        self, history: ImportanceHistory, importance: FloatArray | None = None
    ) -> PruneDecision:
        """Prune if a stage has ended; after the last one, keep two edges a node and converge."""
        ended = sum(epoch <= history.observed for epoch in self.settings.at)
        if ended == 0:
            return PruneDecision(self.name, history.epoch)
        keep = self.settings.keep[ended - 1]
        weights = history.operation_closing
        if importance is not None:
            weights = restrict(importance, history.live_operations)
        if keep > 1:
            lost = tuple(_operations(history, weights, keep, history.live_edges))
            return PruneDecision(self.name, history.epoch, lost)
        edges = tuple(_edges(history, weights))
        staying = history.live_edges.copy()
        staying[[edge.row for edge in edges]] = False
        operations = tuple(_operations(history, weights, keep, staying))
        verdict = Convergence(
            epoch=history.epoch,
            decided_edges=int(staying.sum()),
            undecided_edges=0,
            undecided_nodes=0,
            reason=f"the last of {len(self.settings.at)} stages ended after "
            f"{self.settings.at[-1]} architecture epochs",
        )
        removals = in_row_order(*operations, *edges)
        return PruneDecision(self.name, history.epoch, removals, converged=verdict)


def _operations(
    history: ImportanceHistory, weights: FloatArray, keep: int, rows: BoolArray
) -> Iterator[OperationRemoval]:
    """Everything below the strongest ``keep`` of each row."""
    for row in np.flatnonzero(rows):
        live = np.flatnonzero(history.live_operations[row])
        order = live[np.argsort(-weights[row, live], kind="stable")]
        choices = order[order != NONE]
        kept = order[:keep] if (order[:keep] != NONE).any() else choices[:keep]
        last = kept[-1]
        cell, edge = history.layout.place(int(row))
        for column in np.setdiff1d(live, kept):
            ratio = weights[row, choices[0]] / max(weights[row, column], np.finfo(float).tiny)
            tie = weights[row, column] == weights[row, last]
            yield OperationRemoval(
                epoch=history.epoch,
                row=int(row),
                cell=cell,
                edge=edge,
                operation=OPERATIONS[column],
                weight=float(weights[row, column]),
                winner=OPERATIONS[choices[0]],
                ratio=float(ratio),
                js=None,
                p_value=None,
                reason=f"the schedule keeps {keep}" + _tie(tie, OPERATIONS[last]),
            )


def _edges(history: ImportanceHistory, weights: FloatArray) -> Iterator[EdgeRemoval]:
    """Everything below the strongest edges that a discrete node keeps."""
    strength = softmax_x_beta(weights, history.edge_closing)[:, NONE + 1 :].max(axis=1)
    for node, slots in enumerate(history.layout.slots):
        rows = slots[history.live_slots[node]]
        order = rows[np.argsort(-strength[rows], kind="stable")]
        kept = int(history.layout.kept_per_node[node])
        winners = order[:kept]
        for row in order[kept:]:
            cell, edge = history.layout.place(int(row))
            last = winners[-1]
            yield EdgeRemoval(
                epoch=history.epoch,
                row=int(row),
                cell=cell,
                edge=edge,
                weight=float(history.edge_closing[row]),
                winners=tuple(sorted(history.layout.place(int(one))[1] for one in winners)),
                ratio=float(strength[last] / max(strength[row], np.finfo(float).tiny)),
                js=None,
                p_value=None,
                reason="the schedule keeps two edges a node"
                + _tie(strength[row] == strength[last], f"edge {history.layout.place(last)[1]}"),
            )


def _tie(tied: bool, other: str) -> str:
    return f"; tied with {other}, the canonical order decided" if tied else ""
