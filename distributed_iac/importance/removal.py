"""What a pruning takes away, and why: frozen values that can be explained and stored.

::

    removal.explain()
    # "edge 3 of cell 0 lost max_pool_3x3: sep_conv_3x3 weighs 3.1 times as much (p = 0.0004),
    #  and the edge is stable (JS = 0.0041)"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from distributed_iac.genotype import OPERATIONS


@dataclass(frozen=True)
class OperationRemoval:
    """One operation leaves one edge.

    Args:
        epoch: Epoch after which it was decided.
        row: Row of alpha: ``cell * edges + edge``.
        cell: Cell number.
        edge: Edge index in the topology's canonical order.
        operation: Name of the operation.
        weight: Its share of the edge's importance when it left.
        winner: Name of the operation it lost against.
        ratio: The winner's importance in units of the loser's.
        js: Divergence of the edge in bits; None where the policy does not look at it.
        p_value: Anytime-valid p-value of the loss, corrected for all pairs; None likewise.
        reason: Why, in a few words.
    """

    epoch: int
    row: int
    cell: int
    edge: int
    operation: str
    weight: float
    winner: str
    ratio: float
    js: float | None
    p_value: float | None
    reason: str

    @property
    def column(self) -> int:
        """Column of alpha."""
        return OPERATIONS.index(self.operation)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return {"kind": "operation", **asdict(self)}

    def explain(self) -> str:
        """One sentence for people."""
        return (
            f"edge {self.edge} of cell {self.cell} lost {self.operation}: {self.winner} weighs "
            f"{self.ratio:.3g} times as much{_evidence(self.p_value)}; {self.reason}"
        )


@dataclass(frozen=True)
class EdgeRemoval:
    """One edge leaves its node, with every operation on it.

    Args:
        epoch: Epoch after which it was decided.
        row: Row of alpha and entry of beta.
        cell: Cell number.
        edge: Edge index in the topology's canonical order.
        weight: Its share of the node's importance when it left.
        winners: Edge indices that it lost against.
        ratio: The weakest winner's importance in units of the loser's.
        js: Divergence of the node's edges in bits; None where the policy does not look at it.
        p_value: Largest p-value over the winners; None likewise.
        reason: Why, in a few words.
    """

    epoch: int
    row: int
    cell: int
    edge: int
    weight: float
    winners: tuple[int, ...]
    ratio: float
    js: float | None
    p_value: float | None
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return {"kind": "edge", **asdict(self), "winners": list(self.winners)}

    def explain(self) -> str:
        """One sentence for people."""
        winners = " and ".join(str(edge) for edge in self.winners)
        return (
            f"cell {self.cell} lost edge {self.edge}: the weaker of edges {winners} weighs "
            f"{self.ratio:.3g} times as much{_evidence(self.p_value)}; {self.reason}"
        )


Removal = OperationRemoval | EdgeRemoval


def read_removal(value: Mapping[str, Any]) -> Removal:
    """Read what either ``to_dict`` wrote."""
    values = {name: entry for name, entry in value.items() if name != "kind"}
    if value["kind"] == "edge":
        return EdgeRemoval(**{**values, "winners": tuple(values["winners"])})
    return OperationRemoval(**values)


def in_row_order(*removals: Removal) -> tuple[Removal, ...]:
    """The removals by row; those of one row in the order given."""
    return tuple(sorted(removals, key=lambda one: one.row))


def _evidence(p_value: float | None) -> str:
    return "" if p_value is None else f" (p = {p_value:.2g})"
