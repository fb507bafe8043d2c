"""The walks of docs/architecture.md can be gone: every file and function that it names is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import distributed_iac
from tests.test_import_laws import FLOORS

PACKAGE = Path(distributed_iac.__file__).parent
TEXT = (PACKAGE.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
STEPS = re.findall(r"`([\w/]+\.py)` `([\w.]+)`", TEXT)


def definitions(body: list[ast.stmt], prefix: str = "") -> set[str]:
    """Functions and classes, methods as ``Class.method``."""
    found: set[str] = set()
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(prefix + node.name)
            if isinstance(node, ast.ClassDef):
                found |= definitions(node.body, f"{prefix}{node.name}.")
    return found


@pytest.mark.parametrize(("file", "name"), STEPS, ids=lambda part: part)
def test_every_step_of_a_walk_exists(file: str, name: str) -> None:
    tree = ast.parse((PACKAGE / file).read_text(encoding="utf-8"))
    assert name in definitions(tree.body)


def test_four_walks_are_described_in_two_pages() -> None:
    walks = TEXT.split("\n## ")[1:]
    assert len(walks) == 4
    assert all(re.findall(r"^\d+\. ", walk, re.MULTILINE) for walk in walks)
    assert len(TEXT.split()) < 1200


def test_every_file_and_room_that_is_named_exists() -> None:
    for file in re.findall(r"`([\w/]+\.py)`", TEXT):
        assert (PACKAGE / file).is_file() or (PACKAGE.parent / file).is_file(), file
    table = "\n".join(line for line in TEXT.splitlines() if line.startswith("| "))
    rooms = {name.replace("/", ".") for name in re.findall(r"`([\w/]+)`", table)}
    assert rooms <= set(FLOORS)
    loose = {f"data.{one}" for one in ("contract", "faults", "problems", "workers", "targets")}
    assert set(FLOORS) - rooms <= loose
