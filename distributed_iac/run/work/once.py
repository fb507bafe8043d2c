"""A stage of a single step, for work that is no training.

::

    stage = OnceStage(lambda: {"val_dice": 0.8})
    stage.step()["val_dice"]                    # 0.8
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from distributed_iac.errors import RunError
from distributed_iac.training.stage import Scalar, StepReport


class OnceStage:
    """Runs an action in its only step.

    Args:
        action: What to do; returns scalars for the report, kept as ``facts``.
    """

    def __init__(self, action: Callable[[], Mapping[str, Scalar]]) -> None:
        self._action = action
        self.facts: dict[str, Scalar] | None = None

    @property
    def done(self) -> bool:
        """Whether the action has been carried out."""
        return self.facts is not None

    @property
    def epoch(self) -> int:
        """Steps done: 0 or 1."""
        return int(self.done)

    @property
    def epochs(self) -> int:
        """Always 1."""
        return 1

    def step(self) -> StepReport:
        """Carry it out."""
        if self.done:
            raise RunError("this stage has but one step", came="a second one")
        self.facts = dict(self._action())
        return StepReport({**self.facts, "epoch": 1, "done": True, "reason": "done"})

    def state_dict(self) -> dict[str, Any]:
        """What the action returned; None if it has not been carried out."""
        return {"facts": self.facts}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from :meth:`state_dict`: an action that was carried out is not repeated."""
        self.facts = state["facts"]
