"""What lies in configs/ loads, and says what it is for."""

from __future__ import annotations

from pathlib import Path

import pytest

from distributed_iac.config.load import load_config
from distributed_iac.config.yaml_file import read_yaml

CONFIGS = Path(__file__).parents[2] / "configs"
FILES = sorted(CONFIGS.glob("*.yaml"))
RUNS = [path for path in FILES if "data" in read_yaml(path)]


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.name)
def test_every_run_loads(path: Path) -> None:
    assert load_config(path).name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_file_opens_with_its_purpose_and_hardware(path: Path) -> None:
    head = path.read_text(encoding="utf-8").splitlines()[:6]
    assert head[0].startswith("# Purpose:")
    assert any(line.startswith("# Hardware:") for line in head)


@pytest.mark.parametrize(
    "path", [path for path in FILES if path not in RUNS], ids=lambda path: path.name
)
def test_every_base_serves_a_run(path: Path, tmp_path: Path) -> None:
    child = tmp_path / "run.yaml"
    child.write_text(f"base: {path}\nname: t\ndata: [{{name: d, source: s}}]\n", encoding="utf-8")
    assert load_config(child).name == "t"
