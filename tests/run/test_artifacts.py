"""Results are complete or not there, the same in a folder and behind a URI."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from pyarrow import fs

from distributed_iac.errors import CheckpointError, RunError
from distributed_iac.jobs.job import Job
from distributed_iac.run.artifacts import Artifacts
from distributed_iac.run.result import find_result, read_result, write_result

DIGEST = hashlib.sha256(b"job").hexdigest()
JOB = Job("search", "acdc", "net", "lth", 0)


@pytest.fixture(params=["folder", "uri"])
def artifacts(request: pytest.FixtureRequest, tmp_path: Path) -> Artifacts:
    root = tmp_path / "artifacts"
    return Artifacts(root if request.param == "folder" else root.as_uri(), tmp_path / "cache")


def files(folder: Path, text: str = "{}") -> Path:
    """What a job left behind."""
    folder.mkdir()
    (folder / "genotype.json").write_text(text, encoding="utf-8")
    (folder / "best.safetensors").write_bytes(bytes(range(256)))
    write_result(folder, JOB, DIGEST, [{"seconds": 1.5}, {"seconds": 2.0}], {"val_dice": 0.5})
    return folder


def test_a_result_under_anothers_digest_is_not_taken(artifacts: Artifacts, tmp_path: Path) -> None:
    other = hashlib.sha256(b"other").hexdigest()
    artifacts.put(other, files(tmp_path / "left"))  # it says that it is DIGEST's
    for asked in (artifacts.read, artifacts.fetch, lambda one: find_result(artifacts, one)):
        with pytest.raises(CheckpointError, match="under its own digest"):
            asked(other)


def test_what_a_result_says_of_itself_is_compared_with_its_checksum(tmp_path: Path) -> None:
    folder = files(tmp_path / "left")
    path = folder / "result.json"
    whole = path.read_text(encoding="utf-8")
    assert read_result(folder)["val_dice"] == 0.5
    path.write_text(whole.replace("0.5", "0.9"), encoding="utf-8")
    with pytest.raises(CheckpointError, match="its own checksum"):
        read_result(folder)
    said = json.loads(whole)
    del said["content_sha256"]  # as the releases before it wrote
    path.write_text(json.dumps(said), encoding="utf-8")
    assert read_result(folder)["val_dice"] == 0.5


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_what_was_put_is_fetched_byte_for_byte(artifacts: Artifacts, tmp_path: Path) -> None:
    left = files(tmp_path / "left")
    assert DIGEST not in artifacts
    assert artifacts.fetch(DIGEST) is None
    artifacts.put(DIGEST, left)
    assert DIGEST in artifacts
    for _ in range(2):  # the second time from the cache, where there is one
        found = artifacts.fetch(DIGEST)
        assert found is not None
        assert content(found) == content(left)


def test_what_was_fetched_is_not_to_be_written_to(artifacts: Artifacts, tmp_path: Path) -> None:
    artifacts.put(DIGEST, files(tmp_path / "left"))
    found = artifacts.fetch(DIGEST)
    assert found is not None
    assert all(path.stat().st_mode & 0o222 == 0 for path in found.iterdir())


def test_the_first_result_stays(artifacts: Artifacts, tmp_path: Path) -> None:
    first = files(tmp_path / "first", "first")
    artifacts.put(DIGEST, first)
    artifacts.put(DIGEST, files(tmp_path / "second", "second"))
    found = artifacts.fetch(DIGEST)
    assert found is not None
    assert content(found) == content(first)


def test_a_result_without_its_last_file_is_not_there(artifacts: Artifacts, tmp_path: Path) -> None:
    left = files(tmp_path / "left")
    (left / "result.json").unlink()
    with pytest.raises(RunError, match=r"result\.json"):
        artifacts.put(DIGEST, left)
    assert DIGEST not in artifacts


def test_a_put_that_fails_on_the_way_leaves_nothing_that_counts(
    artifacts: Artifacts, tmp_path: Path
) -> None:
    left = files(tmp_path / "left")
    (left / "in_the_way").mkdir()  # no file: copying it fails after others were copied
    with pytest.raises(OSError, match="in_the_way"):
        artifacts.put(DIGEST, left)
    assert DIGEST not in artifacts
    (left / "in_the_way").rmdir()
    artifacts.put(DIGEST, left)
    found = artifacts.fetch(DIGEST)
    assert found is not None
    assert content(found) == content(left)


def test_two_machines_that_finish_the_same_job_at_once_do_not_disturb_each_other(
    artifacts: Artifacts, tmp_path: Path
) -> None:
    folders = [files(tmp_path / f"left{i}") for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda folder: artifacts.put(DIGEST, folder), folders))
    found = artifacts.fetch(DIGEST)
    assert found is not None
    assert content(found) == content(folders[0])
    assert [path.name for path in (tmp_path / "artifacts" / DIGEST[:2]).iterdir()] == [DIGEST]


@pytest.mark.parametrize("spoilt", ["altered", "missing"])
def test_a_file_that_is_not_as_listed_is_refused_where_it_is_asked_for(
    artifacts: Artifacts, tmp_path: Path, spoilt: str
) -> None:
    artifacts.put(DIGEST, files(tmp_path / "left"))
    weights = tmp_path / "artifacts" / DIGEST[:2] / DIGEST / "best.safetensors"
    weights.chmod(0o644)
    if spoilt == "altered":
        weights.write_bytes(bytes(range(1, 256)) + b"\0")  # the same size
    else:
        weights.unlink()
    with pytest.raises(CheckpointError, match=rf"{spoilt}: best\.safetensors[\s\S]*delete"):
        artifacts.fetch(DIGEST)
    assert not list((tmp_path / "cache").rglob("*.safetensors"))
    assert artifacts.fetch(DIGEST, without=("best.safetensors",)) is not None


def test_a_copy_in_the_cache_that_was_altered_is_copied_again(tmp_path: Path) -> None:
    artifacts = Artifacts((tmp_path / "artifacts").as_uri(), tmp_path / "cache")
    artifacts.put(DIGEST, files(tmp_path / "left"))
    for _ in range(2):
        folder = artifacts.fetch(DIGEST)
        assert folder is not None
        assert content(folder) == content(tmp_path / "left")
        (folder / "best.safetensors").chmod(0o644)
        (folder / "best.safetensors").write_bytes(bytes(256))


def test_the_cache_follows_the_users_cache_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "XDG_CACHE_HOME", str(tmp_path / "mine"))
    artifacts = Artifacts((tmp_path / "artifacts").as_uri())
    artifacts.put(DIGEST, files(tmp_path / "left"))
    found = artifacts.fetch(DIGEST)
    assert found is not None
    assert found.is_relative_to(tmp_path / "mine" / "distributed_iac")


def test_a_result_describes_its_job_and_holds_no_numbers_that_json_has_not(
    tmp_path: Path,
) -> None:
    tmp_path.joinpath("left").mkdir()
    final = {"val_dice": float("nan"), "best": -float("inf"), "stop_reason": "all 2 epochs"}
    write_result(tmp_path / "left", JOB, DIGEST, [{"seconds": 1.5}, {"seconds": None}], final)
    result = read_result(tmp_path / "left")
    expected = {"key": JOB.key, "arm": "lth", "digest": DIGEST, "status": "done", "epochs": 2}
    expected |= {"seconds": 1.5, "val_dice": None, "best": None, "stop_reason": "all 2 epochs"}
    assert {name: result[name] for name in expected} == expected


def test_a_damaged_result_is_named(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(json.dumps({"a": 1})[:-1], encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"result\.json"):
        read_result(tmp_path)


class Bucket(MemoryFileSystem):  # type: ignore[misc]  # fsspec is untyped
    """An object store in memory that notes what is read, and fails when it is told to."""

    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self.store: dict[str, object] = {}
        self.pseudo_dirs = [""]
        self.read: list[str] = []
        self.failures: list[OSError] = []

    def _open(self, path: str, mode: str = "rb", **options: object) -> object:
        if self.failures:
            raise self.failures.pop()
        if "r" in mode:
            self.read.append(path.rpartition("/")[2])
        return super()._open(path, mode, **options)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """What ``s3://bucket`` leads to."""
    made = Bucket()
    system = fs.PyFileSystem(fs.FSSpecHandler(made))
    monkeypatch.setattr(
        "distributed_iac.run.artifacts.resolve",
        lambda root: (system, root.removeprefix("s3:/")),
    )
    monkeypatch.setattr("distributed_iac.transient.PAUSES", (0.0, 0.0, 0.0))
    return made


