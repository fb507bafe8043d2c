"""What was altered, truncated or never finished does not pass for a store."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from distributed_iac.config.preprocess import PreprocessSettings
from distributed_iac.config.split import SplitSettings
from distributed_iac.data.prepare.prepare import prepare_store
from distributed_iac.data.store import Store
from distributed_iac.data.store.manifest import (
    MANIFEST,
    SMALL,
    compared_files,
    read_manifest,
    write_manifest,
)
from distributed_iac.errors import StoreError
from distributed_iac.versions import STORE

SHARD = "shards/shard-00000.arrow"
EVERY_FILE = (*SMALL, "native_labels.arrow", SHARD)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, write: Any, as_source: Any) -> Path:
    root = tmp_path_factory.mktemp("data")
    source = as_source(
        root / "raw", [write(root / "raw", f"p{i}", f"p{i}", seed=i) for i in range(4)]
    )
    how = PreprocessSettings(workers=1)
    return prepare_store(source, "demo", how, SplitSettings(), root / "store").folder


@pytest.fixture
def folder(original: Path, tmp_path: Path, files_of: Any) -> Path:
    for name, data in files_of(original).items():
        (tmp_path / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "copy" / name).write_bytes(data)
    return tmp_path / "copy"


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)


def test_the_manifest_names_every_file(folder: Path, files_of: Any) -> None:
    assert set(read_manifest(folder).files) == set(files_of(folder)) - {MANIFEST} == {*EVERY_FILE}


def test_a_store_may_be_moved(folder: Path) -> None:
    assert len(Store.open(folder, "checksums")) == 12


@pytest.mark.parametrize("name", EVERY_FILE)
def test_a_missing_or_truncated_file_is_named(folder: Path, name: str) -> None:
    path = folder / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StoreError, match=f"{name} has"):
        Store.open(folder)
    path.unlink()
    with pytest.raises(StoreError, match=f"{name}: No such file"):
        Store.open(folder)


@pytest.mark.parametrize("name", EVERY_FILE)
def test_a_flipped_bit_is_found(folder: Path, name: str) -> None:
    flip(folder / name)
    with pytest.raises(StoreError, match=f"{name} has been altered"):
        Store.open(folder, "checksums" if name not in SMALL else "manifest")


def test_every_file_is_compared_up_to_the_first_that_was_altered(folder: Path) -> None:
    manifest = read_manifest(folder)
    assert list(compared_files(folder, manifest)) == list(manifest.files)
    flip(folder / SHARD)
    seen: list[str] = []
    with pytest.raises(StoreError, match=f"{SHARD} has been altered"):
        seen.extend(compared_files(folder, manifest))
    assert seen == list(manifest.files)[: list(manifest.files).index(SHARD)]


@pytest.mark.parametrize("name", [SHARD, "native_labels.arrow"])
def test_a_store_of_which_a_bit_was_flipped_is_not_already_prepared(
    tmp_path: Path, write: Any, as_source: Any, name: str
) -> None:
    raw = tmp_path / "raw"
    source = as_source(raw, [write(raw, f"p{i}", f"p{i}", seed=i) for i in range(4)])

    def prepare() -> str:
        how = PreprocessSettings(workers=1)
        return prepare_store(source, "demo", how, SplitSettings(), tmp_path / "store").status

    assert [prepare(), prepare()] == ["prepared", "already_prepared"]
    flip(tmp_path / "store" / name)
    with pytest.raises(StoreError, match=f"{name} has been altered"):
        prepare()


@pytest.mark.parametrize("keep", [0, 10, -5])
def test_half_a_manifest_is_none(folder: Path, keep: int) -> None:
    text = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(text[:keep])
    with pytest.raises(StoreError, match="cannot be read"):
        Store.open(folder)


def test_an_edited_manifest_is_noticed(folder: Path) -> None:
    content = json.loads((folder / MANIFEST).read_text())
    content["files"].pop(SHARD)
    (folder / MANIFEST).write_text(json.dumps(content))
    with pytest.raises(StoreError, match="its own checksum"):
        Store.open(folder)


def test_a_newer_format_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = read_manifest(folder)
    newer = replace(STORE, version=STORE.version + 1)
    monkeypatch.setattr("distributed_iac.data.store.manifest.STORE", newer)
    write_manifest(folder, manifest)
    monkeypatch.undo()
    with pytest.raises(StoreError, match=f"{newer.version}, written by a newer release"):
        Store.open(folder)


def test_what_is_no_store_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such folder"):
        Store.open(tmp_path / "none")
    with pytest.raises(StoreError, match="without a manifest"):
        Store.open(tmp_path)
    (tmp_path / ".lock").touch()
    with pytest.raises(StoreError, match="unfinished"):
        Store.open(tmp_path)
    (tmp_path / ".work").mkdir()
    with pytest.raises(StoreError, match="unfinished") as caught:
        Store.open(tmp_path)
    assert "distributed-iac prepare" in str(caught.value)


@pytest.mark.parametrize("name", [SHARD, "native_labels.arrow"])
def test_damage_after_opening_is_one_clear_error(folder: Path, name: str) -> None:
    store = Store.open(folder)
    (folder / name).write_bytes(b"ARROW1" + bytes(100))
    with pytest.raises(StoreError, match="complete Arrow file"):
        store.image(0) if name == SHARD else store.native_label("p0")
