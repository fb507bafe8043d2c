"""Sweeps under fire: workers, nodes and drivers killed at random, files damaged, disks full.

    python -m benchmarks.chaos --kills 24

Rounds of scripted sweeps (``benchmarks/rehearsal.py``: everything but the training is real) on a
cluster of three nodes on this machine. Hits come at random moments:

* ``worker``: SIGKILL to a process that runs a job; ``node``: a node with all its processes, and a
  new one in its place; ``driver``: SIGKILL to the process of the sweep, which is started again.
* ``worker disk``, ``driver disk``: the process may not make any file larger from now on, which is
  what it sees of a full disk; files that it replaces are files made larger.
* With some of them, while the damage is unseen: the newest checkpoint of a job is cut short or has
  bytes flipped; with some drivers, Tune's newest snapshot is cut, or the journal's last line torn.

Each round has to end as an undisturbed one does: the same jobs, done, each with the checksum over
its epochs that counts each once, and equal tables but for times, losses and remarks.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.harness import options, write_result
from benchmarks.rehearsal import expected_checksums, rehearsal, small_settings
from distributed_iac.run.collect import collect_run
from distributed_iac.run.result import read_result
from distributed_iac.run.sweep_folder import SweepFolder

GROUPS, SECONDS = 3, 0.5
"""Data sets of a sweep, and seconds of an epoch: long enough to be hit, short enough to repeat."""
NODES = 3
HITS = {"worker": 0.35, "node": 0.2, "driver": 0.25, "worker disk": 0.1, "driver disk": 0.1}
"""How often; our choice."""
DAMAGES = ("none", "checkpoint cut", "checkpoint flipped")
DRIVER_DAMAGES = (*DAMAGES, "snapshot cut", "journal torn")
PER_ROUND = 6
REPORTS = 12
"""Epochs of any job between two hits, at the most; 0 hits a sweep that has just begun."""
PATIENCE = 900.0
"""Seconds without an event until a round is given up."""
NODE_TRIES = 4
NODE = {"num_cpus": 1, "object_store_memory": 80 * 1024**2}
ENVIRONMENT = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
INCIDENTAL = ("seconds", "device_seconds", "losses", "note")
"""Columns of the table of jobs that a kill may change."""

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Ending:
    """What a sweep leaves, without what may differ from one to the next.

    Args:
        jobs: Table of jobs.
        epochs: Job, epoch, value and sum of all epochs that count.
        checksums: Of the kept results.
        kept: How many results there are.
    """

    jobs: Rows
    epochs: list[tuple[Any, ...]]
    checksums: dict[str, int]
    kept: int

    @classmethod
    def read(cls, folder: Path) -> Ending:
        """Read a run folder."""
        tables = collect_run(folder)
        jobs = [
            {name: value for name, value in row.items() if name not in INCIDENTAL}
            for row in tables.jobs.to_pylist()
        ]
        epochs = [
            (row["key"], row.get("epoch"), row.get("val_dice"), row.get("checksum"))
            for row in tables.epochs.to_pylist()
        ]
        sums = {key: read_result(one)["checksum"] for key, one in tables.folders.items()}
        kept = len(list((folder / "artifacts").rglob("result.json")))
        return cls(jobs, epochs, sums, kept)

    def differences(self, other: Ending) -> list[str]:
        """In words; none if nothing differs."""
        found = [
            f"{mine['key']}: {name} {mine[name]!r} instead of {theirs[name]!r}"
            for mine, theirs in zip(self.jobs, other.jobs, strict=True)
            for name in mine
            if mine[name] != theirs[name]
        ]
        if self.epochs != other.epochs:
            found.append("epochs differ")
        if self.checksums != other.checksums:
            found.append("checksums differ")
        if self.kept != other.kept:
            found.append(f"{self.kept} results are kept instead of {other.kept}")
        return found


@dataclass
class Round:
    """One sweep under fire.

    Args:
        seed: Of its hits.
        hits: How often what was hit.
        damages: What was damaged besides.
        starts: Of the driver.
        losses: Workers that Tune started again.
        seconds: From the first start to the end.
        differences: To an undisturbed sweep.
    """

    seed: int
    hits: Counter[str] = field(default_factory=Counter)
    damages: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    losses: int = 0
    seconds: float = 0.0
    differences: list[str] = field(default_factory=list)

    @property
    def kills(self) -> int:
        """Hits that ended a process or a node at once; a full disk is none."""
        return sum(count for what, count in self.hits.items() if not what.endswith("disk"))

    def to_plain(self) -> dict[str, Any]:
        """JSON-able values."""
        return vars(self) | {"hits": dict(self.hits), "damages": dict(self.damages)}


class Machines:
    """Nodes of a Ray cluster, all on this machine."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        head = {**NODE, "include_dashboard": False}
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        self._nodes = [self._one_more() for _ in range(NODES - 1)]

    @property
    def address(self) -> str:
        """For drivers."""
        return str(self._cluster.address)

    def lose_one(self, random: np.random.Generator) -> None:
        """Kill a node that is not the head, which no sweep survives, and add another."""
        victim = self._nodes.pop(int(random.integers(len(self._nodes))))
        self._cluster.remove_node(victim, allow_graceful=False)
        self._nodes.append(self._one_more())

    def _one_more(self) -> Any:
        """Add a node; Ray gives it 30 seconds to come up, which a busy machine may not have."""
        for _ in range(NODE_TRIES - 1):
            before = set(psutil.Process().children())
            try:
                return self._cluster.add_node(**NODE)
            except Exception:  # Ray raises bare ones
                for half in set(psutil.Process().children()) - before:
                    half.kill()
        return self._cluster.add_node(**NODE)

    def workers(self) -> list[psutil.Process]:
        """Processes that run jobs."""
        raylets = [
            one.process.pid
            for node in (self._cluster.head_node, *self._nodes)
            for one in node.all_processes["raylet"]
        ]
        found = []
        for pid in raylets:
            for child in psutil.Process(pid).children(recursive=True):
                with _gone_is_fine():
                    if "Trainable" in " ".join(child.cmdline()[:1]):
                        found.append(child)
        return found

    def close(self) -> None:
        """Stop all nodes."""
        self._cluster.shutdown()