def test_whether_a_job_is_finished_costs_one_small_file(bucket: Bucket, tmp_path: Path) -> None:
    artifacts = Artifacts("s3://bucket", tmp_path / "cache")
    assert find_result(artifacts, DIGEST) is None
    artifacts.put(DIGEST, files(tmp_path / "left"))
    found = find_result(artifacts, DIGEST)
    assert found is not None
    assert found["val_dice"] == 0.5
    assert bucket.read == ["result.json"]
    assert not (tmp_path / "cache").exists()


def test_files_that_are_not_needed_are_not_copied_and_none_is_copied_twice(
    bucket: Bucket, tmp_path: Path
) -> None:
    artifacts = Artifacts("s3://bucket", tmp_path / "cache")
    artifacts.put(DIGEST, files(tmp_path / "left"))
    folder = artifacts.fetch(DIGEST, without=("best.safetensors",))
    assert folder is not None
    assert sorted(path.name for path in folder.iterdir()) == ["genotype.json", "result.json"]
    bucket.read.clear()
    assert artifacts.fetch(DIGEST) == folder
    assert bucket.read == ["result.json", "best.safetensors"]
    assert content(folder) == content(tmp_path / "left")
    bucket.read.clear()
    assert artifacts.fetch(DIGEST) == folder
    assert bucket.read == ["result.json"]


def test_a_result_that_was_made_again_is_copied_again(bucket: Bucket, tmp_path: Path) -> None:
    artifacts = Artifacts("s3://bucket", tmp_path / "cache")
    for text in ("first", "second"):
        artifacts.put(DIGEST, files(tmp_path / text, text))
        folder = artifacts.fetch(DIGEST)
        assert folder is not None
        assert content(folder) == content(tmp_path / text)
        bucket.rm("/bucket", recursive=True)
        assert artifacts.fetch(DIGEST) is None


def test_a_store_that_fails_now_and_then_is_asked_again(bucket: Bucket, tmp_path: Path) -> None:
    artifacts = Artifacts("s3://bucket", tmp_path / "cache")
    slow = "When reading 'x': AWS Error SLOW_DOWN during GetObject operation: reduce your rate"
    bucket.failures = [OSError(slow), OSError(errno.EIO, "Input/output error")]
    artifacts.put(DIGEST, files(tmp_path / "left"))
    bucket.failures = [OSError(errno.ESTALE, "Stale file handle"), OSError(slow)]
    folder = artifacts.fetch(DIGEST)
    assert folder is not None
    assert content(folder) == content(tmp_path / "left")
    bucket.failures = [OSError("AWS Error ACCESS_DENIED during GetObject operation")] * 2
    with pytest.raises(OSError, match="ACCESS_DENIED"):
        artifacts.read(DIGEST)
    assert len(bucket.failures) == 1, "who has no access now has none in a second"
