"""The last file of a store: what belongs to it, with size and checksum.

::

    write_manifest(folder, Manifest(identity_key, digests))
    manifest = read_manifest(folder)             # StoreError if the store is not whole
    verify_files(folder, manifest, "checksums")
    for name in compared_files(folder, manifest):       # the same, to be followed
        ...

A preparation writes it after everything else. A folder without a valid manifest is no store.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from distributed_iac.config.dataset import DatasetSettings
from distributed_iac.data.store.identity import (
    content_key,
    settings_identity,
    store_difference,
)
from distributed_iac.errors import StoreError
from distributed_iac.files import FileDigest, sha256_of, write_json
from distributed_iac.transient import patiently
from distributed_iac.versions import STORE, require_version, versioned

MANIFEST = "manifest.json"
IDENTITY = "identity.json"
FINGERPRINT = "fingerprint.json"
SPLIT = "split.json"
SKIPPED = "skipped.json"
NOTES = "notes.json"
IMAGES = "images.json"
"""By case and channel, a fingerprint of the voxels; stores of older releases have none."""
INDEX = "index.parquet"
CASES = "cases.parquet"
NATIVE_LABELS = "native_labels.arrow"
SHARDS = "shards"
WHOLE = "whole"
"""Folder of the test cases whose slices are larger than the patch: a .npy of all of every slice."""
WORK = ".work"
LOCK = ".lock"
"""There while the store is being made."""

SMALL = (IDENTITY, FINGERPRINT, SPLIT, SKIPPED, NOTES, IMAGES, INDEX, CASES)
"""Files whose checksums are cheap enough to be verified at every opening."""

Verify = Literal["manifest", "checksums"]


@dataclass(frozen=True)
class Manifest:
    """The content of a store.

    Args:
        identity: Key of the store's identity.
        files: Name, relative to the store, to size and checksum.
        version: Of the store's format.
    """

    identity: str
    files: Mapping[str, FileDigest]
    version: int = STORE.version

    @property
    def results(self) -> str:
        """What results on this store are known by: others are to be had where slices are whole."""
        whole = any(name.startswith(f"{WHOLE}/") for name in self.files)
        return content_key(self.identity, WHOLE) if whole else self.identity


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Declare a store whole.

    Raises:
        OSError: It cannot be written; then the folder is no store.
    """
    files = {name: asdict(digest) for name, digest in sorted(manifest.files.items())}
    content = versioned(STORE, {"identity": manifest.identity, "files": files})
    write_json(folder / MANIFEST, {**content, "checksum": content_key(content)})


def read_manifest(folder: Path) -> Manifest:
    """Read and check the manifest itself.

    Raises:
        StoreError: There is no store here, it is unfinished or of a format that this release
            does not read, or its manifest is damaged.
    """
    try:
        content: dict[str, Any] = json.loads(patiently((folder / MANIFEST).read_bytes))
        checksum = content.pop("checksum")
    except FileNotFoundError as error:
        raise _not_whole(folder) from error
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise _damaged(folder, f"{MANIFEST} cannot be read: {error}") from error
    if checksum != content_key(content):
        raise _damaged(folder, f"{MANIFEST} does not have its own checksum")
    version = require_version(STORE, content, folder / MANIFEST)
    files = {name: FileDigest(**digest) for name, digest in content["files"].items()}
    return Manifest(content["identity"], files, version)


def verify_files(folder: Path, manifest: Manifest, verify: Verify) -> None:
    """Compare the files with the manifest.

    Args:
        folder: The store.
        manifest: Its manifest.
        verify: ``manifest`` compares all sizes and the small tables' checksums, in milliseconds;
            ``checksums`` reads every byte, once a process.

    Raises:
        StoreError: A file is missing, truncated or altered.
    """
    for _ in compared_files(folder, manifest, verify):
        pass


