"""A file is whole or not there."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import distributed_iac
from distributed_iac import files
from distributed_iac.files import (
    FileDigest,
    digest_of,
    parse_json,
    sha256_of,
    write_atomically,
    write_json,
)


def test_a_file_is_replaced_as_a_whole_and_nothing_else_remains(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    write_atomically(path, b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_threads_that_write_the_same_file_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "file"
    contents = [bytes([number]) * 10_000 for number in range(4)]

    def write(content: bytes) -> None:
        for _ in range(25):
            write_atomically(path, content)

    with ThreadPoolExecutor(len(contents)) as pool:
        list(pool.map(write, contents))
    assert path.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_leaves_the_old_file_and_no_remains(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")
    code = (
        "import signal, sys, resource\n"
        "from pathlib import Path\n"
        "from distributed_iac.files import write_atomically\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    write_atomically(Path(sys.argv[1]), b'x' * 100_000)\n"
        "except OSError:\n"
        "    sys.exit(7)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == 7
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_has_no_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert not (tmp_path / "a.json").exists()


def test_a_checksum_is_that_of_the_file_as_it_is_now(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"one", b"two", b"three"):  # at once, one after the other
        path.write_bytes(content)
        assert sha256_of(path) == digest_of(path).sha256


def test_a_file_is_not_read_twice_for_its_checksum_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def counted(path: Path) -> FileDigest:
        read.append(path)
        return digest_of(path)

    monkeypatch.setattr(files, "_SETTLED", -(10**18))
    monkeypatch.setattr(files, "digest_of", counted)
    path = tmp_path / "file"
    path.write_bytes(b"one")
    before, stat = sha256_of(path), path.stat()
    assert sha256_of(path) == before
    assert len(read) == 1
    path.write_bytes(b"two")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # of the same size and age, one says
    assert sha256_of(path) == digest_of(path).sha256 != before


@pytest.mark.parametrize(
    "text",
    ['{"a": 1, "a": 1}', '{"a": {"b": 1, "b": 2}}', '[{"x": [{"a": 1, "b": 2, "a": 3}]}]'],
)
def test_a_key_given_twice_is_refused_wherever_it_stands(text: str) -> None:
    with pytest.raises(ValueError, match=r"the key '[ab]' is given twice"):
        parse_json(text)


def test_the_same_key_of_two_objects_is_none_given_twice() -> None:
    assert parse_json('[{"a": 1}, {"a": 2}]') == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_json_is_read_in_the_encodings_that_it_may_have(encoding: str) -> None:
    assert parse_json('{"é": [1.5, null]}'.encode(encoding)) == {"é": [1.5, None]}


def test_readers_of_what_others_write_use_the_one_parser() -> None:
    """Python's own takes the last of two equal keys; it is for what this program has written."""
    package = Path(distributed_iac.__file__).parent
    rooms = ("data/formats", "data/splits", "nets", "config")
    modules = [path for room in rooms for path in (package / room).rglob("*.py")]
    assert modules
    assert [path for path in modules if "json.load" in path.read_text(encoding="utf-8")] == []
