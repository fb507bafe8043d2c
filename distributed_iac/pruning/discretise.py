"""From mixture to discrete cell, with a confidence for every choice.

::

    result = discretise(history, "shared")
    result.genotype.id
    [edge for edge in result.kept if edge.undecided]
    result.distinction.sentence     # "5 of 8 kept edges: the search told their operation apart ..."

The choice is PC-DARTS's (arXiv 1907.05737): operation o on edge e weighs
``softmax(alpha_e)_o * softmax(beta)_e``; a node keeps the two incoming edges whose best
operation other than ``none`` weighs most, and on each that operation. Weights are those after
the last architecture step.

The confidence is ours. A choice is as sure as its closest race: with p the p-value of "the
winner is not ahead of this rival" (two-sided, corrected for all pairs, valid at any time, see
:mod:`distributed_iac.importance.drift`), the confidence is ``1 - p / 2`` for the rival with the
largest p: 0.5 is the toss of a coin, 1 is certainty. A rival that was pruned counts with the
best evidence anybody had against it, so a policy that prunes without evidence ends with a low
confidence, as it should. A choice is *undecided* where the confidence is below ``1 - alpha / 2``
or a live rival is not behind by ``min_ratio``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import numpy as np

from distributed_iac.config.pruning import SignalSettings
from distributed_iac.genotype import (
    OPERATIONS,
    CellGenotype,
    Edge,
    Gene,
    Genotype,
    GenotypeScope,
)
from distributed_iac.importance.arrays import BoolArray, FloatArray, IntArray, restrict
from distributed_iac.importance.drift import pairs_of
from distributed_iac.importance.history import ImportanceHistory
from distributed_iac.importance.measures import softmax_x_beta
from distributed_iac.stability import NONE

Verdict = Literal["distinguished", "partly", "not distinguished"]


@dataclass(frozen=True)
class KeptEdge:
    """One edge of the discrete cell and how sure its two choices are.

    Args:
        cell: Cell number.
        edge: Edge index in the topology's canonical order.
        source: Node it comes from.
        target: Node it enters.
        operation: What it does.
        weight: PC-DARTS's weight of the operation in its node.
        confidence: That the operation is ahead of every other of the edge, in [0.5, 1].
        edge_confidence: That softmax(beta) of the edge is ahead of that of every edge its node did
            not keep, in [0.5, 1].
        closest_rival: Operation with the largest p-value.
        undecided: Whether the search did not tell the operation from another one.
    """

    cell: int
    edge: int
    source: int
    target: int
    operation: str
    weight: float
    confidence: float
    edge_confidence: float
    closest_rival: str
    undecided: bool


@dataclass(frozen=True)
class Distinction:
    """Did the search tell the operations apart?

    Args:
        kept: Kept edges.
        undecided: Those whose operation was not told apart.
    """

    kept: int
    undecided: int

    @property
    def verdict(self) -> Verdict:
        """``not distinguished`` when more than half of the kept edges are undecided."""
        if self.undecided == 0:
            return "distinguished"
        return "not distinguished" if 2 * self.undecided > self.kept else "partly"

    @property
    def sentence(self) -> str:
        """What a report must say."""
        if self.verdict == "not distinguished":
            return (
                f"The search did not distinguish these operations: {self.undecided} of "
                f"{self.kept} kept edges are undecided, and their operation is the strongest of "
                "several equals."
            )
        told = self.kept - self.undecided
        rest = f"; {self.undecided} stay undecided" if self.undecided else ""
        return f"The search told the operation apart on {told} of {self.kept} kept edges{rest}."


@dataclass(frozen=True)
class Discretisation:
    """The discrete cells, and what is known about every choice in them.

    Args:
        genotype: The cells.
        kept: Every kept edge, in row order.
    """

    genotype: Genotype
    kept: tuple[KeptEdge, ...]

    @property
    def undecided(self) -> tuple[KeptEdge, ...]:
        """Kept edges whose operation the search did not tell apart."""
        return tuple(edge for edge in self.kept if edge.undecided)

    @property
    def distinction(self) -> Distinction:
        """Verdict over all kept edges."""
        return Distinction(len(self.kept), len(self.undecided))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form for ``cells/<genotype_id>.json``."""
        return {
            "genotype": self.genotype.to_dict(),
            "edges": [asdict(edge) for edge in self.kept],
            "verdict": self.distinction.verdict,
            "sentence": self.distinction.sentence,
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_dict` wrote.

        Raises:
            ConfigError: The genotype is none.
            KeyError, TypeError: Something else is missing or of another kind.
        """
        kept = tuple(KeptEdge(**edge) for edge in value["edges"])
        return cls(Genotype.from_dict(value["genotype"]), kept)


def discretise(
    history: ImportanceHistory,
    scope: GenotypeScope,
    *,
    signal: SignalSettings | None = None,
    importance: FloatArray | None = None,
) -> Discretisation:
    """Choose the discrete cells after the last observed epoch.

    Args:
        history: At least one observed epoch.
        scope: Whether the history's cells are one shared or one a tap.
        signal: Level and least ratio below which a choice is undecided; the defaults if None.
        importance: ``(R, O)`` weights of the operations of each edge, in place of softmax(alpha),
            from :func:`~distributed_iac.importance.measures.perturbation`.

    Raises:
        ConfigError: The scope does not fit the number of cells.
    """
    settings = signal or SignalSettings()
    weights = history.operation_closing
    if importance is not None:
        weights = restrict(importance, history.live_operations)
    strength = softmax_x_beta(weights, history.edge_closing)
    strength[:, NONE] = 0.0
    leader = np.where(history.live_operations, strength, -1.0)[:, NONE + 1 :].argmax(axis=1)
    leader = leader + NONE + 1
    rows = np.array(list(_kept_rows(history, strength.max(axis=1))))
    races = _Races.of(history)
    kept = tuple(
        _kept_edge(history, races, settings, rows, int(row), int(leader[row]), strength)
        for row in rows
    )
    return Discretisation(_genotype(history, scope, kept), kept)


def _kept_rows(history: ImportanceHistory, strength: FloatArray) -> Iterator[int]:
    """Rows that the discrete cells keep, in row order."""
    for slots, live, kept in zip(
        history.layout.slots, history.live_slots, history.layout.kept_per_node, strict=True
    ):
        rows = slots[live]
        yield from sorted(
            int(row) for row in rows[np.argsort(-strength[rows], kind="stable")][:kept]
        )


def _genotype(
    history: ImportanceHistory, scope: GenotypeScope, kept: tuple[KeptEdge, ...]
) -> Genotype:
    topology = history.topology
    cells = tuple(
        CellGenotype(
            topology.inputs,
            tuple(
                tuple(
                    Gene(edge.source, edge.operation)
                    for edge in kept
                    if edge.cell == cell and edge.target == target
                )
                for target in topology.targets
            ),
        )
        for cell in range(history.layout.cells)
    )
    return Genotype(scope, cells)


@dataclass(frozen=True, eq=False)
class _Races:
    """P-values of all pairs: ``[group, i, j]`` is "i is not ahead of j"."""

    operations: FloatArray
    edges: FloatArray
    slot_of: IntArray

    @classmethod
    def of(cls, history: ImportanceHistory) -> _Races:
        layout = history.layout
        everyone = np.ones_like(history.live_operations)
        slot = np.tile(np.arange(layout.slots.shape[1]), (layout.slots.shape[0], 1))
        return cls(
            operations=history.operation_drift.p_values(pairs_of(everyone)),
            edges=history.edge_drift.p_values(pairs_of(layout.real)),
            slot_of=layout.scatter(slot),
        )


def _kept_edge(
    history: ImportanceHistory,
    races: _Races,
    settings: SignalSettings,
    kept: IntArray,
    row: int,
    leader: int,
    strength: FloatArray,
) -> KeptEdge:
    cell, number = history.layout.place(row)
    edge: Edge = history.topology.edges[number]
    live = history.live_operations[row]
    p_values = _rivals(races.operations[row], leader, live)
    rivals = np.array([o for o in range(NONE + 1, len(OPERATIONS)) if o != leader])
    closest = rivals[np.argmax(p_values[rivals])]
    level = float(p_values[closest])
    close = strength[row, rivals] * settings.min_ratio > strength[row, leader]
    return KeptEdge(
        cell=cell,
        edge=number,
        source=edge.source,
        target=edge.target,
        operation=OPERATIONS[leader],
        weight=float(strength[row, leader]),
        confidence=1.0 - level / 2,
        edge_confidence=1.0 - _edge_p_value(history, races, kept, row) / 2,
        closest_rival=OPERATIONS[closest],
        undecided=level > settings.alpha or bool((close & live[rivals]).any()),
    )


def _rivals(p_values: FloatArray, winner: int, live: BoolArray) -> FloatArray:
    """P-value against each rival: the winner's if it is alive, else the best of anybody's."""
    others = p_values.copy()
    others[NONE] = 1.0
    result: FloatArray = np.where(live, p_values[winner], others.min(axis=0))
    return result


def _edge_p_value(history: ImportanceHistory, races: _Races, kept: IntArray, row: int) -> float:
    """Largest p-value of a kept edge against the edges that its node did not keep."""
    layout = history.layout
    node = layout.node_of[row]
    p_values, slots = races.edges[node], layout.slots[node]
    real = layout.real[node]
    count = int(layout.kept_per_node[node])
    pruned = np.sort(p_values, axis=0)[count - 1]
    live = history.live_slots[node]
    against = np.where(live, p_values[races.slot_of[row]], pruned)
    rivals = real & ~np.isin(slots, kept)
    return float(against[rivals].max(initial=0.0))
