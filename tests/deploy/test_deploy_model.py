"""What an exported network predicts from raw files is what the evaluation predicts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch

from distributed_iac.data.contract import Case
from distributed_iac.deploy import load_model
from distributed_iac.errors import CheckpointError, ConfigError, NumericalError, SourceError
from distributed_iac.evaluation.inference import Inference, predict_case

CPU = torch.device("cpu")


def case_of(trained: Any, case_id: str) -> Case:
    (found,) = [case for case in trained.source.cases if case.case_id == case_id]
    return found


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("acdc", "cells"),
        ("acdc", "plain"),
        ("brats", "cells"),
        ("brats", "plain"),
        ("kits", "cells"),
        ("amos", "cells"),
    ],
)
def test_raw_files_give_the_evaluations_prediction_voxel_for_voxel(
    tmp_path: Path, trained: Callable[..., Any], batch_size: int, name: str, kind: str
) -> None:
    network = trained(name, kind=kind)
    model = network.export(tmp_path / "model")
    values: set[int] = set()
    resampled = False
    for stored in network.store.cases("test"):
        expected = predict_case(
            network.network, network.store, stored, Inference((), batch_size), CPU
        )
        case = case_of(network, stored.case_id)
        np.testing.assert_array_equal(model.segment(case).labels, expected)
        paths = [channel.path for channel in case.channels]
        image = model.predict(paths, modality=case.modality)
        np.testing.assert_array_equal(np.asarray(image.dataobj), expected)
        values |= set(np.unique(expected).tolist())
        resampled |= stored.geometry.plane.resamples
    assert len(values) > 1  # a constant prediction would prove nothing
    assert resampled == (name != "brats")


def test_one_file_of_four_dimensions_is_as_good_as_one_a_channel(
    tmp_path: Path, trained: Callable[..., Any]
) -> None:
    network = trained("brats")
    model = network.export(tmp_path / "model")
    paths = [channel.path for channel in network.source.cases[0].channels]
    images = [nib.load(path) for path in paths]
    stack = np.stack([np.asarray(image.dataobj) for image in images], axis=-1)
    nib.save(nib.Nifti1Image(stack, images[0].affine), tmp_path / "stack.nii.gz")
    one, four = model.predict([tmp_path / "stack.nii.gz"]), model.predict(paths)
    np.testing.assert_array_equal(np.asarray(one.dataobj), np.asarray(four.dataobj))
    assert one.shape == four.shape


def test_a_single_path_needs_no_list(tmp_path: Path, trained: Callable[..., Any]) -> None:
    network = trained("acdc")
    model = network.export(tmp_path / "model")
    path = network.source.cases[0].channels[0].path
    expected = np.asarray(model.predict([path]).dataobj)
    for given in (path, str(path)):
        np.testing.assert_array_equal(np.asarray(model.predict(given).dataobj), expected)


def test_a_wrong_number_of_files_is_refused_with_the_channels_named(
    tmp_path: Path, trained: Callable[..., Any]
) -> None:
    network = trained("brats")
    model = network.export(tmp_path / "model")
    with pytest.raises(SourceError, match="4 channels: t1") as caught:
        model.predict([network.source.cases[0].channels[0].path])
    assert caught.value.came == "1 file"


def test_a_data_set_of_other_channels_is_refused(
    tmp_path: Path, trained: Callable[..., Any]
) -> None:
    model = trained("acdc").export(tmp_path / "model")
    with pytest.raises(SourceError, match="takes the channels cine"):
        model.segment(trained("brats").source.cases[0])


def test_a_folder_that_is_no_model_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"model\.json"):
        load_model(tmp_path)
    with pytest.raises(ConfigError) as caught:
        load_model(tmp_path / "absent")
    assert caught.value.came == "no such folder"
    (tmp_path / "cell.safetensors").touch()
    with pytest.raises(ConfigError) as caught:
        load_model(tmp_path / "cell.safetensors")
    assert caught.value.came == "a file"


def test_altered_weights_are_known_before_they_are_used(
    tmp_path: Path, trained: Callable[..., Any]
) -> None:
    trained("acdc").export(tmp_path / "model")
    path = tmp_path / "model" / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="SHA-256"):
        load_model(tmp_path / "model")
    path.unlink()
    with pytest.raises(CheckpointError, match="SHA-256"):
        load_model(tmp_path / "model")


DAMAGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "of another version": lambda card: card.update(format_version=99),
    "of another preparation": lambda card: card.update(preprocess_version=99),
    "without a fingerprint": lambda card: card.pop("fingerprint"),
    "with an unknown backbone": lambda card: card["backbone"].update(name="lenet"),
    "with a genotype of nonsense": lambda card: card.update(genotype={"scope": "shared"}),
    "with cells and no genotype": lambda card: card.update(genotype=None),
    "with another width": lambda card: card["backbone"].update(features=[4, 4, 8, 8, 16, 8]),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
def test_a_damaged_card_is_refused(
    tmp_path: Path, trained: Callable[..., Any], damage: Callable[[dict[str, Any]], object]
) -> None:
    trained("acdc").export(tmp_path / "model")
    path = tmp_path / "model" / "model.json"
    card = json.loads(path.read_text())
    damage(card)
    path.write_text(json.dumps(card))
    with pytest.raises(CheckpointError) as caught:
        load_model(tmp_path / "model")
    assert caught.value.came
    assert re.search("export|upgrade", str(caught.value.remedy))


def test_outputs_that_are_no_numbers_are_no_prediction(
    tmp_path: Path, trained: Callable[..., Any]
) -> None:
    network = trained("acdc", kind="plain")
    next(network.network.parameters()).data.fill_(float("nan"))
    model = network.export(tmp_path / "model")
    with pytest.raises(NumericalError, match="slices 0 to"):
        model.segment(network.source.cases[0])
