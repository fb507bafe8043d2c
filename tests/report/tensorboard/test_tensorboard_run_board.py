from __future__ import annotations

import io
import shutil

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import metadata as hparams

from distributed_iac.jobs.job import Job
from distributed_iac.report.drawing import render
from distributed_iac.report.tables import Table
from distributed_iac.report.tensorboard.means import layout_record
from distributed_iac.report.tensorboard.run_board import RunBoard, write_tensorboard
from distributed_iac.report.tensorboard.trials import trial_settings

LTH = "acdc/basic_unet-tiny/lth/seed0"


def contents(board):
    """Every run's events, byte for byte."""
    return {name: board.file(name).read_bytes() for name in board.runs()}


def test_runs_are_named_for_the_filter_of_runs(finished_board):
    assert finished_board.runs() == {
        "acdc/basic_unet-tiny/pretrain",
        "acdc/basic_unet-tiny/full/seed0",
        "acdc/basic_unet-tiny/full/seed1",
        "acdc/basic_unet-tiny/lth/seed0",
        "acdc/basic_unet-tiny/lth/seed1",
        "acdc/basic_unet-tiny/retrain-lth/seed0",
        "means/full",
        "means/lth",
        "summary",
    }


def test_a_running_search_is_shown_before_it_has_left_anything(run, board):
    run.start("search/lth/seed0")
    run.epochs("search/lth/seed0", 6)
    RunBoard(run.folder).update()
    expected = [(row["epoch"], row["val_dice"]) for row in run.rows["search/lth/seed0"]]
    assert [step for step, _ in board.scalars(LTH, "dice/val")] == [step for step, _ in expected]
    assert np.allclose(board.scalars(LTH, "dice/val"), expected)
    assert "operations/edge 00 skip to node 0" in board.read(LTH).Tags()["histograms"]
    assert "importance/over_time" in board.read(LTH).Tags()["images"]
    (lost,) = run.searches["search/lth/seed0"].decisions[0]["removals"][:1]
    assert lost["operation"] in board.texts(LTH, "pruning/decisions")[4]


def test_every_epoch_is_there_once_after_a_rewind(run, board):
    follower = RunBoard(run.folder)
    run.start("search/lth/seed0")
    run.epochs("search/lth/seed0", 7)
    follower.update()
    run.write("again", run["search/lth/seed0"].key, {"error": "node lost"})
    run.start("search/lth/seed0")
    for epoch in (6, 7):  # trained again since the last checkpoint
        run.report("search/lth/seed0", epoch, val_dice=0.9 + epoch / 100)
    follower.update()
    run.epochs("search/lth/seed0", 2)
    follower.update()
    raw = board.raw(LTH)
    assert len(raw) == len(set(raw))
    dice = board.scalars(LTH, "dice/val")
    assert [step for step, _ in dice] == list(range(1, 10))
    assert dice[5][1] == pytest.approx(0.96)
    assert dice[6][1] == pytest.approx(0.97)


def test_a_report_that_never_arrived_leaves_no_gap_once_the_job_is_done(run, board):
    run.start("search/lth/seed0")
    run.epochs("search/lth/seed0", 4)
    run.epoch("search/lth/seed0")  # in the checkpoint, but the driver was killed
    run.epochs("search/lth/seed0", 3)
    follower = RunBoard(run.folder)
    follower.update()
    assert [step for step, _ in board.scalars(LTH, "dice/val")] == [1, 2, 3, 4, 6, 7, 8]
    run.finish("search/lth/seed0")
    follower.update()
    assert [step for step, _ in board.scalars(LTH, "dice/val")] == list(range(1, 9))
    times = [one.wall_time for one in board.read(LTH).Scalars("dice/val")]
    assert times[4] == pytest.approx(times[5] - 2.5)  # dated by what the next epoch took


def test_a_driver_that_starts_again_adds_nothing(finished_run, finished_board):
    before = contents(finished_board)
    finished_run.write("open")
    for job in finished_run.jobs:
        key = job.key.removeprefix("acdc/basic_unet-tiny/")
        finished_run.write("end", job.key, {"digest": finished_run.digest(key)})
    RunBoard(finished_run.folder).update()
    assert contents(finished_board) == before


