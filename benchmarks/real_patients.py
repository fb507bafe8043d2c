"""Where a cell pays: real patients of the network's own hospital and of another one.

    python -m benchmarks.real_patients --source DATA --folder WORK      # everything, in order
    python -m benchmarks.real_patients --folder WORK --list             # the parts
    python -m benchmarks.real_patients --source DATA --folder WORK --parts NAME NAME
    python -m benchmarks.real_patients --folder WORK --show             # tables, and a figure
    python -m benchmarks.real_patients --folder WORK --demonstrate      # predictions, picture

DATA holds ``acdc`` (as published), ``sunnybrook`` (nnU-Net raw), ``Task04_Hippocampus``.
Every part is a configuration that the script writes into WORK and an ordinary ``sweep`` of it;
started again it continues, and jobs that parts share are done once. Two regimes:

* ``same-*``: networks trained on a hospital's patients, cells for the same hospital's.
* ``headroom-*``: is there anything for a search to find? Random cells, several seeds each.
* ``new-*``: the network frozen, cells for Sunnybrook with 2, 5, 10 or 20 patients to train on (each
  set holds the smaller ones; the same 5 choose, the same 20 test). With 20 once more: ``early-*``
  with today's arms, ``fast-*`` and ``rates-*`` with other learning rates, ``per-skip-*`` with a
  genotype a skip. ``groups-*``: for the disease groups of ACDC that the network has not seen, and
  ``seeds-groups-*`` and ``per-skip-groups-*`` in the same way. What is adapted is scored on the old
  hospital's test patients too: what it forgets.

Sunnybrook's pictures carry no pixel size: the copies that are made in WORK say it in their headers
(320 mm across 256 pixels, Radau et al. 2009). Slices, pixels and intensities are prepared as the
network's own were, which the run does by itself; otherwise a cell learns to undo the difference,
and is taken for a gain.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import yaml
from rich.console import Console
from rich.table import Table

from benchmarks.harness import RESULTS, write_result
from benchmarks.real_patients_data import SIZES, write_sources
from benchmarks.real_patients_figures import draw_overview, draw_patient
from benchmarks.real_patients_parts import FIRST_ARMS, Part, other_hospital, parts
from benchmarks.sweeps import folder_options
from distributed_iac.config.headroom import BESIDE
from distributed_iac.report.headroom_files import FILE as HEADROOM

BASE = Path(__file__).with_suffix(".yaml")


def write(part: Part) -> Path:
    """Write the configuration of a part into the folder that one works in."""
    path = Path(f"{part.name}.yaml")
    settings = {"base": str(BASE), "name": part.name, "arms": FIRST_ARMS, **part.settings}
    path.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    return path


def run(part: Part) -> None:
    """Sweep, report, and export the network that later parts need."""
    command(part.command, str(write(part)))
    if part.command == "sweep":
        command("report", f"runs/{part.name}")
    if part.exports is not None and not Path(part.exports[1]).exists():
        command("export", f"runs/{part.name}", *part.exports)


def command(*arguments: str) -> None:
    """Run a command of this project's command line; its failure ends the benchmark."""
    subprocess.run([sys.executable, "-m", "distributed_iac.cli.main", *arguments], check=True)


def has_ended(name: str) -> bool:
    """Whether all jobs of a part are done; its tables are written as it goes."""
    jobs = Path("runs", name, "jobs.parquet")
    return jobs.exists() and set(pq.read_table(jobs)["status"].to_pylist()) == {"done"}


