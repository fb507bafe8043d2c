"""Recorded steps: every call is one step, whatever is recorded, refused or forgotten."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from distributed_iac.training.step_runner import (
    WARM_UP,
    CudaCapture,
    EagerRunner,
    GraphedRunner,
    choose_runner,
)

CPU = torch.device("cpu")


class Sum:
    """A step with state: adds up what it is shown."""

    def __init__(self) -> None:
        self.total = torch.zeros(())

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        self.total += (x * y).sum()
        return self.total.clone()


def batch(value: float, size: int = 3) -> list[Tensor]:
    return [torch.full((size,), value), torch.arange(float(size))]


def test_every_call_is_one_step_on_its_own_inputs(make_tape: Callable[..., Any]) -> None:
    tape, eager, graphed = make_tape(), Sum(), Sum()
    runner = GraphedRunner(tape, lambda: None)
    losses = [runner.run("weights", graphed, batch(value)) for value in range(9)]
    assert losses == [eager(*batch(value)) for value in range(9)]
    assert tape.log == ["warm"] * WARM_UP + ["record"] + ["replay"] * (9 - WARM_UP)


def test_a_replay_changes_neither_the_inputs_nor_what_was_returned_before(
    make_tape: Callable[..., Any],
) -> None:
    runner, step = GraphedRunner(make_tape(), lambda: None), Sum()
    inputs = [batch(value) for value in range(6)]
    losses = [runner.run("weights", step, one) for one in inputs]
    assert [float(loss) for loss in losses] == [0.0, 3.0, 9.0, 18.0, 30.0, 45.0]
    assert all(torch.equal(one[0], batch(value)[0]) for value, one in enumerate(inputs))


def test_each_step_is_recorded_on_its_own_and_all_anew_after_forgetting(
    make_tape: Callable[..., Any],
) -> None:
    tape, one, other = make_tape(), Sum(), Sum()
    runner = GraphedRunner(tape, lambda: None)
    for stage in range(2):
        for _ in range(WARM_UP + 2):
            runner.run("architecture", one, batch(1))
            runner.run("weights", other, batch(2))
        assert tape.log.count("warm") == 2 * WARM_UP * (stage + 1)
        assert tape.log.count("record") == 2 * (stage + 1)
        runner.forget()
    assert float(one.total) == 3 * 2 * (WARM_UP + 2)
    assert float(other.total) == 6 * 2 * (WARM_UP + 2)


def test_a_batch_of_another_shape_is_executed_as_it_is(make_tape: Callable[..., Any]) -> None:
    tape, step = make_tape(), Sum()
    runner = GraphedRunner(tape, lambda: None)
    for _ in range(WARM_UP + 1):
        runner.run("weights", step, batch(0))
    before = list(tape.log)
    assert runner.run("weights", step, batch(1, size=5)) == 10
    assert tape.log == before
    assert runner.run("weights", step, batch(1)) == 13
    assert tape.log == [*before, "replay"]


def test_a_failed_recording_falls_back_for_good_and_warns_once(
    make_tape: Callable[..., Any],
) -> None:
    tape, step = make_tape(fails="operation not permitted when stream is capturing\nmore"), Sum()
    runner = GraphedRunner(tape, lambda: None)
    for _ in range(WARM_UP):
        runner.run("weights", step, batch(1))
    with pytest.warns(RuntimeWarning, match="recording failed: operation not permitted") as seen:
        runner.run("weights", step, batch(1))
    assert len(seen) == 1
    runner.forget()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(5):
            runner.run("weights", step, batch(1))
    assert tape.log == ["warm"] * WARM_UP + ["record"]
    assert float(step.total) == 3 * (WARM_UP + 6)


@pytest.mark.parametrize("during", ["run", "record"])
def test_an_obstacle_stops_recording_for_good(during: str, make_tape: Any) -> None:
    reasons: list[str] = []

    class Obstructed(make_tape):  # type: ignore[misc]
        def record(
            self, step: Callable[..., Tensor], inputs: Sequence[Tensor]
        ) -> Callable[[], Tensor]:
            if during == "record":
                reasons.append("memory ran out")
            return super().record(step, inputs)

    tape, step = Obstructed(), Sum()
    runner = GraphedRunner(tape, lambda: reasons[0] if reasons else None)
    calls = WARM_UP if during == "record" else WARM_UP + 1
    for _ in range(calls):
        runner.run("weights", step, batch(1))
    if during == "run":
        reasons.append("memory ran out")
    with pytest.warns(RuntimeWarning, match="because memory ran out"):
        runner.run("weights", step, batch(1))
    replays = tape.log.count("replay")
    runner.run("weights", step, batch(1))
    assert tape.log.count("replay") == replays == (1 if during == "run" else 0)
    assert float(step.total) == 3 * (calls + 2)


def test_nothing_is_recorded_unless_asked_for_and_where_it_is_impossible_that_is_said() -> None:
    assert isinstance(choose_runner("off", CPU, lambda: None), EagerRunner)
    with pytest.warns(RuntimeWarning, match="the device is cpu, not cuda"):
        assert isinstance(choose_runner("auto", CPU, lambda: None), EagerRunner)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="records on a GPU")
def test_a_recorded_step_computes_what_an_executed_one_does() -> None:
    device = torch.device("cuda")
    runner, graphed, eager = GraphedRunner(CudaCapture(device), lambda: None), Sum(), Sum()
    graphed.total, eager.total = (torch.zeros((), device=device) for _ in range(2))
    for value in range(WARM_UP + 5):
        inputs = [x.to(device) for x in batch(value)]
        assert float(runner.run("weights", graphed, inputs)) == float(eager(*inputs))
    assert isinstance(runner, GraphedRunner)
    assert runner.stopped is None
