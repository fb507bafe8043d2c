"""Everything that only a GPU can answer, in one go and under nine minutes; dry on a CPU.

    python -m benchmarks.gpu --folder WORK                  # on a card
    python -m benchmarks.gpu --folder WORK --source ACDC    # the pair of searches on real patients
    python -m benchmarks.gpu --folder WORK --scale toy      # the same code on a CPU, in a minute
    python -m benchmarks.gpu --folder WORK --scale cpu --parts precision    # small real sizes

Parts, each written when it is done, the cheap ones first:

* ``tests``: what of ``tests/training`` runs on a GPU alone.
* ``steps``: a search's two steps executed, recorded as CUDA graphs, in bfloat16, and with the cell
  as research code computes it (``benchmarks.plain_pcdarts``), at three sizes.
* ``feeding``: the steps with batches at hand, read before each, and read meanwhile.
* ``precision``: an LTH search in float32, again with every weight moved by its last bit, and in
  bfloat16: the first epoch in which cells and prunings part, and the default that follows.
* ``retraining``: the val Dice of one cell, retrained in the same three ways.
* ``patients``: what ``plan`` forecasts of a search, also of one with twice the batch, and a full
  and an LTH search as users run them: seconds, memory against the forecast, genes in common.

Without a GPU nothing is measured at a card's scale. The toy's figures mean nothing; on a CPU the
precisions can be compared, and the processor's bfloat16 rounds as a card's does.
"""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import repeat, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
import yaml

from benchmarks.harness import RESULTS, as_json, measure, print_timings, write_result
from benchmarks.memory_store import MemoryStore
from benchmarks.plain_pcdarts import PlainPcDartsCell
from benchmarks.supernet import Work
from benchmarks.sweeps import folder_options
from distributed_iac.agreement import gene_agreement
from distributed_iac.cell.implant import DerivedNetwork, SearchNetwork
from distributed_iac.cell.random_genotype import random_genotype
from distributed_iac.cell.search_cell import SearchCell
from distributed_iac.cell.supernet import SupernetCell
from distributed_iac.cli.main import main as command_line
from distributed_iac.config.backbone import BasicUnetSettings
from distributed_iac.config.batches import BatchSettings
from distributed_iac.config.cell import CellSettings
from distributed_iac.config.load import load_config
from distributed_iac.config.pruning import LTH
from distributed_iac.config.training import (
    AdamSettings,
    CudaGraphs,
    Precision,
    RetrainSettings,
    SearchSettings,
)
from distributed_iac.data.batches.loader import Batch, Batches
from distributed_iac.files import parse_json, write_json
from distributed_iac.genotype import Genotype
from distributed_iac.importance.removal import Removal
from distributed_iac.nets.build import build_backbone
from distributed_iac.phantom import make_phantom
from distributed_iac.run.probe import LIBRARIES, probe
from distributed_iac.training.bilevel import Bilevel
from distributed_iac.training.features import FeatureCache
from distributed_iac.training.retrain import retrained
from distributed_iac.training.search import SearchStage
from distributed_iac.training.supervised import SupervisedStage
from distributed_iac.training.targets import TargetCoder

ROOT = Path(__file__).parents[1]
CLASSES = 3


@dataclass(frozen=True)
class Size(Work):
    """What a step computes on, through cells that search over all operations.

    Args:
        nodes: Of a cell.
    """

    nodes: int = 4

    @property
    def cell(self) -> CellSettings:
        """The cells."""
        return CellSettings(
            width=self.width, partial_channels=self.partial_channels, nodes=self.nodes
        )


@dataclass(frozen=True)
class Scale:
    """How large everything is.

    Args:
        device: Where to compute.
        sizes: The smallest first.
        repetitions: Timings of each candidate.
        epochs: Of the searches in two precisions.
        steps: In each of their epochs.
        settings: Of the pair of searches, on top of ``configs/search_small.yaml``'s.
        patients: Phantoms where there are no real ones.
        folder: Where data and runs go.
        source: Real patients in ACDC's layout; None: phantoms.
    """

    device: torch.device
    sizes: tuple[Size, ...]
    repetitions: int
    epochs: int
    steps: int
    settings: Mapping[str, Any]
    patients: int
    folder: Path = Path()
    source: Path | None = None


