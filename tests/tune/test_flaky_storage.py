"""A sweep whose storage fails now and then ends as if it had not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.flaky import compiled, disturbed
from benchmarks.rehearsal import expected_checksums
from distributed_iac.run.collect import collect_run
from distributed_iac.run.result import read_result

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None,
    reason="failures are put under Linux's libc",
)
CHANCE = 0.03


@pytest.mark.slow
def test_a_sweep_on_storage_that_fails_now_and_then_loses_and_repeats_nothing(
    tmp_path: Path,
) -> None:
    """All but the training is real: Ray, its snapshots, checkpoints, results, journal."""
    root, log = tmp_path / "root", tmp_path / "failures.log"
    root.mkdir()
    command = [sys.executable, "-m", "benchmarks.rehearsal", str(root / "run")]
    environment = disturbed(compiled(tmp_path), root, CHANCE, log)
    environment |= {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    done = subprocess.run(
        [*command, "--seconds", "0.05"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(log.read_text().split()) >= 5, "nothing was tried"
    tables = collect_run(root / "run")
    assert {row["status"] for row in tables.jobs.to_pylist()} == {"done"}
    sums = {key: read_result(folder)["checksum"] for key, folder in tables.folders.items()}
    assert sums == expected_checksums(1), "each epoch counts once"


def test_the_failures_are_those_of_storage(tmp_path: Path) -> None:
    """What is put under libc is seen by Python, and only below the folder."""
    root, log = tmp_path / "root", tmp_path / "failures.log"
    root.mkdir()
    code = (
        "import errno, sys; from pathlib import Path\n"
        "seen = set()\n"
        "for number in range(40):\n"
        "    try: (Path(sys.argv[1]) / str(number)).write_bytes(b'x')\n"
        "    except OSError as error: seen.add(errno.errorcode[error.errno])\n"
        "(Path(sys.argv[2]) / 'beside').write_bytes(b'x')\n"
        "print(sorted(seen))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(root), str(tmp_path)],
        env={**os.environ, **disturbed(compiled(tmp_path), root, 1.0, log)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "['EIO', 'ESTALE']"
    assert len(log.read_text().split()) == 40
