"""What was in hand at every moment of a run, and what had been paid."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from distributed_iac.report.anytime_figure import Way, anytime, anytime_figure
from distributed_iac.report.run_record import RunRecord, read_run
from tests.report.conftest import MakeRun


def ways_of(record: RunRecord, group: str, label: str) -> list[Way]:
    return [way for way in anytime(record)[group] if way.label == label]


def test_everything_a_model_stands_on_is_paid_and_nothing_else(finished: RunRecord) -> None:
    seconds = {row["key"]: row["seconds"] for row in finished.job_rows}
    group = "acdc/basic_unet-tiny"
    for seed in (0, 1):
        stands_on = ("pretrain", f"search/lth/seed{seed}", f"retrain/lth/seed{seed}")
        (way,) = [one for one in ways_of(finished, group, "lth") if one.seed == seed]
        assert way.points[-1, 0] == pytest.approx(sum(seconds[f"{group}/{j}"] for j in stands_on))
        (way,) = [one for one in ways_of(finished, group, "random") if one.seed == seed]
        stands_on = ("pretrain", f"retrain/random/seed{seed}")
        assert way.points[-1, 0] == pytest.approx(sum(seconds[f"{group}/{j}"] for j in stands_on))


def test_what_is_in_hand_never_gets_worse_and_a_supernet_is_never_in_hand(
    finished: RunRecord,
) -> None:
    for ways in anytime(finished).values():
        for way in ways:
            assert (np.diff(way.points, axis=0) >= 0).all()
    (group, *_) = anytime(finished)
    cut = finished.tables.epochs.to_pylist()
    best = max(
        row["cut_val_dice"] or 0 for row in cut if row["key"] == f"{group}/search/full/seed0"
    )
    (full, *_) = ways_of(finished, group, "full")
    # The supernet's own Dice is higher in the middle; the networks of the run are all at 0.7.
    assert full.points[:, 1].max() == max(best, 0.7)


def test_every_random_cell_that_was_tried_is_paid(make_run: MakeRun) -> None:
    record = read_run(make_run(controls=["plain", "random", "random_search"]))
    (group, *_) = anytime(record)
    (alone,), (several,) = (ways_of(record, group, one) for one in ("random", "random_search"))
    tried = record.config.comparison.random_cells
    begin = sum(row["seconds"] for row in record.job_rows if row["kind"] == "pretrain")
    assert several.points[-1, 0] - begin == pytest.approx(tried * (alone.points[-1, 0] - begin))


def test_a_trained_network_is_in_hand_from_the_start() -> None:
    way = Way("lth", 0, np.array([[0.0, 0.7], [50.0, 0.8], [60.0, 0.8]]))
    assert way.at(np.array([0.0, 49.0, 50.0, 900.0])).tolist() == [0.7, 0.7, 0.8, 0.8]
    late = Way("random", 0, np.array([[10.0, 0.6]]))
    assert np.isnan(late.at(np.array([9.0]))).all()


def test_seeds_are_averaged_from_when_all_have_something() -> None:
    ways = [
        Way("lth", 0, np.array([[10.0, 0.6], [30.0, 0.8]])),
        Way("lth", 1, np.array([[20.0, 0.7], [40.0, 0.7]])),
    ]
    figure = anytime_figure(ways, ["lth"])
    assert isinstance(figure, Figure)
    line = figure.axes[0].lines[0]
    assert np.asarray(line.get_xdata()).tolist() == [20.0, 30.0, 40.0]
    assert np.asarray(line.get_ydata()).tolist() == pytest.approx([0.65, 0.75, 0.75])


def test_a_run_without_a_finished_model_has_no_figure(make_run: MakeRun) -> None:
    assert anytime(read_run(make_run(stop_after=2))) == {}
