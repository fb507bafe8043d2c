"""Is the plain network here, on whole volumes, the network that nnU-Net evaluates?

nnU-Net plans, trains briefly and validates networks on raw data sets that differ in what goes
wrong: orientation, thick axis, patients larger than the patch, empty borders, CT statistics,
mirroring. Each is then taken over as ``{name: nnunet, folder: ...}`` with nothing else said,
prepared, predicted and scored by this project, and the label maps are compared::

    python -m benchmarks.nnunet_volumes --nnunet ENV/bin --folder EMPTY --source DATA
    python -m benchmarks.nnunet_volumes --nnunet ENV/bin --folder EMPTY --record tests/nets/data

``--nnunet`` is the ``bin`` of an environment with nnU-Net 2.8 (``pip install nnunetv2``); this
project does not need it. DATA holds ``Task04_Hippocampus`` and ``acdc/training``. ``--record``
makes two tiny networks on pictures of its own and keeps what nnU-Net predicted, for the tests.
What is trained already is not trained again. Hardware: any CPU. Time: half an hour on one core.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from rich.console import Console
from rich.table import Table

from benchmarks.harness import options, write_result
from distributed_iac.config.backbone import NnUnetSettings
from distributed_iac.config.run import RunConfig
from distributed_iac.data.formats.registry import read_source
from distributed_iac.data.prepare.prepare import prepare_store
from distributed_iac.data.store import Store
from distributed_iac.data.targets import output_values
from distributed_iac.evaluation.inference import Inference, mirror_axes, predict_case
from distributed_iac.nets.build import build_backbone
from distributed_iac.nets.follow import follow_backbones

Image = Any
Change = Callable[[Image], Image]

TRAINER = """
import torch
from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer


class nnUNetTrainerBrief(nnUNetTrainer):
    def __init__(self, plans, configuration, fold, dataset_json, device=torch.device("cpu")):
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_epochs, self.num_iterations_per_epoch = EPOCHS, 60
        self.num_val_iterations_per_epoch = 2

    def configure_optimizers(self):
        optimizer = torch.optim.Adam(self.network.parameters(), lr=2e-3)
        return optimizer, PolyLRScheduler(optimizer, 2e-3, self.num_epochs)


class nnUNetTrainerBriefNoMirror(nnUNetTrainerBrief):
    def configure_rotation_dummyDA_mirroring_and_inital_patch_size(self):
        *others, _ = super().configure_rotation_dummyDA_mirroring_and_inital_patch_size()
        self.inference_allowed_mirroring_axes = None
        return (*others, None)
"""
"""nnU-Net's own trainer, ended early and in greater steps: learning something suffices."""


@dataclass(frozen=True)
class Row:
    """One network to compare.

    Args:
        number: Of nnU-Net's data set.
        name: Of the data set.
        what: What is particular about it.
        write: Writes the raw data set into a folder.
        trainer: nnU-Net's trainer.
        plan: Changes to the 2-D plan.
    """

    number: int
    name: str
    what: str
    write: Callable[[Path], None]
    trainer: str = "nnUNetTrainerBrief"
    plan: Mapping[str, Any] = field(default_factory=dict)

    @property
    def dataset(self) -> str:
        """Folder of the data set."""
        return f"Dataset{self.number}_{self.name}"


def write_raw(
    root: Path,
    cases: Iterable[tuple[str, Image, Image]],
    labels: Mapping[str, int],
    channel: str,
    change: Change = lambda image: image,
) -> None:
    """Write a data set in nnU-Net's raw layout."""
    for name in ("imagesTr", "labelsTr"):
        (root / name).mkdir(parents=True, exist_ok=True)
    listed = list(cases)
    for case, image, label in listed:
        grey, classes = change(image), change(label)
        values = np.asarray(grey.dataobj, dtype=np.float32)
        nib.save(nib.Nifti1Image(values, grey.affine), root / "imagesTr" / f"{case}_0000.nii.gz")
        numbers = np.asarray(classes.dataobj).astype(np.uint8)
        nib.save(nib.Nifti1Image(numbers, classes.affine), root / "labelsTr" / f"{case}.nii.gz")
    meta = {
        "channel_names": {"0": channel},
        "labels": {"background": 0, **labels},
        "numTraining": len(listed),
        "file_ending": ".nii.gz",
    }
    (root / "dataset.json").write_text(json.dumps(meta, indent=1))


