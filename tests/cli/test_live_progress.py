"""Progress says where the work is, how good and how stable, and how long it may still take."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress

from distributed_iac.cli.live_progress import (
    StageProgress,
    _Bars,
    _Lines,
    describe,
    duration,
    follow,
)


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


def test_a_stopped_job_says_the_verdict() -> None:
    why = {"stop_code": "converged", "stop_reason": "all settled"}
    values = {"epoch": 4, "stopped": True, "reason": "all settled", **why}
    assert describe("j", values, 10, [1.0]).endswith("  converged: all settled")


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


def test_a_note_is_shown_once_and_hides_no_epoch() -> None:
    stream = io.StringIO()
    with StageProgress(Console(file=stream, width=100)) as progress:
        progress.observe("job", {"epoch": 0, "note": "a shard was lost"}, 2)
        for epoch in (1, 2):
            values = {"epoch": epoch, "note": "a shard was lost", "done": epoch == 2}
            progress.observe("job", values, 2)
        progress.observe("other", {"epoch": 1, "note": "a shard was lost", "done": True}, 1)
    assert stream.getvalue().splitlines() == [
        "job  a shard was lost",
        "job  epoch 1/2  at most 0 s left",
        "job  epoch 2/2  done",
        "other  a shard was lost",
        "other  epoch 1/1  done",
    ]


def test_piped_progress_is_plain_and_says_what_is_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock: Any = iter([0.0, 5.0, 11.0, 15.0])
    monkeypatch.setattr("distributed_iac.cli.live_progress.time.monotonic", lambda: next(clock))
    lines = _Lines("acdc")
    lines.begin("cases", 300, 100)
    for _ in range(3):
        lines.advance()
    lines.note("cannot be used: x")
    assert capsys.readouterr().err.splitlines() == [
        "acdc: cases: 300 in all, 100 of them by an earlier run",
        "acdc: cases: 102 of 300, 18:09 min left",
        "acdc: cannot be used: x",
    ]


def test_a_terminal_gets_one_bar_at_a_time() -> None:
    stream = io.StringIO()
    with Progress(console=Console(file=stream, force_terminal=True, width=80)) as bars:
        shown = _Bars("acdc", bars)
        shown.begin("survey", 4, 0)
        shown.begin("cases", 10, 3)
        shown.advance()
        (task,) = bars.tasks
        assert (task.description, task.completed, task.total) == ("acdc: cases", 4, 10)
        shown.note("cannot be used: [x]")
    assert "acdc: cannot be used: [x]" in stream.getvalue()


@pytest.mark.parametrize("place", ["terminal", "pipe"])
def test_steps_that_are_followed_come_through_in_order(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=place == "terminal", width=100)
    monkeypatch.setattr("distributed_iac.cli.live_progress.Console", lambda **_: console)
    clock = iter(range(0, 1000, 60))
    if place == "pipe":
        monkeypatch.setattr("distributed_iac.cli.live_progress.time.monotonic", lambda: next(clock))
    assert list(follow("doing", range(3), total=3)) == [0, 1, 2]
    lines = capsys.readouterr().err.splitlines()
    if place == "pipe":
        assert lines[0] == "doing: 1 of 3, 2:00 min left"
    else:
        assert "doing" in screen.getvalue()
