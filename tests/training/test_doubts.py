"""A trained network that means something else is brought to the store's meaning, or told of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from distributed_iac.cli.configuration import tell_doubts
from distributed_iac.config.run import RunConfig
from distributed_iac.data.formats.registry import read_source
from distributed_iac.data.prepare.prepare import prepare_store
from distributed_iac.errors import ConfigError, StoreError
from distributed_iac.nets.build import build_backbone
from distributed_iac.training.doubts import doubts
from distributed_iac.training.group import Group

NNUNET = Path(__file__).parents[1] / "nets" / "data" / "nnunet_plain"
"""Channels T1, T2; labels RV 1, MYO 2, LV 3; patches of 32 x 20 of 1.25 x 1.5 mm."""


def write_source(root: Path, channels: tuple[str, ...], labels: tuple[str, ...]) -> None:
    """Five cases in which every channel and every label has values of its own."""
    rng = np.random.default_rng(0)
    affine = np.diag([-1.0, -1.0, 5.0, 1.0])
    for folder in ("imagesTr", "labelsTr"):
        (root / folder).mkdir(parents=True)
    for number in range(5):
        truth = np.zeros((32, 32, 2), np.uint8)
        for value in range(1, len(labels) + 1):
            truth[6 * value : 6 * value + 5, 8:24] = value
        nib.save(nib.Nifti1Image(truth, affine), root / f"labelsTr/case{number}.nii.gz")
        for channel in range(len(channels)):
            voxels = (truth * (channel + 1) + rng.normal(9, 1, truth.shape)).astype(np.float32)
            path = root / f"imagesTr/case{number}_{channel:04d}.nii.gz"
            nib.save(nib.Nifti1Image(voxels, affine), path)
    values = {
        "channel_names": dict(enumerate(channels)),
        "labels": {"background": 0, **{name: value for value, name in enumerate(labels, 1)}},
        "numTraining": 5,
        "file_ending": ".nii.gz",
    }
    (root / "dataset.json").write_text(json.dumps(values))


def config(place: Path, **backbone: Any) -> RunConfig:
    values = {"name": "nnunet", "label": "unet", "folder": NNUNET, **backbone}
    data = {"name": "heart", "source": place / "Dataset001_heart"}
    return RunConfig.model_validate(
        {
            "name": "run",
            "device": "cpu",
            "out": place / "runs",
            "stores": place / "stores",
            "data": [data | {"preprocess": {"workers": 1}}],
            "backbones": [{key: value for key, value in values.items() if value is not None}],
        }
    )


def prepare(run: RunConfig) -> None:
    (data,) = run.data
    source = read_source(data.source)
    prepare_store(source, data.name, data.preprocess, data.split, run.store_folder(data))


def test_a_network_of_another_order_sees_its_own_channels_and_is_scored_on_its_own_labels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_source(tmp_path / "Dataset001_heart", ("T2", "T1w"), ("LV", "RV", "Myo"))
    run = config(tmp_path)
    assert doubts(run) == ()  # what the source alone can say agrees by name
    prepare(run)
    group = Group.open(run, run.data[0], run.backbones[0])
    images = torch.from_numpy(group.store.images(group.store.rows("val")))
    with torch.no_grad():
        plain = build_backbone(run.backbones[0], 2, 4).eval()(images[:, [1, 0]])
        logits = group.backbone().eval()(images)
    torch.testing.assert_close(logits, plain[:, [0, 3, 1, 2]], atol=1e-4, rtol=1e-4)
    told = tell_doubts(run)
    shown = capsys.readouterr().err
    assert all(f"warning: {sentence}\n" in shown for sentence in told)
    assert set(group.warnings["warnings"].splitlines()) == {
        sentence.removeprefix("heart: ") for sentence in told
    }
    for part in ("1.25 x 1.5 mm", "1.0 x 1.0 mm", "preprocess.patch: [32, 20]", "axes 0, 2, 1"):
        assert part in shown


def test_a_network_of_other_channels_is_refused_before_anything_is_prepared(
    tmp_path: Path,
) -> None:
    write_source(tmp_path / "Dataset001_heart", ("T2", "PD"), ("LV", "RV", "MYO"))
    with pytest.raises(ConfigError, match=r"channel_names: \{pd: T1\}"):
        doubts(config(tmp_path))
    assert doubts(config(tmp_path, channel_names={"PD": "T1"})) == ()


def test_bare_weights_and_doubtful_patients_are_told(tmp_path: Path) -> None:
    root = tmp_path / "Dataset001_heart"
    write_source(root, ("T1",), ("LV",))
    for path in root.glob("*/*.gz"):
        number = int(path.name[4])
        path.rename(path.with_name(path.name.replace(f"case{number}", f"P{number}_v{number % 2}")))
    for path in root.glob("*/P4_*"):
        path.rename(path.with_name(path.name.replace("P4_v0", "P1_v0")))
    weights = tmp_path / "unet.pt"
    network = {"name": "basic_unet", "features": "tiny", "folder": None, "weights": weights}
    (missing,) = doubts(config(tmp_path, **network))[1:]
    assert "unet.pt is not there" in missing
    weights.touch()
    found = doubts(config(tmp_path, **network))
    assert "P1_v0 and P1_v1" in found[0]
    assert "unet.pt does not say" in found[1]
    assert "taken to be t1 and background, LV" in found[1]
    assert "not used" not in found[1]
    named = doubts(config(tmp_path, **network, label_names={"LV": "left"}))
    assert named[1].endswith("taken to be t1 and background, LV; label_names: not used")


def test_bare_weights_are_taken_for_the_data_worked_on_and_for_no_other(tmp_path: Path) -> None:
    write_source(tmp_path / "Dataset001_heart", ("T1",), ("LV",))
    write_source(tmp_path / "Dataset002_old", ("T2",), ("RV", "LV"))
    (tmp_path / "unet.pt").touch()
    bare = config(tmp_path, name="basic_unet", folder=None, weights=tmp_path / "unet.pt")
    old = {"name": "old", "source": tmp_path / "Dataset002_old"}
    (said,) = doubts(RunConfig.model_validate(bare.model_dump() | {"also_scored": [old]}))
    assert said.startswith("heart: unet: ")
    assert said.endswith("taken to be t1 and background, LV")


def test_a_result_on_data_of_a_networks_past_says_what_is_otherwise_there(tmp_path: Path) -> None:
    """By its own names: those that are given are names of the data worked on."""
    write_source(tmp_path / "old", ("T1", "T2"), ("LV", "RV", "MYO"))
    given = config(tmp_path, channel_names={"PD": "T1"}).model_dump()
    old = {"name": "old", "source": tmp_path / "old", "preprocess": {"workers": 1}}
    run = RunConfig.model_validate(given | {"also_scored": [old]})
    (data,) = run.also_scored
    source = read_source(data.source)
    prepare_store(source, data.name, data.preprocess, data.split, run.store_folder(data))
    group = Group.open(run, data, run.backbones[0])
    assert "trained with 1.25 x 1.5 mm, the store has 1.0 x 1.0 mm" in group.warnings["warnings"]


def test_a_label_that_a_part_does_not_show_and_a_tolerance_of_no_label_are_told(
    tmp_path: Path,
) -> None:
    root = tmp_path / "Dataset001_heart"
    write_source(root, ("T1",), ("LV", "RV"))
    for number in range(1, 5):  # case0 alone keeps its RV
        path = root / f"labelsTr/case{number}.nii.gz"
        label = nib.Nifti1Image.from_filename(path)
        voxels = np.asanyarray(label.dataobj) % 2
        nib.save(nib.Nifti1Image(voxels, label.affine), path)
    run = config(tmp_path, name="basic_unet", features="tiny", folder=None)
    known = {"LV": 1.0, "LVV": 2.0}
    evaluation = run.evaluation.model_copy(update={"tolerances_mm": known})
    run = run.model_copy(update={"evaluation": evaluation})
    prepare(run)
    found = doubts(run)
    assert found[0].startswith("heart: no patient of ")
    assert found[0].endswith(" has RV")
    assert found[0].count(" and ") == 2
    assert found[1] == "evaluation.tolerances_mm names LVV, which no data set has"


def test_a_store_of_other_settings_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    write_source(tmp_path / "Dataset001_heart", ("T1",), ("LV",))
    run = config(tmp_path, name="basic_unet", features="tiny", folder=None)
    prepare(run)
    assert doubts(run) == ()
    (data,) = run.data
    scaled = data.preprocess.model_copy(update={"normalisation": "zscore"})
    other = data.model_copy(update={"preprocess": scaled})
    with pytest.raises(StoreError, match="of the run's settings") as caught:
        doubts(run.model_copy(update={"data": (other,)}))
    assert caught.value.came == "preprocess.normalisation: 'auto' there, 'zscore' here"


def test_what_cannot_be_read_yet_is_left_to_the_job_that_reads_it(tmp_path: Path) -> None:
    assert doubts(config(tmp_path)) == ()
