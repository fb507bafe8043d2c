"""How much a reader passes who follows a command: files entered, hops between them, lines of code.

::

    python -m benchmarks.walks                      # of this checkout
    python -m benchmarks.walks --against OTHER      # and of another one, side by side

A tiny phantom is prepared, searched and swept by the command line, in processes whose calls are
profiled. Counted are the package's files that were entered, and pairs of files of which one called
into the other: a pair is one hop, however often it is taken. Lines of code leave out blank lines,
comments and docstrings. All of it follows from the code alone, not from the machine. Written to
``results/walks.json``.
"""

from __future__ import annotations

import ast
import io
import json
import os
import subprocess
import sys
import tempfile
import tokenize
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.harness import options, write_result

HERE = Path(__file__).parents[1]
NO_CODE = {
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE),
    *(tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER),
}

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


@dataclass(frozen=True)
class Walk:
    """What following one thing through the code comes to."""

    files: int
    hops: int


def hops(checkout: Path, folder: Path, *command: str) -> set[tuple[str, ...]]:
    """Run a command of a checkout in profiled processes; returns the pairs of files."""
    out = folder / f"hops-{command[0]}"
    out.mkdir()
    (folder / "sitecustomize.py").write_text(PROFILER)
    paths = os.pathsep.join([str(folder), str(checkout)])
    subprocess.run(
        [sys.executable, "-m", "distributed_iac.cli.main", *command],
        env={**os.environ, "PYTHONPATH": paths, "WALKS_OUT": str(out), "OMP_NUM_THREADS": "1"},
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=folder,
    )
    lines = [line for path in out.iterdir() for line in path.read_text().splitlines()]
    return {tuple(line.split("\t")) for line in lines}


def walks(checkout: Path) -> dict[str, Walk]:
    """Go all walks in a checkout."""
    with tempfile.TemporaryDirectory(prefix="walks-") as scratch:
        folder = Path(scratch)
        config = folder / "run.yaml"
        config.write_text(json.dumps(settings(folder)))  # JSON is YAML
        phantom = ("acdc", str(folder / "raw"), "--patients", "8", "--size", "tiny")
        hops(checkout, folder, "phantom", *phantom)
        found = {
            name: hops(checkout, folder, name, str(config), *_anew(name, folder))
            for name in ("prepare", "search", "sweep")
        }
    gone = {}
    for walk, (command, rooms) in WALKS.items():
        taken = {hop for hop in found[command] if any(one.startswith(rooms) for one in hop)}
        gone[walk] = Walk(len({file for hop in taken for file in hop if file}), len(taken))
    return gone


def code_lines(path: Path) -> int:
    """Lines of a module that hold code."""
    source = path.read_text(encoding="utf-8")
    documentation: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        for one in body if isinstance(body, list) else ():
            if isinstance(one, ast.Expr) and isinstance(getattr(one.value, "value", None), str):
                documentation.update(range(one.lineno, (one.end_lineno or one.lineno) + 1))
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - documentation)


def rooms_of(checkout: Path) -> dict[str, int]:
    """Lines of code of each room of the package, loose modules under ``.``."""
    package = checkout / "distributed_iac"
    lines: Counter[str] = Counter()
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).parts
        lines[parts[0] if len(parts) > 1 else "."] += code_lines(path)
    return dict(sorted(lines.items()))


def main() -> None:
    """Print and keep files, hops and lines."""
    parser = options(__doc__)
    parser.add_argument("--against", type=Path, help="another checkout of this project")
    other = parser.parse_args().against
    checkouts = {"here": HERE} | ({} if other is None else {"there": other.absolute()})
    gone = {name: walks(path) for name, path in checkouts.items()}
    lines = {name: rooms_of(path) for name, path in checkouts.items()}
    table = Table("", *(f"{name}: {what}" for name in checkouts for what in ("files", "hops")))
    for walk in WALKS:
        table.add_row(walk, *(str(n) for one in gone.values() for n in asdict(one[walk]).values()))
    Console().print(table)
    table = Table("lines of code", *checkouts)
    for room in sorted({room for one in lines.values() for room in one}):
        table.add_row(room, *(str(one.get(room, 0)) for one in lines.values()))
    table.add_row("all", *(str(sum(one.values())) for one in lines.values()))
    Console().print(table)
    results = {
        name: {"walks": {k: asdict(v) for k, v in gone[name].items()}, "lines": lines[name]}
        for name in checkouts
    }
    print(write_result("walks", settings={}, results=results, packages=()))


def _anew(command: str, folder: Path) -> tuple[str, ...]:
    """Results of the command before are not found by the next."""
    return () if command == "prepare" else ("--set", f"out={folder / command}")


if __name__ == "__main__":
    main()