CARD = Scale(
    torch.device("cuda"),
    (Size(8, 1, 8, 80), Size(16, 4, 16, 160), Size(32, 4, 16, 256)),
    repetitions=15,
    epochs=12,
    steps=20,
    settings={
        "batches": {"batch_size": 16, "steps_per_epoch": 20},
        "pretrain": {"epochs": 20, "validate_every": 20},
        "search": {"epochs": 40, "warmup_epochs": 5, "validate_every": 20, "feature_cache": 0.5},
    },
    patients=12,
)
CPU = replace(
    CARD,
    device=torch.device("cpu"),
    sizes=(Size(8, 1, 4, 32, nodes=2), Size(8, 1, 4, 48), Size(16, 4, 4, 64)),
    repetitions=3,
    steps=10,
)
TOY = Scale(
    torch.device("cpu"),
    (Size(4, 2, 2, 32, nodes=1),),
    repetitions=1,
    epochs=2,
    steps=2,
    settings={
        "batches": {"batch_size": 2, "steps_per_epoch": 2},
        "cell": {"width": 4, "nodes": 1, "partial_channels": 2},
        "pretrain": {"epochs": 1, "validate_every": 1},
        "search": {"epochs": 3, "warmup_epochs": 1, "validate_every": 3},
    },
    patients=6,
)


SCALES: Mapping[str, Scale] = {"card": CARD, "cpu": CPU, "toy": TOY}


def main(arguments: list[str] | None = None) -> None:
    """Measure the parts in order, and write what there is after each."""
    parser = folder_options(__doc__)
    parser.add_argument("--scale", choices=SCALES, default="card", help="how large everything is")
    parser.add_argument("--sizes", type=int, help="only so many of the sizes, the smallest")
    parser.add_argument("--source", type=Path, help="real patients in ACDC's layout")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    given = parser.parse_args(arguments)
    if given.scale == "card" and not torch.cuda.is_available():
        sys.exit("no GPU is visible here: --scale toy tries the same code on the CPU")
    source = None if given.source is None else given.source.resolve()
    known = SCALES[given.scale]
    sizes = known.sizes[: given.sizes]
    scale = replace(known, sizes=sizes, folder=given.folder, source=source)
    given.folder.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {}
    for name in given.parts:
        begun = time.perf_counter()
        print(f"== {name}", flush=True)
        found = PARTS[name](scale)
        results[name] = {"seconds": time.perf_counter() - begun, "found": found}
        settings = {"scale": str(scale)}
        # A toy's figures are nobody's: they stay in its folder.
        folder = given.folder if given.scale == "toy" else RESULTS
        kind = "gpu_cpu" if given.scale == "cpu" else "gpu"
        path = write_result(kind, settings=settings, results=results, packages=(), folder=folder)
        print(path)


