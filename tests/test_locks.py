"""Locks: whoever comes second waits and is told for whom; nothing is held by the dead."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from distributed_iac.errors import RunError
from distributed_iac.locks import is_held, locked

HOLD = """
import os, sys, time
from pathlib import Path
from distributed_iac.locks import locked
with locked(Path(sys.argv[1])):
    child = os.fork() if sys.argv[2] == "forks" else 0
    if child or sys.argv[2] != "forks":
        print(child, flush=True)
    time.sleep(60)
"""


class EnoughError(Exception):
    """What a test raises instead of waiting."""


def enough(holder: str) -> None:
    raise EnoughError(holder)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "a.lock"


@pytest.fixture
def holding(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    command = [sys.executable, "-c", HOLD, str(path), "alone"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "0\n"
        yield process
        process.kill()


def test_the_second_is_told_who_the_first_is(path: Path, holding: subprocess.Popen[str]) -> None:
    with pytest.raises(EnoughError) as caught, locked(path, enough):
        pass
    told = str(caught.value)
    assert told.startswith(f"`-c {path} alone` ")
    where = f"(process {holding.pid} on {socket.gethostname()}, since "
    assert re.search(re.escape(where) + r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\)$", told)


def test_the_second_waits_until_the_first_is_gone_and_hears_of_it_once(
    path: Path, holding: subprocess.Popen[str]
) -> None:
    told: list[str] = []

    def kill(holder: str) -> None:
        told.append(holder)
        holding.send_signal(signal.SIGKILL)

    with locked(path, kill):
        assert is_held(path)
    assert len(told) == 1
    assert not is_held(path)


def test_a_lock_dies_with_its_process_and_not_with_the_children_that_it_forked(path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(path), "forks"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        assert is_held(path)
        process.kill()
        process.wait()
        try:
            os.kill(child, 0)  # it lives
            with locked(path, enough):
                pass
        finally:
            os.kill(child, signal.SIGKILL)


def test_the_thread_that_holds_a_lock_may_take_it_again_and_another_may_not(path: Path) -> None:
    def take() -> None:
        with locked(path, enough):
            pass

    with ThreadPoolExecutor(1) as other:
        with locked(path), locked(path, enough):
            take()
            with pytest.raises(EnoughError):
                other.submit(take).result()
        other.submit(take).result()


def test_who_only_looks_leaves_nothing_and_disturbs_nobody(path: Path) -> None:
    assert not is_held(path)
    assert not path.parent.exists()
    with locked(path):
        pass
    before = path.read_bytes()
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        assert not is_held(path), "two who look do not see each other"
    assert path.read_bytes() == before == b""


def test_a_copy_of_a_lock_is_nobodys(path: Path, holding: subprocess.Popen[str]) -> None:
    assert holding.poll() is None
    shutil.copytree(path.parent, path.parent.with_name("copy"))
    copy = path.parent.with_name("copy") / path.name
    assert str(holding.pid) in copy.read_text()
    assert not is_held(copy)
    with locked(copy, enough):
        pass


@pytest.mark.parametrize("note", [b"", b"{", b"[]", b"\xff", b'{"pid": 1}'])
def test_a_holder_without_a_note_is_one_as_well(path: Path, note: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(note)
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(EnoughError, match=r"left no note in .*a\.lock"), locked(path, enough):
            pass


def test_a_lock_whose_file_was_deleted_meanwhile_is_waited_for_in_vain_by_nobody(
    path: Path,
) -> None:
    path.parent.mkdir()
    with path.open("ab") as gone:
        fcntl.flock(gone, fcntl.LOCK_EX)
        with locked(path, lambda _: shutil.rmtree(path.parent)):
            assert path.exists()


@pytest.mark.parametrize("lacks", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def test_a_file_system_without_locks_is_not_taken_for_another_process(
    path: Path, monkeypatch: pytest.MonkeyPatch, lacks: int
) -> None:
    """As Lustre answers that was mounted without ``-o flock``."""

    def answer(*_: int) -> None:
        raise OSError(lacks, os.strerror(lacks))

    monkeypatch.setattr(fcntl, "flock", answer)
    with pytest.raises(RunError, match="file system with locks") as caught, locked(path, enough):
        pass
    assert caught.value.came == os.strerror(lacks)
    assert "-o flock" in str(caught.value.remedy)
    assert is_held(path), "nobody can tell"


def test_other_faults_of_storage_are_told_as_they_are(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer(*_: int) -> None:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr(fcntl, "flock", answer)
    with pytest.raises(OSError, match=os.strerror(errno.ESTALE)), locked(path, enough):
        pass
    with pytest.raises(OSError, match="proc"), locked(Path("/proc/nowhere/a.lock"), enough):
        pass
