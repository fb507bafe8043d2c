"""How fast the command answers, what its imports take, and the memory of one search job.

    python -m benchmarks.startup --folder EMPTY

Every program is started ``REPETITIONS`` times in a process of its own, in turns; the system's own
accounting says what each took. Seconds on the processor are told apart from seconds on the clock,
which on a busy machine are mostly waiting. The search job is the first one of
``configs/quickstart.yaml``, measured as ``distributed-iac plan`` measures it: on a few batches in
a process of its own, libraries included.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.harness import Summary, write_result
from benchmarks.sweeps import enter, folder_options
from distributed_iac.config.run import RunConfig
from distributed_iac.data.formats.registry import read_source
from distributed_iac.data.prepare.prepare import prepare_store
from distributed_iac.phantom import make_phantom
from distributed_iac.run.probe import Probe, probe

CONFIG = Path(__file__).parents[1] / "configs" / "quickstart.yaml"
PROGRAMS = {
    "python alone": ("-c", "pass"),
    "distributed-iac --help": ("-m", "distributed_iac.cli.main", "--help"),
    "load_model of distributed_iac.deploy": (
        "-c",
        "from distributed_iac.deploy import load_model",
    ),
    "libraries of a search": (
        "-c",
        "import distributed_iac.run.measure, monai.networks.nets, torch._dynamo",
    ),
    "driver of a sweep": ("-c", "import distributed_iac.tune.launch"),
}
"""What is started, by what it stands for."""
REPETITIONS = 5
LIMIT = 0.5
"""Seconds on the processor that ``--help`` may take; our choice: at once, to a person."""


@dataclass(frozen=True)
class Start:
    """What one process took from start to end.

    Args:
        wall: Seconds on the clock.
        cpu: Seconds on the processor, in user and system mode.
    """

    wall: float
    cpu: float


def start(arguments: Sequence[str]) -> Start:
    """Run Python with these arguments to its end."""
    begun = time.perf_counter()
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return Start(wall, used.ru_utime + used.ru_stime)


def starts() -> dict[str, list[Start]]:
    """Start every program in turns, after one untimed round that fills the page cache."""
    found: dict[str, list[Start]] = {name: [] for name in PROGRAMS}
    for repetition in range(REPETITIONS + 1):
        for name, arguments in PROGRAMS.items():
            one = start(arguments)
            if repetition:
                found[name].append(one)
    return found


def search_job(config: RunConfig) -> Probe:
    """Memory and time of a search, on the first data set of the quickstart in this folder."""
    dataset = config.data[0]
    make_phantom("acdc", dataset.source, patients=14, seed=0, size="tiny")
    source = read_source(dataset.source)
    prepare_store(
        source, dataset.name, dataset.preprocess, dataset.split, config.store_folder(dataset)
    )
    return probe(config, "search")


def main() -> None:
    """Measure, print a table, write the result."""
    config = enter(folder_options(__doc__).parse_args().folder, CONFIG)
    table = Table(title=f"Started {REPETITIONS} times; medians")
    table.add_column("program")
    for heading in ("s on the clock", "s on the processor"):
        table.add_column(heading, justify="right")
    results = {}
    for name, found in starts().items():
        wall = Summary.of(np.array([one.wall for one in found]))
        cpu = Summary.of(np.array([one.cpu for one in found]))
        results[name] = {"wall": vars(wall), "cpu": vars(cpu)}
        table.add_row(name, f"{wall.median:.2f}", f"{cpu.median:.2f}")
    job = search_job(config)
    Console().print(table)
    print(f"one search job of {CONFIG.name}: {job.peak_bytes / 1e6:.0f} MB at the most")
    took = results["distributed-iac --help"]["cpu"]["median"]
    verdict = "within" if took <= LIMIT else "ABOVE"
    print(f"--help: {took:.2f} s on the processor, {verdict} the limit of {LIMIT:g}")
    path = write_result(
        "startup",
        settings={"repetitions": REPETITIONS, "programs": PROGRAMS, "limit_seconds": LIMIT},
        results={"starts": results, "search job": asdict(job)},
        packages=("ray", "typer"),
    )
    print(path.name)


if __name__ == "__main__":
    main()
