"""What may pass is tried again, what needs somebody is said at once, no error is forgotten."""

from __future__ import annotations

import ast
import errno
import os
import pickle
from pathlib import Path

import pytest

import distributed_iac
from distributed_iac import transient
from distributed_iac.config.yaml_file import read_yaml
from distributed_iac.data.formats.listing import peek
from distributed_iac.data.prepare.source_files import content_mark
from distributed_iac.data.volumes.volume import read_grid_of
from distributed_iac.errors import CheckpointError, DataError, SourceError, StoreError
from distributed_iac.files import write_atomically
from distributed_iac.run.journal import Journal
from distributed_iac.transient import PAUSES, may_pass, patiently

PACKAGE = Path(distributed_iac.__file__).parent
DECIDED = {
    "files.py": "what is left of a write that failed is tidied up; the failure itself goes on",
    "provenance.py": "facts about the machine, from /proc and git: none is as good as some",
    "cli/sweep.py": "tables for those who watch; the end writes them, or says why not",
    "run/local_sweep.py": "a copy where a link is refused; the copy says what storage says",
    "run/sweep_folder.py": "a list of jobs that cannot be read is going to be written anew",
    "locks.py": "whether somebody holds a lock, and who: the note is only told; its own tests",
    "report/tensorboard/event_folder.py": "only a file that is missing; others go on",
    "cli/system.py": "no signal has come",
    "data/prepare/work.py": "only a lock that another holds, or a file that is missing",
    "data/volumes/nifti.py": "what nibabel calls missing or no image is opened once more",
    "run/artifacts.py": "a missing result is none; of two that put it, the first wins",
    "training/memory.py": "a file of Linux's /proc that other systems lack or forbid",
    "quickstart.py": "shown as it is, and the exit code is its",
    "cli/main.py": "shown as it is, and the exit code is its",
    "deploy/predictions.py": "a record that is not there yet has no line that was cut off",
    "deploy/segment_cases.py": "raised below, as the reason why the file is refused",
    "cli/sweep_report.py": "no process to make a report in; the sweep's last report says why",
    "run/lost.py": "tables that cannot be read are taken to know more, and are left as they are",
}
"""Where errors of storage are caught without raising one or asking whether it may pass, and why."""

STORAGE = {"OSError", "FileNotFoundError", "PermissionError", "BlockingIOError", "_UNREADABLE"}


Handler = ast.ExceptHandler | ast.Call
"""``except OSError``, or ``suppress(OSError)``."""


def names(node: ast.AST) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}


def caught_by(node: Handler) -> set[str]:
    """Names of what is caught here; none where nothing is."""
    if isinstance(node, ast.ExceptHandler):
        return set() if node.type is None else names(node.type)
    return names(node) if "suppress" in ast.unparse(node.func) else set()


def handlers() -> list[tuple[str, int, Handler]]:
    """Every place that catches errors of storage."""
    return [
        (path.relative_to(PACKAGE).as_posix(), node.lineno, node)
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, Handler) and caught_by(node) & STORAGE
    ]


def is_settled(handler: Handler) -> bool:
    """Whether it raises in the end, or asks whether what it caught may pass."""
    raises = isinstance(handler, ast.ExceptHandler) and isinstance(handler.body[-1], ast.Raise)
    return raises or "may_pass" in names(handler)


def test_whoever_catches_an_error_of_storage_raises_or_asks_or_has_a_reason() -> None:
    caught = handlers()
    assert len(caught) > 20
    silent = {f"{where}:{line}" for where, line, one in caught if not is_settled(one)}
    assert {one.partition(":")[0] for one in silent} <= DECIDED.keys(), sorted(silent)


def test_what_is_raised_in_place_of_it_keeps_it_as_its_cause() -> None:
    for where, line, one in handlers():
        for node in ast.walk(one):
            if isinstance(node, ast.Raise) and node.exc is not None:
                assert node.cause is not None, f"{where}:{line}"


def failing(number: int) -> OSError:
    return OSError(number, os.strerror(number), "file")


