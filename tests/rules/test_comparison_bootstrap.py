from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from distributed_iac.comparison.bootstrap import Block, expanded_tail, fewest_values, mean_interval
from distributed_iac.comparison.equivalence import equivalence
from distributed_iac.errors import ConfigError


def block(values, dataset: str = "acdc", prefix: str = "p") -> Block:
    table = np.atleast_2d(np.asarray(values, dtype=float))
    return Block(dataset, tuple(f"{prefix}{i}" for i in range(table.shape[1])), table)


def interval(blocks, units="patients", confidence=0.95, resamples=4000, seed=0):
    return mean_interval(blocks, units, confidence, resamples, np.random.default_rng(seed))


def test_for_one_seed_it_is_scipys_percentile_interval_with_moved_tails() -> None:
    values = np.random.default_rng(3).gamma(2, size=25)
    mine = interval([block(values)], resamples=40_000)
    widened = 1 - 2 * expanded_tail(0.95, len(values) - 1)
    theirs = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=40_000,
        confidence_level=widened,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert mine.low == pytest.approx(theirs.low, abs=0.02)
    assert mine.high == pytest.approx(theirs.high, abs=0.02)


def test_moved_tails_have_students_width() -> None:
    # The tabled quantile of Student's distribution with 9 degrees of freedom is 2.262.
    assert expanded_tail(0.95, 9) == pytest.approx(stats.norm.cdf(-2.262 * (10 / 9) ** 0.5), 1e-3)
    assert expanded_tail(0.95, 10**6) == pytest.approx(0.025, abs=1e-5)


def coverage(draw, units, sims: int, resamples: int = 400) -> float:
    rng = np.random.default_rng(7)
    hits = 0
    for _ in range(sims):
        one = mean_interval([block(draw(rng))], units, 0.95, resamples, rng)
        hits += one.low <= 0 <= one.high
    return hits / sims


def test_it_covers_the_truth_for_ten_patients() -> None:
    found = coverage(lambda rng: rng.standard_normal(10), "patients", 600)
    assert 0.92 < found < 0.98


def test_it_covers_the_truth_where_seeds_differ() -> None:
    def draw(rng):
        of_seed, of_patient = rng.standard_normal((5, 1)), rng.standard_normal((1, 20))
        return 0.3 * of_seed + of_patient + rng.standard_normal((5, 20))

    assert coverage(draw, "patients_and_seeds", 400) > 0.93
    # Patients alone leave out what other searches would have found.
    assert coverage(draw, "patients", 400) < coverage(draw, "patients_and_seeds", 400)


def test_no_difference_gives_an_interval_of_no_width() -> None:
    one = interval([block(np.zeros((3, 6)))], "patients_and_seeds")
    assert (one.low, one.high) == (0, 0)


def test_one_patient_gives_no_interval_whatever_the_seeds() -> None:
    assert interval([block([[0.1], [0.2], [0.3]])], "patients_and_seeds") is None
    assert interval([block([[0.1], [0.2], [0.3]])], "seeds") is not None
    assert interval([]) is None
    assert interval([block([[np.nan, np.nan]])]) is None


def test_a_shift_moves_the_interval_and_nothing_else() -> None:
    values = np.random.default_rng(0).standard_normal((3, 12))
    first, second = interval([block(values)]), interval([block(values + 5)])
    assert (second.low - 5, second.high - 5) == pytest.approx((first.low, first.high))


def test_undefined_values_are_left_out() -> None:
    values = np.random.default_rng(0).standard_normal(12)
    holes = np.append(values, [np.nan, np.nan])
    assert block(holes).mean == pytest.approx(values.mean())
    mine, plain = interval([block(holes)]), interval([block(values)])
    assert mine.low == pytest.approx(plain.low, abs=0.1)
    assert mine.high == pytest.approx(plain.high, abs=0.1)


def test_backbones_that_share_patients_are_not_counted_as_new_patients() -> None:
    values = np.random.default_rng(0).standard_normal(15)
    one = interval([block(values)])
    shared = interval([block(values), block(values)])
    apart = interval([block(values), block(values, dataset="kits")])
    assert shared.high - shared.low == pytest.approx(one.high - one.low, rel=0.1)
    assert apart.high - apart.low < 0.85 * (one.high - one.low)


def test_groups_count_the_same_whatever_their_size() -> None:
    few, many = block([1.0, 1.0]), block(np.zeros(50), dataset="kits")
    one = interval([few, many])
    assert (one.low, one.high) == (0.5, 0.5)


def test_a_block_of_another_shape_is_refused() -> None:
    with pytest.raises(ConfigError, match="seeds, 2"):
        Block("acdc", ("a", "b"), np.zeros((1, 3)))


@pytest.mark.parametrize("mean", [0.0, 0.006, 0.0095, 0.012, 0.03, -0.03])
def test_equivalence_is_two_one_sided_tests(mean) -> None:
    values = mean + 0.01 * np.random.default_rng(2).standard_normal(60)
    found = equivalence(interval([block(values)], confidence=0.9, resamples=20_000), 0.01, "higher")
    below = stats.ttest_1samp(values, -0.01, alternative="greater").pvalue < 0.05
    above = stats.ttest_1samp(values, 0.01, alternative="less").pvalue < 0.05
    assert (found.verdict == "equivalent") == (below and above)
    assert (found.verdict in ("equivalent", "not inferior")) == below
    assert "two one-sided tests at 0.05" in found.sentence


def test_noise_without_a_difference_is_not_called_equal() -> None:
    values = np.random.default_rng(0).standard_normal(6)
    assert stats.wilcoxon(values).pvalue > 0.05
    found = equivalence(interval([block(values)], confidence=0.9), 0.01, "higher")
    assert found.verdict == "inconclusive"


def test_worse_is_up_for_distances_and_down_for_dice() -> None:
    up = interval([block(3 + 0.1 * np.random.default_rng(0).standard_normal(20))])
    assert equivalence(up, 1, "higher").verdict == "not inferior"
    assert equivalence(up, 1, "lower").verdict == "inferior"
    assert equivalence(None, 1, "lower").verdict == "inconclusive"


@pytest.mark.parametrize(("confidence", "fewest"), [(0.75, 3), (0.9, 5), (0.95, 6), (0.99, 8)])
def test_the_fewest_values_are_those_whose_range_covers_their_median(
    confidence: float, fewest: int
) -> None:
    assert fewest_values(confidence) == fewest
    assert 1 - 2 ** (1 - fewest) >= confidence > 1 - 2 ** (2 - fewest)
