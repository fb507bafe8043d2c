"""Workers return what they find, in-process or not, and a dead one is one clear error."""

from __future__ import annotations

import math
import os
from typing import Any

import pytest

from distributed_iac.data.workers import MOST, Workers, worker_count
from distributed_iac.errors import RunError


@pytest.mark.parametrize("count", [1, 2])
def test_every_task_is_done_once(count: int) -> None:
    with Workers(count, remedy="wait") as workers:
        assert sorted(workers.map(math.sqrt, [9.0, 1.0, 4.0])) == [1.0, 2.0, 3.0]
        assert list(workers.map(math.sqrt, [])) == []


def test_a_worker_that_dies_is_reported_with_the_way_on() -> None:
    with Workers(2, remedy="take fewer") as workers, pytest.raises(RunError, match="take fewer"):
        list(workers.map(os._exit, [9, 9]))


def test_a_worker_without_memory_is_reported_alike() -> None:
    def hungry(_: Any) -> None:
        raise MemoryError

    with Workers(1, remedy="wait") as workers, pytest.raises(RunError, match="found no memory"):
        list(workers.map(hungry, [1]))


def test_auto_is_one_worker_a_processor_within_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    assert worker_count(5) == 5
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(3)))
    assert worker_count("auto") == 3
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(128)))
    assert worker_count("auto") == MOST
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert worker_count("auto") == 1


def test_an_error_in_a_worker_arrives_here() -> None:
    with (
        Workers(2, remedy="wait") as workers,
        pytest.raises(ValueError, match=r"math domain|nonneg"),
    ):
        list(workers.map(math.sqrt, [-1.0, -4.0]))


def test_one_worker_stays_in_this_process() -> None:
    with Workers(1, remedy="wait") as workers:
        assert list(workers.map(lambda _: os.getpid(), [0, 0])) == [os.getpid()] * 2