def compared_files(folder: Path, manifest: Manifest, verify: Verify = "checksums") -> Iterator[str]:
    """Compare one file after the other with the manifest.

    Args:
        folder: The store.
        manifest: Its manifest.
        verify: As for :func:`verify_files`.

    Yields:
        The name of each, once it has been found to be as it was written.

    Raises:
        StoreError: A file is missing, truncated or altered.
    """
    for name, expected in manifest.files.items():
        path = folder / name
        try:
            size = patiently(path.stat).st_size
            deep = verify == "checksums" or name in SMALL
            sha256 = patiently(partial(sha256_of, path)) if deep else expected.sha256
        except OSError as error:
            raise _damaged(folder, f"{name}: {error.strerror or error}") from error
        if size != expected.size:
            raise _damaged(folder, f"{name} has {size} bytes instead of {expected.size}")
        if sha256 != expected.sha256:
            raise _damaged(folder, f"{name} has been altered: its checksum differs")
        yield name


def require_unchanged(folder: Path, results: str) -> None:
    """Refuse to go by a store that is another one now, or in which a file was changed since.

    The manifest is written last. Where a file's content or place was changed after that, by the
    time that no program can set (``ctime``), all are compared byte by byte, once a process; so
    this costs next to nothing where nothing was touched.

    Args:
        folder: The store.
        results: What results on it were to be known by, :attr:`Manifest.results`.

    Raises:
        StoreError: It is not the same, or not whole.
    """
    manifest = read_manifest(folder)
    if manifest.results != results:
        raise StoreError(
            "a store stays the same while jobs work on it",
            came="another store in its place",
            where=folder,
            remedy="run the same command again",
        )
    try:
        written = patiently((folder / MANIFEST).stat).st_ctime_ns
        places = [folder / name for name in manifest.files]
        touched = any(patiently(one.stat).st_ctime_ns > written for one in places)
    except OSError as error:
        raise _damaged(folder, error.strerror or str(error)) from error
    verify_files(folder, manifest, "checksums" if touched else "manifest")


def without_manifest(folder: Path) -> StoreError:
    """What to say of a store whose manifest was deleted: the other files cannot be trusted."""
    return StoreError(
        f"a store needs its {MANIFEST}: it alone says that the other files are whole",
        came=f"a store whose {MANIFEST} is missing",
        where=folder,
        remedy="delete the folder and run `distributed-iac prepare`, it makes the store again",
    )


def _not_whole(folder: Path) -> StoreError:
    came, remedy = (
        "a folder without a manifest" if folder.is_dir() else "no such folder",
        "run `distributed-iac prepare` with the configuration of this data set",
    )
    # Killed in its first moment, a preparation leaves its lock alone.
    if (folder / WORK).is_dir() or {path.name for path in folder.glob("*")} == {LOCK}:
        came = "an unfinished preparation"
        remedy = "run `distributed-iac prepare` again, it continues"
    elif (folder / IDENTITY).exists():
        return without_manifest(folder)
    return StoreError("a prepared store is expected here", came=came, where=folder, remedy=remedy)


def _damaged(folder: Path, what: str) -> StoreError:
    return StoreError(
        "every file of a store must be as it was written",
        came=what,
        where=folder,
        remedy="delete the folder and run `distributed-iac prepare` again",
    )


def require_same_settings(folder: Path, dataset: DatasetSettings) -> None:
    """Compare a store with what is asked of it, as far as that can be done without its source.

    Args:
        folder: The store.
        dataset: The data set, its preparation settled.

    Raises:
        StoreError: It is of another data set or of other settings.
    """
    stored = json.loads(patiently((folder / IDENTITY).read_bytes))
    asked = {"dataset": dataset.name, "preprocess": settings_identity(dataset.preprocess)}
    difference = store_difference(stored, {**stored, **asked})
    if difference is not None:
        anew = f"or delete the folder: another is made from {dataset.source}"
        kept = f"or bring back {dataset.source} first: nothing else could make this store again"
        raise StoreError(
            "a data set's store must be of the run's settings",
            came=str(difference),
            where=folder,
            remedy="take over its settings, give the data set another name, "
            + (anew if dataset.source.exists() else kept),
        )
