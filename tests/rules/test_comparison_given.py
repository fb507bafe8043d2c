from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from distributed_iac.comparison.given import FoundOfGiven, found_of_given
from distributed_iac.comparison.likeness import SearchEvidence
from distributed_iac.comparison.rows import ScoreRow
from distributed_iac.config.comparison import ComparisonSettings
from distributed_iac.genotype import CellTopology, Genotype
from distributed_iac.importance.history import ImportanceHistory

GIVEN = Genotype.shared(2, [[(0, "sep_conv_3x3"), (1, "skip_connect")]])
HALF = Genotype.shared(2, [[(0, "max_pool_3x3"), (1, "skip_connect")]])
EMPTY = ImportanceHistory.start(CellTopology(2, 1))
SETTINGS = ComparisonSettings(resamples=500)


def found(random: float, arm: float, given: float, spread: float = 0.01) -> FoundOfGiven:
    """One arm with two seeds, whose models score so on average over 12 patients."""
    generator = np.random.default_rng(0)
    rows = [
        score(name, seed, patient, mean + spread * generator.normal())
        for name, mean in (("random", random), ("lth", arm), ("given", given))
        for seed in (0, 1)
        for patient in range(12)
    ]
    evidence = [SearchEvidence("d/unet", "lth", seed, HALF, EMPTY) for seed in (0, 1)]
    (one,) = found_of_given(evidence, GIVEN, rows, SETTINGS)
    return one


def score(name: str, seed: int, patient: int, dice: float) -> ScoreRow:
    arm = name if name == "lth" else ""
    return ScoreRow(
        f"d/unet/retrain/{name}/seed{seed}", "d", "unet", name, arm, seed, f"p{patient}", "c",
        "organ", dice, 1.0,
    )  # fmt: skip


def test_genes_are_counted_against_the_given_cell_and_chance() -> None:
    one = found(0.6, 0.7, 0.8)
    assert [match.same for match in one.genes] == [1, 1]
    assert one.genes[0].chance == pytest.approx(2 / 7)


def test_the_share_is_of_the_gap_between_random_and_given() -> None:
    one = found(0.6, 0.75, 0.8)
    assert one.share == pytest.approx(0.75, abs=0.05)
    assert one.interval is not None
    assert 0.6 < one.interval.low < one.share < one.interval.high < 0.9


def test_the_given_cell_itself_has_the_whole_share() -> None:
    one = found(0.6, 0.8, 0.8, spread=0.0)
    assert one.share == pytest.approx(1)
    assert one.interval is not None
    assert one.interval.low == pytest.approx(one.interval.high)


def test_no_share_is_told_where_nothing_hangs_on_the_cell() -> None:
    one = found(0.7, 0.71, 0.7)
    assert one.gap is not None
    assert one.gap.low <= 0 <= one.gap.high
    assert one.share is None
    assert one.interval is None


def test_what_is_not_finished_has_genes_and_no_worth() -> None:
    evidence = [SearchEvidence("d/unet", "lth", 0, HALF, EMPTY)]
    rows = [score("lth", 0, 0, 0.7), score("random", 0, 0, 0.6)]
    for known in ([], rows):
        (one,) = found_of_given(evidence, GIVEN, known, SETTINGS)
        assert len(one.genes) == 1
        assert one.share is one.gap is one.found is None


def test_what_one_of_the_three_lacks_is_left_out_of_all() -> None:
    rows = [
        score(name, seed, patient, mean + patient / 100)
        for name, mean in (("random", 0.6), ("lth", 0.75), ("given", 0.8))
        for seed in (0, 1)
        for patient in range(12)
    ]
    undefined = [
        replace(row, dice=float("nan")) if row.label == "lth" and row.patient_id == "p3" else row
        for row in rows
    ]
    failed = [row for row in rows if (row.label, row.seed) != ("lth", 1)]
    evidence = [SearchEvidence("d/unet", "lth", seed, HALF, EMPTY) for seed in (0, 1)]
    for known in (undefined, failed):
        (one,) = found_of_given(evidence, GIVEN, known, SETTINGS)
        assert one.share == pytest.approx(0.75)
        assert one.interval is not None
        assert one.interval.low == pytest.approx(0.75)
