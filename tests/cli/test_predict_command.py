"""``predict``: what it writes, what it says, how it ends."""

from __future__ import annotations

import io
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from rich.console import Console

from distributed_iac.cli import predict as command
from distributed_iac.cli.main import main
from distributed_iac.config.backbone import BasicUnetSettings
from distributed_iac.data.contract import LabelScheme
from distributed_iac.data.splits.split import PARTS
from distributed_iac.data.store.case_notes import Skipped
from distributed_iac.data.store.fingerprint import Fingerprint, PartCounts, TargetFidelity
from distributed_iac.data.store.recipe import Recipe
from distributed_iac.data.volumes.intensity import ZScore
from distributed_iac.deploy import export_model
from distributed_iac.nets.build import build_backbone


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    torch.set_num_threads(1)

    def call(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["distributed-iac", "predict", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        captured = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return Done(caught.value.code, captured.out, captured.err)

    return call


FACTS = Fingerprint(
    dataset="demo",
    format="nnunet_raw",
    release="Dataset001_Demo",
    licence="CC0",
    channel_names=("t1",),
    labels=LabelScheme("demo", {1: "disc"}),
    recipe=Recipe((1.0, 1.0), (32, 32), "image", {"LPS": 2}, {"MR": ZScore("all")}),
    split="drawn",
    parts={part: PartCounts(1, 1, 3, 2) for part in PARTS},
    targets={"disc": TargetFidelity(10, 1.0, 1.0)},
    unlabelled=0,
    skipped=0,
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "demo"
    backbone = BasicUnetSettings(features=(4, 4, 4, 4, 4, 4))
    export_model(
        folder,
        backbone=backbone,
        weights=build_backbone(backbone, 1, 2).state_dict(),
        cell=None,
        genotype=None,
        fingerprint=FACTS,
        provenance={},
    )
    return folder


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two images."""
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        voxels = rng.normal(100, 20, (20, 24, 3)).astype(np.int16)
        nib.save(nib.Nifti1Image(voxels, np.diag([-1, -1, 5, 1])), folder / f"{name}.nii.gz")
    return folder


def test_a_folder_of_images_becomes_a_folder_of_label_maps(
    tmp_path: Path, run: Run, model: Path, images: Path
) -> None:
    done = run(model, images, tmp_path / "out")
    assert done.code == 0, done.err
    assert done.out == f"2 label maps written to {tmp_path / 'out'}\n"
    for name in ("a", "b"):
        image, labels = (nib.load(tmp_path / f"{d}/{name}.nii.gz") for d in ("images", "out"))
        assert labels.shape == image.shape
        assert labels.get_data_dtype() == image.get_data_dtype()
        np.testing.assert_array_equal(labels.affine, image.affine)
        assert set(np.unique(np.asarray(labels.dataobj))) <= {0, 1}


def test_a_bad_file_is_named_and_the_others_are_done(
    tmp_path: Path, run: Run, model: Path, images: Path
) -> None:
    nib.save(nib.Nifti1Image(np.ones((8, 8, 0), np.int16), np.eye(4)), images / "flat.nii.gz")
    done = run(model, images, tmp_path / "out")
    assert done.code == 3
    assert "2 label maps written" in done.out
    assert "1 refused" in done.out
    (line,) = [line for line in done.err.splitlines() if line.startswith("refused")]
    assert "flat.nii.gz" in line
    assert "shape (8, 8, 0)" in line
    assert sorted(path.name for path in (tmp_path / "out").glob("*.gz")) == ["a.nii.gz", "b.nii.gz"]


def test_what_images_were_used_with_is_said_once_for_each_kind(
    tmp_path: Path, run: Run, model: Path, images: Path
) -> None:
    for name in ("dark", "darker"):
        nib.save(nib.Nifti1Image(np.zeros((40, 36), np.int16), np.eye(4)), images / f"{name}.nii")
    done = run(model, images, tmp_path / "out")
    assert done.code == 0
    (line,) = [line for line in done.err.splitlines() if line.startswith("warning")]
    assert line.startswith("warning: 2 cases: every voxel of an image has the same value")
    assert "dark.nii" in line
    assert nib.load(tmp_path / "out/dark.nii.gz").shape == (40, 36)


def test_the_same_command_continues(tmp_path: Path, run: Run, model: Path, images: Path) -> None:
    run(model, images / "a.nii.gz", tmp_path / "out")
    before = (tmp_path / "out" / "a.nii.gz").stat().st_mtime_ns
    done = run(model, images, tmp_path / "out")
    assert "1 label maps written" in done.out
    assert "1 there already" in done.out
    assert (tmp_path / "out" / "a.nii.gz").stat().st_mtime_ns == before
    assert "2 label maps written" in run(model, images, tmp_path / "out", "--overwrite").out


def test_what_is_not_its_label_map_is_listed_and_left_alone(
    tmp_path: Path, run: Run, model: Path, images: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.nii.gz").write_bytes(b"")
    for _ in range(2):
        done = run(model, images, tmp_path / "out")
        assert done.code == 3
        assert "1 refused" in done.out
        (line,) = [line for line in done.err.splitlines() if line.startswith("refused")]
        assert "does not say that it was made here" in line
        assert "--overwrite" in line
        assert (tmp_path / "out" / "a.nii.gz").read_bytes() == b""
    assert run(model, images, tmp_path / "out", "--overwrite").code == 0
    assert "2 there already" in run(model, images, tmp_path / "out").out


def test_an_image_numbered_as_another_channel_is_said(
    tmp_path: Path, run: Run, model: Path, images: Path
) -> None:
    (images / "a.nii.gz").rename(images / "a_0001.nii.gz")
    done = run(model, images, tmp_path / "out")
    assert done.code == 0
    (line,) = [line for line in done.err.splitlines() if line.startswith("warning")]
    assert "a_0001" in line


def test_uint8_on_demand(tmp_path: Path, run: Run, model: Path, images: Path) -> None:
    run(model, images, tmp_path / "out", "--dtype", "uint8", "--batch-size", 1)
    assert nib.load(tmp_path / "out" / "a.nii.gz").get_data_dtype() == np.uint8


def test_a_copied_model_works_elsewhere(
    tmp_path: Path, run: Run, model: Path, images: Path
) -> None:
    shutil.copytree(model, tmp_path / "copy")
    assert run(tmp_path / "copy", images, tmp_path / "out").code == 0


REFUSED: dict[str, tuple[tuple[str, ...], int, str]] = {
    "no model": (("absent", "images", "out"), 2, "exported model"),
    "no images": (("model", "absent", "out"), 3, "absent"),
    "no device": (("model", "images", "out", "--device", "tpu"), 2, "device"),
    "over the images": (("model", "images", "images"), 2, "different folders"),
    "no such data type": (("model", "images", "out", "--dtype", "int4"), 2, "int4"),
    "no such format": (("model", "images", "out", "--format", "acd"), 2, "did you mean acdc"),
    "damaged weights": (("broken", "images", "out"), 4, "SHA-256"),
}


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize(("arguments", "code", "said"), REFUSED.values(), ids=list(REFUSED))
def test_what_cannot_be_ends_with_its_exit_code(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run: Run,
    model: Path,
    arguments: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    shutil.copytree(model, tmp_path / "model")
    shutil.copytree(model, tmp_path / "broken")
    (tmp_path / "broken" / "weights.safetensors").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert done.code == code
    assert said in done.err
    assert not (tmp_path / "out").exists()


def test_refusals_are_a_table_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=100)
    monkeypatch.setattr("rich.console.Console", lambda **_: terminal)
    command._show([Skipped("case_7", "in/[7].nii.gz", "it has two axes", "convert it")])
    shown = re.sub(r"\x1b\[[\d;]*m", "", screen.getvalue())
    for word in ("case_7", "in/[7].nii.gz", "it has two axes", "convert it"):
        assert word in shown
