"""What a policy decides after an epoch: frozen values with reasons.

::

    decision = policy.decide(history)
    history = history.prune(decision.removals)
    print(decision.explain())
    if decision.converged:
        stop(decision.converged.reason)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from distributed_iac.config.pruning import PolicyName
from distributed_iac.importance.removal import Removal, read_removal


@dataclass(frozen=True)
class Undecided:
    """A choice that stays open: stable for long, and nobody significantly behind.

    Args:
        kind: Whether operations of an edge or incoming edges of a node are meant.
        cell: Cell number.
        index: Edge index, or number of the intermediate node.
        candidates: Operations, or edge indices as text, that were not told apart.
        epochs: Epochs for which it has been stable.
    """

    kind: Literal["operations", "edges"]
    cell: int
    index: int
    candidates: tuple[str, ...]
    epochs: int

    def explain(self) -> str:
        """One sentence for people."""
        place = "edge" if self.kind == "operations" else "incoming edges of node"
        return (
            f"{place} {self.index} of cell {self.cell} undecided: stable for {self.epochs} epochs "
            f"without telling {', '.join(self.candidates)} apart"
        )


@dataclass(frozen=True)
class Convergence:
    """The search has nothing left to decide.

    Args:
        epoch: Epoch after which that was found.
        decided_edges: Live edges with one operation left (``none`` not counted).
        undecided_edges: Live edges with more.
        undecided_nodes: Nodes with more incoming edges than a discrete node keeps.
        reason: Why, in one sentence.
    """

    epoch: int
    decided_edges: int
    undecided_edges: int
    undecided_nodes: int
    reason: str


@dataclass(frozen=True)
class PruneDecision:
    """What happens after an epoch.

    Args:
        policy: Who decided.
        epoch: Epoch after which it was decided.
        removals: What leaves, in row order.
        newly_undecided: Choices that have been given up in this epoch.
        converged: Set once the search has nothing left to decide.
    """

    policy: PolicyName
    epoch: int
    removals: tuple[Removal, ...] = ()
    newly_undecided: tuple[Undecided, ...] = ()
    converged: Convergence | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return {
            "policy": self.policy,
            "epoch": self.epoch,
            "removals": [one.to_dict() for one in self.removals],
            "newly_undecided": [
                {**asdict(one), "candidates": list(one.candidates)} for one in self.newly_undecided
            ],
            "converged": None if self.converged is None else asdict(self.converged),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_dict` wrote."""
        converged = value["converged"]
        return cls(
            policy=value["policy"],
            epoch=value["epoch"],
            removals=tuple(read_removal(one) for one in value["removals"]),
            newly_undecided=tuple(
                Undecided(**{**one, "candidates": tuple(one["candidates"])})
                for one in value["newly_undecided"]
            ),
            converged=None if converged is None else Convergence(**converged),
        )

    @property
    def says_something(self) -> bool:
        """Whether anything was pruned, given up or found."""
        return bool(self.removals or self.newly_undecided or self.converged)

    def explain(self) -> str:
        """A line for every removal, open choice and verdict; one line if nothing happened."""
        lines = [
            *(one.explain() for one in self.removals),
            *(one.explain() for one in self.newly_undecided),
        ]
        if self.converged is not None:
            lines.append(f"converged: {self.converged.reason}")
        return "\n".join(lines) or f"epoch {self.epoch}: nothing to prune"
