"""A stage that replays numbers: the fake beside the real ones, for tests and simulations.

::

    stage = ScriptedStage([{"val_dice": 0.1}, {"val_dice": 0.2}])
    stage.step()["val_dice"]                    # 0.1
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from distributed_iac.errors import RunError
from distributed_iac.training.stage import Scalar, StepReport


class ScriptedStage:
    """Reports the given values, one mapping an epoch.

    Args:
        script: Values of every epoch; ``epoch`` and ``done`` are added.
    """

    def __init__(self, script: Sequence[Mapping[str, Scalar]]) -> None:
        self._script = tuple(script)
        self._epoch = 0

    @property
    def epoch(self) -> int:
        """Epochs replayed."""
        return self._epoch

    @property
    def epochs(self) -> int:
        """Epochs in the script."""
        return len(self._script)

    @property
    def done(self) -> bool:
        """Whether the script is at its end."""
        return self._epoch >= self.epochs

    def step(self) -> StepReport:
        """Replay the next epoch."""
        if self.done:
            raise RunError("this script is at its end", came=f"epoch {self._epoch}")
        values = self._script[self._epoch]
        self._epoch += 1
        return StepReport({"epoch": self._epoch, "done": self.done, **values})

    def state_dict(self) -> dict[str, Any]:
        """The position."""
        return {"epoch": self._epoch}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a position."""
        self._epoch = int(state["epoch"])
