"""The command line: quick to answer, one readable block on errors, the promised exit codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = ("phantom", "check", "prepare", "search", "schema")


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "distributed_iac.cli.main", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        timeout=120,
    )


def test_help_lists_every_command_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; from distributed_iac.cli.main import app; "
        "heavy = {'torch', 'ray', 'monai', 'numpy', 'scipy', 'pyarrow', 'nibabel', 'matplotlib'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    shown = run("--help")
    assert shown.returncode == 0
    assert all(command in shown.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0
    assert "Usage" in done.stdout


REFUSED = [
    (("serch",), 2, "serch"),
    (("search",), 2, "Missing argument"),
    (("search", "absent.yaml"), 2, "no such configuration file"),
    (("search", "broken.yaml"), 2, "plain YAML"),
    (("search", "typo.yaml"), 2, "did you mean search?"),
    (("search", "good.yaml", "--set", "nonsense"), 2, "key.path=value"),
    (("search", "good.yaml", "--dataset", "acd"), 2, "did you mean acdc?"),
    (("search", "good.yaml"), 3, "prepare"),
    (("prepare", "good.yaml"), 3, "absent_source"),
    (("check", "absent_source"), 3, "absent_source"),
    (("check", "empty"), 3, "empty"),
    (("phantom", "lungs", "out"), 2, "lungs"),
]


@pytest.mark.parametrize(
    ("arguments", "code", "said"), REFUSED, ids=[" ".join(a) for a, *_ in REFUSED]
)
def test_what_cannot_be_ends_with_its_exit_code_and_one_readable_block(
    tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.yaml").write_text("a: [1\n", encoding="utf-8")
    good = "name: run\ndata: [{name: acdc, source: absent_source}]\n"
    (tmp_path / "good.yaml").write_text(good, encoding="utf-8")
    (tmp_path / "typo.yaml").write_text(good + "serch: {}\n", encoding="utf-8")
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = run("search", "absent.yaml", "--debug", cwd=tmp_path)
    assert "Traceback" in done.stderr
