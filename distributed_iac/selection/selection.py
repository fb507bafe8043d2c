"""What was picked for retraining, over what, and why.

::

    selection.cells                  # genotypes to retrain, by slot
    selection.cell(slot=1)           # one of them, or an error that says why there is none
    write_json(run / "selection.json", [one.to_dict() for one in selections])
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from distributed_iac.config.selection import SelectionRule
from distributed_iac.errors import RunError
from distributed_iac.genotype import Genotype
from distributed_iac.selection.scores import GenotypeScore


@dataclass(frozen=True)
class Pick:
    """One cell to retrain.

    Args:
        genotype: The cell.
        reason: Why this one, in one sentence.
        dice: Its discrete val Dice; None if it was not measured.
    """

    genotype: Genotype
    reason: str
    dice: float | None


@dataclass(frozen=True)
class Selection:
    """The outcome of a selection rule over the searches of one group and arm.

    Args:
        rule: The rule.
        group: ``dataset/backbone``; empty if there was nothing to select from.
        arm: Way of the searches; empty if there was nothing to select from.
        seed: Seed for which was selected, under the rule ``each``.
        picks: Chosen cells, best first; empty if the rule found none.
        over: All distinct genotypes with their scores.
        ties: A sentence for every tie and near-tie.
        warnings: What is missing or to be known before the choice is trusted.
    """

    rule: SelectionRule
    group: str
    arm: str
    seed: int | None
    picks: tuple[Pick, ...]
    over: tuple[GenotypeScore, ...]
    ties: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def cells(self) -> tuple[Genotype, ...]:
        """Chosen cells, best first."""
        return tuple(pick.genotype for pick in self.picks)

    def cell(self, slot: int = 1) -> Genotype:
        """The cell of one retraining.

        Args:
            slot: From 1.

        Raises:
            RunError: The rule picked fewer cells.
        """
        if 1 <= slot <= len(self.picks):
            return self.picks[slot - 1].genotype
        raise RunError(
            f"the rule {self.rule} picked {len(self.picks)} cells to retrain",
            came=f"slot {slot}",
            remedy="; ".join(self.warnings) or None,
            where=self.group or None,
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form for ``selection.json``."""
        return {
            "group": self.group,
            "arm": self.arm,
            "rule": self.rule,
            "seed": self.seed,
            "picks": [
                {
                    "slot": slot,
                    "genotype_id": pick.genotype.id,
                    "genotype": pick.genotype.to_dict(),
                    "discrete_val_dice": pick.dice,
                    "reason": pick.reason,
                }
                for slot, pick in enumerate(self.picks, start=1)
            ],
            "over": [one.to_dict() for one in self.over],
            "ties": list(self.ties),
            "warnings": list(self.warnings),
        }
