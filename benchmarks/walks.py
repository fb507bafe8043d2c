"""How many files a reader passes who follows a command: entered, and from which to which.

::

    python -m benchmarks.walks                  # of the package that is imported here
    PYTHONPATH=OTHER python OTHER-OR-THIS/benchmarks/walks.py       # of another checkout

A tiny phantom is prepared, searched and swept by the command line, in processes whose calls are
profiled. Counted are the package's files that were entered, and pairs of files of which one called
into the other: a pair is one hop, however often it is taken. Both follow from the code alone, not
from the machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

PROFILER = """
import os, sys, threading
_out, _hops, _files = os.environ.get("WALKS_OUT"), set(), {}
def _file(code):
    name = code.co_filename
    if name not in _files:
        place = name.rpartition("/distributed_iac/")
        _files[name] = place[2] if place[1] else None
    return _files[name]
def _call(frame, event, argument):
    if event != "call" or frame.f_code.co_name == "<module>":
        return
    here, back = _file(frame.f_code), frame.f_back
    if here is None:
        return
    while back is not None and _file(back.f_code) is None:
        back = back.f_back
    hop = ("" if back is None else _file(back.f_code), here)
    if hop not in _hops:  # written at once: workers may be killed
        _hops.add(hop)
        with open(f"{_out}/{os.getpid()}", "a") as file:
            file.write("\\t".join(hop) + "\\n")
if _out:
    sys.setprofile(_call)
    threading.setprofile(_call)
"""
WALKS = {
    "a slice, from raw file to store": ("prepare", ("data",)),
    "an importance value, to decision and table": (
        "search",
        ("importance", "pruning", "stability"),
    ),
    "a sweep, from command to retraining": ("sweep", ("",)),
    "a stop decision": ("sweep", ("verdict",)),
}
"""Command, and the rooms into or out of which a hop must lead to belong to the walk."""


def settings(folder: Path) -> dict[str, object]:
    """The smallest run with every kind of job."""
    adam = {"optimiser": {"kind": "adam", "learning_rate": 1e-3}}
    return {
        "name": "run",
        "out": str(folder / "runs"),
        "stores": str(folder / "stores"),
        "device": "cpu",
        "threads": 1,
        "data": [
            {"name": "acdc", "source": str(folder / "raw"), "preprocess": {"patch": [32, 32]}}
        ],
        "backbones": [{"name": "basic_unet", "features": "tiny"}],
        "arms": {"lth": {"policy": "js"}},
        "cell": {"nodes": 2, "partial_channels": 2},
        "batches": {"batch_size": 4, "steps_per_epoch": 1},
        "pretrain": {"epochs": 2, **adam},
        "retrain": {"epochs": 2, **adam},
        "search": {"epochs": 4, "warmup_epochs": 1},
        "evaluation": {"metrics": ["dice"]},
        "scheduler": {"budget": {"epochs": 3}},
        "sweep": {"cpus": 1},
    }


def hops(folder: Path, *command: str) -> set[tuple[str, str]]:
    """Run a command in profiled processes; returns the pairs of files."""
    out = folder / f"hops-{command[0]}"
    out.mkdir()
    (folder / "sitecustomize.py").write_text(PROFILER)
    paths = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", str(Path.cwd()))])
    subprocess.run(
        [sys.executable, "-m", "distributed_iac.cli.main", *command],
        env={**os.environ, "PYTHONPATH": paths, "WALKS_OUT": str(out), "OMP_NUM_THREADS": "1"},
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=folder,
    )
    lines = [line for path in out.iterdir() for line in path.read_text().splitlines()]
    return {tuple(line.split("\t")) for line in lines}  # type: ignore[misc]


def main() -> None:
    """Print files and hops of each walk."""
    with tempfile.TemporaryDirectory(prefix="walks-") as scratch:
        folder = Path(scratch)
        config = folder / "run.yaml"
        config.write_text(json.dumps(settings(folder)))  # JSON is YAML
        hops(folder, "phantom", "acdc", str(folder / "raw"), "--patients", "8", "--size", "tiny")
        found = {
            name: hops(folder, name, str(config), *_anew(name, folder))
            for name in ("prepare", "search", "sweep")
        }
    for walk, (command, rooms) in WALKS.items():
        taken = {hop for hop in found[command] if any(one.startswith(rooms) for one in hop)}
        files = {file for hop in taken for file in hop if file}
        counts = Counter(file.partition("/")[0] for file in files)
        print(f"{walk}: {len(files)} files, {len(taken)} hops")
        print("   ", ", ".join(f"{room} {count}" for room, count in sorted(counts.items())))


def _anew(command: str, folder: Path) -> tuple[str, ...]:
    """Results of the command before are not found by the next."""
    return () if command == "prepare" else ("--set", f"out={folder / command}")


if __name__ == "__main__":
    main()
