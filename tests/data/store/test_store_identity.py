"""A store's identity changes with whatever changes its bytes, and with nothing else."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from distributed_iac.config.preprocess import PreprocessSettings
from distributed_iac.config.split import SplitSettings
from distributed_iac.data.contract import Source
from distributed_iac.data.prepare.prepare import prepare_store
from distributed_iac.data.prepare.request import make_request
from distributed_iac.data.prepare.source_files import content_mark
from distributed_iac.data.store import identity
from distributed_iac.data.store.identity import PREPROCESS_VERSION, Change
from distributed_iac.data.store.manifest import read_manifest
from distributed_iac.errors import StoreError


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_content_of_the_same_size_has_another_mark(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    write = gzip.compress if ending == ".nii.gz" else bytes
    path.write_bytes(write(b"label 1 here"))
    before, size = content_mark(path), path.stat().st_size
    path.write_bytes(write(b"label 2 here"))
    assert path.stat().st_size == size
    assert content_mark(path) != before


def test_block_gzip_is_read_in_full_because_its_trailer_is_empty(tmp_path: Path) -> None:
    marks = []
    for content in (b"label 1 here", b"label 2 here"):
        path = tmp_path / "a.nii.gz"
        path.write_bytes(gzip.compress(content) + gzip.compress(b""))
        marks.append(content_mark(path))
    assert marks[0] != marks[1]


def test_a_missing_file_has_a_mark_too(tmp_path: Path) -> None:
    assert content_mark(tmp_path / "none.nii.gz") == "unreadable"


def key(source: Source, **how: Any) -> str:
    split = how.pop("split", SplitSettings())
    return make_request(source, "demo", PreprocessSettings(**how), split, Path("store")).key


def moved(source: Source, root: Path) -> Source:
    shutil.copytree(source.detection.root, root)

    def here(path: Path | None) -> Path:
        assert path is not None
        return root / path.name

    cases = tuple(
        replace(
            case,
            channels=tuple(replace(c, path=here(c.path)) for c in case.channels),
            label=here(case.label),
        )
        for case in source.cases
    )
    return replace(source, cases=cases, detection=replace(source.detection, root=root))


def test_the_identity_ignores_place_workers_and_policy(source: Source, tmp_path: Path) -> None:
    expected = key(source)
    assert key(source, workers=7, on_bad_case="skip") == expected
    assert key(moved(source, tmp_path / "elsewhere")) == expected


def test_the_identity_follows_settings_split_files_and_rules(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [
        key(source),
        key(source, patch=(32, 32)),
        key(source, normalisation="ct"),
        key(source, split=SplitSettings(seed=1)),
        key(replace(source, cases=source.cases[:-1])),
        key(replace(source, labels=replace(source.labels, classes={1: "ring", 2: "other"}))),
    ]
    case = source.cases[0]
    keys.append(key(replace(source, cases=(replace(case, modality="CT"), *source.cases[1:]))))
    case.channels[0].path.write_bytes(source.cases[1].channels[0].path.read_bytes())
    keys.append(key(source))
    monkeypatch.setattr("distributed_iac.data.store.identity.PREPROCESS_VERSION", 10**6)
    keys.append(key(source))
    assert len(set(keys)) == len(keys)


def test_an_identity_survives_json(source: Source) -> None:
    order = make_request(source, "demo", PreprocessSettings(), SplitSettings(), Path("store"))
    assert json.loads(json.dumps(order.identity)) == order.identity


def raised(monkeypatch: pytest.MonkeyPatch, *changes: Change) -> None:
    """The preparation of a later release."""
    later = replace(identity.PREPARATION, version=PREPROCESS_VERSION + 1)
    monkeypatch.setattr(identity, "PREPARATION", later)
    monkeypatch.setattr(identity, "PREPROCESS_VERSION", later.version)
    monkeypatch.setattr(identity, "CHANGES", changes)


def turned(asked: Mapping[str, Any]) -> bool:
    return bool(asked["preprocess"]["normalisation"] == "ct")


def prepared(source: Source, folder: Path, **how: Any) -> str:
    settings = PreprocessSettings(workers=1, **how)
    return prepare_store(source, "demo", settings, SplitSettings(), folder).status


def test_a_store_of_an_older_preparation_is_used_where_nothing_has_changed_for_it(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert prepared(source, tmp_path / "mr") == "prepared"
    assert prepared(source, tmp_path / "ct", normalisation="ct") == "prepared"
    before = read_manifest(tmp_path / "mr").identity
    raised(monkeypatch, Change(PREPROCESS_VERSION + 1, "turns what is CT", turned))
    assert prepared(source, tmp_path / "mr") == "already_prepared"
    assert read_manifest(tmp_path / "mr").identity == before, "its results are found as before"
    with pytest.raises(StoreError, match="same settings and files") as caught:
        prepared(source, tmp_path / "ct", normalisation="ct")
    assert "version" in str(caught.value.came)
    assert "turns what is CT" in str(caught.value.came)


def test_another_setting_is_told_from_another_version(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(source, tmp_path / "store")
    raised(monkeypatch)
    with pytest.raises(StoreError) as caught:
        prepared(source, tmp_path / "store", patch=(16, 16))
    assert "preprocess.patch" in str(caught.value.came)


def test_a_store_of_a_newer_preparation_asks_for_an_upgrade(source: Source, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as later:
        raised(later)
        prepared(source, tmp_path / "store")
    with pytest.raises(StoreError, match="this release reads a preparation") as caught:
        prepared(source, tmp_path / "store")
    assert "upgrade" in str(caught.value.remedy)


def test_every_change_belongs_to_a_version_that_is_read() -> None:
    versions = [change.version for change in identity.CHANGES]
    oldest = identity.PREPARATION.oldest
    assert versions == sorted(versions)
    assert set(versions) <= set(range(oldest + 1, PREPROCESS_VERSION + 1))
