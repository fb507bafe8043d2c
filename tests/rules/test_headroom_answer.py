"""Whether a search can be worth it: the answer on problems whose answer is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from distributed_iac.config.comparison import ComparisonSettings
from distributed_iac.headroom.answer import Code, answer, told
from distributed_iac.headroom.measured import Headroom, Trial, measure

SETTINGS = ComparisonSettings(resamples=1000)


def trial(
    shape: tuple[int, int, int] = (6, 3, 10),
    *,
    cell: float = 0.0,
    luck: float = 0.0,
    patient: float = 0.0,
    test_patients: int = 20,
) -> Trial:
    """A table with these standard deviations of cells, of cells with seeds, and of patients."""
    draw, (cells, seeds, patients) = np.random.default_rng(0), shape
    values = 0.8 + draw.normal(0, 0.05, (1, 1, patients))
    values = values + draw.normal(0, cell, (cells, 1, 1)) + draw.normal(0, luck, (cells, seeds, 1))
    values = values + draw.normal(0, patient, (cells, 1, patients))
    return Trial("acdc/unet", tuple(map(str, range(cells))), tuple(range(seeds)),
                 values.mean(axis=2), values, 20.8, test_patients, 3)  # fmt: skip


def found(one: Trial) -> Headroom:
    headroom = measure(one, SETTINGS)
    text = "\n".join(told(headroom))
    assert not any(word in text for word in ("None", "nan", "inf")), text
    assert text.endswith(answer(headroom).sentence)
    return headroom


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("worth", trial(cell=0.02, luck=0.002)),
        ("too small", trial()),
        ("too small", trial(luck=0.0003)),
        ("no sign", trial(luck=0.004)),
        ("too small", trial(cell=0.001, luck=0.0001)),
        ("not visible", trial(cell=0.003, luck=0.0003, patient=0.02, test_patients=3)),
        ("not known", trial((1, 3, 10), luck=0.01)),
        ("not known", trial((6, 1, 10), cell=0.01)),
        ("not known", trial((6, 1, 1), cell=0.01)),
        ("worth", trial((6, 3, 1), cell=0.02, luck=0.002)),
        ("too small", trial((6, 1, 10), cell=0.0001)),
    ],
)
def test_a_problem_with_a_known_answer(code: Code, problem: Trial) -> None:
    assert answer(found(problem)).code == code


def test_a_planted_spread_is_found_and_bounds_what_the_best_gains() -> None:
    one = found(trial((40, 3, 10), cell=0.02, luck=0.002))
    assert one.spread_of_cells.value == pytest.approx(0.02, rel=0.25)
    assert one.best.value is not None
    assert one.best_of_few.value is not None
    assert one.best_of_few.value < one.best.value <= 1.0 - (one.mean or 0.0)


def test_no_gain_leads_above_a_dice_of_one() -> None:
    high = replace(trial(cell=0.05), val_dice=trial(cell=0.05).val_dice + 0.18)
    one = found(high)
    assert one.mean is not None
    assert one.best.high == pytest.approx(1.0 - one.mean)


def test_nothing_that_can_be_gained_leads_above_a_dice_of_one_either() -> None:
    one = found(trial((2, 2, 3), cell=0.02, luck=0.01))
    assert one.best_of_few.high == one.best.high == pytest.approx(1.0 - (one.mean or 0.0))


def test_one_seed_with_one_test_patient_shows_nothing() -> None:
    one = found(replace(trial(cell=0.02, luck=0.002), planned_seeds=1, test_patients=1))
    assert answer(one).code == "not visible"
    assert "1 seed and 1 test patient nothing would be seen" in answer(one).sentence


def test_what_is_missing_is_left_out_and_told() -> None:
    whole = trial(cell=0.02, luck=0.002)
    gaps = whole.val_dice.copy()
    gaps[2, 1] = gaps[2, 2] = np.nan
    one = found(replace(whole, val_dice=gaps))
    assert (one.cells, one.seeds, one.left_out) == (5, 3, 3)
    assert "3 trainings left out" in next(told(one))
    nothing = found(replace(whole, val_dice=np.full((6, 3), np.nan)))
    assert (nothing.cells, answer(nothing).code) == (0, "not known")


def test_a_result_without_patients_costs_its_place_among_patients_alone() -> None:
    whole = trial(cell=0.02, luck=0.002, patient=0.01)
    older = whole.by_patient.copy()
    older[0, 0] = np.nan
    one = found(replace(whole, by_patient=older))
    assert (one.cells, one.seeds, one.val_patients) == (6, 3, 10)
    assert one.smallest.value is not None
    none = found(replace(whole, by_patient=np.full((6, 3, 0), np.nan)))
    assert none.smallest.value is None
    assert answer(none).code == "worth"


def test_more_patients_or_seeds_are_named_where_they_would_show_it() -> None:
    one = found(trial(cell=0.003, luck=0.0003, patient=0.02, test_patients=3))
    assert one.enough_patients is not None
    assert f"{one.enough_patients} test patients would" in answer(one).sentence
    assert one.enough_seeds is None, "no number of seeds replaces patients"


def test_with_one_seed_or_patient_statements_hold_for_one() -> None:
    assert any("that seed alone" in line for line in told(found(trial((6, 1, 10), patient=0.01))))
    alone = replace(trial(cell=0.01), planned_seeds=1)
    assert any("of that seed alone" in line for line in told(found(alone)))
    assert any("single patient" in line for line in told(found(trial((6, 3, 1), luck=0.01))))
    assert math.isfinite(found(trial((6, 3, 1), luck=0.01)).smallest.value or math.nan)
