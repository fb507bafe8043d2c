"""The laws of the rooms: imports go down, only ``tune`` imports ray, the rules import neither."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import distributed_iac

PACKAGE = Path(distributed_iac.__file__).parent
ROOMS = {
    "errors": 0,
    "transient": 0,
    "files": 0,
    "versions": 0,
    "locks": 0,
    "seeds": 0,
    "provenance": 0,
    "config": 0,
    "genotype": 0,
    "stability": 1,
    "pruning": 1,
    "simulation": 1,
    "importance": 1,
    "agreement": 1,
    "jobs": 1,
    "selection": 1,
    "comparison": 1,
    "verdict": 1,
    "data": 2,
    "nets": 2,
    "cell": 2,
    "evaluation": 3,
    "training": 4,
    "run": 5,
    "report": 6,
    "deploy": 6,
    "tune": 7,
    "phantom": 7,
    "cli": 8,
    "quickstart": 9,
}
DATA_ROOMS = {
    "contract": 0,
    "workers": 0,
    "faults": 1,
    "problems": 1,
    "targets": 1,
    "formats": 2,
    "volumes": 2,
    "splits": 3,
    "store": 4,
    "prepare": 5,
    "batches": 5,
    "check": 5,
}
"""Floors of ``data``: a room imports from below, never from one beside it."""
HEAVY = {"torch", "ray", "monai"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Every absolute module name that a file imports, at any depth."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def module_level_imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    guarded = [n for n in tree.body if not isinstance(n, ast.If)]
    names: set[str] = set()
    for node in guarded:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_every_module_belongs_to_a_room(path: Path) -> None:
    assert room_of(path) in {*ROOMS, "__init__", "__main__"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_only_go_down(path: Path) -> None:
    level = ROOMS.get(room_of(path))
    if level is None:
        return
    for name in imports(path):
        parts = name.split(".")
        if parts[0] != "distributed_iac" or len(parts) < 2 or parts[1] not in ROOMS:
            continue
        assert ROOMS[parts[1]] <= level, f"{path.relative_to(PACKAGE)} imports upwards: {name}"


@pytest.mark.parametrize(
    "path",
    [p for p in MODULES if room_of(p) == "data" and p.parent.name + p.stem != "data__init__"],
    ids=lambda p: str(p.relative_to(PACKAGE)),
)
def test_rooms_of_data_import_from_below(path: Path) -> None:
    room = path.relative_to(PACKAGE / "data").parts[0].removesuffix(".py")
    for name in imports(path):
        if name.startswith("distributed_iac.data."):
            other = name.split(".")[2]
            assert other == room or DATA_ROOMS[other] < DATA_ROOMS[room], (
                f"{path.relative_to(PACKAGE)} imports {name}"
            )


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_tune_imports_ray(path: Path) -> None:
    if room_of(path) == "tune":
        return
    assert not any(name.split(".")[0] == "ray" for name in imports(path))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_values_and_rules_import_neither_torch_nor_ray(path: Path) -> None:
    if ROOMS.get(room_of(path), 9) <= 1:
        assert not any(name.split(".")[0] in HEAVY for name in imports(path))


@pytest.mark.parametrize("path", sorted((PACKAGE / "cli").rglob("*.py")), ids=lambda p: p.name)
def test_the_command_line_imports_its_rooms_lazily(path: Path) -> None:
    for name in module_level_imports(path):
        assert name.split(".")[0] not in HEAVY | {"numpy", "pyarrow", "scipy", "matplotlib"}
