"""What is added to the settings leaves older runs, results and stores alone."""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import TypeAdapter

import distributed_iac.config
from distributed_iac.config.base import (
    AS_STORED,
    Before,
    Settings,
    fields_before,
    to_identity,
    to_plain,
)

RELEASED = Path(__file__).parents[1] / "data" / "v0_1_0" / "settings.json"


class Branch(Settings):
    kept: int = 1
    mode: Annotated[Literal["old", "new"], Before("old")] = "new"
    sides: Annotated[tuple[int, ...], Before([1, 2])] = (1, 2)


class Tree(Settings):
    branch: Branch = Branch()
    by_name: Mapping[str, Branch]
    listed: tuple[Branch, ...] = ()
    later: Annotated[Branch | None, Before(None)] = None


def test_a_setting_that_is_as_it_was_before_does_not_show() -> None:
    assert to_identity(Branch(mode="old")) == {"kept": 1}
    assert to_identity(Branch()) == {"kept": 1, "mode": "new"}
    assert to_identity(Branch(mode="old", sides=(3,))) == {"kept": 1, "sides": [3]}


def test_it_does_not_show_at_any_depth() -> None:
    old = Branch(mode="old")
    tree = Tree(branch=old, by_name={"a": old}, listed=(old,))
    plain = {"kept": 1}
    assert to_identity(tree) == {"branch": plain, "by_name": {"a": plain}, "listed": [plain]}


def test_the_resolved_configuration_shows_everything() -> None:
    assert to_plain(Branch()) == {"kept": 1, "mode": "new", "sides": [1, 2]}
    assert to_plain(Tree(by_name={}))["later"] is None


def test_what_an_older_release_stored_is_what_it_did() -> None:
    stored = {"branch": {"kept": 2}, "by_name": {"a": {}}, "listed": [{"mode": "new"}]}
    tree = Tree.model_validate(stored, context=AS_STORED)
    assert tree.branch == Branch(kept=2, mode="old")
    assert (tree.by_name["a"].mode, tree.listed[0].mode) == ("old", "new")


def test_what_a_user_leaves_out_is_the_default() -> None:
    assert Tree.model_validate({"branch": {}, "by_name": {}}).branch.mode == "new"


def settings_classes() -> dict[str, type[Settings]]:
    found: dict[str, type[Settings]] = {}
    for module in pkgutil.iter_modules(distributed_iac.config.__path__):
        content = vars(importlib.import_module(f"distributed_iac.config.{module.name}"))
        found |= {
            name: value
            for name, value in content.items()
            if isinstance(value, type) and issubclass(value, Settings) and value is not Settings
        }
    return found


@pytest.mark.parametrize("name", sorted(json.loads(RELEASED.read_text())))
def test_every_setting_added_since_the_release_says_what_was_done_before(name: str) -> None:
    """Mark it: ``name: Annotated[TYPE, Before(WHAT WAS DONE WITHOUT IT)] = DEFAULT``."""
    settings = settings_classes()[name]
    released = set(json.loads(RELEASED.read_text())[name])
    assert set(settings.model_fields) - released == set(fields_before(settings))


@pytest.mark.parametrize(
    "settings", [*settings_classes().values(), Branch, Tree], ids=lambda one: one.__name__
)
def test_what_was_done_before_is_a_value_that_may_be_asked_for(settings: type[Settings]) -> None:
    for name, value in fields_before(settings).items():
        field = settings.model_fields[name]
        TypeAdapter(Annotated[field.annotation, *field.metadata]).validate_python(value)
