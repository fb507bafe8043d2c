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
  genotype a skip. ``groups-*``: for the disease groups of ACDC that the network has not seen. What
  is adapted is scored on the old hospital's test patients too: what it forgets.

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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import yaml
from rich.console import Console
from rich.table import Table

from benchmarks.harness import RESULTS, write_result
from benchmarks.real_patients_figures import draw_overview, draw_patient
from benchmarks.sweeps import folder_options
from distributed_iac.config.headroom import BESIDE
from distributed_iac.config.pruning import PruningSettings
from distributed_iac.config.run import RunConfig
from distributed_iac.files import write_json
from distributed_iac.provenance import describe_environment
from distributed_iac.report.headroom_files import FILE as HEADROOM

BASE = Path(__file__).with_suffix(".yaml")
FIELD_OF_VIEW = 320.0  # mm, Sunnybrook
TEST, VAL = 20, 5
SIZES = (20, 5, 10, 2)
FEW = ["plain", "random", "normalisation", "last_block", "network", "convolution"]
"""Controls beside the short arm: one of a kind. What all of them and full do is known from 20."""

FIRST_ARMS: Mapping[str, Any] = {
    "full": {"policy": "none"},
    "lth": {
        "policy": "js",
        "stability": {"tau": 0.02, "max_wait": 5},
        "signal": {"guard": "settled", "horizon": 10},
    },
}
"""As most parts were first measured."""
DEFAULT_ARMS: Mapping[str, PruningSettings] = RunConfig.model_fields["arms"].default

CHANGES: Mapping[str, Mapping[str, Any]] = {
    "turned": {
        "data": {"name": "turned", "preprocess": {"spacing": [3.0, 3.0], "patch": [80, 80]}}
    },
    "replace": {"cell": {"residual": "replace"}},
    "wide-cells": {"cell": {"width": 16}},
    "per-skip": {"cell": {"genotype_scope": "per_skip"}},
}
"""Of the task of 20 patients, one at a time, where the choice of a cell may matter more: slices cut
as their format's reader does, which are upside down for the network; cells that take a skip's place
instead of being added to it, twice as wide, or each with a genotype of its own."""

SEEN_GROUPS = ("NOR", "HCM")
"""ACDC's groups whose hearts are not dilated; the network meets DCM, MINF and RV as new ones."""
NETWORKS: Mapping[str, Mapping[str, Any]] = {
    "narrow": {"name": "dynunet", "base_features": 8},
    "wide": {"name": "dynunet", "base_features": 16},
}


@dataclass(frozen=True)
class Part:
    """A sweep.

    Args:
        name: Of its run.
        settings: On top of the shared ones.
        exports: Job whose network later parts take, and the folder it goes to; None: no one's.
        command: What it is handed to.
    """

    name: str
    settings: Mapping[str, Any]
    exports: tuple[str, str] | None = None
    command: Literal["sweep", "headroom"] = "sweep"


def parts() -> Iterator[Part]:
    """All parts, those that answer most for the least time first."""
    for width in NETWORKS:
        yield training(width, "acdc", "raw/acdc")
        for size in SIZES:
            yield other_hospital(size, width)
        if width == "narrow":
            yield early(width)
            yield early(width, rate=1e-2)
            yield rates(width)
            yield per_skip(width)
            yield headroom(other_hospital(max(SIZES), width))
            yield headroom(same_hospital("acdc", width))
            yield headroom(same_hospital("hippocampus", width))
            for change in CHANGES:
                yield changed(change, width)
            yield same_hospital("acdc", width)
            yield unseen_judges("acdc", width)
            yield training(width, "acdc-seen", "raw/acdc_seen")
            yield other_groups(width)
            yield same_hospital("hippocampus", width)
            yield full_length("acdc", width)
    yield same_hospital("acdc", "wide")


def default_arms(*names: str) -> dict[str, Any]:
    """Arms of the product's default, by name; all of them where none is named."""
    return {
        name: DEFAULT_ARMS[name].model_dump(mode="json", exclude_defaults=True)
        for name in names or DEFAULT_ARMS
    }


