"""Variants against each other: the same model, patients and seeds; and whether an order holds."""

from __future__ import annotations

import zlib
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from distributed_iac.comparison.compare import Comparison, compare
from distributed_iac.comparison.contrast import contrast
from distributed_iac.comparison.pairing import MEAN
from distributed_iac.comparison.ranking import Ranking, rankings
from distributed_iac.comparison.rows import JobRow, ScoreRow
from distributed_iac.comparison.variants import VariantContrast
from distributed_iac.config.comparison import ComparisonSettings

SETTINGS = ComparisonSettings(resamples=200)
NAN = float("nan")
PATIENTS = 12
EASE = np.linspace(-0.1, 0.1, PATIENTS)
"""How easy each patient is, in every variant."""


def model(
    name: str,
    variants: tuple[str, ...],
    dice: float,
    *,
    dataset: str = "acdc",
    kind: str = "retrain",
    seeds: tuple[int | None, ...] = (0, 1),
) -> list[ScoreRow]:
    rng = np.random.default_rng(zlib.crc32(repr((name, variants, dataset)).encode()))
    place = f"{dataset}/unet" + (f"@{variants[0]}" if variants else "")
    arm = name if name in ("lth", "full") else ""
    return [
        ScoreRow(
            f"{place}/{kind}/{name}/seed{seed}", dataset, "unet", name, arm, seed, f"p{patient}",
            "c", "lv", float(dice + ease + 1e-3 * rng.standard_normal()), NAN, variants,
        )
        for seed in seeds
        for patient, ease in enumerate(EASE)
    ]  # fmt: skip


def compared(rows: list[ScoreRow], variants: tuple[str, ...] = ("a", "b"), **more) -> Comparison:
    return compare([], rows, SETTINGS, planned_epochs=9, variants=variants, **more)


def of(found: Comparison, label: str, group: str, metric: str = "dice") -> list[VariantContrast]:
    return [
        one
        for one in found.variants
        if (one.label, one.contrast.group, one.contrast.metric, one.contrast.target)
        == (label, group, metric, MEAN)
    ]


def two_variants(shift: float = -0.03, dataset: str = "acdc") -> list[ScoreRow]:
    return [
        row
        for variant, by in (("a", 0.0), ("b", shift))
        for name, dice in (("lth", 0.80), ("full", 0.81), ("random", 0.70))
        for row in model(name, (variant,), dice + by, dataset=dataset)
    ] + model("plain", (), 0.6, dataset=dataset, kind="evaluate", seeds=(None,))


def test_a_planted_shift_is_found_model_by_model_and_by_patients_and_seeds() -> None:
    rows = two_variants() + two_variants(dataset="kits")
    found = compared(rows)
    for label in ("lth", "full", "random"):
        for group in ("acdc/unet", "kits/unet", "all groups"):
            (one,) = of(found, label, group)
            assert (one.contrast.candidate, one.contrast.against) == ("b", "a")
            assert one.contrast.difference == pytest.approx(-0.03, abs=2e-3)
            assert one.contrast.seeds == (0, 1)
            assert one.contrast.equivalence.verdict == "inferior"
    (one,) = of(found, "lth", "acdc/unet")
    assert one.contrast.patients == PATIENTS
    assert one.contrast.p_holm == pytest.approx(2 * one.contrast.test.p_value), "over two groups"


def test_what_variants_share_is_no_difference() -> None:
    found = compared(two_variants())
    assert not of(found, "plain", "acdc/unet")
    assert {one.label for one in found.variants} == {"lth", "full", "random"}


def test_models_are_compared_within_a_variant_and_with_what_it_shares() -> None:
    rows = two_variants()
    rng = np.random.default_rng(0)
    for against, difference in (("full", -0.01), ("random", 0.1)):
        found = contrast(rows, "lth", against, SETTINGS, rng)
        means = {
            one.group: one.difference
            for one in found
            if one.metric == "dice" and one.target == MEAN
        }
        assert set(means) == {"acdc/unet@a", "acdc/unet@b", "all groups"}
        for value in means.values():
            assert value == pytest.approx(difference, abs=2e-3)
    found = contrast(rows, "lth", "plain", SETTINGS, rng)
    means = {
        one.group: one.difference for one in found if one.metric == "dice" and one.target == MEAN
    }
    assert means["acdc/unet@a"] == pytest.approx(0.2, abs=2e-3)
    assert means["acdc/unet@b"] == pytest.approx(0.17, abs=2e-3)


def test_a_baseline_is_compared_in_its_own_variant() -> None:
    rows = two_variants()
    for variant, dice in (("a", 0.7), ("b", 0.5)):
        place = f"acdc/att@{variant}/baseline"
        rows += [
            ScoreRow(
                f"{place}/seed{seed}", "acdc", "att", "att", "", seed, f"p{patient}", "c", "lv",
                float(dice + ease), NAN, (variant,),
            )
            for seed in (0, 1)
            for patient, ease in enumerate(EASE)
        ]  # fmt: skip
    found = contrast(rows, "lth", "att", SETTINGS, np.random.default_rng(0))
    means = {
        one.group: one.difference for one in found if one.metric == "dice" and one.target == MEAN
    }
    assert means["acdc/unet@a"] == pytest.approx(0.1, abs=2e-3)
    assert means["acdc/unet@b"] == pytest.approx(0.27, abs=2e-3)
    assert compared(rows).warnings == ("the jobs table is empty",), "nothing is missing"


