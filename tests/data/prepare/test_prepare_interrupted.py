"""Killed, out of room or started twice: never half a store, and always the same one in the end."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from distributed_iac.config.preprocess import PreprocessSettings
from distributed_iac.config.split import SplitSettings
from distributed_iac.data.contract import Source
from distributed_iac.data.prepare import shard_stage
from distributed_iac.data.prepare.prepare import prepare_store
from distributed_iac.data.prepare.stage_runner import SilentObserver
from distributed_iac.data.store import Store
from distributed_iac.errors import StoreError

Files = Callable[[Path], dict[str, bytes]]

PROGRAM = """
import pickle, resource, sys
from pathlib import Path
from distributed_iac.data.prepare.prepare import prepare_store
from distributed_iac.errors import DistributedIacError
source, settings, split, folder, limit = pickle.loads(Path(sys.argv[1]).read_bytes())
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    prepare_store(source, "demo", settings, split, folder)
except DistributedIacError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


@pytest.fixture
def small(tmp_path: Path, write: Any, as_source: Any) -> Source:
    root = tmp_path / "small"
    return as_source(root, [write(root, f"p{i}", f"p{i}", seed=i) for i in range(5)])


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start a preparation in a process of its own."""

    def run(
        source: Source, folder: Path, workers: int = 1, limit: int = 0
    ) -> subprocess.Popen[str]:
        job = tmp_path / f"{folder.name}.job"
        settings = PreprocessSettings(workers=workers)
        job.write_bytes(pickle.dumps((source, settings, SplitSettings(), folder, limit)))
        command = [sys.executable, "-c", PROGRAM, str(job)]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    return run


def count_files(folder: Path) -> int:
    return sum(1 for path in folder.rglob("*") if path.is_file()) if folder.exists() else 0


def test_killed_at_random_and_resumed_the_store_is_the_same(
    small: Source, start: Any, prepare: Any, files_of: Files, tmp_path: Path
) -> None:
    expected = files_of(prepare(small, "undisturbed").folder)
    folder, kills = tmp_path / "killed", 0
    for target in (1, 7, 16):  # files that are there when the blow falls
        process = start(small, folder, workers=2 if target == 7 else 1)
        while process.poll() is None and count_files(folder) < target:
            time.sleep(0.002)
        children = psutil.Process(process.pid).children(recursive=True) if target == 7 else []
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        _, alive = psutil.wait_procs(children, timeout=10)
        for orphan in alive:
            orphan.kill()
        assert not alive, "workers must not outlive the command"
        process.communicate()
        if not (folder / "manifest.json").exists():
            with pytest.raises(StoreError, match="unfinished"):
                Store.open(folder)
    assert kills >= 2
    prepare(small, "killed")
    assert files_of(folder) == expected
    Store.open(folder, "checksums")


class Mortal:
    """Ends the process, without any cleaning up, at the n-th call that touches the disk."""

    def __init__(self, calls: int) -> None:
        self.left = calls

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                os._exit(77)
            return function(*args, **kwargs)

        return counted


def prepare_mortally(source: Source, folder: Path, calls: int) -> None:
    mortal = Mortal(calls)
    for name in ("fsync", "replace", "unlink", "mkdir", "rmdir"):
        setattr(os, name, mortal.wrap(getattr(os, name)))
    prepare_store(source, "demo", PreprocessSettings(workers=1), SplitSettings(), folder)


def test_dying_at_any_disk_operation_leaves_no_store_or_the_whole_one(
    small: Source,
    prepare: Any,
    files_of: Files,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shard_stage, "SHARD_BYTES", 8_000)
    expected = files_of(prepare(small, "undisturbed").folder)
    context = multiprocessing.get_context("fork")
    rng, folder, deaths = random.Random(0), tmp_path / "mortal", 0
    while True:
        child = context.Process(target=prepare_mortally, args=(small, folder, rng.randint(1, 90)))
        child.start()
        child.join()
        if child.exitcode == 0:
            break
        assert child.exitcode == 77
        deaths += 1
        if (folder / "manifest.json").exists():
            Store.open(folder, "checksums")
    assert deaths >= 5
    assert files_of(folder) == expected


def test_a_disk_that_fills_up_is_one_clear_error_and_the_rest_continues(
    small: Source, start: Any, prepare: Any, files_of: Files, tmp_path: Path
) -> None:
    """A limit on the size of files stands in for the disk: the kernel refuses the write."""
    folder = tmp_path / "full"
    for workers, limit in ((1, 4_000), (2, 14_000)):
        process = start(small, folder, workers=workers, limit=limit)
        _, message = process.communicate(timeout=60)
        assert process.returncode == 1
        assert message.startswith("StoreError: ")
        assert "must have room" in message
        assert "it continues" in message
        assert "Traceback" not in message
        assert not list(folder.rglob("*.tmp"))
        with pytest.raises(StoreError, match="unfinished"):
            Store.open(folder)
    prepare(small, "full")
    assert files_of(folder) == files_of(prepare(small, "undisturbed").folder)


def test_the_disk_may_fill_up_when_the_shards_are_written(
    small: Source, prepare: Any, tmp_path: Path
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    undisturbed = prepare(small, "undisturbed").folder
    largest = max(path.stat().st_size for path in (undisturbed / "shards").iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest - 1, hard))
    try:
        with pytest.raises(StoreError, match="must have room"):
            prepare(small, "full")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "full" / "manifest.json").exists()
    assert prepare(small, "full").status == "prepared"


def test_a_folder_that_cannot_be_written_is_one_clear_error(
    small: Source, prepare: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match="writable"):
        prepare(small, "file/store")


class Holding(SilentObserver):
    """A watcher that keeps a preparation from going on."""

    def __init__(self, inside: Any, leave: Any) -> None:
        self.inside, self.leave = inside, leave

    def begin(self, *_: object) -> None:
        self.inside.set()
        self.leave.wait(30)


def test_two_preparations_of_one_store_do_not_meet(small: Source, prepare: Any) -> None:
    context = multiprocessing.get_context("fork")
    inside, leave = context.Event(), context.Event()
    watcher = Holding(inside, leave)
    first = context.Process(target=prepare, args=(small,), kwargs={"progress": watcher})
    first.start()
    assert inside.wait(30)
    waiting = Waiting(leave)
    assert prepare(small, progress=waiting).status == "already_prepared"
    (holder,) = waiting.told
    assert f"process {first.pid} on" in holder
    first.join()
    assert first.exitcode == 0


def test_who_waited_for_one_that_died_prepares_the_store_itself(
    small: Source, prepare: Any, files_of: Files
) -> None:
    context = multiprocessing.get_context("fork")
    inside, never = context.Event(), context.Event()
    watcher = Holding(inside, never)
    first = context.Process(target=prepare, args=(small,), kwargs={"progress": watcher})
    first.start()
    assert inside.wait(30)
    assert prepare(small, progress=Waiting(first.kill)).status == "prepared"
    assert files_of(prepare(small).folder) == files_of(prepare(small, "undisturbed").folder)
    first.join()


class Waiting(SilentObserver):
    """A watcher that lets the other one go, once it is known who it is."""

    def __init__(self, then: Any) -> None:
        self.told: list[str] = []
        self.then = then if callable(then) else then.set

    def waits(self, holder: str) -> None:
        self.told.append(holder)
        self.then()