def training(width: str, data: str, source: str) -> Part:
    """A network for others to take: a run whose search is as short as can be."""
    network = dict(NETWORKS[width])
    key = f"{data}/dynunet-w8" if width == "narrow" else f"{data}/dynunet-w16"
    return Part(
        f"train-{data}-{width}",
        {
            "data": [dataset(data, source)],
            "backbones": [network],
            "controls": ["plain"],
            "seeds": [0],
            "arms": {"full": {"policy": "none"}},
            "search": {"epochs": 2, "warmup_epochs": 1},
            "retrain": {"epochs": 1, "rates": [1.0]},
        },
        (f"{key}/pretrain", f"models/{data}-{width}"),
    )


def other_hospital(size: int, width: str) -> Part:
    """The network of ACDC, frozen, at Sunnybrook."""
    split = {"file": f"splits/sunnybrook_{size}.json"}
    data = {"name": f"new{size}", "source": "raw/sunnybrook", "split": split}
    network = {
        **NETWORKS[width],
        "weights": f"models/acdc-{width}",
        "label_names": {"LV endocardium": "LV"},
    }
    settings = {
        "data": [data],
        "backbones": [network],
        "also_scored": [{"name": "old", "source": "raw/acdc"}],
    }
    return Part(f"new-{size}-{width}", settings if size == max(SIZES) else {**settings, **few()})


def few() -> dict[str, Any]:
    """What is asked where full and every control would take too long."""
    return {"controls": FEW, "arms": default_arms("lth"), "seeds": [0, 1]}


def early(width: str, rate: float | None = None) -> Part:
    """20 patients of the other hospital once more, one seed, with the arms of today's default.

    Args:
        width: Of the network.
        rate: Of the cells' weights in the search; None: that of ``configs/search_small.yaml``.
    """
    part = other_hospital(max(SIZES), width)
    settings = {
        **part.settings,
        "arms": default_arms(),
        "controls": ["plain", "random"],
        "seeds": [0],
    }
    if rate is not None:
        settings["search"] = {"weights": {"learning_rate": rate}}
    name = f"early-{max(SIZES)}-{width}" if rate is None else f"fast-{max(SIZES)}-{width}"
    return Part(name, settings)


def rates(width: str) -> Part:
    """20 patients of the other hospital, one seed, with higher learning rates to choose from.

    Where all ways chose the highest of the ordinary ones, that says little of any of them.
    """
    part = other_hospital(max(SIZES), width)
    settings = {
        **part.settings,
        "controls": ["plain", "random", "normalisation", "last_block", "convolution"],
        "arms": default_arms("lth"),
        "seeds": [0],
        "retrain": {"rates": [1.0, 3.0, 10.0]},
    }
    return Part(f"rates-{max(SIZES)}-{width}", settings)


def per_skip(width: str) -> Part:
    """20 patients of the other hospital, each skip's cell with a genotype of its own.

    The one task so far where headroom says that something is there to be found.
    """
    part = other_hospital(max(SIZES), width)
    settings = {
        **part.settings,
        **CHANGES["per-skip"],
        "controls": ["plain", "random"],
        "arms": default_arms("lth"),
        "seeds": [0, 1, 2],
    }
    return Part(f"per-skip-{max(SIZES)}-{width}", settings)


def headroom(part: Part) -> Part:
    """What random cells say of a part's task, trained for less time and at one rate."""
    short = {"epochs": 12, "validate_every": 3, "rates": [1.0]}
    settings = {
        **{key: value for key, value in part.settings.items() if key != "also_scored"},
        "retrain": {**part.settings.get("retrain", {}), **short},
        "headroom": {"cells": 4, "seeds": 3},
    }
    return Part(f"headroom-{part.name}", settings, command="headroom")


