"""What is decided about a search after a report: a frozen value with its reason.

::

    verdict = Verdict("converged", "js_max 0.004 at or below 0.01 for 3 reports")
    result |= verdict.to_result()        # {"stop_code": "converged", "stop_reason": "js_max ..."}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

StopCode = Literal["converged", "diverged", "collapsed", "budget", "consensus", "dominated"]
"""Why a search was stopped from outside.

converged: nothing left to decide. diverged: numbers that are not finite. collapsed: nothing but
skips and pooling. budget: cost what it may. consensus: other seeds agree already. dominated:
others are ahead.
"""

STOP_CODE = "stop_code"
STOP_REASON = "stop_reason"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Stop a search. That it goes on is the absence of a verdict.

    Args:
        code: Why, for tables.
        sentence: Why, for people: one clause without a final full stop, with the numbers.
    """

    code: StopCode
    sentence: str

    def __str__(self) -> str:
        """``converged: js_max 0.004 at or below 0.01 for 3 reports``."""
        return f"{self.code}: {self.sentence}"

    def to_result(self) -> dict[str, str]:
        """The two columns that a stopped search carries in its last result."""
        return {STOP_CODE: self.code, STOP_REASON: self.sentence}


def stored_verdict(result: Mapping[str, Any]) -> Verdict | None:
    """The verdict in a stored result; None if nothing stopped the search from outside.

    Release 0.1.0 kept ``"code: sentence"`` under ``stop_reason`` and no code of its own.
    """
    code, sentence = result.get(STOP_CODE), str(result.get(STOP_REASON))
    if STOP_CODE not in result:
        code, _, sentence = sentence.partition(": ")
    codes: tuple[StopCode, ...] = get_args(StopCode)
    return next((Verdict(known, sentence) for known in codes if known == code), None)
