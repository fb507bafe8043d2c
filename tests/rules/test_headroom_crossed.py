"""Variance components of tables whose answers are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from distributed_iac.config.comparison import ComparisonSettings
from distributed_iac.errors import ConfigError
from distributed_iac.headroom.crossed import Crossed, Term, complete_part, interval
from distributed_iac.headroom.shares import BOTH, CELL, SEED, Shares

SETTINGS = ComparisonSettings()


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_a_table_worked_by_hand() -> None:
    # Means of rows 2, 5, 8, of columns 4, 6; mean squares 18, 6 and 0 for what is left.
    table = Crossed(np.array([[1.0, 3.0], [4.0, 6.0], [7.0, 9.0]]))
    assert table.variance(CELL) == pytest.approx(9.0)
    assert table.variance(SEED) == pytest.approx(2.0)
    assert table.variance(BOTH) == pytest.approx(0.0, abs=1e-12)


def test_estimates_of_three_axes_are_right_on_average() -> None:
    draw = rng()
    true = {(0,): 4.0, (1,): 1.0, (0, 1): 2.0, (0, 2): 3.0, (0, 1, 2): 1.5}
    found: dict[tuple[int, ...], list[float]] = {axes: [] for axes in true}
    for _ in range(300):
        values = np.zeros((8, 5, 6))
        for axes, variance in true.items():
            shape = [size if axis in axes else 1 for axis, size in enumerate(values.shape)]
            values = values + draw.normal(0, math.sqrt(variance), shape)
        table = Crossed(values)
        for axes, estimates in found.items():
            estimates.append(table.variance(Term(axes)) or 0.0)
    for axes, variance in true.items():
        assert np.mean(found[axes]) == pytest.approx(variance, rel=0.15), axes


@pytest.mark.parametrize(("between", "luck"), [(1.0, 0.5), (0.0, 1.0), (0.3, 1.0)])
def test_intervals_hold_what_is_true_as_often_as_they_say(between: float, luck: float) -> None:
    draw, held = rng(), []
    for _ in range(250):
        values = draw.normal(0, between, (6, 1)) + draw.normal(0, luck, (6, 3))
        ends = interval(Crossed(values).draws(600, draw)[CELL], 0.95)
        assert ends is not None
        held.append(ends[0] <= between**2 <= ends[1])
    assert np.mean(held) >= 0.91


def test_with_one_seed_the_draws_are_of_the_most_that_can_be_the_cells() -> None:
    values = rng().normal(0, 1, (6, 1))
    table = Crossed(values)
    assert table.variance(CELL) is None
    assert set(table.draws(100, rng())) == {CELL}
    spread = Shares.of(values, SETTINGS, rng()).deviation(CELL)
    assert spread.value is None
    assert spread.low == 0.0
    assert spread.high is not None
    assert spread.high > values.std()


def test_of_one_cell_nothing_is_the_cells() -> None:
    shares = Shares.of(rng().normal(0, 1, (1, 4)), SETTINGS, rng())
    assert shares.deviation(CELL).high is None
    assert shares.share(CELL).value is None
    assert shares.best_of(4).value is None


@pytest.mark.parametrize("same", [0.0, 0.5, 0.8, 0.1 + 0.2])
def test_where_nothing_varies_there_is_nothing_to_share(same: float) -> None:
    shares = Shares.of(np.full((4, 3), same), SETTINGS, rng())
    assert shares.share(CELL).value is None
    assert shares.deviation(CELL) == shares.deviation(SEED, BOTH)
    assert shares.deviation(CELL).high == shares.best_of(4).value == 0.0
    assert shares.ratio().value is None


def test_shares_add_up_and_follow_who_varies() -> None:
    cells = np.linspace(0, 1, 6)[:, None] + rng().normal(0, 0.01, (6, 4))
    for values, own in ((cells, CELL), (cells.T, SEED)):
        shares = Shares.of(values, SETTINGS, rng())
        parts = [shares.share(term).value for term in (CELL, SEED, BOTH)]
        assert sum(part or 0.0 for part in parts) == pytest.approx(1.0)
        low = shares.share(own).low
        assert low is not None
        assert low > 0.9


def test_picking_on_val_gains_what_it_does_in_truth() -> None:
    draw = rng()
    cells, luck = 0.6, 0.8
    true = draw.normal(0, cells, (4000, 4))
    chosen = np.argmax(true + draw.normal(0, luck, true.shape), axis=1)
    gained = float(np.mean(true[np.arange(len(true)), chosen]))
    shares = Shares({CELL: cells**2, SEED: 0.0, BOTH: luck**2},
                    dict.fromkeys((CELL, SEED, BOTH), np.ones(3)), 0.95)  # fmt: skip
    assert shares.best_of(4).value == pytest.approx(gained, abs=0.03)


def test_what_is_missing_costs_as_little_as_can_be() -> None:
    values = np.ones((4, 3))
    assert complete_part(values) == ((0, 1, 2, 3), (0, 1, 2))
    values[1, 2] = np.nan
    assert complete_part(values) == ((0, 2, 3), (0, 1, 2)), "nine are left, not eight"
    values[0, 2] = np.nan
    assert complete_part(values) == ((0, 1, 2, 3), (0, 1))
    assert complete_part(np.full((2, 2), np.nan)) == ((), ())


def test_a_table_with_gaps_is_refused() -> None:
    with pytest.raises(ConfigError, match="complete"):
        Crossed(np.array([[1.0, np.nan]]))
