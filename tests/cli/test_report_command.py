"""``distributed-iac report`` in a process of its own, on folders that are none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from distributed_iac.cli.main import app


def test_the_page_and_what_is_missing_are_named(planned: Path) -> None:
    done = CliRunner().invoke(app, ["report", str(planned)])
    assert done.exit_code == 0, done.output
    assert f"{planned / 'report.html'}: 0 of 9 jobs done, 9 waiting" in done.output
    assert "the patients table is empty" in done.output
    assert (planned / "report.html").read_text().endswith("</html>\n")


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "distributed_iac.cli.main", "report", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 4
    assert "the folder of a sweep holds jobs.json" in done.stderr
    assert "Traceback" not in done.stderr