def tests(scale: Scale) -> str:
    """Last line of the tests that a GPU alone can run, or is the subject of."""
    del scale
    command = [sys.executable, "-m", "pytest", "tests/training", "-q", "-k", "gpu"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    last = done.stdout.strip().splitlines()[-1]
    if done.returncode:
        print(done.stdout)
    print(last)
    return last


def steps(scale: Scale) -> dict[str, Any]:
    """Time the two steps of a search: executed, recorded, in bfloat16, and plain PC-DARTS's."""
    found = {}
    for one in scale.sizes:
        kept = next(feed(one, scale.device))
        ways: dict[str, Bilevel] = {
            "executed": bilevel(one, scale.device),
            "plain PC-DARTS": bilevel(one, scale.device, cell=PlainPcDartsCell),
        }
        if scale.device.type == "cuda":
            ways["recorded"] = bilevel(one, scale.device, graphs="auto")
            ways["bfloat16"] = bilevel(one, scale.device, precision="bfloat16")
        candidates = {
            name: partial(both_steps, way, repeat(kept), scale.device) for name, way in ways.items()
        }
        found[str(one)] = timed(f"two steps, {one}", candidates, scale, "executed")
    return found


def feeding(scale: Scale) -> dict[str, Any]:
    """Time the two steps with batches at hand, read before each, and read by a thread meanwhile."""
    found = {}
    for one in scale.sizes:
        way = bilevel(one, scale.device)
        feeds: dict[str, Iterator[Batch]] = {
            "at hand": repeat(next(feed(one, scale.device))),
            "read before": feed(one, scale.device),
            "read meanwhile": feed(one, scale.device, ahead=True),
        }
        candidates = {
            name: partial(both_steps, way, batches, scale.device) for name, batches in feeds.items()
        }
        title = f"two steps and their batches, {one}"
        found[str(one)] = timed(title, candidates, scale, "at hand")
    return found


def both_steps(way: Bilevel, batches: Iterator[Batch], device: torch.device) -> None:
    """Take an architecture and a weight step, and wait until the device is through."""
    way.architecture_step(next(batches))
    way.weight_step(next(batches))
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def timed(
    title: str, candidates: Mapping[str, Callable[[], None]], scale: Scale, reference: str
) -> dict[str, Any]:
    """Time candidates side by side; recorded steps are executed three times first."""
    timings = measure(candidates, repetitions=scale.repetitions, calls=2, warmups=3)
    print_timings(title, timings, reference)
    return as_json(timings, reference)


@dataclass(frozen=True)
class Decided:
    """What an epoch of a search decided.

    Args:
        epoch: From 1.
        cell: As it would be cut now, as JSON.
        removed: The row of the importance, and the operation; of a whole edge, ``edge``.
    """

    epoch: int
    cell: str
    removed: frozenset[tuple[int, str]]


def precision(scale: Scale) -> dict[str, Any]:
    """Search in bfloat16; when do cells and prunings leave those of float32?

    The control is a search in float32 whose weights begin one bit away: any other processor or
    order of sums does as much, so a precision is not to blame for what the last bit does as well.
    A size can take long on a CPU: what the folder holds of one is not searched again.
    """
    place = scale.folder / f"precision-{scale.device}-{scale.epochs}x{scale.steps}.json"
    sizes = parse_json(place.read_text(encoding="utf-8")) if place.exists() else {}
    for one in scale.sizes:
        if str(one) in sizes:
            continue
        exact = decided(one, scale, "float32")
        moved = compared(exact, decided(one, scale, "float32", moved=True))
        rough = compared(exact, decided(one, scale, "bfloat16"))
        sizes[str(one)] = {"last_bit": moved, "bfloat16": rough}
        write_json(place, sizes)
        print(f"{one}: {sizes[str(one)]}")
    sizes = {str(one): sizes[str(one)] for one in scale.sizes}
    default = default_from(sizes.values())
    print(f"search.precision: {default}")
    return {"sizes": sizes, "default": default}


def retraining(scale: Scale) -> dict[str, dict[str, float]]:
    """Best val Dice of a random cell, retrained with its network; the control is as in a search."""
    found = {}
    for one in scale.sizes:
        found[str(one)] = {
            "float32": retrained_dice(one, scale, "float32"),
            "last_bit": retrained_dice(one, scale, "float32", moved=True),
            "bfloat16": retrained_dice(one, scale, "bfloat16"),
        }
        print(f"{one}: {found[str(one)]}", flush=True)
    return found


Compared = Mapping[str, int | None]


def compared(exact: Sequence[Decided], other: Sequence[Decided]) -> Compared:
    """First epochs in which two searches part (None: in none), and genes in common at the end.

    Args:
        exact: Epochs in float32, at least one.
        other: Of the other search, likewise.
    """
    first, second = (Genotype.from_json(one[-1].cell) for one in (exact, other))
    last = gene_agreement(first, second)
    return {
        "cells_part": parted(exact, other, lambda one: one.cell),
        "prunings_part": parted(exact, other, lambda one: one.removed),
        "prunings": sum(len(one.removed) for one in exact),
        "same": last.same,
        "of": last.total,
    }


def parted(
    exact: Sequence[Decided], other: Sequence[Decided], what: Callable[[Decided], object]
) -> int | None:
    """The first epoch in which something differs, or that only one of them has."""
    for a, b in zip_longest(exact, other):
        if a is None or b is None or what(a) != what(b):
            return int((a or b).epoch)
    return None


def default_from(found: Iterable[Mapping[str, Compared]]) -> Precision:
    """bfloat16 where it prunes as float32 does for as long as the last bit lets it; our choice.

    At every size it has to prune, to part no earlier than the search that began one bit away, and
    to end with as many of float32's genes. Cells may differ before: they are cut from near ties,
    and nothing is done with them.
    """

    def lasts(one: Compared) -> float:
        return float("inf") if one["prunings_part"] is None else one["prunings_part"]

    alike = all(
        one["bfloat16"]["prunings"]
        and lasts(one["bfloat16"]) >= lasts(one["last_bit"])
        and (one["bfloat16"]["same"] or 0) >= (one["last_bit"]["same"] or 0)
        for one in found
    )
    return "bfloat16" if alike else "float32"


def patients(scale: Scale) -> dict[str, Any]:
    """Full and LTH as users run them, and what ``plan`` had said."""
    folder = scale.folder
    source = scale.source or (folder / "acdc").resolve()
    if not source.exists():
        make_phantom("acdc", source, patients=scale.patients, seed=0, size="tiny")
    path = write_settings(scale, source)
    command("prepare", path)
    batch = scale.settings["batches"]["batch_size"]
    twice = load_config(path, [f"batches.batch_size={2 * batch}"])
    forecast, of_twice = (probe(one, "search") for one in (load_config(path), twice))
    expected = forecast.memory.forecast(batch)
    found: dict[str, Any] = {
        "forecast": asdict(forecast),
        "twice_the_batch": {
            "forecast": forecast.memory.forecast(2 * batch),
            "memory_bytes": of_twice.memory.forecast(2 * batch),
        },
    }
    cells = []
    for arm in ("full", "lth"):
        command("search", path, "--dataset", "acdc", "--arm", arm)
        [end] = folder.glob(f"runs/gpu/acdc/*/search/{arm}/seed0")
        rows = pq.read_table(end / "epochs.parquet").to_pylist()
        cells.append(Genotype.from_json(rows[-1]["genotype"]))
        peak = max(row["memory_bytes"] for row in rows)
        found[arm] = {
            "epochs": len(rows),
            "seconds": rows[-1]["total_seconds"],
            "memory_bytes": peak,
            "of_forecast": peak / expected,
            "op_evaluations": rows[-1]["op_evaluations"],
        }
    full, lth = cells
    shared = gene_agreement(full, lth)
    print(f"{shared.same} of {shared.total} genes in common; {found}")
    return {**found, "same": shared.same, "of": shared.total}


def write_settings(scale: Scale, source: Path) -> Path:
    """Write the configuration of the pair of searches into the scale's folder."""
    path = scale.folder / "gpu.yaml"
    settings = {
        "base": str(ROOT / "configs" / "search_small.yaml"),
        "name": "gpu",
        "device": scale.device.type,
        "stores": str(scale.folder / "stores"),
        "out": str(scale.folder / "runs"),
        "data": [{"name": "acdc", "source": str(source), "preprocess": {"patch": "auto"}}],
        "backbones": [{"name": "basic_unet", "features": "small"}],
        **scale.settings,
    }
    path.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    return path


def command(*arguments: object) -> None:
    """Run a command of this project in a process of its own; its failure ends the benchmark."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LIBRARIES)  # the server of the probes: imported once for all
    process = context.Process(target=run_command, args=([str(one) for one in arguments],))
    process.start()
    process.join()
    if process.exitcode:
        sys.exit(f"distributed-iac {arguments[0]} ended with {process.exitcode}")


def run_command(arguments: list[str]) -> None:
    """Be ``distributed-iac``; ends the process."""
    sys.argv[1:] = arguments
    command_line()


PARTS: Mapping[str, Callable[[Scale], Any]] = {
    "tests": tests,
    "steps": steps,
    "feeding": feeding,
    "precision": precision,
    "retraining": retraining,
    "patients": patients,
}


def settings_for(
    precision: Precision = "float32", graphs: CudaGraphs = "off", epochs: int = 2
) -> SearchSettings:
    """Rates of ``configs/search_small.yaml``, one epoch of warm-up."""
    return SearchSettings(
        epochs=epochs,
        warmup_epochs=1,
        weights=AdamSettings(learning_rate=2e-3),
        architecture=AdamSettings(learning_rate=3e-2, betas=(0.5, 0.999)),
        validate_every=epochs,
        precision=precision,
        cuda_graphs=graphs,
    )


def searched(one: Size, cell: type[SearchCell] = SupernetCell) -> SearchNetwork:
    """A frozen U-Net with four skips, and cells in them."""
    backbone = build_backbone(BasicUnetSettings(features="small"), 1, CLASSES)
    return SearchNetwork(backbone, one.cell, torch.Generator().manual_seed(0), cell)


def bilevel(
    one: Size,
    device: torch.device,
    *,
    cell: type[SearchCell] = SupernetCell,
    graphs: CudaGraphs = "off",
    precision: Precision = "float32",
) -> Bilevel:
    """The steps of a search that keeps no features."""
    network = searched(one, cell).to(device).train()
    store = slices(one)
    coder = TargetCoder(store.scheme).to(device)
    cache = FeatureCache(network.encode, [], 0)
    settings = settings_for(precision, graphs)
    return Bilevel(network, coder, settings, one.batch, device, cache)


def slices(one: Size) -> MemoryStore:
    """Discs with rings on noise, enough for two batches of training and one to validate."""
    generator = np.random.default_rng(0)
    count = 4 * one.batch
    y, x = np.mgrid[: one.side, : one.side] / one.side
    centres = generator.uniform(0.35, 0.65, (count, 2))
    radius = np.hypot(y - centres[:, :1, None], x - centres[:, 1:, None])
    labels = np.where(radius < 0.12, 1, np.where(radius < 0.25, 2, 0))
    images = np.array([0.0, 1.0, -1.0])[labels] + generator.normal(0, 0.6, labels.shape)
    parts = ["weights", "weights", "architecture", "val"]
    names = [f"{part}{number}" for number, part in enumerate(parts)]
    split = {part: [name for name in names if name.startswith(part)] for part in set(parts)}
    return MemoryStore(
        images[:, None].astype(np.float32), labels, np.repeat(names, one.batch).tolist(), split
    )


def batch_settings(one: Size, steps_per_epoch: int) -> BatchSettings:
    """Augmented batches, as searches of real data have them."""
    return BatchSettings(
        batch_size=one.batch, steps_per_epoch=steps_per_epoch, augmentation="strong"
    )


def feed(one: Size, device: torch.device, *, ahead: bool = False) -> Batches:
    """Batches of a search's weight steps."""
    settings = batch_settings(one, 1)
    return Batches(slices(one), ["weights"], settings, seed=0, device=device, ahead=ahead)


def move_by_last_bit(network: torch.nn.Module) -> None:
    """Make every weight the next larger number that its type has."""
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_(torch.nextafter(weight, torch.full_like(weight, torch.inf)))


def decided(one: Size, scale: Scale, way: Precision, *, moved: bool = False) -> list[Decided]:
    """What every epoch of an LTH search decides, to its end.

    Args:
        one: The size.
        scale: How long, and where.
        way: The precision.
        moved: The weights begin one bit away.
    """
    store, network = slices(one), searched(one)
    if moved:
        move_by_last_bit(network)
    stage = SearchStage(
        network,
        store,
        store.scheme,
        settings_for(way, epochs=scale.epochs),
        batch_settings(one, scale.steps),
        LTH,
        seed=0,
        device=scale.device,
    )
    found: list[Decided] = []
    while not stage.done:
        report = stage.step()
        if stage.history.observed:
            removals: tuple[Removal, ...] = report.payload["decision"].removals
            removed = frozenset((one.row, getattr(one, "operation", "edge")) for one in removals)
            found.append(Decided(stage.epoch, str(report["genotype"]), removed))
        if report["converged"]:
            break
    return found


def retrained_dice(one: Size, scale: Scale, way: Precision, *, moved: bool = False) -> float:
    """Best val Dice of a retraining; arguments as of :func:`decided`."""
    store = slices(one)
    backbone = build_backbone(BasicUnetSettings(features="small"), 1, CLASSES)
    cell = random_genotype(one.cell.topology, np.random.default_rng(0))
    network = DerivedNetwork(backbone, cell, one.cell, torch.Generator().manual_seed(0))
    if moved:
        move_by_last_bit(network)
    settings = RetrainSettings(epochs=scale.epochs, rates=(1.0,), precision=way)
    stage = SupervisedStage(
        network,
        retrained(network, settings.unfreeze, rate=1.0),
        store,
        store.scheme,
        settings,
        batch_settings(one, scale.steps),
        seed=0,
        device=scale.device,
    )
    while not stage.done:
        stage.step()
    return float(stage.best.score)


if __name__ == "__main__":
    main()
