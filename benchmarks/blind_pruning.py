"""As much pruned as another search did, at the same epochs, but drawn at random: does looking pay?

::

    policy = BlindPolicy.like(sighted.decisions, sighted.history.layout, generator)
    SearchStage(..., policy=policy)

The operations of every edge, and the edges of every node, are renamed by a permutation drawn once;
then the other search's decisions are carried out under the new names. So as many operations are
left after every epoch as in the other search, and the cost is the same to the operation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from distributed_iac.config.pruning import PolicyName
from distributed_iac.genotype import OPERATIONS
from distributed_iac.importance.arrays import FloatArray, IntArray
from distributed_iac.importance.history import ImportanceHistory
from distributed_iac.importance.layout import Layout
from distributed_iac.importance.removal import EdgeRemoval, Removal, in_row_order
from distributed_iac.pruning.decision import PruneDecision


@dataclass(frozen=True, eq=False)
class BlindPolicy:
    """Another search's decisions under random names.

    Args:
        decisions: Of the other search, by epoch.
        layout: Of both.
        rows: ``(R,)`` the row that takes each one's place; it enters the same node.
        columns: ``(R, O)`` by the other search's row, the operation in each one's place.
    """

    decisions: Mapping[int, PruneDecision]
    layout: Layout
    rows: IntArray
    columns: IntArray
    name: ClassVar[PolicyName] = "schedule"

    @classmethod
    def like(
        cls,
        decisions: Sequence[PruneDecision],
        layout: Layout,
        generator: np.random.Generator,
    ) -> BlindPolicy:
        """Draw the names.

        Args:
            decisions: Of the other search.
            layout: Of both.
            generator: Source of the draw.
        """
        rows = np.arange(layout.rows)
        for own in layout.slots:
            rows[own[own >= 0]] = generator.permutation(own[own >= 0])
        columns = np.tile(np.arange(len(OPERATIONS)), (layout.rows, 1))
        # `none` keeps its name: no genotype can hold it, and nothing loses against it.
        named = np.array([i for i, name in enumerate(OPERATIONS) if name != "none"])
        for row in range(layout.rows):
            columns[row, named] = generator.permutation(named)
        return cls({one.epoch: one for one in decisions}, layout, rows, columns)

    def decide(
        self, history: ImportanceHistory, importance: FloatArray | None = None
    ) -> PruneDecision:
        """What the other search decided after this epoch, renamed."""
        del importance
        decision = self.decisions.get(history.epoch)
        if decision is None:
            return PruneDecision(self.name, history.epoch)
        renamed = in_row_order(*map(self._renamed, decision.removals))
        return replace(decision, removals=renamed)

    def _renamed(self, removal: Removal) -> Removal:
        row = int(self.rows[removal.row])
        cell, edge = self.layout.place(row)
        if isinstance(removal, EdgeRemoval):
            return replace(removal, row=row, cell=cell, edge=edge, reason="drawn at random")
        operation = OPERATIONS[self.columns[removal.row, removal.column]]
        return replace(
            removal, row=row, cell=cell, edge=edge, operation=operation, reason="drawn at random"
        )
