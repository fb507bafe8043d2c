"""The best of several on val."""

from __future__ import annotations

import math

from distributed_iac.selection.best_of import best_of


def test_the_best_on_val_is_chosen_and_of_equal_ones_the_first() -> None:
    assert best_of([0.8, 0.9, 0.85]) == 1
    assert best_of([0.8, 0.9, 0.9]) == 1


def test_what_was_not_defined_is_worst() -> None:
    assert best_of([None, math.nan, 0.0]) == 2
    assert best_of([None, None]) == 0
