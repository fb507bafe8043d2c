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
    "round_trip": ("--folder", "{scratch}"),
    "supernet": (),
    "feature_cache": (),
    "planted": (),
    "scheduler_cost": (),
    "search_phantoms": ("--folder", "{scratch}"),
}
"""Module below ``benchmarks`` to its arguments; ``{scratch}`` is an empty folder."""


def main() -> None:
    """Run the named benchmarks, or all; stop at the first that fails."""
    names = sys.argv[1:] or list(BENCHMARKS)
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        sys.exit(f"benchmarks are {', '.join(BENCHMARKS)}, not {', '.join(unknown)}")
    for name in names:
        with tempfile.TemporaryDirectory() as scratch:
            arguments = [argument.format(scratch=scratch) for argument in BENCHMARKS[name]]
            print(f"== {name}", flush=True)
            subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *arguments], check=True)


if __name__ == "__main__":
    main()
