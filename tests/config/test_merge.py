"""Layers of configuration: parents, files, --set, and where each value came from."""

from __future__ import annotations

from pathlib import Path

import pytest

from distributed_iac.config.merge import read_layers
from distributed_iac.errors import ConfigError


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_child_wins_over_its_parent_and_set_over_both(tmp_path: Path) -> None:
    write(tmp_path / "base" / "p.yaml", "a: {x: 1, y: 1, z: 1}\nb: [1, 2]\n")
    child = write(tmp_path / "c.yaml", "base: base/p.yaml\na: {y: 2, z: 2}\nb: [3]\n")
    layers = read_layers(child, ["a.z=3", "b.0=9"])
    assert layers.values == {"a": {"x": 1, "y": 2, "z": 3}, "b": [9]}
    assert layers.origin("a.x").endswith("p.yaml")
    assert layers.origin("a.y").endswith("c.yaml")
    assert layers.origin("a.z") == "--set a.z=3"


def test_numbers_with_exponents_are_numbers(tmp_path: Path) -> None:
    layers = read_layers(write(tmp_path / "c.yaml", "a: 1e-3\nb: 3E5\nc: 1.5e2\n"), ["d=2e-4"])
    assert layers.values == {"a": 1e-3, "b": 3e5, "c": 150.0, "d": 2e-4}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2\n", "stands here twice"),
        ("a: [1\n", "plain YAML"),
        ("- 1\n", "mapping"),
        ("a: !!python/object/apply:os.system ['true']\n", "plain YAML"),
        ("base: 3\n", "names one file"),
        ("base: missing.yaml\n", "no such configuration file"),
        ("base: c.yaml\n", "must not lead back"),
    ],
)
def test_a_bad_file_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_layers(write(tmp_path / "c.yaml", text))
    assert message in str(caught.value)
    assert "yaml" in str(caught.value)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("a", "key.path=value"),
        ("=3", "key.path=value"),
        ("a.b.c=1", "plain value"),
        ("l.7=1", "entries 0 to 1"),
        ("l.x=1", "entries 0 to 1"),
        ("a=[1", "plain YAML"),
    ],
)
def test_a_bad_override_is_refused(tmp_path: Path, override: str, message: str) -> None:
    path = write(tmp_path / "c.yaml", "a: {b: 1}\nl: [1, 2]\n")
    with pytest.raises(ConfigError, match="--set") as caught:
        read_layers(path, [override])
    assert message in str(caught.value)


def test_an_empty_file_is_an_empty_mapping(tmp_path: Path) -> None:
    assert read_layers(write(tmp_path / "c.yaml", "")).values == {}


def test_binary_and_missing_files_are_config_errors(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot read"):
        read_layers(path)
    with pytest.raises(ConfigError, match="no such"):
        read_layers(tmp_path / "absent.yaml")
