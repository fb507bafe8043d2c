"""What a store keeps of a label: native grid -> stored slices -> native grid.

    python -m benchmarks.round_trip --folder EMPTY

Prepares ``small`` phantoms of all four data sets with default settings, brings every stored label
back to the grid of its file, and compares each structure of more than 200 voxels with the original.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from distributed_iac.config.preprocess import PreprocessSettings
from distributed_iac.config.split import SplitSettings
from distributed_iac.data.formats.registry import read_source
from distributed_iac.data.phantom import FORMATS, FormatName, make_phantom
from distributed_iac.data.prepare import prepare_store
from distributed_iac.data.split import PARTS
from distributed_iac.data.store import Store

LEAST_VOXELS = 200
WANTED = 0.97


def prepared(name: FormatName, folder: Path, patients: int) -> Store:
    """Write a phantom and its store."""
    make_phantom(name, folder / "data" / name, patients=patients, seed=1, size="small")
    store = folder / "stores" / name
    source = read_source(folder / "data" / name)
    prepare_store(source, name, PreprocessSettings(), SplitSettings(), store)
    return Store.open(store)


def round_trip(store: Store) -> list[tuple[float, str, str]]:
    """Dice, structure and case of every large enough structure, worst first."""
    found = []
    for case in (case for part in PARTS for case in store.cases(part)):
        native = store.native_label(case.case_id)
        back = store.restore(case.case_id, store.labels(case.rows))
        for value, name in store.fingerprint.labels.classes.items():
            truth, kept = native == value, back == value
            if truth.sum() > LEAST_VOXELS:
                dice = 2 * int((truth & kept).sum()) / int(truth.sum() + kept.sum())
                found.append((dice, name, case.case_id))
    return sorted(found)


def main() -> None:
    """Measure all four data sets and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--patients", type=int, default=8)
    options = parser.parse_args()
    table = Table(title=f"Structures of more than {LEAST_VOXELS} voxels, Dice after a round trip")
    for heading in ("data set", f"at least {WANTED}", "of", "worst", "structure", "case"):
        table.add_column(heading)
    for name in FORMATS:
        found = round_trip(prepared(name, options.folder, options.patients))
        reached = sum(dice >= WANTED for dice, *_ in found)
        dice, structure, case = found[0]
        table.add_row(name, str(reached), str(len(found)), f"{dice:.3f}", structure, case)
    Console().print(table)


if __name__ == "__main__":
    main()