def measured(name: str) -> list[dict[str, Any]]:
    """A row a model: Dice of test patients, its difference from the plain network, and its cost."""
    folder = Path("runs", name)
    settings = yaml.safe_load(Path(f"{name}.yaml").read_text(encoding="utf-8"))
    patients = pq.read_table(folder / "patients.parquet").to_pandas()
    jobs = pq.read_table(folder / "jobs.parquet").to_pandas()
    jobs = jobs[jobs["status"] == "done"]
    (_, scores), *others = (
        (one["name"], dice_of(patients[patients["dataset"] == one["name"]]))
        for one in (*settings["data"], *settings.get("also_scored", ()))
    )
    searches = jobs[jobs["kind"] == "search"]
    rows = []
    for model, own in scores.groupby("name"):
        per_seed = own.groupby("seed", dropna=False).mean()
        trained = jobs[(jobs["kind"] == "retrain") & (jobs["name"] == model)]
        row = {
            "model": model,
            "seeds": len(per_seed),
            "parameters": trained["trained_parameters"].mean() if len(trained) else 0,
            "dice": float(per_seed.mean()),
            "seed_spread": float(per_seed.std()) if len(per_seed) > 1 else None,
            "by_seed": per_seed.tolist(),
            "structures": structures(patients[patients["name"] == model]),
            **gain_of(model, scores),
            "elsewhere": {place: gain_of(model, there) for place, there in others},
            "rates": trained["rate"].tolist(),
            "seconds": float(trained["seconds"].sum()),
        }
        for column in ("epochs", "seconds", "op_evaluations"):
            row[f"search_{column}"] = searches[searches["name"] == model][column].tolist()
        rows.append(row)
    return sorted(rows, key=lambda row: -row["dice"])


