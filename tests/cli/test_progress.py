"""The progress line says where a job is, how good, how stable, and how long it may still take."""

from __future__ import annotations

import io

from rich.console import Console

from distributed_iac.cli.progress import StageProgress, describe, duration


def test_a_running_epoch_says_how_long_it_may_still_take() -> None:
    values = {"epoch": 3, "weight_loss": 0.5, "val_dice": 0.81, "js_mean": 3e-4, "stable_edges": 2}
    line = describe("acdc search", values, 10, [2.0, 2.0, 4.0])
    assert line.startswith("acdc search  epoch 3/10")
    assert "Dice 0.810" in line
    assert "JS 3.0e-04" in line
    assert "at most 19 s left" in line


def test_a_finished_job_says_why_it_ended() -> None:
    line = describe("j", {"epoch": 10, "done": True, "reason": "all 10 epochs"}, 10, [1.0])
    assert line.endswith("all 10 epochs")


def test_values_that_are_missing_are_left_out() -> None:
    assert describe("j", {"epoch": 1, "val_dice": None}, 4, [1.0]) == (
        "j  epoch 1/4  at most 3 s left"
    )


def test_durations_read_like_durations() -> None:
    assert [duration(s) for s in (7, 59.7, 185, 9600)] == ["7 s", "60 s", "3:05 min", "2:40 h"]


def test_piped_output_is_plain_and_always_has_the_last_epoch() -> None:
    stream = io.StringIO()
    with StageProgress(Console(file=stream)) as progress:
        for epoch in range(1, 51):
            values = {"epoch": epoch, "done": epoch == 50, "reason": "over", "seconds": 0.1}
            progress.observe("job", values, 50)
    lines = stream.getvalue().splitlines()
    assert "\x1b" not in stream.getvalue()
    assert lines[-1] == "job  epoch 50/50  over"
    assert len(lines) < 10
