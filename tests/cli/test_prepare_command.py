"""``prepare``: what it shows, what it returns, what it leaves when something is wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import yaml

from distributed_iac.cli.main import main
from distributed_iac.data.store import Store


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["distributed-iac", "prepare", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        captured = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return Done(caught.value.code, captured.out, captured.err)

    return call


def write_raw(root: Path, patients: int = 5) -> Path:
    """A tree in nnU-Net's raw format."""
    rng = np.random.default_rng(0)
    for folder in ("imagesTr", "labelsTr"):
        (root / folder).mkdir(parents=True)
    for number in range(patients):
        label = np.zeros((20, 24, 3), np.uint8)
        label[6:14, 8:16, 1:] = 1
        image = (label * 40 + rng.normal(100, 10, label.shape)).astype(np.float32)
        affine = np.diag([-1.0, -1.0, 5.0, 1.0])
        nib.save(nib.Nifti1Image(image, affine), root / f"imagesTr/case{number}_0000.nii.gz")
        nib.save(nib.Nifti1Image(label, affine), root / f"labelsTr/case{number}.nii.gz")
    about = {
        "channel_names": {"0": "T2"},
        "labels": {"background": 0, "lesion": 1},
        "numTraining": patients,
        "file_ending": ".nii.gz",
    }
    (root / "dataset.json").write_text(json.dumps(about))
    return root


@pytest.fixture
def config(tmp_path: Path) -> Path:
    preprocess = {"workers": 1}
    data = [
        {
            "name": name,
            "source": str(write_raw(tmp_path / f"Dataset00{number}_{name}")),
            "preprocess": preprocess,
        }
        for number, name in enumerate(("one", "two"), start=1)
    ]
    path = tmp_path / "run.yaml"
    path.write_text(
        yaml.safe_dump({"name": "test", "stores": str(tmp_path / "stores"), "data": data})
    )
    return path


def test_every_data_set_becomes_a_store(config: Path, run: Run, tmp_path: Path) -> None:
    done = run(config)
    assert done.code == 0
    for name in ("one", "two"):
        assert f"{name}: prepared in {tmp_path / 'stores' / name}" in done.out
        assert len(Store.open(tmp_path / "stores" / name)) == 15
    assert "slices of 32 x 32 pixels of 1 x 1 mm" in done.out
    assert "lesion: 100.00% inside the patch" in done.out
    assert "one: cases: 5 in all" in done.err
    again = run(config)
    assert again.code == 0
    assert "one: already prepared in" in again.out


def test_one_data_set_and_other_settings_can_be_asked_for(
    config: Path, run: Run, tmp_path: Path
) -> None:
    done = run(config, "--dataset", "two", "--set", "data.1.preprocess.patch=[16, 48]")
    assert done.code == 0
    assert Store.open(tmp_path / "stores" / "two").image_shape == (1, 16, 48)
    assert not (tmp_path / "stores" / "one").exists()
    refused = run(config, "--dataset", "two")
    assert refused.code == 3
    assert 'preprocess.patch: [16, 48] in the store, "auto" now' in refused.err
    unknown = run(config, "--dataset", "tow")
    assert (unknown.code, "did you mean two?" in unknown.err) == (2, True)


def test_one_bad_data_set_does_not_cost_the_others(config: Path, run: Run, tmp_path: Path) -> None:
    run(config, "--dataset", "two")
    name = Store.open(tmp_path / "stores" / "two").split.parts["weights"][0]
    (bad,) = tmp_path.glob(f"Dataset001_one/imagesTr/{name}_*")
    bad.write_bytes(bad.read_bytes()[:100])
    done = run(config)
    assert done.code == 3
    assert "two: already prepared" in done.out
    assert name in done.err
    assert "on_bad_case: skip" in done.err
    assert not (tmp_path / "stores" / "one" / "manifest.json").exists()
    allowed = run(config, "--dataset", "one", "--set", "data.0.preprocess.on_bad_case=skip")
    assert allowed.code == 0
    assert f"skipped {name}" in allowed.out


def test_all_failures_are_shown(config: Path, run: Run, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (broken,) = tmp_path.glob(f"Dataset*_{name}/imagesTr/case1_*")
        broken.write_bytes(b"")
    done = run(config)
    assert done.code == 3
    assert done.err.count("error: every case must be usable") == 2


def test_ids_that_look_like_one_patient_are_told_before_they_are_divided(
    run: Run, config: Path
) -> None:
    root = config.parent / "Dataset001_one"
    for path in sorted(root.glob("*/*.gz")):
        number = int(path.name[4])
        path.rename(
            path.with_name(path.name.replace(f"case{number}", f"P{number // 2}_v{number % 2}"))
        )
    done = run(config, "--dataset", "one")
    assert done.code == 0
    assert "P0_v0 and P0_v1" in done.err
    assert done.err.index("warning:") < done.err.index("survey")
    pattern = "data.0.patients.pattern='(?P<patient>P[0-9])_v[0-9]'"
    done = run(config, "--dataset", "one", "--set", pattern, "--set", "stores=grouped")
    assert (done.code, done.out) == (3, "")
    assert "too few" in done.err or "at least" in done.err
