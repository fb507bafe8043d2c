"""Why a stage of training is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

EndingCode = Literal["all_epochs", "patience", "diverged", "out_of_memory"]
FAILURES: Mapping[EndingCode, str] = {"diverged": "diverged", "out_of_memory": "out of memory"}
"""Codes of stages that had to give up, and how they are called."""


@dataclass(frozen=True)
class Ending:
    """Why a stage is done.

    Args:
        code: For rules.
        sentence: For people: one clause without a final full stop.
    """

    code: EndingCode
    sentence: str

    def __str__(self) -> str:
        """What reports and tables say."""
        name = FAILURES.get(self.code)
        return self.sentence if name is None else f"{name}: {self.sentence}"

    def to_state(self) -> dict[str, str]:
        """Plain values for a checkpoint."""
        return {"code": self.code, "sentence": self.sentence}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Ending | None:
        """Read a stage's state; release 0.1.0 kept what reports say under ``reason``."""
        if "ending" in state:
            return None if state["ending"] is None else cls(**state["ending"])
        if state["reason"] is None:
            return None
        name, _, sentence = str(state["reason"]).partition(": ")
        failed = next((code for code, one in FAILURES.items() if one == name), None)
        return cls(failed, sentence) if failed else cls("all_epochs", state["reason"])


class Ended:
    """Remembers why a stage is done; as long as there is no reason it goes on."""

    def __init__(self) -> None:
        self.ending: Ending | None = None

    @property
    def done(self) -> bool:
        """Whether there is a reason not to go on."""
        return self.ending is not None

    @property
    def reason(self) -> str | None:
        """The same in words."""
        return None if self.ending is None else str(self.ending)
