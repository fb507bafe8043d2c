"""The README speaks of things that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from distributed_iac.cli.main import app
from distributed_iac.nets.registry import REGISTRY

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = {command.callback.__name__ for command in app.registered_commands if command.callback}


def test_every_command_in_it_exists() -> None:
    named = re.findall(r"^distributed-iac (\w+)", README, flags=re.MULTILINE)
    assert named
    assert set(named) <= COMMANDS


@pytest.mark.parametrize("target", ["quickstart", "test", "lint", "types", "bench", "schema"])
def test_every_make_target_it_names_is_in_the_makefile(target: str) -> None:
    assert f"make {target}" in README
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


def test_every_file_it_points_to_is_there() -> None:
    named = set(re.findall(r"`((?:configs|benchmarks)/[\w./]+)`|\]\(([\w./]+)\)", README))
    paths = {first or second for first, second in named}
    assert paths
    assert not [path for path in paths if not (ROOT / path).exists()]


def test_every_backbone_is_named() -> None:
    assert not [name for name in REGISTRY if f"`{name}`" not in README]
