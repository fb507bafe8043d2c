"""Raw folder to batch, through the command line, for every kind of source."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from distributed_iac.config.batches import BatchSettings
from distributed_iac.data.batches.loader import Batches
from distributed_iac.data.contract import Source
from distributed_iac.data.formats.registry import read_source
from distributed_iac.data.store import Store
from distributed_iac.phantom import FormatName, make_phantom

PATIENTS = 8


def phantom(name: FormatName) -> Callable[[Path], None]:
    def write(root: Path) -> None:
        make_phantom(name, root, patients=PATIENTS, seed=0, size="tiny")

    return write


def nnunet_raw(root: Path) -> None:
    """KiTS cases as an nnU-Net v2 raw folder with regions."""
    source = _source(root.parent / "kits-for-nnunet", "kits")
    folder = root / "Dataset042_Kidney"
    _copy_cases(source, folder, ending="_0000.nii.gz")
    meta = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0, "kidney": [1, 2, 3], "mass": [2, 3], "tumor": 2},
        "regions_class_order": [1, 3, 2],
        "numTraining": len(source.cases),
        "file_ending": ".nii.gz",
    }
    (folder / "dataset.json").write_text(json.dumps(meta), encoding="utf-8")


def decathlon(root: Path) -> None:
    """KiTS cases as a Medical Segmentation Decathlon task."""
    source = _source(root.parent / "kits-for-msd", "kits")
    folder = root / "Task77_Kidney"
    _copy_cases(source, folder, ending=".nii.gz")
    names = [case.case_id for case in source.cases]
    meta = {
        "name": "Kidney",
        "modality": {"0": "CT"},
        "labels": {"0": "background", "1": "kidney", "2": "tumor", "3": "cyst"},
        "numTraining": len(names),
        "numTest": 0,
        "training": [
            {"image": f"./imagesTr/{n}.nii.gz", "label": f"./labelsTr/{n}.nii.gz"} for n in names
        ],
        "test": [],
    }
    (folder / "dataset.json").write_text(json.dumps(meta), encoding="utf-8")


def _source(root: Path, name: FormatName) -> Source:
    make_phantom(name, root, patients=PATIENTS, seed=0, size="tiny")
    return read_source(root)


def _copy_cases(source: Source, folder: Path, ending: str) -> None:
    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir(parents=True)
    for case in source.cases:
        assert case.label is not None
        image, label = nib.load(case.channels[0].path), nib.load(case.label)
        voxels = np.asarray(image.dataobj).astype(np.float32)
        nib.save(
            nib.Nifti1Image(voxels, image.affine), folder / "imagesTr" / f"{case.case_id}{ending}"
        )
        nib.save(label, folder / "labelsTr" / f"{case.case_id}.nii.gz")


SOURCES: dict[str, Callable[[Path], None]] = {
    "acdc": phantom("acdc"),
    "brats": phantom("brats"),
    "kits": phantom("kits"),
    "amos": phantom("amos"),
    "nnunet_raw": nnunet_raw,
    "msd": decathlon,
}


def command(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "distributed_iac.cli.main", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.parametrize("name", SOURCES)
def test_a_raw_folder_becomes_batches(tmp_path: Path, name: str) -> None:
    SOURCES[name](tmp_path / "raw")
    checked = command("check", "raw", "--json", "--workers", "1", cwd=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert json.loads(checked.stdout)["source"]["format"] == name

    config = "name: t\ndata: [{name: d, source: raw, preprocess: {workers: 1}}]\n"
    (tmp_path / "run.yaml").write_text(config, encoding="utf-8")
    prepared = command("prepare", "run.yaml", cwd=tmp_path)
    assert prepared.returncode == 0, prepared.stderr

    store = Store.open(tmp_path / "stores" / "d", verify="checksums")
    batches = Batches(
        store,
        ["weights"],
        BatchSettings(batch_size=4, steps_per_epoch=2, augmentation="strong"),
        seed=0,
        device=torch.device("cpu"),
    )
    batch = next(batches)
    assert batch.images.shape == (4, *store.image_shape)
    assert bool(torch.isfinite(batch.images).all())
    known = torch.tensor(sorted(store.fingerprint.labels.values))
    assert bool(torch.isin(batch.labels.long(), known).all())
    assert bool(batch.labels.any())