def turned(codes: str) -> Change:
    """Bring an image to other axis codes; it shows the same."""

    def change(image: Image) -> Image:
        wanted = ornt_transform(io_orientation(image.affine), axcodes2ornt(codes))
        return image.as_reoriented(wanted)

    return change


def coronal(image: Image) -> Image:
    """Every third coronal plane: the thick axis is the second of the file."""
    affine = image.affine.copy()
    affine[:, 1] *= 3
    return nib.Nifti1Image(np.asarray(image.dataobj)[:, ::3], affine)


def framed(image: Image) -> Image:
    """An empty border, as around cropped or skull-stripped images."""
    values = np.array(image.dataobj)
    values[:5], values[:, -7:], values[..., :3] = 0, 0, 0
    return nib.Nifti1Image(values, image.affine)


def real_rows(source: Path) -> list[Row]:
    """The networks of the table, on real patients."""
    task, labels = source / "Task04_Hippocampus", {"Anterior": 1, "Posterior": 2}
    paths = sorted((task / "imagesTr").glob("hip*.nii.gz"))[:40]

    def hippocampus(change: Change = lambda image: image, channel: str = "MRI") -> Any:
        def write(root: Path) -> None:
            cases = (
                (p.name[:-7], nib.load(p), nib.load(task / "labelsTr" / p.name)) for p in paths
            )
            write_raw(root, cases, labels, channel, change)

        return write

    def acdc(root: Path) -> None:
        patients = sorted((source / "acdc" / "training").glob("patient*"))[:20]
        truths = [path for patient in patients for path in sorted(patient.glob("*_gt.nii.gz"))]
        cases = (
            (p.name[:-10], nib.load(p.with_name(f"{p.name[:-10]}.nii.gz")), nib.load(p))
            for p in truths
        )
        write_raw(root, cases, {"RV": 1, "MYO": 2, "LV": 3}, "cine")

    still = "nnUNetTrainerBriefNoMirror"
    small = {"patch_size": [128, 128]}
    return [
        Row(101, "HipRAS", "RAS files, mirroring", hippocampus()),
        Row(101, "HipRAS", "RAS files", hippocampus(), still),
        Row(102, "HipLPS", "LPS files", hippocampus(turned("LPS")), still),
        Row(103, "HipCoronal", "thick second axis", hippocampus(coronal), still),
        Row(104, "ACDC", "larger than the patch, resampled, mirroring", acdc, plan=small),
        Row(105, "HipFramed", "empty border, masked, mirroring", hippocampus(framed)),
        Row(106, "HipCT", "CT statistics, mirroring", hippocampus(channel="CT")),
    ]


def drawn(seed: int) -> tuple[Image, Image]:
    """A picture of two nested ellipses in noise, and its label; nobody's patient."""
    rng = np.random.default_rng(seed)
    shape, zooms = (44 + seed % 5, 52, 7), (1.1, 0.9, 4.0)
    x, y, z = (np.arange(size) - size / 2 for size in shape)
    centre = rng.uniform(-5, 5, 2)
    far = np.sqrt(
        ((x[:, None, None] - centre[0] - 0.4 * z) / 13) ** 2
        + ((y[:, None] - centre[1]) / rng.uniform(9, 14)) ** 2
        + (z / 4) ** 2
    )
    label = (far < 1).astype(np.uint8) + (far < 0.6)
    shade = 300 + 120 * (far < 1) + 150 * (far < 0.6) + 2 * x[:, None, None]
    image = (shade + rng.normal(0, 25, shape)).round().astype(np.float32)
    affine = np.diag([*zooms, 1.0])
    return nib.Nifti1Image(image, affine), nib.Nifti1Image(label, affine)


def recorded_rows() -> list[Row]:
    """The networks of the tests, on pictures that are drawn here."""

    def pictures(change: Change, channel: str) -> Any:
        def write(root: Path) -> None:
            cases = ((f"case_{seed:02d}", *drawn(seed)) for seed in range(10))
            write_raw(root, cases, {"ring": 1, "core": 2}, channel, change)

        return write

    def thick_first(image: Image) -> Image:
        """The thick axis is the first of the file, as in KiTS, and axes run to L, P, S."""
        return turned("SPL")(image)

    still = "nnUNetTrainerBriefNoMirror"
    plan = {"patch_size": [32, 24], "spacing": [1.0, 1.0], "features": [6, 8, 12]}
    return [
        Row(901, "FramedMR", "", pictures(framed, "MRI"), plan=plan),
        Row(902, "ThickCT", "", pictures(thick_first, "CT"), still, plan=plan),
    ]


