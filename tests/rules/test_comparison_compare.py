from __future__ import annotations

import json

import numpy as np
import pytest

from distributed_iac.comparison.compare import compare
from distributed_iac.comparison.likeness import SearchEvidence
from distributed_iac.comparison.remark import Remark
from distributed_iac.comparison.rows import JobRow, ScoreRow
from distributed_iac.config.comparison import ComparisonSettings
from distributed_iac.files import json_text
from distributed_iac.genotype import CellTopology, Genotype
from distributed_iac.importance.history import ImportanceHistory

SETTINGS = ComparisonSettings(resamples=300)
CONV = Genotype.shared(2, [[(0, "sep_conv_3x3"), (1, "skip_connect")]])
EMPTY = ImportanceHistory.start(CellTopology(2, 1))


def search(arm: str, seed: int, status: str = "done", **more) -> JobRow:
    values = {"seconds": 80.0 if arm == "full" else 10.0, "epochs": 20.0} | more
    key = f"acdc/unet/search/{arm}/seed{seed}"
    return JobRow(key, "search", "acdc", "unet", arm, seed, status, **values)


def scored(name: str, seed: int | None, dice: list[float]) -> list[ScoreRow]:
    arm = name if name in ("full", "lth") else ""
    key = f"acdc/unet/retrain/{name}/seed{seed}"
    return [
        ScoreRow(key, "acdc", "unet", name, arm, seed, f"p{i}", "c", "lv", value, float("nan"))
        for i, value in enumerate(dice)
    ]


DICE = [0.8, 0.7, 0.9, 0.6, 0.75, 0.85]
WHOLE_JOBS = [search(arm, seed) for arm in ("full", "lth") for seed in (0, 1)]
WHOLE_PATIENTS = [
    row
    for seed in (0, 1)
    for name in ("full", "lth", "plain_extra")
    for row in scored(name, seed, DICE)
]


def run(jobs, patients, **more):
    return compare(jobs, patients, SETTINGS, **({"planned_epochs": 20} | more))


def test_an_empty_run_says_what_is_missing() -> None:
    found = run([], [])
    assert found.warnings == ("the jobs table is empty", "the patients table is empty")
    assert (found.speed, found.contrasts, found.likeness, found.early) == ((), (), (), ())
    assert found.to_dict()["contrasts"] == []


def test_a_whole_run_has_no_gaps() -> None:
    evidence = [SearchEvidence("acdc/unet", arm, 0, CONV, EMPTY) for arm in ("full", "lth")]
    found = run(WHOLE_JOBS, WHOLE_PATIENTS, evidence=evidence, controls=("plain_extra",))
    assert found.warnings == ()
    assert {one.against for one in found.contrasts} == {"full", "plain_extra"}
    assert found.likeness[0].genes[0].same == 2


def test_a_half_finished_sweep_says_what_is_still_to_come() -> None:
    jobs = [
        search("full", 0),
        search("lth", 0),
        search("full", 1, "running"),
        search("lth", 1, "waiting"),
    ]
    found = run(jobs, scored("lth", 0, DICE), controls=("plain", "random"))
    assert found.warnings == (
        "running, 1 of 4 jobs: acdc/unet/search/full/seed1",
        "waiting, 1 of 4 jobs: acdc/unet/search/lth/seed1",
        "no patients were scored with full",
        "no patients were scored with plain",
        "no patients were scored with random",
    )
    assert found.contrasts == ()
    assert found.speed[0].ratio == pytest.approx(8)


def test_a_partly_failed_sweep_names_the_failed_job_and_what_it_cost() -> None:
    jobs = [*WHOLE_JOBS[:3], search("lth", 1, "failed", error="out of memory\ntraceback")]
    jobs += [JobRow("acdc/unet/retrain/lth/seed1", "retrain", "acdc", "unet", "lth", 1, "skipped")]
    patients = [row for row in WHOLE_PATIENTS if (row.name, row.seed) != ("lth", 1)]
    found = run(jobs, patients)
    assert found.warnings[:2] == (
        "failed: acdc/unet/search/lth/seed1 (out of memory)",
        "skipped, 1 of 5 jobs: acdc/unet/retrain/lth/seed1",
    )
    assert found.contrasts[0].seeds == (0,)
    assert Remark("seeds of the other alone are left out", "1") in found.contrasts[0].warnings


def test_a_full_search_that_was_cut_short_is_named() -> None:
    jobs = [search("full", 0, epochs=5.0, stop_reason="time ran out"), search("lth", 0)]
    found = run(jobs, WHOLE_PATIENTS)
    assert found.warnings == (
        "acdc/unet/search/full/seed0 ran 5 of 20 epochs (time ran out): cut short, no denominator "
        "of a speed-up",
    )


def test_arms_and_seeds_without_a_partner_are_named() -> None:
    lone = run([search("lth", 0)], WHOLE_PATIENTS)
    assert lone.warnings == ("no search of the arm full: nothing to compare lth with",)
    uneven = run([*WHOLE_JOBS, search("full", 7)], WHOLE_PATIENTS)
    assert uneven.warnings == ("no search of the arm lth to pair with full: acdc/unet seed 7",)
    none = run(WHOLE_JOBS, scored("full", 0, DICE))
    assert none.warnings == ("no patients were scored with lth: there is nothing to compare",)


def test_a_control_that_lacks_one_group_is_named_with_it() -> None:
    other = [
        ScoreRow("kits/unet/retrain/x", "kits", "unet", name, name, 0, "p", "c", "lv", 0.5, 1.0)
        for name in ("full", "lth")
    ]
    found = run(WHOLE_JOBS, WHOLE_PATIENTS + other)
    assert "no patients were scored with plain_extra in kits/unet" in found.warnings


def test_a_group_without_the_candidate_is_named() -> None:
    model = "kits/unet/retrain/full/seed0"
    other = ScoreRow(model, "kits", "unet", "full", "full", 0, "p", "c", "lv", 1.0, 1.0)
    found = run(WHOLE_JOBS, [*WHOLE_PATIENTS, other])
    assert found.warnings == ("no patients were scored with lth in kits/unet: not compared there",)


def test_the_same_rows_give_the_same_numbers_in_any_order() -> None:
    rng = np.random.default_rng(0)
    patients = [
        row
        for name in ("full", "lth", "plain_extra")
        for row in scored(name, 0, list(rng.random(8)))
    ]
    first = run(WHOLE_JOBS, patients)
    again = run(WHOLE_JOBS[::-1], [patients[i] for i in rng.permutation(len(patients))])
    assert again.to_dict() == first.to_dict()
    fewer = run(WHOLE_JOBS, [row for row in patients if row.name != "full"])
    assert fewer.contrasts == tuple(c for c in first.contrasts if c.against == "plain_extra")


def test_the_json_has_no_nan_and_names_its_methods() -> None:
    value = json.loads(json_text(run(WHOLE_JOBS, WHOLE_PATIENTS).to_dict()))
    assert set(value["methods"]) >= {"test", "interval", "equivalence", "speed_up"}
    assert value["settings"]["dice_margin"] == 0.01
    assert value["contrasts"][0]["equivalence"]["verdict"] == "equivalent"
    assert value["speed"][0]["pairs"][0]["ratio"] == 8
    assert all(row["metric"] == "dice" for row in value["contrasts"])


def test_candidate_and_reference_must_differ() -> None:
    with pytest.raises(ValueError, match="two different arms"):
        ComparisonSettings(candidate="full")
