"""Every benchmark that `make bench` runs, one after another.

    python -m benchmarks.run                 # all
    python -m benchmarks.run store planted   # some

Each one prints its table and writes ``benchmarks/results/<name>.json`` with machine and versions.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile

BENCHMARKS: dict[str, tuple[str, ...]] = {
    "store": (),
    "round_trip": ("--folder", "{scratch}/round_trip"),
    "supernet": (),
    "feature_cache": (),
    "planted": (),
    "scheduler_cost": (),
    "startup": ("--folder", "{scratch}/startup"),
    "ray_overhead": (),
    "chaos": (),
    "flaky": (),
    "two_backbones": ("--folder", "{scratch}/two_backbones"),
    "search_phantoms": ("--folder", "{scratch}/search_phantoms"),
    "capacity": ("--folder", "{scratch}/capacity"),
    "real_mri": ("--folder", "{scratch}/real_mri"),
    "scaling": ("--traces", "{scratch}/search_phantoms/runs/both-arms", "--gpu-speed", "0.01"),
}
"""Module below ``benchmarks`` to its arguments; ``{scratch}`` is a folder that all share."""

NEEDS = {"scaling": ("search_phantoms",)}
"""What has to have run before, in the same call."""


def main() -> None:
    """Run the named benchmarks and what they need, or all; stop at the first that fails."""
    names = sys.argv[1:] or list(BENCHMARKS)
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        sys.exit(f"benchmarks are {', '.join(BENCHMARKS)}, not {', '.join(unknown)}")
    wanted = {one for name in names for one in (name, *NEEDS.get(name, ()))}
    with tempfile.TemporaryDirectory() as scratch:
        for name in (one for one in BENCHMARKS if one in wanted):
            arguments = [argument.format(scratch=scratch) for argument in BENCHMARKS[name]]
            print(f"== {name}", flush=True)
            subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *arguments], check=True)


if __name__ == "__main__":
    main()