def changed(change: str, width: str) -> Part:
    """What random cells say where something else is asked of a cell; more cells, fewer seeds."""
    part, wanted = headroom(other_hospital(max(SIZES), width)), CHANGES[change]
    data = {**part.settings["data"][0], **wanted.get("data", {})}
    settings = {**part.settings, **wanted, "data": [data], "headroom": {"cells": 6, "seeds": 2}}
    return Part(f"{part.name}-{change}", settings, command="headroom")


def other_groups(width: str) -> Part:
    """A network of two disease groups, frozen, for the others."""
    split = {"file": "splits/acdc_unseen.json"}
    data = {"name": "groups", "source": "raw/acdc_unseen", "split": split}
    network = {**NETWORKS[width], "weights": f"models/acdc-seen-{width}"}
    old = {"name": "old-groups", "source": "raw/acdc_seen"}
    settings = {"data": [data], "backbones": [network], "also_scored": [old], **few()}
    return Part(f"groups-{width}", settings)


def same_hospital(name: str, width: str) -> Part:
    """Pre-training, search and retraining on one hospital's patients, everything trained."""
    settings = {
        "seeds": [0, 1],
        "data": [dataset(name, f"raw/{name}")],
        "backbones": [dict(NETWORKS[width])],
        "controls": ["plain", "plain_extra"],
        "arms": default_arms(),
        "search": {"epochs": 60},
        "retrain": {"unfreeze": "all"},
    }
    return Part(f"same-{name}-{width}", settings)


def unseen_judges(name: str, width: str) -> Part:
    """The same, short arm alone, the judges of the architecture unknown to the network."""
    same = same_hospital(name, width)
    judges = {"pretrain": {"parts": ["weights"]}, "arms": default_arms("lth")}
    settings = {**same.settings, **judges}
    return Part(f"unseen-{name}-{width}", settings)


def full_length(name: str, width: str) -> Part:
    """The same, with the full arm really run to its 200 epochs, for one seed."""
    shorter = same_hospital(name, width)
    settings = {**shorter.settings, "seeds": [0], "search": {"epochs": 200}}
    return Part(f"full-length-{name}-{width}", settings)


def dataset(name: str, source: str) -> dict[str, Any]:
    """A data set's settings; hippocampi are small and have pixels of 1 mm."""
    if name == "hippocampus":
        preprocess = {"spacing": [1.0, 1.0], "patch": [48, 64], "workers": 1}
    else:
        preprocess = {"spacing": [3.0, 3.0], "patch": [80, 80], "workers": 1}
    return {"name": name, "source": source, "preprocess": preprocess}


def write_sources(data: Path) -> None:
    """Links and corrected copies below ``raw``, and ``splits``; what is there stays."""
    raw = Path("raw")
    raw.mkdir(exist_ok=True)
    link(raw / "acdc", data / "acdc")
    link(raw / "hippocampus", data / "Task04_Hippocampus")
    if not (raw / "sunnybrook").exists():
        size_sunnybrook(data / "sunnybrook", raw / "sunnybrook")
    groups = acdc_groups(data / "acdc")
    for name, seen in (("acdc_seen", True), ("acdc_unseen", False)):
        folder = raw / name / "training"
        folder.mkdir(parents=True, exist_ok=True)
        for patient, group in groups.items():
            if (group in SEEN_GROUPS) == seen:
                link(folder / patient, data / "acdc" / "training" / patient)
    unseen = {one: group for one, group in groups.items() if group not in SEEN_GROUPS}
    write_split("acdc_unseen", spread(unseen), len(unseen) - TEST - VAL)
    names = [path.name.removesuffix("_0000.nii.gz") for path in sorted_images(raw / "sunnybrook")]
    order = spread({name: name.rsplit("-", 1)[0] for name in names})
    for size in SIZES:
        write_split(f"sunnybrook_{size}", order, size)


def link(path: Path, target: Path) -> None:
    """A symbolic link, unless it is there."""
    if not path.is_symlink():
        path.symlink_to(target.resolve())


def sorted_images(folder: Path) -> list[Path]:
    """Images of a raw data set of nnU-Net."""
    return sorted((folder / "imagesTr").iterdir())


