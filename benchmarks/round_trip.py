"""What a network can be scored at most: a label's way to the spacing of a store, and back.

    python -m benchmarks.round_trip --folder EMPTY
    python -m benchmarks.round_trip --folder EMPTY --patch 64       # smaller than many organs

Prepares ``small`` phantoms of all four data sets with default settings, brings every label to the
store's spacing and back to the grid of its file, as predictions go, and compares each structure of
more than 200 voxels with the original. ``inside the patch``: the same of what training sees.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

from benchmarks.harness import options
from distributed_iac.config.preprocess import PreprocessSettings
from distributed_iac.config.split import SplitSettings
from distributed_iac.data.formats.registry import read_source
from distributed_iac.data.prepare.prepare import prepare_store
from distributed_iac.data.splits.split import PARTS
from distributed_iac.data.store import Store
from distributed_iac.phantom import FORMATS, FormatName, make_phantom

LEAST_VOXELS = 200
WANTED = 0.97

Extent = Literal["slice", "patch"]
EXTENTS: dict[Extent, str] = {"slice": "whole slices", "patch": "inside the patch"}


def prepared(name: FormatName, folder: Path, patients: int, patch: int | None) -> Store:
    """Write a phantom and its store."""
    make_phantom(name, folder / "data" / name, patients=patients, seed=1, size="small")
    store = folder / "stores" / name
    source = read_source(folder / "data" / name)
    settings = PreprocessSettings(patch="auto" if patch is None else (patch, patch))
    prepare_store(source, name, settings, SplitSettings(), store)
    return Store.open(store)


def round_trip(store: Store, extent: Extent) -> list[tuple[float, str, str]]:
    """Dice, structure and case of every large enough structure, worst first."""
    found = []
    for case in (case for part in PARTS for case in store.cases(part)):
        native = store.native_label(case.case_id)
        way = case.geometry.whole if extent == "slice" else case.geometry
        back = way.restore_labels(way.plane.labels(way.slices.to_slices(native)))
        for value, name in store.fingerprint.labels.classes.items():
            truth, kept = native == value, back == value
            if truth.sum() > LEAST_VOXELS:
                dice = 2 * int((truth & kept).sum()) / int(truth.sum() + kept.sum())
                found.append((dice, name, case.case_id))
    return sorted(found)


def main() -> None:
    """Measure all four data sets and print a table."""
    parser = options(__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--patients", type=int, default=8)
    parser.add_argument("--patch", type=int)
    given = parser.parse_args()
    table = Table(title=f"Structures of more than {LEAST_VOXELS} voxels, Dice after a round trip")
    for heading in ("data set", "", f"at least {WANTED}", "of", "worst", "structure", "case"):
        table.add_column(heading)
    for name in FORMATS:
        store = prepared(name, given.folder, given.patients, given.patch)
        for extent, words in EXTENTS.items():
            found = round_trip(store, extent)
            reached = sum(dice >= WANTED for dice, *_ in found)
            dice, structure, case = found[0]
            counts = str(reached), str(len(found))
            table.add_row(name, words, *counts, f"{dice:.3f}", structure, case)
    Console().print(table)


if __name__ == "__main__":
    main()