def test_what_was_followed_live_and_what_is_built_afterwards_are_the_same(run, board):
    follower = RunBoard(run.folder)
    run.start("search/lth/seed0")
    for _ in range(9):
        run.epochs("search/lth/seed0", 1)
        follower.update()
    run.finish("search/lth/seed0")
    follower.update()
    live = {name: sorted(board.raw(name)) for name in board.runs()}
    scalars = board.read(LTH).Scalars("dice/val")
    shutil.rmtree(board.folder)
    RunBoard(run.folder).update()
    assert {name: sorted(board.raw(name)) for name in board.runs()} == live
    assert board.read(LTH).Scalars("dice/val") == scalars  # times as well


def test_a_search_that_has_finished_only_adds_to_what_was_shown(run, board):
    run.start("search/lth/seed0")
    run.epochs("search/lth/seed0", 9)
    follower = RunBoard(run.folder)
    follower.update()
    before = board.file(LTH).read_bytes()
    run.finish("search/lth/seed0")
    follower.update()
    after = board.file(LTH).read_bytes()  # the only one of the run
    assert after.startswith(before)
    assert len(after) > len(before)
    shutil.rmtree(board.folder)
    RunBoard(run.folder).update()
    assert board.file(LTH).read_bytes() == after


def test_a_finished_trial_has_its_settings_results_and_status(finished_board):
    name = "acdc/basic_unet-tiny/retrain-lth/seed0"
    assert finished_board.scalars(name, "final/test_dice") == [(2, pytest.approx(0.85))]
    assert finished_board.scalars(name, "final/test_hd95") == [(2, pytest.approx(4.0))]
    found = finished_board.read(name).summary_metadata
    opening = hparams.parse_session_start_info_plugin_data(
        found[hparams.SESSION_START_INFO_TAG].plugin_data.content
    )
    assert opening.hparams["arm"].string_value == "lth"
    assert opening.hparams["kind"].string_value == "retrain"
    assert opening.hparams["arm.stability.window"].number_value == 5
    closing = hparams.parse_session_end_info_plugin_data(
        found[hparams.SESSION_END_INFO_TAG].plugin_data.content
    )
    assert closing.status == 1  # STATUS_SUCCESS
    content = (
        finished_board.read("summary").summary_metadata[hparams.EXPERIMENT_TAG].plugin_data.content
    )
    columns = hparams.parse_experiment_plugin_data(content)
    first = {info.name: info.differs for info in columns.hparam_infos}
    assert first == {"kind": True, "model": True, "seed": True, "arm": False, "arm.policy": False}
    assert "dataset" not in first  # one and the same everywhere


def test_settings_that_have_no_say_are_not_shown():
    arms = {
        "full": {"policy": "none", "stability": {"window": 5}},
        "lth": {"policy": "js", "stability": {"window": 5}, "rank": {"epochs": 10}},
    }
    full, lth = (trial_settings(Job("search", "d", "b", arm, 0), arms) for arm in arms)
    assert {name for name in full if "." in name} == {"arm.policy"}
    assert {name for name in lth if "." in name} == {"arm.policy", "arm.stability.window"}
    pretrain = trial_settings(Job("pretrain", "d", "b"), arms)
    assert (pretrain["model"], pretrain["arm"], pretrain["seed"]) == ("-", "-", "shared")


def test_a_failed_trial_says_why(run, board):
    run.start("search/full/seed0")
    run.epochs("search/full/seed0", 2)
    run.write("failed", run["search/full/seed0"].key, {"error": "the loss is nan"})
    RunBoard(run.folder).update()
    name = "acdc/basic_unet-tiny/full/seed0"
    assert "the loss is nan" in board.texts(name, "job/ending")[2]
    content = board.read(name).summary_metadata[hparams.SESSION_END_INFO_TAG].plugin_data.content
    assert hparams.parse_session_end_info_plugin_data(content).status == 2  # STATUS_FAILURE


def test_a_failed_job_that_is_tried_again_is_running(run, board):
    run.start("search/full/seed0")
    run.epochs("search/full/seed0", 2)
    run.write("failed", run["search/full/seed0"].key, {"error": "disk full"})
    follower = RunBoard(run.folder)
    follower.update()
    run.write("open")
    run.start("search/full/seed0")
    run.epochs("search/full/seed0", 1)
    follower.update()
    name = "acdc/basic_unet-tiny/full/seed0"
    assert hparams.SESSION_END_INFO_TAG not in board.read(name).summary_metadata
    assert [step for step, _ in board.scalars(name, "dice/val")] == [1, 2, 3]


