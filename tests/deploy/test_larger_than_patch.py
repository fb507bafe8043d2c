"""Images larger than the patch that a model was trained on are segmented all over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from distributed_iac.config.backbone import BasicUnetSettings
from distributed_iac.config.preprocess import PreprocessSettings
from distributed_iac.config.split import SplitSettings
from distributed_iac.data.formats.registry import read_source
from distributed_iac.data.prepare.prepare import prepare_store
from distributed_iac.data.store import Store
from distributed_iac.deploy import Model, export_model, load_model
from distributed_iac.nets.build import build_backbone
from distributed_iac.training.memory import OutOfMemoryError

AIR = -1000
SIDE = 32
BACKBONE = BasicUnetSettings(features=(8, 8, 8, 8, 8, 8))


def picture(seed: int) -> tuple[Any, Any]:
    """A bright organ in a body in air, (X, Y, Z), and its label."""
    rng = np.random.default_rng(seed)
    x, y, z = np.indices((SIDE, SIDE, 4))
    centre = rng.uniform(13, 19, 2)
    far = np.hypot(x - centre[0], y - centre[1]) + abs(z - 2)
    label = (far < 7).astype(np.uint8)
    image = np.where(np.hypot(x - 16, y - 16) < 14, 0, AIR) + 300.0 * label
    return (image + rng.normal(0, 20, image.shape)).astype(np.int16), label


def save(path: Path, array: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(array, np.diag([-1.0, -1.0, 4.0, 1.0])), path)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A network that has learned the organ, on slices of the patch's size."""
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("larger")
    for number in range(6):
        image, label = picture(number)
        save(root / f"raw/imagesTr/case{number}_0000.nii.gz", image)
        save(root / f"raw/labelsTr/case{number}.nii.gz", label)
    about = {"channel_names": {"0": "CT"}, "labels": {"background": 0, "organ": 1}}
    about |= {"numTraining": 6, "file_ending": ".nii.gz"}
    (root / "raw/dataset.json").write_text(json.dumps(about))
    source, settings = read_source(root / "raw"), PreprocessSettings(workers=1)
    prepare_store(source, "d", settings, SplitSettings(), root / "store")
    store = Store.open(root / "store")
    assert store.image_shape == (1, SIDE, SIDE)
    network = build_backbone(BACKBONE, 1, 2, seed=0)
    rows = np.concatenate([store.rows(part) for part in ("weights", "architecture")])
    images, labels = torch.from_numpy(store.images(rows)), torch.from_numpy(store.labels(rows))
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(60):
        optimiser.zero_grad()
        F.cross_entropy(network(images), labels.long()).backward()
        optimiser.step()
    export_model(
        root / "model",
        backbone=BACKBONE,
        weights=network.state_dict(),
        cell=None,
        genotype=None,
        fingerprint=store.fingerprint,
        provenance={},
    )
    return load_model(root / "model", device="cpu")


def dice(model: Model, folder: Path, image: Any, label: Any) -> float:
    found = np.asarray(model.predict(save(folder / "image.nii.gz", image)).dataobj) > 0
    assert found.shape == label.shape
    return float(2 * (found & (label > 0)).sum() / (found.sum() + label.sum()))


@pytest.mark.parametrize(
    "margins",
    [((16, 16), (16, 16)), ((0, 32), (0, 32)), ((32, 0), (0, 32)), ((0, 0), (48, 48))],
    ids=["centre", "corner", "other-corner", "wide"],
)
def test_a_slice_of_twice_the_patch_has_the_dice_of_the_same_at_the_patchs_size(
    model: Model, tmp_path: Path, margins: Any
) -> None:
    around = (*margins, (0, 0))
    for seed in (10, 11, 12):
        image, label = picture(seed)
        alone = dice(model, tmp_path, image, label)
        assert alone > 0.9
        larger = np.pad(image, around, constant_values=AIR), np.pad(label, around)
        assert dice(model, tmp_path, *larger) == pytest.approx(alone, abs=0.02)


def test_organs_of_two_patients_side_by_side_are_both_found(model: Model, tmp_path: Path) -> None:
    (one, first), (two, second) = picture(20), picture(21)
    image, label = np.concatenate([one, two], axis=1), np.concatenate([first, second], axis=1)
    assert dice(model, tmp_path, image, label) > 0.9


def test_memory_that_does_not_suffice_costs_no_voxel(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that holds three patches at a time, for a model that asks for eight."""
    image, _ = picture(30)
    path = save(tmp_path / "image.nii.gz", np.tile(image, (2, 2, 1)))
    expected, shown = np.asarray(model.predict(path).dataobj), []
    forward = model.network.forward

    def scarce(images: Any) -> Any:
        shown.append(len(images))
        if len(images) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(images)

    monkeypatch.setattr(model.network, "forward", scarce)
    np.testing.assert_array_equal(np.asarray(model.predict(path).dataobj), expected)
    assert max(shown) == 8
    assert shown[-2:] == [2, 1]  # nine windows by two

    def hopeless(images: Any) -> Any:
        return scarce(images.repeat(4, 1, 1, 1))

    monkeypatch.setattr(model.network, "forward", hopeless)
    with pytest.raises(OutOfMemoryError, match="does not fit"):
        model.predict(path)
