from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from distributed_iac.comparison.contrast import contrast
from distributed_iac.comparison.remark import Remark
from distributed_iac.comparison.rows import ScoreRow
from distributed_iac.comparison.signed_rank import holm
from distributed_iac.config.comparison import ComparisonSettings

SETTINGS = ComparisonSettings(resamples=500)
NAN = float("nan")


def model(
    name: str,
    dice: np.ndarray,
    group: str = "acdc/unet",
    *,
    seeds: tuple[int | None, ...] = (0,),
    kind: str = "retrain",
    target: str = "lv",
    first: int = 0,
) -> list[ScoreRow]:
    """Rows of one target with (S, P) Dice, and HD95 that falls as Dice rises."""
    dataset, backbone = group.split("/")
    arm = name if name in ("full", "lth") else ""
    return [
        ScoreRow(
            f"{group}/{kind}/{name}", dataset, backbone, name, arm, seed,
            f"p{first + patient}", "c", target, float(value), 10 * (1 - float(value)),
        )
        for seed, values in zip(seeds, np.atleast_2d(dice), strict=True)
        for patient, value in enumerate(values)
    ]  # fmt: skip


def compared(rows, against: str = "full", settings=SETTINGS, metric="dice", target="mean"):
    found = contrast(rows, "lth", against, settings, np.random.default_rng(0))
    return [one for one in found if one.metric == metric and one.target == target]


def noise(seed: int, *shape: int) -> np.ndarray:
    return 0.02 * np.random.default_rng(seed).standard_normal(shape)


def test_no_difference_at_all_is_equivalent_with_a_p_value_of_one() -> None:
    dice = 0.8 + noise(0, 3, 10)
    rows = model("lth", dice, seeds=(0, 1, 2)) + model("full", dice, seeds=(0, 1, 2))
    (one,) = compared(rows)
    assert (one.difference, one.test.p_value, one.p_holm) == (0, 1, 1)
    assert (one.interval.low, one.interval.high) == (0, 0)
    assert one.equivalence.verdict == "equivalent"
    assert (one.patients, one.seeds) == (10, (0, 1, 2))


def test_a_known_difference_is_found_and_judged() -> None:
    base = 0.8 + noise(0, 12)
    rows = model("lth", base + 0.05 + 0.1 * noise(1, 12)) + model("full", base)
    (dice,), (hd95,) = compared(rows), compared(rows, metric="hd95")
    assert dice.difference == pytest.approx(0.05, abs=0.002)
    assert dice.candidate_mean - dice.against_mean == pytest.approx(dice.difference)
    assert dice.equivalence.verdict == "not inferior"
    assert dice.test.p_value == pytest.approx(2 / 2**12)
    assert hd95.difference == pytest.approx(-0.5, abs=0.02)
    assert hd95.equivalence.verdict == "equivalent"
    strict = SETTINGS.model_copy(update={"hd95_margin": 0.1})
    assert compared(rows, settings=strict, metric="hd95")[0].equivalence.verdict == "not inferior"
    worse = model("lth", base - 0.05) + model("full", base)
    assert compared(worse)[0].equivalence.verdict == "inferior"


def test_seeds_are_averaged_before_the_test_so_that_patients_count_once() -> None:
    lth, full = 0.8 + noise(0, 3, 9), 0.8 + noise(1, 3, 9)
    rows = model("lth", lth, seeds=(0, 1, 2)) + model("full", full, seeds=(0, 1, 2))
    (one,) = compared(rows)
    assert one.test.patients == 9
    assert one.test.p_value == pytest.approx(stats.wilcoxon((lth - full).mean(axis=0)).pvalue)


def test_p_values_are_corrected_over_the_groups() -> None:
    groups = ("acdc/unet", "kits/unet", "brats/unet")
    rows = []
    for number, group in enumerate(groups):
        base = 0.8 + noise(number, 8)
        rows += model("lth", base + 0.01 * number + noise(10 + number, 8), group)
        rows += model("full", base, group)
    found = compared(rows)
    own, overall = found[:-1], found[-1]
    assert [one.group for one in own] == sorted(groups)
    assert [one.p_holm for one in own] == list(holm([one.test.p_value for one in own]))
    assert (overall.group, overall.p_holm, overall.patients) == ("all groups", None, 24)
    assert overall.difference == pytest.approx(np.mean([one.difference for one in own]))


def test_two_backbones_on_the_same_patients_are_no_more_patients() -> None:
    base = 0.8 + noise(0, 8)
    rows = [
        row
        for backbone in ("a", "b")
        for row in model("lth", base + noise(1, 8), f"acdc/{backbone}")
        + model("full", base, f"acdc/{backbone}")
    ]
    assert compared(rows)[-1].patients == 8