def test_the_layout_puts_the_arms_of_a_group_into_one_chart(finished_board):
    (event,) = finished_board.read("summary").Tensors("custom_scalars__config__")
    layout = layout_pb2.Layout.FromString(event.tensor_proto.string_val[0])
    assert layout.category[0].title.startswith("acdc/basic_unet-tiny: full against lth")
    charts = [chart for chart in layout.category[0].chart if "Dice" in chart.title]
    (series,) = charts[0].margin.series
    for arm in ("full", "lth"):
        tags = set(finished_board.read(f"means/{arm}").Tags()["scalars"])
        assert {series.value, series.lower, series.upper} <= tags


def test_of_many_groups_the_charts_of_the_first_are_open():
    for count, expected in ((2, [False, False]), (3, [False, True, True])):
        arms = {f"data{number}/unet": ["full", "lth"] for number in range(count)}
        content = layout_record(arms, 0.0).build().tensor.string_val[0]
        layout = layout_pb2.Layout.FromString(content)
        assert [category.closed for category in layout.category[:-1]] == expected


def test_the_mean_of_an_arm_reaches_as_far_as_all_its_seeds(finished_run, finished_board):
    mean = finished_board.scalars("means/lth", "means/acdc/basic_unet-tiny/val_dice")
    assert [step for step, _ in mean] == list(range(1, 9))
    pairs = zip(
        finished_run.rows["search/lth/seed0"], finished_run.rows["search/lth/seed1"], strict=False
    )
    expected = [(one["val_dice"] + other["val_dice"]) / 2 for one, other in pairs]
    assert np.allclose([value for _, value in mean], expected)


def test_the_pictures_of_a_search_can_be_decoded(finished_board):
    for tag in ("importance/over_time", "cell/supernet", "cell/found"):
        shown = finished_board.read(LTH).Images(tag)
        for one in shown:
            with Image.open(io.BytesIO(one.encoded_image_string)) as picture:
                assert picture.size == (one.width, one.height)
                assert np.asarray(picture.convert("RGB")).std() > 0
    assert [one.step for one in finished_board.read(LTH).Images("importance/over_time")] == [5, 9]
    # 40 operations, 20 after epoch 4, 10 after 6, 5 after 8: each seen in the epoch that follows.
    assert [one.step for one in finished_board.read(LTH).Images("cell/supernet")] == [1, 5, 7, 9]


def test_a_histogram_has_a_bar_for_every_operation(finished_run, finished_board):
    shown = finished_board.read(LTH).Histograms("operations/edge 01 decoder to node 0")
    history = finished_run.searches["search/lth/seed0"].history
    assert [one.step for one in shown] == list(range(1, 10))
    for one, epoch in zip(shown, history.epochs, strict=True):
        # Four digits are reported.
        assert one.histogram_value.bucket == pytest.approx(list(epoch.operations[1]), rel=1e-3)


def test_every_decision_is_told_with_its_reason(finished_run, finished_board):
    told = finished_board.texts(LTH, "pruning/decisions")
    decisions = finished_run.searches["search/lth/seed0"].decisions
    assert sorted(told) == [one["epoch"] for one in decisions]
    for decision in decisions:
        for removal in decision["removals"]:
            assert removal["reason"] in told[decision["epoch"]]


def test_the_comparison_is_shown_beside_the_runs_and_replaced_when_it_changes(run, board):
    run.start("pretrain")
    run.epochs("pretrain", 1)
    for cell in ("8.2x", "8.4x"):
        tables = {"cost": Table("Search cost", ("group", "speed-up"), (("acdc", cell),))}
        write_tensorboard(run.folder, [render(Figure(), "cost")], tables)
        assert cell in board.texts("summary/comparison", "comparison/cost")[0]
        assert len(board.raw("summary/comparison")) == 2


def test_a_job_whose_result_was_found_is_shown_though_it_never_ran_here(run, board):
    run.epochs("search/lth/seed0", 9)
    run.finish("search/lth/seed0")
    journal = run.folder / "journal.jsonl"
    lines = [line for line in journal.read_text().splitlines() if '"report"' not in line]
    journal.write_text("\n".join(lines) + "\n")
    RunBoard(run.folder).update()
    dice = board.read(LTH).Scalars("dice/val")
    assert [one.step for one in dice] == list(range(1, 10))
    assert np.allclose(np.diff([one.wall_time for one in dice]), 2.5)
