from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from distributed_iac.comparison.signed_rank import LARGEST_EXACT, holm, signed_rank


def by_hand(values: list[float]) -> float:
    """All sign changes of the nonzero differences, two-sided."""
    moved = np.array([value for value in values if value != 0])
    ranks = stats.rankdata(np.abs(moved))
    centre = ranks.sum() / 2
    seen = abs(ranks[moved > 0].sum() - centre)
    sums = np.array([np.dot(ranks, signs) for signs in product((0, 1), repeat=len(moved))])
    return float((np.abs(sums - centre) >= seen - 1e-9).mean())


def test_no_difference_is_no_evidence() -> None:
    test = signed_rank([0.0] * 7)
    assert (test.p_value, test.zeros, test.patients, test.method) == (1.0, 7, 7, "none")
    assert signed_rank([]).patients == 0


def test_one_patient_proves_nothing() -> None:
    test = signed_rank([0.3])
    assert (test.p_value, test.least_p) == (1.0, 1.0)


def test_the_least_p_is_that_of_patients_who_all_agree() -> None:
    test = signed_rank([0.1, 0.2, 0.3, 0.4, 0.5])
    assert test.p_value == test.least_p == 1 / 16


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=30, unique_by=lambda v: round(abs(v), 6)))
def test_without_ties_it_is_scipys_exact_test(values) -> None:
    moved = np.round(values, 12)
    moved = moved[moved != 0]
    expected = stats.wilcoxon(moved, method="exact").pvalue
    assert signed_rank(values).p_value == pytest.approx(expected)


@given(st.lists(st.sampled_from([-2.0, -1.0, 0.0, 1.0, 2.0]), min_size=2, max_size=8))
def test_ties_are_tested_over_all_sign_changes(values) -> None:
    if any(values):
        assert signed_rank(values).p_value == pytest.approx(by_hand(values))


@pytest.mark.parametrize("patients", [60, 130])
def test_it_is_scipys_exact_test_also_where_scipy_by_itself_approximates(patients) -> None:
    values = np.random.default_rng(patients).normal(0.15, 1, patients)
    expected = stats.wilcoxon(values, method="exact").pvalue
    assert signed_rank(values).p_value == pytest.approx(expected, rel=1e-9)


def test_many_ties_have_the_p_value_of_random_sign_changes() -> None:
    values = np.random.default_rng(0).integers(-3, 5, 40).astype(float)
    test = signed_rank(values)
    assert test.method == "exact"
    random = stats.PermutationMethod(n_resamples=40_000, rng=np.random.default_rng(1))
    expected = stats.wilcoxon(values[values != 0], method=random).pvalue
    deviation = (expected * (1 - expected) / 40_000) ** 0.5
    assert test.p_value == pytest.approx(expected, abs=5 * deviation)


def test_more_patients_than_are_worth_counting_have_scipys_approximation() -> None:
    values = np.random.default_rng(0).integers(-9, 11, LARGEST_EXACT + 60).astype(float)
    moved = values[values != 0]
    test = signed_rank(values)
    assert (test.method, len(moved) > LARGEST_EXACT) == ("asymptotic", True)
    assert test.p_value == pytest.approx(stats.wilcoxon(moved, method="asymptotic").pvalue)
    just = signed_rank(moved[:LARGEST_EXACT])
    near = stats.wilcoxon(moved[:LARGEST_EXACT], method="asymptotic").pvalue
    assert (just.method, just.p_value) == ("exact", pytest.approx(near, abs=0.003))


def test_undefined_patients_are_left_out_and_rounding_noise_is_no_difference() -> None:
    assert signed_rank([0.1, float("nan"), 0.2]) == signed_rank([0.1, 0.2])
    assert signed_rank([1e-17, 0.1]).zeros == 1
    assert signed_rank([0.1 + 0.2 - 0.3, 0.1]).zeros == 1


def test_holm_gives_the_published_numbers() -> None:
    # Worked example: 4 tests at .01, .04, .03, .005 -> .03, .06, .06, .02.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == ()
    assert holm([0.7, 0.9]) == (1.0, 1.0)


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_lies_above_the_raw_values_and_keeps_their_order(values) -> None:
    corrected = holm(values)
    assert all(raw <= one <= 1 for raw, one in zip(values, corrected, strict=True))
    if values:
        assert min(corrected) == pytest.approx(min(1.0, min(values) * len(values)))
    order = np.argsort(values, kind="stable")
    assert list(np.sort(corrected)) == [corrected[i] for i in order]


def test_holm_keeps_the_family_wise_error() -> None:
    rng = np.random.default_rng(1)
    wrong = sum(min(holm(rng.random(5))) < 0.05 for _ in range(4000)) / 4000
    assert 0.03 < wrong < 0.065