class NnUnet:
    """nnU-Net's command line in a folder of its own."""

    def __init__(self, programs: Path, folder: Path, epochs: int) -> None:
        self.programs, self.folder = programs, folder
        trainers = folder / "trainers"
        trainers.mkdir(parents=True, exist_ok=True)
        (trainers / "brief.py").write_text(TRAINER.replace("EPOCHS", str(epochs)))
        self.raw, self.preprocessed, self.results = (
            folder / name for name in ("raw", "preprocessed", "results")
        )
        self._environment = {
            **os.environ,
            "nnUNet_raw": str(self.raw),
            "nnUNet_preprocessed": str(self.preprocessed),
            "nnUNet_results": str(self.results),
            "nnUNet_extTrainer": str(trainers),
            "nnUNet_compile": "f",
            "nnUNet_n_proc_DA": "1",
            "nnUNet_def_n_proc": "1",
            "OMP_NUM_THREADS": "1",
        }

    def trained(self, row: Row) -> Path:
        """Model folder of a row, made where it is not there yet."""
        model = self.results / row.dataset / f"{row.trainer}__nnUNetPlans__2d"
        if not (model / "fold_0" / "validation" / "summary.json").is_file():
            self._plan(row)
            number = str(row.number)
            self._call("nnUNetv2_train", number, "2d", "0", "-tr", row.trainer, "-device", "cpu")
        return model

    def _plan(self, row: Row) -> None:
        plans = self.preprocessed / row.dataset / "nnUNetPlans.json"
        if plans.is_file():
            return
        row.write(self.raw / row.dataset)
        number = str(row.number)
        self._call("nnUNetv2_extract_fingerprint", "-d", number, "-np", "1")
        self._call("nnUNetv2_plan_experiment", "-d", number)
        content = json.loads(plans.read_text())
        configuration = _small(content["configurations"]["2d"], row.plan)
        plans.write_text(json.dumps({**content, "configurations": {"2d": configuration}}))
        self._call("nnUNetv2_preprocess", "-d", number, "-c", "2d", "-np", "1")

    def _call(self, program: str, *arguments: str) -> None:
        log = self.folder / "log.txt"
        with log.open("a") as file:
            done = subprocess.run(
                [str(self.programs / program), *arguments],
                env=self._environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if done.returncode:
            raise SystemExit(f"{program} {' '.join(arguments)} failed: see {log}")


def _small(configuration: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A plan with fewer channels and stages, for a CPU."""
    given = dict(changes)
    kwargs = configuration["architecture"]["arch_kwargs"]
    features = given.pop("features", [max(8, n // 4) for n in kwargs["features_per_stage"]][:6])
    stages = len(features)
    for key in ("kernel_sizes", "strides", "n_conv_per_stage"):
        kwargs[key] = kwargs[key][:stages]
    kwargs["n_conv_per_stage_decoder"] = kwargs["n_conv_per_stage_decoder"][: stages - 1]
    kwargs["features_per_stage"], kwargs["n_stages"] = features, stages
    return {**configuration, "batch_size": 8, **given}


@dataclass(frozen=True)
class Comparison:
    """Both programs on the validation patients of fold 0."""

    nnunet: float
    ours: float
    cases: int
    larger: int
    voxels: tuple[int, ...]
    size: int


def compare(nnunet: NnUnet, row: Row, model: Path, folder: Path) -> Comparison:
    """Take the network over, predict its validation patients, compare with nnU-Net's label maps."""
    data = {
        "name": "d",
        "source": str(nnunet.raw / row.dataset),
        "split": {"file": str(model / "fold_0" / "validation" / "summary.json")},
    }
    backbones = [{"name": "nnunet", "folder": str(model)}]
    asked = {"name": "parity", "data": [data], "backbones": backbones}
    config = follow_backbones(RunConfig.model_validate(asked))
    (dataset,), (backbone,) = config.data, config.backbones
    assert isinstance(backbone, NnUnetSettings)
    place = folder / "stores" / f"{row.dataset}-{row.trainer}"
    prepare_store(read_source(dataset.source), "d", dataset.preprocess, dataset.split, place)
    store = Store.open(place)
    outputs = len(output_values(store.fingerprint.labels))
    network = build_backbone(backbone, len(store.fingerprint.channel_names), outputs).eval()
    way = Inference(mirror_axes(config.evaluation, backbone), 16)
    ours, theirs, voxels = [], [], []
    # nnU-Net divides cases, not patients: others of a test patient may have been trained on.
    validation = model / "fold_0" / "validation"
    cases = [c for c in store.cases("test") if (validation / f"{c.case_id}.nii.gz").is_file()]
    for case in cases:
        label = store.native_label(case.case_id)
        mine = predict_case(network, store, case, way, torch.device("cpu"))
        other = np.asarray(nib.load(validation / f"{case.case_id}.nii.gz").dataobj)
        voxels.append(int((mine != other).sum()))
        for value in store.fingerprint.labels.classes:
            ours.append(dice(mine == value, label == value))
            theirs.append(dice(other == value, label == value))
    return Comparison(
        nnunet=float(np.nanmean(theirs)),
        ours=float(np.nanmean(ours)),
        cases=len(cases),
        larger=sum(case.geometry.whole != case.geometry for case in cases),
        voxels=tuple(voxels),
        size=int(np.median([np.prod(case.geometry.slices.shape) for case in cases])),
    )


def dice(a: Any, b: Any) -> float:
    """Dice of two masks; NaN where both are empty."""
    total = a.sum() + b.sum()
    return float(2 * (a & b).sum() / total) if total else float("nan")


def record(nnunet: NnUnet, row: Row, model: Path, folder: Path) -> None:
    """Keep a model, three of its validation images, and what nnU-Net made of them."""
    target = folder / f"nnunet_volumes_{row.number}"
    shutil.rmtree(target, ignore_errors=True)
    (target / "fold_0").mkdir(parents=True)
    for name in ("plans.json", "dataset.json"):
        shutil.copy(model / name, target / name)
    path = Path("fold_0") / "checkpoint_final.pth"
    content = torch.load(model / path, weights_only=False)
    kept = ("network_weights", "init_args", "trainer_name", "inference_allowed_mirroring_axes")
    slim = {name: content[name] for name in kept}
    slim["init_args"] = {"configuration": "2d"}
    torch.save(slim, target / path)
    for label in sorted((model / "fold_0" / "validation").glob("*.nii.gz"))[:2]:
        case = label.name.removesuffix(".nii.gz")
        image = nib.load(nnunet.raw / row.dataset / "imagesTr" / f"{case}_0000.nii.gz")
        values = np.asarray(image.dataobj).astype(np.int16)
        nib.save(nib.Nifti1Image(values, image.affine), target / f"{case}_0000.nii.gz")
        shutil.copy(label, target / f"{case}.nii.gz")


def main() -> None:
    """Print the table, or renew the tests' data."""
    parser = options(__doc__)
    parser.add_argument("--nnunet", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--source", type=Path)
    parser.add_argument("--record", type=Path)
    parser.add_argument("--epochs", type=int, default=8)
    given = parser.parse_args()
    torch.set_num_threads(1)
    nnunet = NnUnet(given.nnunet.absolute(), given.folder.absolute(), given.epochs)
    rows = recorded_rows() if given.record else real_rows(given.source)
    table = Table(title="Mean foreground Dice on the validation patients of fold 0")
    for heading in ("network", "patients", "larger", "nnU-Net", "here", "voxels that differ"):
        table.add_column(heading)
    found = {}
    for row in rows:
        model = nnunet.trained(row)
        one = compare(nnunet, row, model, given.folder)
        if given.record:
            record(nnunet, row, model, given.record)
        differ = f"median {int(np.median(one.voxels))}, most {max(one.voxels)} of {one.size}"
        counts = (str(one.cases), str(one.larger), f"{one.nnunet:.4f}", f"{one.ours:.4f}")
        table.add_row(f"{row.name}: {row.what}", *counts, differ)
        found[f"{row.name}, {row.what}"] = vars(one)
        Console().print(row.name, *counts, differ)
    Console().print(table)
    if not given.record:
        settings = {"epochs": given.epochs}
        write_result("nnunet_volumes", settings=settings, results=found, packages=())


if __name__ == "__main__":
    main()
