"""Storage that fails now and then, under a real sweep: it has to end as an undisturbed one does.

    python -m benchmarks.flaky --chance 0.02

Data, store, run folder, checkpoints, results and Ray Tune's snapshots lie in one folder. In every
process of the sweep each open, read and write of a file there fails with EIO or ESTALE by chance,
below Python, Arrow and nibabel alike: ``flaky_storage.c`` is loaded before libc (Linux, ``cc``).
Bytes that a process has mapped into its memory are not disturbed.

Compared with the same sweep in peace, as ``benchmarks/endings.py`` does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from benchmarks.endings import Ending
from benchmarks.harness import options, write_result
from distributed_iac.phantom import make_phantom

SOURCE = Path(__file__).with_name("flaky_storage.c")
CHANCE = 0.02
SHORT = {"epochs": 3, "optimiser": {"kind": "adam", "learning_rate": 1e-3}}
HALF = {"cpus": 0.5, "gpus": 0.0}
KINDS = ("prepare", "pretrain", "search", "retrain", "baseline", "evaluate")
CONFIG: dict[str, Any] = {
    "name": "run",
    "device": "cpu",
    "threads": 1,
    "data": [{"name": "acdc", "source": "raw", "preprocess": {"workers": 1, "patch": [32, 32]}}],
    "backbones": [{"name": "basic_unet", "features": "tiny"}],
    "cell": {"nodes": 2, "partial_channels": 2},
    "batches": {"batch_size": 4, "steps_per_epoch": 2},
    "pretrain": SHORT,
    "retrain": SHORT,
    "search": {"epochs": 4, "warmup_epochs": 1},
    "evaluation": {"metrics": ["dice"]},
    "sweep": {
        "cpus": 2,
        "workers": "reused",
        "checkpoint_epochs": 1,
        "resources": dict.fromkeys(KINDS, HALF),
    },
}
"""Every kind of job but baselines, in minutes; a checkpoint after every epoch, for more writes."""


def compiled(folder: Path) -> Path:
    """Compile what is loaded before libc."""
    library = folder / "flaky_storage.so"
    command = ["cc", "-O1", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True)
    return library


def disturbed(library: Path, root: Path, chance: float, log: Path) -> dict[str, str]:
    """Variables of a process in which files below ``root`` fail."""
    flaky = {"FLAKY_ROOT": str(root), "FLAKY_CHANCE": str(chance), "FLAKY_LOG": str(log)}
    return {**os.environ, **flaky, "LD_PRELOAD": str(library)}


def sweep(folder: Path, environment: dict[str, str]) -> tuple[int, float]:
    """Make the data, run the sweep; its exit code and seconds."""
    folder.mkdir(parents=True)
    make_phantom("acdc", folder / "raw", patients=8, seed=0, size="tiny")
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    begun = time.monotonic()
    with (folder.parent / f"{folder.name}.log").open("wb") as log:
        done = subprocess.run(
            [sys.executable, "-m", "distributed_iac.cli.main", "sweep", "config.yaml"],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            check=False,
        )
    return done.returncode, time.monotonic() - begun


def main() -> None:
    """Run both sweeps, compare, write the result; exits with 1 if they differ."""
    parser = options(__doc__)
    parser.add_argument("--chance", type=float, default=CHANCE, help="of every call")
    parser.add_argument("--folder", type=Path, help="where the sweeps lie; kept if given")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (given.folder or Path(scratch)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        failures = folder / "failures.log"
        environment = disturbed(compiled(folder), folder / "flaky", given.chance, failures)
        code, calm = sweep(folder / "calm", dict(os.environ))
        flaky_code, flaky = sweep(folder / "flaky", environment)
        failed = Counter(failures.read_text(encoding="ascii").split())
        calm_end, flaky_end = (
            Ending.read(folder / name / "runs/run") for name in ("calm", "flaky")
        )
    differences = flaky_end.differences(calm_end)
    print(f"{failed.total()} calls failed ({dict(failed)}), {flaky_end.losses} jobs started again")
    print(f"{calm:.0f} s in peace, {flaky:.0f} s with failures; exit codes {code}, {flaky_code}")
    print("\n".join(differences) or "all tables, weights and selections are equal")
    path = write_result(
        "flaky",
        settings={"chance": given.chance},
        results={
            "failed_calls": dict(failed),
            "jobs_started_again": flaky_end.losses,
            "exit_codes": [code, flaky_code],
            "seconds": [calm, flaky],
            "tables": sorted(calm_end.tables),
            "differences": differences,
        },
        packages=("ray", "torch"),
    )
    print(path)
    sys.exit(int(bool(differences or code or flaky_code)))


if __name__ == "__main__":
    main()
