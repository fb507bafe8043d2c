"""What a reader must know of one row of a comparison, apart from its numbers.

::

    Remark("one seed: nothing is known about other searches", "seed 0")

The reason is worded alike for all rows that it holds for, so that a table of many rows can say it
once; what differs from row to row is the detail.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Remark:
    """A reason for doubt, or something that is missing.

    Args:
        reason: The same words for every row.
        detail: Of this row; empty where there is nothing more to say.
    """

    reason: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})" if self.detail else self.reason
