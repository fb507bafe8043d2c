"""Copies of remote results: bounded, and never taken from under a process that uses them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from distributed_iac.run.artifact_cache import Cache

HOLD = """
import sys
from pathlib import Path
from distributed_iac.run.artifact_cache import Cache
folder = Cache(Path(sys.argv[1]), room=150).hold(sys.argv[2])
(folder / "weights").write_bytes(bytes(100))
print("held", flush=True)
sys.stdin.readline()
"""


def holder(root: Path, place: str) -> subprocess.Popen[str]:
    """Another process that has a copy, of 100 bytes, and works with it."""
    command = [sys.executable, "-c", HOLD, str(root), place]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def used(cache: Cache, place: str, at: float) -> Path:
    """A copy of 100 bytes that some process of the past used last at a time."""
    folder = cache.root / place
    folder.mkdir(parents=True)
    (folder / "weights").write_bytes(bytes(100))
    os.utime(folder, (at, at))
    return folder


def test_what_was_used_longest_ago_goes_until_the_rest_has_room(tmp_path: Path) -> None:
    cache = Cache(tmp_path, room=250)
    old, young, middle = (used(cache, f"aa/{at}", at) for at in (1.0, 3.0, 2.0))
    cache.trim()
    assert (old.exists(), middle.exists(), young.exists()) == (False, True, True)
    cache.trim()
    assert middle.exists(), "there is room"


def test_what_this_process_or_another_holds_stays_however_full_it_is(tmp_path: Path) -> None:
    cache = Cache(tmp_path, room=150)
    mine = cache.hold("aa/mine")
    (mine / "weights").write_bytes(bytes(100))
    process = holder(tmp_path, "bb/theirs")
    theirs = tmp_path / "bb/theirs"
    nobodys = used(cache, "cc/nobodys", 2e9)
    try:
        cache.trim()
        assert (mine.exists(), theirs.exists(), nobodys.exists()) == (True, True, False)
    finally:
        process.kill()
        process.communicate()
    cache.trim()
    assert (mine.exists(), theirs.exists()) == (True, False), "a killed process holds nothing"


def test_using_a_copy_again_makes_it_young(tmp_path: Path) -> None:
    cache = Cache(tmp_path, room=150)
    first, second = (
        used(cache, f"aa/{name}", at) for name, at in (("first", 1.0), ("second", 2.0))
    )
    process = holder(tmp_path, "aa/first")
    process.kill()
    process.communicate()
    cache.trim()
    assert (first.exists(), second.exists()) == (True, False)
