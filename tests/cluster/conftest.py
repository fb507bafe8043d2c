"""What the cluster files must agree with: pinned versions and the command line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SECRETS = (
    re.compile(r"AKIA[0-9A-Z]{16}"),
    re.compile(r"-----BEGIN"),
    re.compile(
        r"(?i)(password|passwd|secret|token|api_?key)\w*\s*[:=]\s*[\"']?[A-Za-z0-9+/_-]{16,}"
    ),
    re.compile(r"\b(ghp|gho|hf|sk|xox[bp])[_-][A-Za-z0-9]{16,}"),
    re.compile(r"\b[0-9a-f]{32,}\b"),
)


class ClusterFile:
    """The text and the values of a file that describes a cluster."""

    def __init__(self, path: Path, values: dict[str, Any]) -> None:
        self.path = path
        self.text = path.read_text(encoding="utf-8")
        self.values = values

    @property
    def unwrapped(self) -> str:
        """The text with comment marks and line breaks removed, for commands that span lines."""
        return re.sub(r"\s+", " ", re.sub(r"(?m)^\s*#", " ", self.text))

    def secrets(self) -> list[str]:
        """Everything that looks like a key, a token or a password."""
        return [found.group() for pattern in SECRETS for found in pattern.finditer(self.text)]

    def named_commands(self) -> set[str]:
        """Words after ``distributed-iac`` that stand where a subcommand does."""
        return set(re.findall(r"distributed-iac ([a-z]+) (?=\S*(?:configs|runs)/)", self.unwrapped))

    def named_configs(self) -> set[str]:
        """Configurations that commands name, relative to the repository."""
        pattern = r"distributed-iac/(configs/\w+\.yaml)"
        return set(re.findall(pattern, self.unwrapped))

    def strings(self) -> Iterator[str]:
        """Every text among the values."""
        return _strings(self.values)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, str):
        yield value


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def pins() -> dict[str, str]:
    """Package to its version in constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


@pytest.fixture(scope="session")
def version() -> str:
    """The project's own version."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return str(tomllib.loads(text)["project"]["version"])


@pytest.fixture(scope="session")
def commands() -> set[str]:
    """Subcommands of the command line."""
    from distributed_iac.cli.main import app

    found = (
        entry.name or getattr(entry.callback, "__name__", "") for entry in app.registered_commands
    )
    return {name.replace("_", "-") for name in found}


@pytest.fixture(scope="session")
def cluster_file() -> type[ClusterFile]:
    return ClusterFile
