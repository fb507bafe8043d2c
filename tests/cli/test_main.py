"""The command line: quick to answer, one readable block on errors, the promised exit codes."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from distributed_iac.cli.main import app, main
from distributed_iac.cli.system import show_what_they_can
from distributed_iac.errors import ConfigError

COMMANDS = tuple(command.callback.__name__ for command in app.registered_commands)

HEAVY = {"torch", "ray", "monai", "numpy", "scipy", "pyarrow", "nibabel", "matplotlib"}


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process."""

    def call(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["distributed-iac", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        shown = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return Done(caught.value.code, shown.out, shown.err)

    return call


def test_the_command_starts_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; from distributed_iac.cli.main import main\n"
        "try: main()\n"
        f"finally: print(sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"
    assert "Usage" in done.stdout


def test_help_lists_every_command(run: Run) -> None:
    assert len(COMMANDS) >= 10
    shown = run("--help")
    assert shown.code == 0
    listed = {line.split()[0] for line in shown.out.splitlines() if line.startswith("  ")}
    assert set(COMMANDS) <= listed


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(run: Run, command: str) -> None:
    done = run(command, "--help")
    assert done.code == 0
    assert f"Usage: distributed-iac {command}" in done.out


REFUSED = [
    (("serch",), 2, "serch"),
    (("search",), 2, "Missing argument"),
    (("search", "absent.yaml"), 2, "no such configuration file"),
    (("search", "broken.yaml"), 2, "plain YAML"),
    (("search", "typo.yaml"), 2, "did you mean search?"),
    (("search", "good.yaml", "--set", "nonsense"), 2, "key.path=value"),
    (("search", "good.yaml", "--dataset", "acd"), 2, "did you mean acdc?"),
    (("search", "good.yaml"), 3, "absent_source"),
    (("prepare", "good.yaml"), 3, "absent_source"),
    (("check", "absent_source"), 3, "absent_source"),
    (("check", "empty"), 3, "empty"),
    (("phantom", "lungs", "out"), 2, "lungs"),
]


@pytest.mark.parametrize(
    ("arguments", "code", "said"), REFUSED, ids=[" ".join(a) for a, *_ in REFUSED]
)
def test_what_cannot_be_ends_with_its_exit_code_and_one_readable_block(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run: Run,
    arguments: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.yaml").write_text("a: [1\n", encoding="utf-8")
    good = "name: run\ndata: [{name: acdc, source: absent_source}]\n"
    (tmp_path / "good.yaml").write_text(good, encoding="utf-8")
    (tmp_path / "typo.yaml").write_text(good + "serch: {}\n", encoding="utf-8")
    done = run(*arguments)
    assert done.code == code, done.err
    assert said in done.err
    assert "Traceback" not in done.err
    assert done.out == ""


def test_debug_lets_the_traceback_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["distributed-iac", "search", "absent.yaml", "--debug"])
    with pytest.raises(ConfigError, match="no such configuration file"):
        main()


@pytest.mark.parametrize("encoding", ["latin-1", "ascii:surrogateescape", "utf-8:strict"])
def test_what_a_terminal_cannot_show_is_replaced(encoding: str, tmp_path: Path) -> None:
    """One way for all commands; a name of a file need not even be text."""
    name = b"n\xff\xe2\x86\x92.yaml"  # two bytes that are no UTF-8, and an arrow
    (tmp_path / os.fsdecode(name)).write_text("seeds: \u2192", encoding="utf-8")
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "40"}
    command = [sys.executable, "-m", "distributed_iac.cli.main", "plan", name]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode == 2, done.stderr
    assert b"Traceback" not in done.stderr
    assert b"seeds" in done.stderr


def test_who_chose_how_to_treat_what_cannot_be_shown_keeps_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="backslashreplace")
    left = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", chosen)
    monkeypatch.setattr(sys, "stderr", left)
    show_what_they_can()
    assert (chosen.errors, left.errors) == ("backslashreplace", "replace")
    monkeypatch.setattr(sys, "stdout", None)  # as without a console
    show_what_they_can()
