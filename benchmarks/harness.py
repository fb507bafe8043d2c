"""Time candidates side by side, and keep the numbers with the machine they came from.

::

    parser = options(__doc__)                         # how every benchmark begins
    timings = measure({"store": read_store, "npy": read_npy}, repetitions=15, calls=200)
    timings["store"].median                           # seconds a call
    slowdown(timings["npy"], timings["store"]).median # 2.0: npy takes twice as long
    print_timings("one slice", timings, reference="store")
    results = {"slice": as_json(timings, "store")}
    write_result("store", settings={...}, results=results, packages=("h5py",))

Repetitions are interleaved: every repetition times every candidate once, in an order of its own,
so that a busy minute of the machine hits all of them. A ratio is the median of the ratios within
repetitions. The clock is ``time.perf_counter`` unless another is given; garbage is collected
before a repetition and not during it. Threads are the caller's business: set ``OMP_NUM_THREADS``
(``make`` sets 1) before Python starts; what was in force is written into the result.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from distributed_iac.files import write_json
from distributed_iac.provenance import describe_environment

RESULTS = Path(__file__).parent / "results"


def options(documentation: str | None) -> argparse.ArgumentParser:
    """A parser of a benchmark's options, described by its docstring's first line."""
    return argparse.ArgumentParser(description=(documentation or "").splitlines()[0])


@dataclass(frozen=True)
class Summary:
    """Median and quartiles of repeated measurements."""

    median: float
    lower: float
    upper: float

    @classmethod
    def of(cls, values: np.ndarray) -> Summary:
        """Summarise one value a repetition."""
        lower, median, upper = np.quantile(values, [0.25, 0.5, 0.75]).tolist()
        return cls(median, lower, upper)


@dataclass(frozen=True)
class Timing:
    """What one candidate took.

    Args:
        seconds: Mean seconds a call, for each repetition.
    """

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Median over the repetitions, in seconds a call."""
        return Summary.of(np.array(self.seconds)).median


def measure(
    candidates: Mapping[str, Callable[[], object]],
    *,
    repetitions: int,
    calls: int = 1,
    warmups: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Timing]:
    """Time candidates in interleaved repetitions.

    Args:
        candidates: What to call, by name; each does the same work.
        repetitions: Timings of each candidate.
        calls: Calls within a timing, to lift short work above the clock's resolution.
        warmups: Untimed rounds before.
        clock: Seconds; ``time.process_time`` counts what this process computed, and so is
            disturbed less by a busy machine; for work on one thread.

    Returns:
        For each candidate, in the order given, one timing a repetition.
    """
    for _ in range(warmups):
        for candidate in candidates.values():
            _seconds_a_call(candidate, calls, clock)
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    order = np.random.default_rng(0)
    for _ in range(repetitions):
        gc.collect()
        gc.disable()
        try:
            for name in order.permutation(list(candidates)):
                seconds[name].append(_seconds_a_call(candidates[name], calls, clock))
        finally:
            gc.enable()
    return {name: Timing(tuple(values)) for name, values in seconds.items()}


def _seconds_a_call(
    candidate: Callable[[], object], calls: int, clock: Callable[[], float]
) -> float:
    start = clock()
    for _ in range(calls):
        candidate()
    return (clock() - start) / calls


def slowdown(slow: Timing, fast: Timing) -> Summary:
    """How many times longer ``slow`` takes, by the ratios within repetitions."""
    return Summary.of(np.array(slow.seconds) / np.array(fast.seconds))


def as_json(timings: Mapping[str, Timing], reference: str) -> dict[str, Any]:
    """Describe timings for the result file: microseconds a call, ratio to the reference."""
    return {
        name: {
            "microseconds": vars(Summary.of(1e6 * np.array(timing.seconds))),
            "times_reference": vars(slowdown(timing, timings[reference])),
        }
        for name, timing in timings.items()
    }


def print_timings(title: str, timings: Mapping[str, Timing], reference: str) -> None:
    """Show a table: median, quartiles, ratio to the reference."""
    table = Table(title=title)
    table.add_column("candidate")
    for heading in ("median µs", "quartiles µs", f"x {reference}"):
        table.add_column(heading, justify="right")
    for name, timing in timings.items():
        micro = Summary.of(1e6 * np.array(timing.seconds))
        ratio = slowdown(timing, timings[reference]).median
        quartiles = f"{micro.lower:.1f} - {micro.upper:.1f}"
        table.add_row(name, f"{micro.median:.1f}", quartiles, f"{ratio:.2f}")
    Console().print(table)


def write_result(
    name: str,
    *,
    settings: Mapping[str, Any],
    results: Mapping[str, Any],
    packages: tuple[str, ...],
    folder: Path = RESULTS,
) -> Path:
    """Write ``<name>.json``.

    Args:
        name: Of the benchmark.
        settings: What was measured: sizes, repetitions.
        results: JSON-able numbers.
        packages: Packages whose versions matter besides those of ``describe_environment``.
        folder: Where to.
    """
    environment = describe_environment()
    environment["packages"] |= {package: metadata.version(package) for package in packages}
    environment["command"] = ["python", "-m", f"benchmarks.{Path(sys.argv[0]).stem}", *sys.argv[1:]]
    path = folder / f"{name}.json"
    write_json(
        path,
        {
            "environment": environment | _load(),
            "settings": dict(settings),
            "results": dict(results),
        },
    )
    return path


def _load() -> dict[str, Any]:
    """Threads in force and how busy the machine is, for readers to judge the numbers by."""
    torch = sys.modules.get("torch")
    return {
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
        "torch_threads": torch.get_num_threads() if torch is not None else None,
        "load_average_1min": os.getloadavg()[0],
    }