def size_sunnybrook(source: Path, target: Path) -> None:
    """Copies whose headers say how large their pixels are."""
    unfinished = target.with_name(f".{target.name}")
    for folder in ("imagesTr", "labelsTr"):
        (unfinished / folder).mkdir(parents=True, exist_ok=True)
        for path in sorted((source / folder).iterdir()):
            image = nib.Nifti1Image.from_filename(path)
            pixel = FIELD_OF_VIEW / image.shape[0]
            values = np.asanyarray(image.dataobj)
            affine = np.diag([pixel, pixel, 8.0, 1.0])
            nib.save(nib.Nifti1Image(values, affine), unfinished / folder / path.name)
    text = (source / "dataset.json").read_text(encoding="utf-8")
    (unfinished / "dataset.json").write_text(text, encoding="utf-8")
    unfinished.rename(target)


def acdc_groups(folder: Path) -> dict[str, str]:
    """Diagnostic group of every patient."""
    groups = {}
    for info in sorted(folder.glob("training/patient*/Info.cfg")):
        lines = [line.split(":") for line in info.read_text(encoding="utf-8").splitlines()]
        facts = {line[0].strip(): line[1].strip() for line in lines if len(line) > 1}
        groups[info.parent.name] = facts["Group"]
    return groups


def spread(groups: Mapping[str, str]) -> list[str]:
    """Patients in an order of which every beginning holds all groups alike."""
    order = np.random.default_rng(0)
    by_group: dict[str, list[str]] = {}
    for patient in order.permutation(sorted(groups)).tolist():
        by_group.setdefault(groups[patient], []).append(patient)
    rounds = zip_longest(*(by_group[group] for group in sorted(by_group)))
    return [patient for one in rounds for patient in one if patient is not None]


def write_split(name: str, order: Sequence[str], size: int) -> None:
    """Test and val first, so that they are the same for every size; then ``size`` to train on."""
    test, val, rest = order[:TEST], order[TEST : TEST + VAL], order[TEST + VAL :]
    half = (size + 1) // 2
    split = {
        "test": test,
        "val": val,
        "weights": rest[:half],
        "architecture": rest[half:size],
        "unused": rest[size:],
    }
    path = Path("splits", f"{name}.json")
    if not path.exists():
        write_json(path, split)


def run(part: Part) -> None:
    """Sweep, report, and export the network that later parts need."""
    path = Path(f"{part.name}.yaml")
    settings = {"base": str(BASE), "name": part.name, "arms": FIRST_ARMS, **part.settings}
    path.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    command(part.command, str(path))
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
    return {"patients": len(gain), "gain": float(gain.mean()), "low": low, "high": high}


def asked(name: str) -> list[dict[str, Any]]:
    """What a part's random cells said, sentence by sentence, with val Dice by cell and seed."""
    answers = json.loads(Path("runs", f"{name}{BESIDE}", HEADROOM).read_text(encoding="utf-8"))
    kept = ("group", "sentences", "figures", "val_dice")
    return [{key: group[key] for key in kept} for group in answers["groups"]]


def with_place(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A part's rows with the code and the processor that they come from."""
    place = describe_environment()
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
    here = {name: with_place(measured(name)) | compared(name) for name in finished}
    for name, part in known.items():
        if part.command == "headroom" and Path("runs", f"{name}{BESIDE}", HEADROOM).exists():
            here[name] = with_place(asked(name))
    # A part takes hours: what another machine has measured stays, with the machine it came from.
    results = json.loads((RESULTS / "real_patients.json").read_text())["results"] | here
    tables = {name: results[name]["rows"] for name in known if name in results}
    show(tables)
    by_size = {size: tables.get(other_hospital(size, "narrow").name, []) for size in sorted(SIZES)}
    print(draw_overview(by_size))
    settings = {"base": BASE.read_text(), "arms": FIRST_ARMS}
    print(write_result("real_patients", settings=settings, results=results, packages=("torch",)))


if __name__ == "__main__":
    main()
