"""Work is shared without loss, and a killed worker is reported as what it is."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator

import pytest

from distributed_iac.data.check.pool import in_processes, usable_cpus
from distributed_iac.errors import RunError


@pytest.mark.parametrize("workers", [1, 2])
def test_every_item_comes_back_once(workers: int) -> None:
    assert sorted(in_processes(abs, [-3, -1, -2], workers)) == [1, 2, 3]


def test_one_worker_stays_in_this_process_and_starts_only_when_asked() -> None:
    assert list(in_processes(lambda _: os.getpid(), [0, 0], workers=1)) == [os.getpid()] * 2
    results: Iterator[float] = in_processes(math.sqrt, [4.0, -1.0], workers=1)
    assert next(results) == 2
    with pytest.raises(ValueError, match=r"math domain|nonnegative"):
        next(results)


def test_an_error_in_a_worker_arrives_here() -> None:
    with pytest.raises(ValueError, match=r"math domain|nonnegative"):
        list(in_processes(math.sqrt, [-1.0, -4.0], workers=2))


def test_a_killed_worker_is_a_run_error_with_a_way_out() -> None:
    with pytest.raises(RunError, match="fewer --workers"):
        list(in_processes(os._exit, [1, 1], workers=2))


def test_there_is_a_processor() -> None:
    assert usable_cpus() >= 1
