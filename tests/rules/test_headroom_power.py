"""What so many patients and seeds can show, and how far the best of many cells can be."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from distributed_iac.config.comparison import ComparisonSettings
from distributed_iac.headroom.best_cell import expected_best, most_of_all
from distributed_iac.headroom.power import POWER, Spread, smallest_difference
from distributed_iac.headroom.visible import Visible
from distributed_iac.importance.arrays import FloatArray

variances = st.floats(1e-6, 1.0)


def smallest(spread: Spread, seeds: int, patients: int) -> float:
    found = smallest_difference(spread, seeds, patients, 0.95)
    assert found is not None
    return float(found)


def test_a_difference_of_that_size_is_shown_eight_times_of_ten() -> None:
    draw, patients = np.random.default_rng(0), 12
    difference = smallest(Spread(0.0, 0.7, 0.3), 1, patients)
    seen = draw.normal(difference, math.sqrt(2 * (0.7 + 0.3)), (3000, patients))
    shown = stats.ttest_1samp(seen, 0.0, axis=1).pvalue < 0.05
    assert np.mean(shown) == pytest.approx(POWER, abs=0.03)


def test_with_seeds_and_patients_the_standard_error_is_that_of_the_crossed_mean() -> None:
    draw, (seeds, patients) = np.random.default_rng(0), (4, 15)
    spread = Spread(0.2, 0.5, 1.0)
    models = [
        draw.normal(0, math.sqrt(0.2), (2000, seeds, 1))
        + draw.normal(0, math.sqrt(0.5), (2000, 1, patients))
        + draw.normal(0, 1.0, (2000, seeds, patients))
        for _ in range(2)
    ]
    error = float(np.std((models[0] - models[1]).mean(axis=(1, 2))))
    normal = stats.norm.ppf(0.975) + stats.norm.ppf(POWER)
    found = smallest(spread, seeds, patients)
    assert normal * error < found < 1.15 * normal * error  # Student's with 14 degrees of freedom


def test_where_every_seed_has_its_own_cell_the_spread_of_cells_counts() -> None:
    draw, (seeds, patients) = np.random.default_rng(0), (3, 20)

    def trained(cells: int, seeds: int, runs: int = 1) -> FloatArray:
        """(R, C, S, P)"""
        cell = draw.normal(0, 0.01, (runs, cells, 1, 1))
        cell = cell + draw.normal(0, 0.003, (runs, cells, seeds, 1))
        return cell + draw.normal(0, 0.005, (runs, cells, seeds, patients))

    asked = ComparisonSettings(resamples=200)
    said = Visible.of(trained(60, 5)[0], asked, draw).smallest(seeds, patients).value
    of_arms = [trained(seeds, 1, runs=3000).mean(axis=(1, 2, 3)) for _ in range(2)]
    quantiles = stats.t.ppf(0.975, patients - 1) + stats.t.ppf(POWER, patients - 1)
    assert said == pytest.approx(quantiles * float(np.std(of_arms[0] - of_arms[1])), rel=0.15)


@settings(max_examples=25)
@given(variances, variances, variances)
def test_more_seeds_or_patients_show_no_less(seed: float, patient: float, both: float) -> None:
    spread = Spread(seed, patient, both)
    for sizes in ([(s, 20) for s in (2, 4, 8, 16)], [(3, p) for p in (5, 10, 20, 40)]):
        found = [smallest(spread, *size) for size in sizes]
        assert all(after <= before * 1.001 for before, after in pairwise(found))


def test_where_nothing_varies_everything_is_seen_and_where_nothing_repeats_nothing_is_known() -> (
    None
):
    assert smallest(Spread(0.0, 0.0, 0.0), 3, 20) == 0.0
    assert smallest_difference(Spread(1.0, 1.0, 1.0), 1, 1, 0.95) is None
    assert smallest(Spread(0.0, 9.0, 1.0), 2, 1) > smallest(Spread(0.0, 0.0, 1.0), 3, 1)


@pytest.mark.parametrize("count", [2, 4, 100, 5000])
def test_the_best_of_many_is_never_expected_above_the_bound(count: int) -> None:
    assert expected_best(count) <= float(most_of_all(1.0, math.log(count)))


def test_the_expected_best_of_a_few_is_the_known_one() -> None:
    assert [round(expected_best(count), 3) for count in (1, 2, 4, 8)] == [0, 0.564, 1.029, 1.424]
    assert float(most_of_all(1.0, 0.0)) == 0.0
