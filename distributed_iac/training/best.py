"""The best epoch so far, with the state that reached it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass
class Best:
    """Keeps a copy of the state with the highest validation score.

    Long searches overfit the patients they train on, so the best epoch is kept beside the last.

    Args:
        score: Highest score so far; minus infinity before the first.
        epoch: Epoch that reached it, counted from 1; 0 before the first.
        waited: Validations since then.
        state: Copy of the state of that epoch, on the CPU.
    """

    score: float = -math.inf
    epoch: int = 0
    waited: int = 0
    state: dict[str, Tensor] = field(default_factory=dict)

    def offer(self, score: float, epoch: int, state: Mapping[str, Tensor]) -> bool:
        """Take the state over if its score is higher; NaN never is. The first is always taken.

        Returns:
            Whether it was taken.
        """
        if score > self.score or not self.state:
            self.score = score if score == score else -math.inf
            self.epoch, self.waited = epoch, 0
            self.state = {name: value.detach().cpu().clone() for name, value in state.items()}
            return True
        self.waited += 1
        return False

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors."""
        return {**vars(self), "state": dict(self.state)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Best:
        """Restore what :meth:`state_dict` gave."""
        return cls(**state)
