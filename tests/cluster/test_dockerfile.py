"""configs/Dockerfile: what can be known of an image without building it."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

HADOLINT = shutil.which("hadolint")


@pytest.fixture(scope="module")
def image(root: Path, cluster_file: Any) -> Any:
    return cluster_file(root / "configs" / "Dockerfile", {})


@pytest.fixture(scope="module")
def steps(image: Any) -> list[tuple[str, str]]:
    """Instructions in order, each in one line, with its arguments."""
    text = re.sub(r"(?m)^#.*\n", "", image.text).replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    return [(line[0], re.sub(r"\s+", " ", line[1])) for line in lines]


def of(steps: list[tuple[str, str]], name: str) -> list[str]:
    return [arguments for instruction, arguments in steps if instruction == name]


def copied(steps: list[tuple[str, str]]) -> set[str]:
    """What is copied from the repository."""
    words = [arguments.split() for arguments in of(steps, "COPY")]
    return {word for line in words for word in line[:-1] if not word.startswith("--")}


def test_it_begins_with_the_pinned_ray(steps: Any, pins: dict[str, str]) -> None:
    assert of(steps, "FROM") == [f"rayproject/ray:{pins['ray']}-py311-gpu"]


def test_what_it_copies_exists_and_is_all_that_an_installation_needs(
    steps: Any, root: Path
) -> None:
    assert all((root / name).exists() for name in copied(steps))
    assert not {".", "./"} & copied(steps), "what is not named stays out"
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    (package,) = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    needed = {package, project["project"]["readme"], *project["project"]["license-files"]}
    assert needed | {"pyproject.toml", "constraints.txt", "configs"} == copied(steps)


def test_every_installation_is_pinned_and_leaves_no_cache(steps: Any) -> None:
    installs = [part for run in of(steps, "RUN") for part in run.split("&&") if "install" in part]
    assert len(installs) == 2
    for install in installs:
        assert "pip install --no-cache-dir" in install
        assert "-c constraints.txt" in install


def test_nothing_runs_as_root_and_files_belong_to_the_user(steps: Any) -> None:
    assert of(steps, "USER") == ["1000"], "by number, as Kubernetes' runAsNonRoot wants it"
    user = next(number for number, step in enumerate(steps) if step[0] == "USER")
    assert all(number > user for number, step in enumerate(steps) if step[0] in ("RUN", "CMD"))
    assert all("--chown=ray:users" in copy for copy in of(steps, "COPY"))


def test_what_its_head_and_kuberay_say_fits(image: Any, version: str, root: Path) -> None:
    assert set(re.findall(r"REGISTRY/distributed-iac:([0-9.]+)", image.text)) == {version}
    assert image.named_configs()
    assert all((root / name).is_file() for name in image.named_configs())
    entrypoint = (root / "configs" / "kuberay.yaml").read_text(encoding="utf-8")
    assert "/home/ray/distributed-iac/configs/" in entrypoint, "where the image has them"


def test_nothing_in_it_is_secret(image: Any) -> None:
    assert image.secrets() == []


@pytest.mark.skipif(HADOLINT is None, reason="hadolint is not installed")
def test_hadolint_finds_nothing(image: Any) -> None:
    done = subprocess.run([str(HADOLINT), image.path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