def structures(patients: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Mean Dice by data set and structure."""
    return {
        dataset: own.groupby("target")["dice"].mean().to_dict()
        for dataset, own in patients.groupby("dataset")
    }


def compared(name: str) -> dict[str, list[dict[str, Any]]]:
    """What a part's report says of arms: differences of mean Dice, and genes in common."""
    said = json.loads(Path("runs", name, "comparison.json").read_text(encoding="utf-8"))
    differences = [
        {"less": [one["candidate"], one["against"]], "difference": one["difference"]}
        | {end: (one["interval"] or {}).get(end) for end in ("low", "high")}
        for one in said["contrasts"]
        if (one["metric"], one["target"]) == ("dice", "mean")
    ]
    genes = [{key: one[key] for key in ("arms", "relation", "genes")} for one in said["likeness"]]
    return {"differences": differences, "genes": genes}


def dice_of(patients: pd.DataFrame) -> pd.Series:
    """Mean Dice of a model's seed and patient, over structures."""
    return patients.groupby(["name", "seed", "patient_id"], dropna=False)["dice"].mean()


def gain_of(model: str, dice: pd.Series) -> dict[str, Any]:
    """Over the plain network, patient by patient, the mean of seeds."""
    mean = dice.groupby(["name", "patient_id"]).mean()
    gain = mean[model] - mean["plain"]
    low, high = interval(gain.to_numpy())
    found = {"patients": len(gain), "gain": float(gain.mean()), "low": low, "high": high}
    return found | {"by_patient": mean[model].to_dict()}


def asked(name: str) -> list[dict[str, Any]]:
    """What a part's random cells said, sentence by sentence, with val Dice by cell and seed."""
    answers = json.loads(Path("runs", f"{name}{BESIDE}", HEADROOM).read_text(encoding="utf-8"))
    kept = ("group", "sentences", "figures", "val_dice")
    return [{key: group[key] for key in kept} for group in answers["groups"]]


def with_place(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A run's rows with the code and the processor that they come from."""
    place = json.loads(Path("runs", name, "environment.json").read_text(encoding="utf-8"))
    return {"commit": place["commit"], "processor": place["processor"], "rows": rows}


def interval(values: np.ndarray) -> tuple[float, float]:
    """95 % bootstrap interval of the mean over patients."""
    draws = np.random.default_rng(0).choice(values, (5000, len(values))).mean(1)
    low, high = np.quantile(draws, [0.025, 0.975]).tolist()
    return low, high


def demonstrate() -> None:
    """Three commands: add the cell to its network, predict with and without; then the picture."""
    network, part = Path("demonstration", "network"), "new-20-narrow"
    if not network.exists():
        shutil.copytree("models/acdc-narrow", network)
        key = "new20/dynunet-w8/retrain/lth/seed0"
        command("export", f"runs/{part}", key, str(network), "--as", "sunnybrook")
    split = json.loads(Path("splits/sunnybrook_20.json").read_text(encoding="utf-8"))
    images = Path("demonstration", "images")
    images.mkdir(exist_ok=True)
    for patient in split["test"]:
        shutil.copy(f"raw/sunnybrook/imagesTr/{patient}_0000.nii.gz", images / f"{patient}.nii.gz")
    for cell in ("none", "sunnybrook"):
        out = f"demonstration/{cell}"
        command("predict", str(network), str(images), out, "--cell", cell, "--device", "cpu")
    draw_patient(split["test"])


def show(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Print a table a part."""
    for name, rows in results.items():
        if name.startswith("headroom-"):
            for row in rows:
                print(name, *row["sentences"], sep="\n  ", end="\n\n")
            continue
        table = Table(title=f"{name}: mean test Dice, and gain over plain with 95 % interval")
        places = list(dict.fromkeys(place for row in rows for place in row.get("elsewhere", ())))
        headings = ("model", "seeds", "patients", "trained", "Dice", "+-", "gain", "rates")
        for heading in (*headings, *(f"change at {place}" for place in places)):
            table.add_column(heading, justify="left" if heading == "model" else "right")
        for row in rows:
            spread_ = "" if row["seed_spread"] is None else f"{row['seed_spread']:.4f}"
            table.add_row(
                row["model"],
                str(row["seeds"]),
                str(row["patients"]),
                f"{row['parameters']:,.0f}",
                f"{row['dice']:.4f}",
                spread_,
                in_words(row),
                " ".join(f"{rate:g}" for rate in row["rates"]),
                *(in_words(row["elsewhere"][place]) for place in places),
            )
        Console(width=150).print(table)


def in_words(difference: Mapping[str, float]) -> str:
    """A gain and its interval."""
    return "{gain:+.4f} [{low:+.4f}, {high:+.4f}]".format_map(difference)


def main() -> None:
    """Write the data, run the parts, print what there is."""
    parser = folder_options(__doc__)
    parser.add_argument("--source", type=Path, help="folder with the three data sets")
    parser.add_argument("--parts", nargs="+", help="names of parts; default: all")
    parser.add_argument("--list", action="store_true", help="names of all parts")
    parser.add_argument(
        "--demonstrate", action="store_true", help="three commands on new patients, and a picture"
    )
    parser.add_argument("--show", action="store_true", help="only tables of what is there")
    given = parser.parse_args()
    known = {part.name: part for part in parts()}
    if given.list:
        print("\n".join(known))
        return
    unknown = sorted(set(given.parts or ()) - set(known))
    if unknown:
        sys.exit(f"parts are {', '.join(known)}, not {', '.join(unknown)}")
    source = None if given.source is None else given.source.resolve()
    given.folder.mkdir(parents=True, exist_ok=True)
    os.chdir(given.folder)
    if given.demonstrate:
        demonstrate()
        return
    if not given.show:
        if source is None:
            sys.exit("--source names the folder with acdc, sunnybrook and Task04_Hippocampus")
        write_sources(source)
        for name in given.parts or known:
            run(known[name])
    finished = [name for name in known if not name.startswith("train-") and has_ended(name)]
    here = {name: with_place(name, measured(name)) | compared(name) for name in finished}
    for name, part in known.items():
        if part.command == "headroom" and Path("runs", f"{name}{BESIDE}", HEADROOM).exists():
            here[name] = with_place(f"{name}{BESIDE}", asked(name))
    # A part takes hours: what another machine has measured stays, with the machine it came from.
    results = json.loads((RESULTS / "real_patients.json").read_text())["results"] | here
    tables = {name: results[name]["rows"] for name in known if name in results}
    show(tables)
    by_size = {size: tables.get(other_hospital(size, "narrow").name, []) for size in sorted(SIZES)}
    print(draw_overview(by_size))
    arms = {name: part.settings.get("arms", FIRST_ARMS) for name, part in known.items()}
    settings = {"base": BASE.read_text(), "arms": {name: arms[name] for name in tables}}
    print(write_result("real_patients", settings=settings, results=results, packages=("torch",)))


if __name__ == "__main__":
    main()