def test_targets_have_rows_of_their_own() -> None:
    base = 0.8 + noise(0, 8)
    rows = model("lth", base + 0.1) + model("lth", base, target="rv")
    rows += model("full", base) + model("full", base, target="rv")
    assert compared(rows, target="lv")[0].difference == pytest.approx(0.1)
    assert compared(rows, target="rv")[0].difference == 0
    assert compared(rows)[0].difference == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("patients", "verdict"), [(2, "inconclusive"), (4, "inconclusive"), (5, "equivalent")]
)
def test_nothing_is_stated_of_patients_whose_range_would_often_miss_the_median(
    patients: int, verdict: str
) -> None:
    """Of n values of one median the range misses it in 2 of 2 ** n cases: all above, or below."""
    values = 0.8 + noise(1, patients)
    (one,) = compared(model("lth", values + 0.001) + model("full", values))
    assert one.equivalence.verdict == verdict


def test_one_patient_gives_numbers_without_a_statement() -> None:
    (one,) = compared(model("lth", np.array([0.9])) + model("full", np.array([0.8])))
    assert one.difference == pytest.approx(0.1)
    assert (one.interval, one.test.p_value) == (None, 1.0)
    assert one.equivalence.verdict == "inconclusive"
    assert [str(remark) for remark in one.warnings] == [
        "too few patients for a p-value below 0.05 (1 that differ, not below 1)",
        "one seed: nothing is known about other searches (seed 0)",
    ]


def test_undefined_dice_is_left_out_on_both_sides_and_counted() -> None:
    lth, full = np.array([NAN, 0.7, 0.9, 0.8]), np.array([0.2, 0.7, NAN, 0.7])
    (one,) = compared(model("lth", lth) + model("full", full))
    assert one.patients == 2
    assert (one.undefined.candidate, one.undefined.against) == (1, 1)
    assert one.against_mean == pytest.approx(0.7)
    assert compared(model("lth", np.array([NAN])) + model("full", np.array([0.3]))) == []


def test_ties_between_patients_are_tested_with_their_own_distribution() -> None:
    base = np.full(6, 0.5)
    lifted = base + np.array([0.1, 0.1, 0.1, -0.1, 0.0, 0.2])
    (one,) = compared(model("lth", lifted) + model("full", base))
    assert (one.test.method, one.test.zeros) == ("exact", 1)
    # By hand: 5 ranks (2.5 four times, 5), rank sums as unequal as 12.5 to 2.5 or more:
    # minus nowhere (1), or at one of the four (4), and the same the other way round.
    assert one.test.p_value == pytest.approx(2 * 5 / 2**5)


def test_unequal_seeds_compare_what_both_have_and_say_so() -> None:
    rows = model("lth", 0.8 + noise(0, 3, 8), seeds=(0, 1, 2))
    rows += model("full", 0.8 + noise(1, 2, 8), seeds=(1, 5))
    (one,) = compared(rows)
    assert one.seeds == (1,)
    assert Remark("seeds of the candidate alone are left out", "0, 2") in one.warnings
    assert Remark("seeds of the other alone are left out", "5") in one.warnings


def test_a_baseline_meets_the_cells_of_every_backbone_of_its_data_set() -> None:
    rows = model("attention_unet", np.full(6, 0.6), "acdc/attention_unet", kind="baseline")
    for backbone in ("a", "b"):
        rows += model("lth", 0.8 + noise(0, 6), f"acdc/{backbone}")
    rows += model("lth", 0.8 + noise(0, 6), "kits/a")
    found = compared(rows, "attention_unet")
    assert [one.group for one in found] == ["acdc/a", "acdc/b", "all groups"]
    assert found[0].difference == pytest.approx(0.2, abs=0.03)


def test_the_plain_backbone_meets_every_seed() -> None:
    rows = model("lth", 0.8 + noise(0, 2, 6), seeds=(0, 1))
    rows += model("plain", np.full(6, 0.7), seeds=(None,), kind="evaluate")
    (one,) = compared(rows, "plain")
    assert one.seeds == (0, 1)
    few = "few seeds: the interval understates the spread between searches"
    assert one.warnings == (Remark(few, "2 seeds"),)


def test_a_missing_arm_gives_no_rows() -> None:
    rows = model("lth", 0.8 + noise(0, 6))
    assert compared(rows) == []
    assert compared([replace(row, arm="full", name="full") for row in rows]) == []
    assert compared([]) == []
