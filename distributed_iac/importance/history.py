"""How important every operation and edge of a search has been, epoch by epoch.

::

    history = ImportanceHistory.start(CellTopology(inputs=2, nodes=4), cells=1)
    history = history.observe(epoch, operation_samples, edge_samples)   # end of each epoch
    decision = policy.decide(history)
    history = history.prune(decision.removals)
    checkpoint["history"] = history.to_state()             # plain numbers, lists, strings

The history is a value: it holds everything that a verdict or a pruning policy may look at, so
that a policy is a function of it and a search that was loaded from a checkpoint decides exactly
as one that was never interrupted. Rows: ``row = cell * len(topology.edges) + edge``. Shapes are
in :mod:`distributed_iac.importance.arrays`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from distributed_iac.errors import CheckpointError, ConfigError
from distributed_iac.genotype import OPERATIONS, CellTopology
from distributed_iac.importance.arrays import (
    BoolArray,
    FloatArray,
    IntArray,
    bools,
    floats,
    ints,
    restrict,
)
from distributed_iac.importance.checks import checked
from distributed_iac.importance.drift import DriftEvidence, coasting
from distributed_iac.importance.layout import Layout
from distributed_iac.importance.removal import EdgeRemoval, OperationRemoval, Removal


@dataclass(frozen=True, eq=False)
class EpochImportance:
    """Mean weights over the architecture steps of one epoch, among what was then alive.

    Args:
        epoch: The search's own epoch number.
        operations: ``(R, O)`` mean of softmax(alpha).
        edges: ``(R,)`` mean of softmax(beta).
    """

    epoch: int
    operations: FloatArray
    edges: FloatArray


@dataclass(frozen=True, eq=False)
class ImportanceHistory:
    """Everything that stability and pruning depend on.

    Args:
        layout: Rows, nodes and their places in the cells.
        momentum: First-moment decay of the architecture optimiser (Adam's beta1), in [0, 1).
        epochs: One entry per observed epoch, oldest first.
        live_operations: ``(R, O)``; all false on a removed edge.
        live_edges: ``(R,)``.
        operation_closing: ``(R, O)`` softmax(alpha) at the last step observed.
        edge_closing: ``(R,)`` softmax(beta) at the last step observed.
        operation_drift: Evidence among the operations of each row.
        edge_drift: Evidence among the incoming edges of each node.
        operation_changed: ``(R,)`` how many epochs had been observed when the row last lost an
            operation; 0 if never.
        node_changed: ``(N,)`` the same for any loss on or among a node's incoming edges.
    """

    layout: Layout
    momentum: float
    epochs: tuple[EpochImportance, ...]
    live_operations: BoolArray
    live_edges: BoolArray
    operation_closing: FloatArray
    edge_closing: FloatArray
    operation_drift: DriftEvidence
    edge_drift: DriftEvidence
    operation_changed: IntArray
    node_changed: IntArray

    @classmethod
    def start(
        cls,
        topology: CellTopology,
        cells: int = 1,
        momentum: float = 0.5,
        candidates: Sequence[str] = OPERATIONS,
    ) -> Self:
        """A search of which nothing has been seen.

        Args:
            topology: Graph of every cell.
            cells: 1 for a shared genotype, one a tap otherwise.
            momentum: First-moment decay of the architecture optimiser; 0.5 in PC-DARTS.
            candidates: Operations that are searched over, at least one of them not ``none``.

        Raises:
            ConfigError: No cell, a momentum outside [0, 1), or nothing to search over.
        """
        if not 0 <= momentum < 1:
            raise ConfigError("the momentum of the architecture lies in [0, 1)", came=momentum)
        layout = Layout(topology, cells)
        rows, nodes = layout.rows, len(layout.slots)
        chosen = np.array([name in candidates for name in OPERATIONS])
        if not chosen[1:].any():
            raise ConfigError(
                f"a search needs candidates among {', '.join(OPERATIONS[1:])}",
                came=", ".join(candidates) or "none at all",
            )
        live = bools(np.tile(chosen, (rows, 1)))
        edges = bools(np.ones(rows))
        return cls(
            layout=layout,
            momentum=momentum,
            epochs=(),
            live_operations=live,
            live_edges=edges,
            operation_closing=floats(restrict(np.ones(live.shape), live)),
            edge_closing=floats(layout.scatter(restrict(np.ones(layout.slots.shape), layout.real))),
            operation_drift=DriftEvidence.start(rows, len(OPERATIONS)),
            edge_drift=DriftEvidence.start(*layout.slots.shape),
            operation_changed=ints(np.zeros(rows)),
            node_changed=ints(np.zeros(nodes)),
        )

    @property
    def topology(self) -> CellTopology:
        """Graph of every cell."""
        return self.layout.topology

    @property
    def observed(self) -> int:
        """Epochs observed so far."""
        return len(self.epochs)

    @property
    def epoch(self) -> int:
        """Number of the last observed epoch; -1 before the first."""
        return self.epochs[-1].epoch if self.epochs else -1

    @cached_property
    def live_slots(self) -> BoolArray:
        """``(N, C)`` which incoming edges of each node are alive."""
        return bools(self.layout.gather(self.live_edges))

    def observe(
        self, epoch: int, operation_samples: npt.ArrayLike, edge_samples: npt.ArrayLike
    ) -> Self:
        """Add one epoch.

        Args:
            epoch: Number of the epoch, above the last one's.
            operation_samples: ``(S, R, O)`` softmax(alpha) over the live operations at every
                architecture step, zero elsewhere.
            edge_samples: ``(S, R)`` softmax(beta) over the live incoming edges of each node,
                zero elsewhere.

        Raises:
            ConfigError: Another shape, no step, or an epoch out of order.
            NumericalError: Not finite, or not distributions over what is alive.
        """
        if epoch <= self.epoch:
            raise ConfigError(
                "epochs are observed once and in order", came=f"{epoch} after {self.epoch}"
            )
        operations = checked(
            operation_samples, self.live_operations, "softmax(alpha)", self.layout.name_row
        )
        edges = self._edge_samples(edge_samples, steps=operations.shape[0])
        before = self.epochs != ()
        slots_before = self.layout.gather(self.edge_closing)
        rest = coasting(operations, self.operation_closing if before else None, self.momentum)
        edge_rest = coasting(edges, slots_before if before else None, self.momentum)
        mean = EpochImportance(
            epoch,
            floats(operations.mean(axis=0)),
            floats(self.layout.scatter(edges.mean(axis=0))),
        )
        return replace(
            self,
            epochs=(*self.epochs, mean),
            operation_closing=floats(operations[-1]),
            edge_closing=floats(self.layout.scatter(edges[-1])),
            operation_drift=self.operation_drift.observe(rest, self.live_operations),
            edge_drift=self.edge_drift.observe(edge_rest, self.live_slots),
        )

    def _edge_samples(self, samples: npt.ArrayLike, steps: int) -> FloatArray:
        """``(S, R)`` by row -> checked ``(S, N, C)`` by node."""
        values = np.asarray(samples, dtype=np.float64)
        if values.shape != (steps, self.layout.rows):
            raise ConfigError(
                f"softmax(beta) has as many steps as softmax(alpha): {(steps, self.layout.rows)}",
                came=str(values.shape),
            )
        return checked(
            self.layout.gather(values), self.live_slots, "softmax(beta)", self.layout.name_node
        )

    def operation_series(self, last: int) -> FloatArray:
        """``(min(last, T), R, O)`` epoch means, restricted to the operations alive now.

        Before the first epoch it is one entry, the uniform start.
        """
        kept = self.epochs[max(0, self.observed - last) :]
        raw = np.array([entry.operations for entry in kept] or [self.operation_closing])
        return restrict(raw, self.live_operations)

    def edge_series(self, last: int) -> FloatArray:
        """``(min(last, T), N, C)`` epoch means, restricted to the edges alive now.

        Before the first epoch it is one entry, the uniform start.
        """
        kept = self.epochs[max(0, self.observed - last) :]
        raw = np.array([entry.edges for entry in kept] or [self.edge_closing])
        return restrict(self.layout.gather(raw), self.live_slots)

    def prune(self, removals: Iterable[Removal]) -> Self:
        """Take operations and edges out for good.

        Raises:
            ConfigError: Something is not alive, or an edge would be left without an operation
                other than ``none``, or a node without an edge.
        """
        operations, edges = self.live_operations.copy(), self.live_edges.copy()
        changed, nodes = self.operation_changed.copy(), self.node_changed.copy()
        for removal in removals:
            nodes[self.layout.node_of[removal.row]] = self.observed
            if isinstance(removal, EdgeRemoval):
                self._require(bool(edges[removal.row]), removal)
                edges[removal.row] = False
                operations[removal.row] = False
            else:
                self._require(bool(operations[removal.row, removal.column]), removal)
                operations[removal.row, removal.column] = False
                changed[removal.row] = self.observed
        self._require_survivors(operations, edges)
        live_slots = self.layout.gather(edges)
        beta = restrict(self.layout.gather(self.edge_closing), live_slots)
        return replace(
            self,
            live_operations=bools(operations),
            live_edges=bools(edges),
            operation_closing=floats(restrict(self.operation_closing, operations)),
            edge_closing=floats(self.layout.scatter(beta)),
            operation_changed=ints(changed),
            node_changed=ints(nodes),
        )

    @staticmethod
    def _require(alive: bool, removal: OperationRemoval | EdgeRemoval) -> None:
        if not alive:
            raise ConfigError("only what is alive can be pruned", came=removal.explain())

    def _require_survivors(self, operations: BoolArray, edges: BoolArray) -> None:
        bare = edges & ~operations[:, 1:].any(axis=1)
        if bare.any():
            raise ConfigError(
                "a live edge keeps at least one operation other than none",
                came=self.layout.name_row(int(np.argmax(bare))),
            )
        empty = ~self.layout.gather(edges).any(axis=1)
        if empty.any():
            raise ConfigError(
                "a node keeps at least one incoming edge",
                came=self.layout.name_node(int(np.argmax(empty))),
            )

    def to_state(self) -> dict[str, Any]:
        """Plain dictionaries, lists, numbers and strings.

        They pass through JSON and through ``torch.save`` with ``weights_only`` loading without
        conversion, every float bit for bit.
        """
        return {
            "version": 1,
            "inputs": self.topology.inputs,
            "nodes": self.topology.nodes,
            "cells": self.layout.cells,
            "operations": list(OPERATIONS),
            "momentum": self.momentum,
            "epochs": [
                {
                    "epoch": entry.epoch,
                    "operations": entry.operations.tolist(),
                    "edges": entry.edges.tolist(),
                }
                for entry in self.epochs
            ],
            "live_operations": self.live_operations.tolist(),
            "live_edges": self.live_edges.tolist(),
            "operation_closing": self.operation_closing.tolist(),
            "edge_closing": self.edge_closing.tolist(),
            "operation_drift": self.operation_drift.to_state(),
            "edge_drift": self.edge_drift.to_state(),
            "operation_changed": self.operation_changed.tolist(),
            "node_changed": self.node_changed.tolist(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_state` wrote.

        Raises:
            CheckpointError: Another version, other operations, or not such a state.
        """
        if state.get("version") != 1 or state.get("operations") != list(OPERATIONS):
            raise CheckpointError(
                f"an importance history has version 1 and the operations {', '.join(OPERATIONS)}",
                came=f"version {state.get('version')!r}, operations {state.get('operations')!r}",
                remedy="continue the search with the release that started it",
            )
        try:
            return cls(
                layout=Layout(CellTopology(state["inputs"], state["nodes"]), state["cells"]),
                momentum=float(state["momentum"]),
                epochs=tuple(
                    EpochImportance(
                        int(entry["epoch"]), floats(entry["operations"]), floats(entry["edges"])
                    )
                    for entry in state["epochs"]
                ),
                live_operations=bools(state["live_operations"]),
                live_edges=bools(state["live_edges"]),
                operation_closing=floats(state["operation_closing"]),
                edge_closing=floats(state["edge_closing"]),
                operation_drift=DriftEvidence.from_state(state["operation_drift"]),
                edge_drift=DriftEvidence.from_state(state["edge_drift"]),
                operation_changed=ints(state["operation_changed"]),
                node_changed=ints(state["node_changed"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                "the checkpoint's importance history is incomplete", came=repr(error)
            ) from error