def test_without_variants_nothing_is_said_of_them() -> None:
    rows = model("lth", (), 0.8) + model("full", (), 0.8)
    plain = compared(rows, ())
    assert (plain.variants, plain.rankings) == ((), ())
    assert not {"variants", "rankings"} & plain.to_dict().keys()


def test_a_search_that_variants_share_is_compared_once_by_its_own_epochs() -> None:
    jobs = [
        JobRow(f"{g}/unet/search/{arm}/seed0", "search", g, "unet", arm, 0, epochs=n, planned=most)
        for g, most in (("acdc", 10), ("kits", 20))
        for arm, n in (("full", 10), ("lth", 5))
    ]
    found = compare(jobs, [], SETTINGS, planned_epochs=99)
    states = {one.group: one.pairs[0].state for one in found.speed if one.measure == "epochs"}
    assert states["acdc/unet"] == "complete"
    assert states["kits/unet"] == "reference cut short"
    assert any("kits/unet/search/full/seed0 ran 10 of 20 epochs" in one for one in found.warnings)


def ordered(
    first: dict[str, float], second: dict[str, float], cells: dict[str, str] | None = None
) -> dict[str, Ranking]:
    rows = [
        row
        for variant, scores in (("a", first), ("b", second))
        for name, dice in scores.items()
        for row in model(name, (variant,), dice)
    ]
    found = rankings(rows, ("a", "b"), tuple(first), ("lth", "full"), cells or {})
    return {one.of: one for one in found}


def test_an_order_that_stays_has_a_tau_of_one() -> None:
    scores = {"lth": 0.8, "full": 0.7, "random": 0.6}
    found = ordered(scores, {name: dice - 0.05 for name, dice in scores.items()})
    assert (found["models"].tau, found["models"].kept, found["models"].pairs) == (1.0, 3, 3)
    assert found["models"].names == ("lth", "full", "random")
    assert "is the same" in found["models"].sentence
    assert "lth is first in both" in found["arms"].sentence


def test_an_order_that_turns_round_is_told_with_counts() -> None:
    found = ordered(
        {"lth": 0.8, "full": 0.7, "random": 0.6}, {"lth": 0.6, "full": 0.7, "random": 0.5}
    )
    assert found["arms"].tau == -1.0
    assert "1 of 1 pairs of 2 arms change places" in found["arms"].sentence
    assert "lth is first in a, full in b" in found["arms"].sentence
    assert (found["models"].kept, found["models"].pairs) == (2, 3)
    assert found["models"].tau == pytest.approx(1 / 3)


def test_equal_models_have_no_order_that_could_hold() -> None:
    rows = [
        replace(row, dice=0.5)
        for v in "ab"
        for name in ("lth", "full")
        for row in model(name, (v,), 0)
    ]
    (found,) = rankings(rows, ("a", "b"), ("lth", "full"), ("lth", "full"), {})
    assert (found.tau, found.first) == (None, ("lth = full", "lth = full"))
    assert "have no order: all have the same mean in a and b" in found.sentence


def test_tau_is_that_of_the_definition() -> None:
    rng = np.random.default_rng(3)
    names = [f"m{number}" for number in range(6)]
    one, two = (dict(zip(names, 0.5 + 0.3 * rng.random(6), strict=True)) for _ in range(2))
    found = ordered(one, two)["models"]
    first, second = np.array(found.scores).T
    agree = [
        np.sign((first[i] - first[j]) * (second[i] - second[j]))
        for i, j in combinations(range(6), 2)
    ]
    assert found.tau == pytest.approx(sum(agree) / len(agree))
    assert found.tau == pytest.approx(stats.kendalltau(first, second).statistic)


def test_cells_are_ranked_where_both_variants_retrain_the_same_ones() -> None:
    scores = {"lth": 0.8, "full": 0.7, "random": 0.6}
    keys = [
        f"acdc/unet@{variant}/retrain/{name}/seed{seed}"
        for variant in "ab"
        for name in scores
        for seed in (0, 1)
    ]
    same = {key: key.partition("/retrain/")[2] for key in keys}
    assert len(ordered(scores, scores, same)["cells"].names) == 6
    others = {key: f"{one} {key[10]}" for key, one in same.items()}
    assert "cells" not in ordered(scores, scores, others)
    shared = {key: one.replace("full", "lth") for key, one in same.items()}
    assert len(ordered(scores, scores, shared)["cells"].names) == 4, "two arms found one cell"


def test_one_model_or_none_has_no_order() -> None:
    assert ordered({"lth": 0.8}, {"lth": 0.7}) == {}
    assert ordered({"lth": NAN, "full": 0.7}, {"lth": 0.7, "full": 0.6}) == {}
    assert ordered({"lth": 0.8, "full": 0.7}, {}) == {}
