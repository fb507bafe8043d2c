"""Settings of all tests."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

# Deadlines measure how busy the machine is; what a test shows must not depend on that.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, so that workers who take a file at a time end together."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture
def bound() -> Callable[[str], str]:
    """Which versions of a library the project allows: those whose inner parts were looked at."""
    stated = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["dependencies"]

    def of(library: str) -> str:
        (found,) = [one for one in stated if one.startswith(library)]
        return str(found).removeprefix(library)

    return of