class Fire:
    """A sweep, and what happens to it.

    Args:
        folder: Run folder.
        machines: The cluster.
        random: Decides on everything.
        report: Counts.
    """

    def __init__(
        self, folder: Path, machines: Machines, random: np.random.Generator, report: Round
    ) -> None:
        self._folder, self._machines = folder, machines
        self._random, self._report = random, report
        self._driver = self._start()

    def run(self, hits: int) -> None:
        """Hit the sweep until it is over or has had enough, then let it end."""
        begun = time.monotonic()
        for _ in range(hits):
            self._wait(int(self._random.integers(REPORTS + 1)))
            if self._driver.poll() == 0:
                break
            self._hit(str(self._random.choice(list(HITS), p=list(HITS.values()))))
        self._wait(None)
        self._report.seconds = time.monotonic() - begun

    def _start(self) -> subprocess.Popen[bytes]:
        self._report.starts += 1
        command = [sys.executable, "-m", "benchmarks.chaos", "--drive", self._machines.address]
        log = self._folder.with_suffix(".log").open("ab")
        with log:
            return subprocess.Popen(
                [*command, "--folder", str(self._folder)], stdout=log, stderr=log
            )

    def _wait(self, reports: int | None) -> None:
        """Until so many more epochs are over, and part of another; None: until the sweep is."""
        journal = SweepFolder(self._folder).journal
        _, offset = journal.read_from(0)
        seen, last = 0, time.monotonic()
        while reports is None or seen < reports:
            if self._driver.poll() == 0:
                return
            if self._driver.poll() is not None:  # of its full disk, or of its cluster
                self._driver = self._start()
            events, offset = journal.read_from(offset)
            seen += sum(event.kind == "report" for event in events)
            last = time.monotonic() if events else last
            if time.monotonic() - last > PATIENCE:
                raise TimeoutError(f"nothing has happened in {self._folder} for {PATIENCE:g} s")
            time.sleep(0.05)
        time.sleep(float(self._random.uniform(0.0, 2 * SECONDS)))

    def _hit(self, what: str) -> None:
        workers = self._machines.workers()
        if what.startswith("worker") and not workers:
            what = "driver"
        worker = workers[int(self._random.integers(len(workers)))] if workers else None
        match what:
            case "worker" | "worker disk" if worker is not None:
                with _gone_is_fine():
                    worker.kill() if what == "worker" else _fill_disk(worker)
                self._damage(DAMAGES)
            case "node":
                self._damage(DAMAGES)
                self._machines.lose_one(self._random)
            case "driver disk":
                with _gone_is_fine():
                    _fill_disk(psutil.Process(self._driver.pid))
            case _:
                self._driver.kill()
                self._driver.wait()
                self._damage(DRIVER_DAMAGES)
                self._driver = self._start()
        self._report.hits[what] += 1

    def _damage(self, choices: tuple[str, ...]) -> None:
        what = str(self._random.choice(choices))
        pattern = {"snapshot cut": "ray/*/experiment_state-*.json", "journal torn": "journal.jsonl"}
        file = _newest(self._folder, pattern.get(what, "checkpoints/*/*.pt"))
        if what == "none" or file is None:
            return
        with _gone_is_fine():
            _spoil(file, what, self._random)
            self._report.damages[what] += 1

    def kill(self) -> None:
        """Leave nothing running."""
        self._driver.kill()
        self._driver.wait()


