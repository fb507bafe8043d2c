"""The best of several trained models, by val alone.

::

    best_of([0.81, None, 0.84])         # 2

What was chosen for being the best on val looks better there than it is; only the test patients,
which see the chosen one alone, say what it is worth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def best_of(val_dice: Sequence[float | None]) -> int:
    """Choose one; the first of those that are equally good.

    Args:
        val_dice: Of each, at least one; None or NaN where it was not defined, the worst of all.

    Returns:
        Its place.
    """
    known = [-math.inf if one is None or math.isnan(one) else one for one in val_dice]
    return known.index(max(known))
