from __future__ import annotations

import math

import numpy as np
import pytest

from distributed_iac.comparison.pairing import mean_score, pair
from distributed_iac.comparison.rows import JobRow, ScoreRow
from distributed_iac.errors import DataError

NAN = float("nan")


def row(patient: str, dice: float, *, seed: int | None = 0, case: str = "c", **more) -> ScoreRow:
    values = {"model": "acdc/unet/retrain/lth/seed0", "dataset": "acdc", "backbone": "unet"}
    values |= {"name": "lth", "arm": "lth", "target": "lv", "hd95": NAN} | more
    return ScoreRow(seed=seed, patient_id=patient, case_id=case, dice=dice, **values)


def differences(pairing, target: str = "mean") -> np.ndarray:
    return pairing.block(target, "difference").values


def test_patients_are_paired_by_name_and_not_by_order() -> None:
    mine, yours = [row("a", 0.9), row("b", 0.5)], [row("b", 0.4), row("a", 0.6)]
    found = pair(mine, yours, "dice")
    assert found.block("mean", "difference").patients == ("a", "b")
    assert differences(found) == pytest.approx(np.array([[0.3, 0.1]]))


def test_a_patients_cases_count_once_together() -> None:
    mine = [row("a", 0.9, case="ed"), row("a", 0.7, case="es"), row("b", 0.5)]
    yours = [row("a", 0.5, case="ed"), row("a", 0.5, case="es"), row("b", 0.5)]
    assert differences(pair(mine, yours, "dice")) == pytest.approx(np.array([[0.3, 0.0]]))


def test_patients_count_the_same_in_a_models_score_whatever_their_cases() -> None:
    rows = [row("a", 0.8, case="ed"), row("a", 0.6, case="es"), row("b", 0.4)]
    assert mean_score(rows, "dice") == pytest.approx((0.7 + 0.4) / 2)
    assert math.isnan(mean_score([], "dice"))


def test_the_mean_over_targets_weighs_targets_and_not_cases() -> None:
    mine = [row("a", 0.8, case=c) for c in "xyz"] + [row("a", 0.2, target="rv", case="x")]
    yours = [row("a", 0.0, case=c) for c in "xyz"] + [row("a", 0.0, target="rv", case="x")]
    found = pair(mine, yours, "dice")
    assert differences(found) == pytest.approx(np.array([[0.5]]))
    assert differences(found, "rv") == pytest.approx(np.array([[0.2]]))
    assert found.targets == ("lv", "rv")


def test_undefined_values_drop_the_pair_and_are_counted_by_side() -> None:
    mine = [row("a", NAN), row("b", 0.5), row("c", NAN), row("d", 0.7)]
    yours = [row("a", 0.5), row("b", NAN), row("c", NAN), row("d", 0.6), row("e", 0.9)]
    found = pair(mine, yours, "dice")
    assert differences(found) == pytest.approx(np.array([[0.1]]))
    missing = found.undefined("lv")
    assert (missing.candidate, missing.against, missing.both, missing.unpaired) == (1, 1, 1, 1)
    assert found.undefined("mean") == missing
    assert found.undefined("rv").unpaired == 0


def test_only_seeds_of_both_sides_are_compared() -> None:
    mine = [row("a", 0.1 * seed, seed=seed) for seed in (0, 1, 2)]
    yours = [row("a", 0.0, seed=seed) for seed in (1, 2, 3)]
    found = pair(mine, yours, "dice")
    assert found.seeds == (1, 2)
    assert (found.candidate_only, found.against_only) == ((0,), (3,))
    assert differences(found) == pytest.approx(np.array([[0.1], [0.2]]))


def test_a_model_shared_by_all_seeds_meets_every_one_of_them() -> None:
    mine = [row("a", 0.5, seed=0), row("a", 0.7, seed=1)]
    plain = [row("a", 0.4, seed=None, name="plain", arm="")]
    found = pair(mine, plain, "dice")
    assert differences(found) == pytest.approx(np.array([[0.1], [0.3]]))
    assert (found.candidate_only, found.against_only) == ((), ())
    assert pair(plain, mine, "dice").seeds == (0, 1)
    assert pair(plain, plain, "dice").seeds == (None,)


def test_several_cells_of_one_arm_and_seed_are_averaged_first() -> None:
    mine = [row("a", 0.8, name="lth.1"), row("a", 0.6, name="lth.2"), row("a", NAN, name="lth.3")]
    found = pair(mine, [row("a", 0.5)], "dice")
    assert differences(found) == pytest.approx(np.array([[0.2]]))


@pytest.mark.parametrize(("mine", "yours"), [([], []), ([row("a", 1.0)], []), ([], [row("a", 1)])])
def test_a_missing_side_leaves_nothing_to_compare(mine, yours) -> None:
    found = pair(mine, yours, "dice")
    assert (found.seeds, dict(found.values), found.targets) == ((), {}, ())
    assert differences(found).shape == (0, 0)


def test_rows_are_read_from_plain_tables() -> None:
    table = {
        "model": "acdc/att/baseline/seed1", "dataset": "acdc", "backbone": "att", "name": "att",
        "arm": None, "seed": 1, "patient_id": "p", "case_id": "c", "target": "lv", "dice": 1,
        "hd95": None, "surface_dice": 0.3,
    }  # fmt: skip
    read = ScoreRow.from_mapping(table)
    assert (read.label, read.group, read.is_baseline, read.dice) == ("att", "acdc/att", True, 1.0)
    assert math.isnan(read.hd95)
    with pytest.raises(DataError, match="needs the column dice"):
        ScoreRow.from_mapping({key: v for key, v in table.items() if key != "dice"})
    with pytest.raises(DataError, match="holds numbers"):
        ScoreRow.from_mapping(table | {"dice": "good"})
    with pytest.raises(DataError, match="holds text"):
        ScoreRow.from_mapping(table | {"target": 3})


def test_unknown_costs_of_a_job_are_none() -> None:
    columns = ("key", "kind", "dataset", "backbone", "arm", "seed", "status", "stop_reason")
    numbers = ("epochs", "seconds", "device_seconds", "op_evaluations", "full_epochs")
    table = dict.fromkeys((*columns, *numbers, "error")) | {"key": "k", "seconds": NAN, "epochs": 3}
    read = JobRow.from_mapping(table)
    assert (read.seconds, read.epochs, read.seed, read.arm) == (None, 3.0, None, "")