def _spoil(file: Path, what: str, random: np.random.Generator) -> None:
    if what == "journal torn":
        with file.open("ab") as journal:
            journal.write(b'{"at": 17, "event": "rep')
        return
    content = bytearray(file.read_bytes())
    if what == "checkpoint flipped":
        for place in random.integers(len(content), size=8):
            content[place] ^= 0xFF
    else:
        del content[int(random.integers(len(content))) :]
    file.write_bytes(content)


def _newest(folder: Path, pattern: str) -> Path | None:
    found: dict[Path, float] = {}
    for path in folder.glob(pattern):
        with _gone_is_fine():
            found[path] = path.stat().st_mtime
    return max(found, key=lambda path: found[path], default=None)


def _fill_disk(process: psutil.Process) -> None:
    process.rlimit(psutil.RLIMIT_FSIZE, (0, 0))


@contextmanager
def _gone_is_fine() -> Iterator[None]:
    """What is to be hit may have gone by itself."""
    try:
        yield
    except (psutil.NoSuchProcess, FileNotFoundError):
        return


def drive(folder: Path, address: str) -> None:
    """Be the driver of a sweep; ends with 0 only if all its jobs are done."""
    outcome = rehearsal(folder, GROUPS, SECONDS, small_settings(address, cpus=1.0)).run()
    sys.exit(0 if outcome.counts["done"] == len(outcome.jobs) else 1)


def undisturbed(folder: Path, machines: Machines) -> Ending:
    """The same sweep in peace; it has to end as its script says."""
    fire = Fire(folder, machines, np.random.default_rng(0), Round(0))
    fire.run(0)
    ending = Ending.read(folder)
    if ending.checksums != expected_checksums(GROUPS):
        raise AssertionError("an undisturbed sweep has other checksums than its script")
    return ending


def rounds(kills: int, seed: int, minutes: float, folder: Path, console: Console) -> list[Round]:
    """Rounds until there were enough kills, or the time is over."""
    machines, done = Machines(), list[Round]()
    end = time.monotonic() + 60 * minutes
    try:
        expected = undisturbed(folder / "undisturbed", machines)
        while sum(one.kills for one in done) < kills and time.monotonic() < end:
            report = Round(seed + len(done))
            run = folder / f"round{len(done):02d}"
            fire = Fire(run, machines, np.random.default_rng(report.seed), report)
            try:
                fire.run(PER_ROUND)
            finally:
                fire.kill()
            report.differences = Ending.read(run).differences(expected)
            report.losses = sum(collect_run(run).jobs.column("losses").to_pylist())
            done.append(report)
            console.print(report.to_plain())
    finally:
        machines.close()
    return done


def table_of(done: list[Round]) -> Table:
    """A row a round."""
    table = Table(title=f"{sum(one.hits.total() for one in done)} hits")
    table.add_column("seed", justify="right")
    for name in ("hit", "damaged"):
        table.add_column(name)
    for name in ("driver starts", "workers lost", "seconds"):
        table.add_column(name, justify="right")
    table.add_column("as undisturbed")
    for one in done:
        table.add_row(
            str(one.seed),
            _counted(one.hits),
            _counted(one.damages),
            str(one.starts),
            str(one.losses),
            f"{one.seconds:.0f}",
            "; ".join(one.differences) or "yes",
        )
    return table


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))


def main() -> None:
    """Run the rounds, print a table, write the result; exits with 1 if a round ended otherwise."""
    parser = options(__doc__)
    parser.add_argument("--kills", type=int, default=24, help="at least, full disks not counted")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=15.0, help="no new round after that")
    parser.add_argument("--folder", type=Path, help="where the sweeps lie; kept if given")
    parser.add_argument("--drive", metavar="ADDRESS", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.drive:
        drive(given.folder, given.drive)
    os.environ.update(ENVIRONMENT)
    console = Console()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (given.folder or Path(scratch)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        done = rounds(given.kills, given.seed, given.minutes, folder, console)
    console.print(table_of(done))
    hits = sum((one.hits for one in done), Counter[str]())
    path = write_result(
        "chaos",
        settings={
            "groups": GROUPS,
            "seconds_per_epoch": SECONDS,
            "nodes": NODES,
            "kills": given.kills,
            "seed": given.seed,
        },
        results={
            "hits": dict(hits),
            "total_hits": hits.total(),
            "kills": sum(one.kills for one in done),
            "rounds": [one.to_plain() for one in done],
            "rounds_as_undisturbed": sum(not one.differences for one in done),
        },
        packages=("ray",),
    )
    print(path)
    sys.exit(int(any(one.differences for one in done)))


if __name__ == "__main__":
    main()