@pytest.mark.parametrize("name", ["EIO", "ESTALE", "ETIMEDOUT", "EINTR", "EAGAIN", "ENOTCONN"])
@pytest.mark.parametrize("kind", [CheckpointError, StoreError, SourceError])
def test_an_error_raised_from_one_that_may_pass_is_retriable_also_in_another_process(
    name: str, kind: type[DataError | CheckpointError]
) -> None:
    try:
        try:
            raise failing(getattr(errno, name))
        except OSError as error:
            raise kind("it can be read", came=error, remedy="delete it") from error
    except kind as caught:
        known: DataError | CheckpointError = caught
    assert known.retriable
    copy = pickle.loads(pickle.dumps(known))
    assert copy.retriable
    assert str(copy) == str(known)
    assert "run the same command again" in str(copy)
    assert "if it stays so, delete it" in str(copy)


@pytest.mark.parametrize(
    "name",
    [
        *("ENOENT", "EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "EFBIG", "EISDIR", "ENOTDIR"),
        *("ELOOP", "ENAMETOOLONG", "EMFILE", "ENOSYS", "EINVAL"),
    ],
)
def test_what_needs_somebody_is_not_tried_again(name: str) -> None:
    tries = []

    def attempt() -> None:
        tries.append(1)
        raise failing(getattr(errno, name))

    with pytest.raises(OSError, match="file"):
        patiently(attempt)
    assert len(tries) == 1


def test_errors_without_a_number_pass_where_their_kind_or_the_object_store_says_so() -> None:
    assert may_pass(TimeoutError("timed out"))
    assert may_pass(OSError("AWS Error UNKNOWN (HTTP status 503) during PutObject operation: x"))
    assert not may_pass(OSError("AWS Error UNKNOWN (HTTP status 403) during PutObject operation"))
    assert not may_pass(OSError("AWS Error NO_SUCH_BUCKET during HeadBucket operation: no"))
    assert not may_pass(OSError("Couldn't deserialize thrift: bad metadata"))
    assert not may_pass(ValueError("no storage at all"))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transient, "PAUSES", (0.0,) * len(PAUSES))


class Flaky:
    """Lets opening files fail, in this process and in whatever library opens them through Python.

    Args:
        patch: Takes it back.
        number: Of the error.
        times: It comes.
    """

    def __init__(self, patch: pytest.MonkeyPatch, number: int, times: int) -> None:
        self.left = times
        for module, name in ((os, "scandir"), (os, "stat"), ("io", "open"), ("builtins", "open")):
            self._spoil(patch, module, name, number)

    def _spoil(self, patch: pytest.MonkeyPatch, module: object, name: str, number: int) -> None:
        target = __import__(module) if isinstance(module, str) else module
        real = getattr(target, name)

        def fails(*given: object, **named: object) -> object:
            if self.left:
                self.left -= 1
                raise failing(number)
            return real(*given, **named)

        patch.setattr(target, name, fails)


def write(path: Path) -> None:
    write_atomically(path, b"{}")


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "use",
    [
        write,
        read_yaml,
        lambda path: Journal(path.with_name("journal.jsonl")).write("open"),
        lambda path: list(Journal(path.with_name("events.jsonl")).read()),
        content_mark,
        lambda path: peek(path.parent),
    ],
    ids=["write", "configuration", "journal", "read journal", "identity", "listing"],
)
@pytest.mark.parametrize("times", [1, len(PAUSES)])
def test_reading_writing_and_listing_get_over_a_few_failures(
    use: object, times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"{}")
    (tmp_path / "events.jsonl").write_text('{"at": 1, "event": "open", "job": ""}\n')
    assert callable(use)
    expected = use(path)
    with monkeypatch.context() as patch:
        flaky = Flaky(patch, errno.EIO, times)
        assert use(path) == expected
        assert not flaky.left


@pytest.mark.usefixtures("impatient")
def test_a_file_that_cannot_be_read_for_now_is_neither_damaged_nor_missing_nor_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a case would be left out of its store, or the store would get another identity."""
    for use in (content_mark, read_grid_of, peek):
        with monkeypatch.context() as patch:
            Flaky(patch, errno.ESTALE, 1000)
            with pytest.raises((SourceError, OSError)) as caught:
                use(tmp_path / "image.nii.gz")
        assert may_pass(caught.value), use


@pytest.mark.usefixtures("impatient")
def test_what_was_repeated_in_vain_is_not_repeated_by_everybody_above() -> None:
    tries = []

    def read() -> None:
        tries.append(1)
        raise failing(errno.EIO)

    def use() -> None:
        try:
            patiently(read)
        except OSError as error:
            raise StoreError("it can be read") from error

    with pytest.raises(StoreError) as caught:
        patiently(lambda: patiently(use))
    assert len(tries) == len(PAUSES) + 1
    assert caught.value.retriable, "the job may still be started again"
