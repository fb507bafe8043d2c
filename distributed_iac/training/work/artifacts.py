"""Results of finished jobs, by what they were made from: complete or not there.

::

    artifacts = Artifacts("runs/artifacts")             # or "s3://bucket/artifacts"
    artifacts.put(digest, folder)                       # result.json last
    folder = artifacts.fetch(digest)                    # a local folder to read, or None

The name is a digest of everything that the result follows from (``training/work/digest.py``), so
a job that any run has finished is not run again. Jobs on other machines need a root that all
of them reach: a shared folder, or a URI of a file system that pyarrow knows.

Layout: ``<root>/<first two digits>/<digest>/<files>``.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyarrow import fs

from distributed_iac.errors import RunError

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
        folder = self._local(str(digest))
        if folder is not None:
            return (folder / RESULT).is_file()
        system, path = self._remote(str(digest))
        return bool(system.get_file_info(f"{path}/{RESULT}").type == fs.FileType.File)

    def fetch(self, digest: str) -> Path | None:
        """Return a local folder with the result's files, to be read only; None if it is missing.

        Raises:
            RunError: A remote result is damaged.
            OSError: The storage cannot be reached.
        """
        if digest not in self:
            return None
        local = self._local(digest)
        if local is not None:
            return local
        kept = (self.cache or _default_cache()) / _place(digest)
        if not (kept / RESULT).is_file():
            self._download(digest, kept)
        return kept

    def put(self, digest: str, folder: Path) -> None:
        """Keep the files of a folder, unless the result is there already.

        Args:
            digest: What they were made from.
            folder: Files, with a ``result.json`` of ``work/result.py`` that lists them.

        Raises:
            RunError: There is no ``result.json``.
            OSError: Storage full or out of reach; then the result is not there.
        """
        if not (folder / RESULT).is_file():
            raise RunError(f"a finished job leaves a {RESULT}", came="none", where=folder)
        if digest in self:
            return
        local = self._local(digest)
        if local is not None:
            _move_in(folder, local)
            return
        system, path = self._remote(digest)
        system.create_dir(path, recursive=True)
        for name in _result_last(folder):
            # An object appears when its stream is closed, whole or not at all.
            with system.open_output_stream(f"{path}/{name}") as stream:
                stream.write((folder / name).read_bytes())

    def _local(self, digest: str) -> Path | None:
        """The result's folder, where the root is one; a ``file://`` URI is treated as remote."""
        if "://" in str(self.root):
            return None
        return Path(self.root).absolute() / _place(digest)

    def _remote(self, digest: str) -> tuple[Any, str]:
        system, path = fs.FileSystem.from_uri(str(self.root))
        return system, f"{path.rstrip('/')}/{_place(digest)}"

    def _download(self, digest: str, kept: Path) -> None:
        system, path = self._remote(digest)
        scratch = _beside(kept)
        scratch.mkdir(parents=True)
        try:
            with system.open_input_stream(f"{path}/{RESULT}") as stream:
                (scratch / RESULT).write_bytes(stream.read())
            expected = _listed(scratch)
            # What a put that was cut off left beside them is none of the result's.
            for name in expected:
                with system.open_input_stream(f"{path}/{name}") as stream:
                    (scratch / name).write_bytes(stream.read())
            _verify(scratch, expected, f"{self.root}/{_place(digest)}")
            _move_in(scratch, kept)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


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


def _listed(folder: Path) -> dict[str, str]:
    """Names and checksums of the files that belong to a result."""
    content = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    return dict(content[FILES])


def _verify(folder: Path, expected: Mapping[str, str], where: str) -> None:
    """Compare what came over the network with what was sent."""
    found = checksums(folder)
    altered = sorted(name for name in expected if found[name] != expected[name])
    if altered:
        raise RunError(
            f"a stored result has the files that its {RESULT} lists",
            came=f"altered: {', '.join(altered)}",
            remedy="delete this result; the next run makes it again",
            where=where,
        )
