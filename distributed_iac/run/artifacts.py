"""Results of finished jobs, by what they were made from: complete or not there.

::

    artifacts = Artifacts("runs/artifacts")             # or "s3://bucket/artifacts"
    artifacts.put(digest, folder)                       # result.json last
    artifacts.read(digest)                              # what result.json says, or None
    folder = artifacts.fetch(digest)                    # a local folder to read, or None

The name is a digest of everything that the result follows from (``run/digest.py``), so
a job that any run has finished is not run again. Jobs on other machines need a root that all
of them reach: a shared folder, or a URI of a file system that pyarrow knows.

Every file that is handed out has the SHA-256 that ``result.json`` lists, wherever it lies.

Layout: ``<root>/<first two digits>/<digest>/<files>``.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from distributed_iac.data.store.identity import content_key
from distributed_iac.errors import CheckpointError, RunError
from distributed_iac.files import sha256_of, write_atomically
from distributed_iac.run.artifact_cache import Cache
from distributed_iac.run.reading import reading
from distributed_iac.run.storage import is_file, is_uri, read_file, resolve, write_object
from distributed_iac.transient import patiently
from distributed_iac.versions import RESULT as VERSION
from distributed_iac.versions import require_version

CHECKSUM = "content_sha256"
"""Entry of ``result.json`` with the SHA-256 of the others."""

RESULT = "result.json"
"""The file that says that a result is complete: written last."""

FILES = "files"
"""Its entry with the SHA-256 of all other files."""


@dataclass(frozen=True)
class Artifacts:
    """A place for results, local or remote.

    Args:
        root: Folder, or URI such as ``s3://bucket/path`` or ``gs://bucket/path``.
        cache: Where remote results are copied to; default: ``distributed_iac/artifacts`` in the
            user's cache folder.
    """

    root: str | Path
    cache: Path | None = None

    def __contains__(self, digest: object) -> bool:
        """Whether a complete result is there."""
        return is_file(*self._at(f"{_place(str(digest))}/{RESULT}"))

    def read(self, digest: str) -> dict[str, Any] | None:
        """Return what a result's ``result.json`` says, reading nothing else; None if it is missing.

        Raises:
            CheckpointError: It is damaged, or another job's.
            OSError: The storage cannot be reached.
        """
        content = self._content(digest)
        return None if content is None else self._described(digest, content)

    def fetch(self, digest: str, without: Collection[str] = ()) -> Path | None:
        """Return a local folder with the result's files, to be read only; None if it is missing.

        Args:
            digest: What the result was made from.
            without: Names of files that need not be there, such as weights.

        Raises:
            CheckpointError: A file of the result is missing or altered, or its list is damaged.
            OSError: The storage cannot be reached.
        """
        content = self._content(digest)
        if content is None:
            return None
        with reading(f"{self._where(digest)}/{RESULT}"):
            listed = dict(self._described(digest, content)[FILES])
        wanted = {name: sha256 for name, sha256 in listed.items() if name not in without}
        if not self._is_remote:
            folder = Path(self.root).absolute() / _place(digest)
            for name, sha256 in wanted.items():
                state = _state(folder / name, sha256)
                if state != "as listed":
                    raise _unlike(state, name, folder)
            return folder
        cache = Cache((self.cache or _default_cache()).absolute())
        kept = cache.hold(_place(digest))
        if self._download(digest, kept, content, wanted):
            cache.trim()
        return kept

    def put(self, digest: str, folder: Path) -> None:
        """Keep the files of a folder, unless the result is there already.

        Args:
            digest: What they were made from.
            folder: Files, with a ``result.json`` of ``run/result.py`` that lists them.

        Raises:
            RunError: There is no ``result.json``.
            OSError: Storage full or out of reach; then the result is not there.
        """
        if not (folder / RESULT).is_file():
            raise RunError(f"a finished job leaves a {RESULT}", came="none", where=folder)
        if digest in self:
            return
        if not self._is_remote:
            patiently(lambda: _move_in(folder, Path(self.root).absolute() / _place(digest)))
            return
        system, path = self._at(_place(digest))
        patiently(lambda: system.create_dir(path, recursive=True))
        for name in _result_last(folder):
            write_object(system, f"{path}/{name}", (folder / name).read_bytes())

    @property
    def _is_remote(self) -> bool:
        return is_uri(str(self.root))

    def _at(self, place: str) -> tuple[Any, str]:
        system, path = resolve(str(self.root))
        return system, f"{path.rstrip('/')}/{place}"

    def _where(self, digest: str) -> str:
        return f"{self.root}/{_place(digest)}"

    def _content(self, digest: str) -> bytes | None:
        try:
            return read_file(*self._at(f"{_place(digest)}/{RESULT}"))
        except FileNotFoundError:
            return None

    def _described(self, digest: str, content: bytes) -> dict[str, Any]:
        said = described(content, f"{self._where(digest)}/{RESULT}")
        stated = said.get("digest", digest)
        if stated != digest:
            raise CheckpointError(
                f"a result lies under its own digest, {digest[:16]}...",
                came=f"the result of {stated[:16]}...",
                remedy="put the folders back, or delete this one; the next run makes it again",
                where=self._where(digest),
            )
        return said

    def _download(self, digest: str, kept: Path, content: bytes, wanted: Mapping[str, str]) -> bool:
        """Copy those files that are not here as they should be; returns whether there were any."""
        described = kept / RESULT
        same = described.is_file() and described.read_bytes() == content
        # Of other content: a result that was deleted and made again, or a copy that was altered.
        missing = [name for name, one in wanted.items() if _state(kept / name, one) != "as listed"]
        for name in missing:
            # What a put that was cut off left beside them is none of the result's.
            _write_read_only(kept / name, self._load(digest, name, wanted[name]))
        if not same:
            _write_read_only(described, content)
        return bool(missing)

    def _load(self, digest: str, name: str, sha256: str) -> bytes:
        """Read a remote file of a result."""
        where = self._where(digest)
        try:
            data = read_file(*self._at(f"{_place(digest)}/{name}"))
        except FileNotFoundError as error:
            raise _unlike("missing", name, where) from error
        if hashlib.sha256(data).hexdigest() != sha256:
            raise _unlike("altered", name, where)
        return data


def checksums(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a folder but ``result.json``, by name."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.name != RESULT
    }


def _place(digest: str) -> str:
    return f"{digest[:2]}/{digest}"


def _default_cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "distributed_iac" / "artifacts"


def _result_last(folder: Path) -> list[str]:
    names = sorted(path.name for path in folder.iterdir() if path.name != RESULT)
    return [*names, RESULT]


def _beside(target: Path) -> Path:
    """A name of its own on the same file system, where a rename is atomic."""
    return target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")


def _move_in(folder: Path, target: Path) -> None:
    """Copy files to where the whole folder can appear at once, read-only; the first one stays."""
    scratch = _beside(target)
    scratch.mkdir(parents=True)
    try:
        for name in _result_last(folder):
            shutil.copyfile(folder / name, scratch / name)
            (scratch / name).chmod(0o444)
        scratch.rename(target)
    except OSError:
        # Whoever was faster has put the same result there.
        if not (target / RESULT).is_file():
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _write_read_only(path: Path, data: bytes) -> None:
    write_atomically(path, data)
    path.chmod(0o444)


def described(content: bytes, where: str) -> dict[str, Any]:
    """Read what a ``result.json`` says.

    Args:
        content: Of the file.
        where: For errors.

    Raises:
        CheckpointError: It is damaged or altered, or of a release that this one cannot read.
    """
    with reading(where):
        parsed = json.loads(content)
        if not isinstance(parsed, dict):
            raise TypeError(f"a mapping is expected, not a {type(parsed).__name__}")
    require_version(VERSION, parsed, where)
    # Release 0.1.0 wrote none, nor did the first ones after it.
    stated = parsed.pop(CHECKSUM, None)
    if stated is not None and stated != content_key(parsed):
        raise CheckpointError(
            f"a finished job's {RESULT} is as it was written",
            came="another content than its own checksum says",
            remedy="delete its folder; the next run makes it again",
            where=where,
        )
    return {name: value for name, value in parsed.items() if name != VERSION.key}


_State = Literal["as listed", "altered", "missing"]


def _state(path: Path, sha256: str) -> _State:
    """Compare a file with what ``result.json`` says of it."""
    try:
        found = patiently(lambda: sha256_of(path))
    except FileNotFoundError:
        return "missing"
    return "as listed" if found == sha256 else "altered"


def _unlike(state: _State, name: str, where: Path | str) -> CheckpointError:
    return CheckpointError(
        f"a finished job's result has the files that its {RESULT} lists",
        came=f"{state}: {name}",
        remedy="delete its folder; the next run makes it again",
        where=where,
    )
