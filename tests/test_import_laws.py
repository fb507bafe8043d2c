"""The laws of the rooms: imports go down from floor to floor, and never in a circle."""

from __future__ import annotations

import ast
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import distributed_iac

PACKAGE = Path(distributed_iac.__file__).parent
FLOORS = (
    # Values, errors and files: nothing of torch, Ray or MONAI up to the first line.
    *("transient", "errors", "files", "versions", "locks", "provenance", "seeds", "genotype"),
    # Settings, and the rules: pure functions of settings and of what was reported.
    *("config", "importance", "stability", "agreement", "pruning", "jobs", "verdict"),
    *("selection", "comparison", "headroom", "simulation"),
    # Data, from files to batches.
    *("data.contract", "data.faults", "data.problems", "data.workers", "data.targets"),
    "data.volumes",
    *("data.formats", "data.splits", "data.store", "data.prepare", "data.check", "data.batches"),
    # Networks and their training.
    *("nets", "cell", "evaluation", "training"),
    # Jobs carried out and written down; what is made of them; the cluster.
    *("run", "report", "deploy", "tune"),
    # Whoever types a command.
    *("phantom", "cli", "quickstart"),
)
"""From the ground up; a room imports from those before it, and from itself."""
PURE = FLOORS[: FLOORS.index("data.contract")]
HEAVY = {"torch", "ray", "monai"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """A module's name below the package."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def room_of(name: str) -> str:
    """The room of a module."""
    first, _, rest = name.partition(".")
    return f"{first}.{rest.partition('.')[0]}" if first == "data" and rest else first


NAMES = {name_of(module) for module in MODULES}


@cache
def imports(path: Path) -> frozenset[str]:
    """Every absolute module name that a file imports, at any depth."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(names)


def own_imports(path: Path) -> set[str]:
    """The modules of this package that a file imports."""
    found = {name.removeprefix("distributed_iac.") for name in imports(path)}
    return found & NAMES


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
    assert room_of(name_of(path)) in {*FLOORS, "data", "__init__", "__main__"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_only_go_down(path: Path) -> None:
    room = room_of(name_of(path))
    if room not in FLOORS:
        return
    below = FLOORS[: FLOORS.index(room) + 1]
    for name in own_imports(path):
        assert room_of(name) in below, f"{path.relative_to(PACKAGE)} imports upwards: {name}"


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Within a room neither; ``static_order`` raises and names the circle."""
    graph = {name_of(path): own_imports(path) - {name_of(path)} for path in MODULES}
    # A package that its own modules belong to is no module that they use.
    uses = {
        name: {one for one in found if not name.startswith(f"{one}.")}
        for name, found in graph.items()
    }
    assert len(list(TopologicalSorter(uses).static_order())) == len(MODULES)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_tune_imports_ray(path: Path) -> None:
    if room_of(name_of(path)) == "tune":
        return
    assert not any(name.split(".")[0] == "ray" for name in imports(path))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_values_and_rules_import_neither_torch_nor_ray(path: Path) -> None:
    if room_of(name_of(path)) in PURE:
        assert not any(name.split(".")[0] in HEAVY for name in imports(path))


INTERNALS = {
    "ray.train._internal": "tune/ray_internals.py",
    "ray._private": "tune/ray_internals.py",
    "tensorboard": "report/tensorboard/protocol.py",
    "nibabel.imageglobals": "data/volumes/nifti.py",
    "nibabel.volumeutils": "data/volumes/nifti.py",
    "pydantic_core": "config/pydantic_errors.py",
}
"""Interfaces that their libraries do not promise, and the one file that may know each."""


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_what_a_library_does_not_promise_is_known_to_one_file(path: Path) -> None:
    for name in imports(path):
        for internal, keeper in INTERNALS.items():
            if name == internal or name.startswith(f"{internal}."):
                assert path == PACKAGE / keeper, name


@pytest.mark.parametrize("path", sorted((PACKAGE / "cli").rglob("*.py")), ids=lambda p: p.name)
def test_the_command_line_imports_its_rooms_lazily(path: Path) -> None:
    for name in module_level_imports(path):
        assert name.split(".")[0] not in HEAVY | {"numpy", "pyarrow", "scipy", "matplotlib"}
