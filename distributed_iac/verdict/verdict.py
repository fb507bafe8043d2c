"""What is decided about a search after a report: a frozen value with its reason.

::

    verdict = Verdict("converged", "js_max 0.004 at or below 0.01 for 3 reports")
    result |= verdict.to_result()        # {"stop_code": "converged", "stop_reason": "js_max ..."}
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

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

    def to_result(self) -> dict[str, str]:
        """The two columns that a stopped search carries in its last result."""
        return {STOP_CODE: self.code, STOP_REASON: self.sentence}


def stop_code(value: object) -> StopCode | None:
    """The stop code that a stored result carries, or None if it carries none."""
    codes: tuple[StopCode, ...] = get_args(StopCode)
    return next((code for code in codes if code == value), None)
