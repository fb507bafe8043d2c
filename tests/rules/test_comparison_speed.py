from __future__ import annotations

import numpy as np
import pytest

from distributed_iac.comparison.remark import Remark
from distributed_iac.comparison.rows import JobRow
from distributed_iac.comparison.speed import speed
from distributed_iac.config.comparison import ComparisonSettings

SETTINGS = ComparisonSettings(resamples=500)


def search(arm: str, seed: int, seconds: float | None, group: str = "acdc/unet", **more) -> JobRow:
    dataset, backbone = group.split("/")
    values = {"status": "done", "epochs": 200.0 if arm == "full" else 40.0} | more
    key = f"{group}/search/{arm}/seed{seed}"
    return JobRow(key, "search", dataset, backbone, arm, seed, seconds=seconds, **values)


def found(jobs, measure="seconds", planned: int = 200):
    rng = np.random.default_rng(0)
    return [one for one in speed(jobs, SETTINGS, planned, rng) if one.measure == measure]


def test_the_speed_up_is_the_geometric_mean_of_paired_ratios() -> None:
    jobs = [
        search("full", 0, 80),
        search("lth", 0, 10),
        search("full", 1, 20),
        search("lth", 1, 10),
    ]
    (one,) = found(jobs)
    assert one.ratio == pytest.approx(4)
    assert [pair.ratio for pair in one.pairs] == [8, 2]
    assert (one.interval.low, one.interval.high) == pytest.approx((2, 8))
    assert one.warnings == (
        Remark("few pairs: the interval is their range, and too narrow", "2 pairs"),
    )
    (epochs,) = found(jobs, "epochs")
    assert epochs.ratio == pytest.approx(5)
    assert found(jobs, "device_seconds") == []


def test_seeds_are_paired_whatever_their_order() -> None:
    jobs = [search("lth", 1, 1), search("full", 0, 6), search("full", 1, 5), search("lth", 0, 2)]
    (one,) = found(jobs)
    assert [(pair.seed, pair.ratio) for pair in one.pairs] == [(0, 3), (1, 5)]


def test_all_groups_count_the_same() -> None:
    jobs = [search("full", s, 16) for s in range(3)] + [search("lth", s, 1) for s in range(3)]
    jobs += [search("full", 0, 4, "kits/unet"), search("lth", 0, 1, "kits/unet")]
    acdc, kits, everything = found(jobs)
    assert (acdc.ratio, kits.ratio) == (pytest.approx(16), pytest.approx(4))
    assert (everything.group, everything.ratio) == ("all groups", pytest.approx(8))
    assert kits.interval is None
    assert "no interval" in kits.warnings[0].reason


def test_a_search_that_was_cut_short_is_no_denominator() -> None:
    jobs = [search("full", 0, 80), search("lth", 0, 10)]
    jobs += [search("full", 1, 20, epochs=50.0), search("lth", 1, 10)]
    (one,) = found(jobs)
    assert one.ratio == pytest.approx(8)
    assert [pair.state for pair in one.pairs] == ["complete", "reference cut short"]
    assert one.warnings[0].detail == "acdc/unet seed 1 at least 2.00x"
    (alone,) = found(jobs[2:])
    assert (alone.ratio, alone.interval, alone.complete) == (None, None, ())


@pytest.mark.parametrize("status", ["failed", "running"])
def test_an_unfinished_full_search_is_a_bound_and_an_unfinished_candidate_nothing(status) -> None:
    (one,) = found([search("full", 0, 80, status=status), search("lth", 0, 10)])
    assert one.ratio is None
    assert one.warnings
    assert found([search("full", 0, 80), search("lth", 0, 10, status=status)]) == []


def test_unknown_costs_and_missing_arms_give_no_pair() -> None:
    assert found([search("full", 0, 80), search("lth", 0, None)]) == []
    assert found([search("full", 0, 80), search("lth", 1, 3)]) == []
    assert found([search("lth", 0, 3)]) == []
    assert found([]) == []
