"""An exported folder: whole or absent, free of paths and code, enough to rebuild the network."""

from __future__ import annotations

import json
import pickletools
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from distributed_iac.config.backbone import (
    AttentionUnetSettings,
    BackboneSettings,
    BasicUnetSettings,
    CustomSettings,
    DynUnetSettings,
    FlexibleUnetSettings,
    NnUnetSettings,
)
from distributed_iac.config.cell import CellSettings
from distributed_iac.data.contract import LabelScheme
from distributed_iac.deploy import export_model, load_model
from distributed_iac.errors import CheckpointError, ConfigError
from distributed_iac.genotype import Genotype
from distributed_iac.nets.build import build_backbone
from distributed_iac.nets.card import read_card
from distributed_iac.nets.trained import card_of_store

NNUNET = Path(__file__).parents[1] / "nets" / "data"


def logits(network: torch.nn.Module, channels: int = 1) -> torch.Tensor:
    images = torch.randn(2, channels, 48, 64, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        return network.eval()(images)


BACKBONES: dict[str, BackboneSettings] = {
    "basic_unet": BasicUnetSettings(features=(4, 4, 8, 8, 16, 4)),
    "dynunet": DynUnetSettings(base_features=4, max_stages=4, supervised_scales="all"),
    "flexible_unet": FlexibleUnetSettings(
        encoder="resnet10", decoder_channels=(8, 8, 8, 8, 8), label="flex"
    ),
    "attention_unet": AttentionUnetSettings(channels=(4, 4, 8, 8, 8)),
    "custom": CustomSettings(import_="tests.foreign:CroppingUNet"),
}


@pytest.mark.parametrize("backbone", BACKBONES.values(), ids=list(BACKBONES))
@pytest.mark.parametrize("kind", ["cells", "plain"])
def test_a_loaded_network_is_the_exported_one_bit_for_bit(
    tmp_path: Path, trained: Callable[..., Any], backbone: BackboneSettings, kind: str
) -> None:
    network = trained("acdc", kind=kind, backbone=backbone)
    model = network.export(tmp_path / "model")
    assert torch.equal(logits(model.network), logits(network.network))
    assert model.card.backbone == backbone
    assert model.card.genotype == network.genotype
    assert model.card.fingerprint == network.store.fingerprint


def test_a_network_of_others_says_what_it_misses_where_its_program_is_not_installed(
    tmp_path: Path, trained: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained("acdc", kind="cells", backbone=BACKBONES["custom"]).export(tmp_path / "model")
    assert "tests.foreign:CroppingUNet" in (tmp_path / "model" / "README.md").read_text()
    monkeypatch.setitem(sys.modules, "tests.foreign", None)
    with pytest.raises(ConfigError, match="MODULE:NAME") as caught:
        load_model(tmp_path / "model", device="cpu")
    assert "tests.foreign:CroppingUNet" in str(caught.value)


@pytest.mark.parametrize("kind", ["plain", "residual"])
def test_an_imported_nnunet_stands_without_its_folder(
    tmp_path: Path, trained: Callable[..., Any], kind: str
) -> None:
    folder = tmp_path / "secret_hospital" / "nnUNetTrainer__nnUNetPlans__2d"
    shutil.copytree(NNUNET / f"nnunet_{kind}", folder)
    settings = NnUnetSettings(folder=folder)
    backbone = build_backbone(settings, 2, 4)
    facts = replace(
        trained("acdc").store.fingerprint,
        channel_names=("t1", "t2"),
        labels=LabelScheme("heart", {1: "RV", 2: "MYO", 3: "LV"}),
    )
    expected = logits(backbone, channels=2)
    export_model(
        tmp_path / "model",
        backbone=settings,
        weights=backbone.state_dict(),
        cell=None,
        genotype=None,
        fingerprint=facts,
        provenance={},
    )
    shutil.rmtree(folder.parent)
    model = load_model(tmp_path / "model", device="cpu")
    assert torch.equal(logits(model.network, channels=2), expected)
    assert model.card.backbone.key == settings.key
    assert "secret_hospital" not in (tmp_path / "model" / "model.json").read_text()


def test_no_path_of_the_training_is_left_in_it(tmp_path: Path, trained: Callable[..., Any]) -> None:
    network = trained("acdc", kind="plain")
    backbone = network.backbone.model_copy(update={"weights": Path("/home/someone/unet.pt")})
    replace(network, backbone=backbone).export(tmp_path / "model")
    for path in (tmp_path / "model").iterdir():
        assert b"someone" not in path.read_bytes()
        assert str(tmp_path).encode() not in path.read_bytes()
    patients = {case.patient_id for case in network.source.cases}
    card = (tmp_path / "model" / "model.json").read_text()
    assert not [patient for patient in patients if patient in card]


def test_no_file_of_it_is_a_pickle(tmp_path: Path, trained: Callable[..., Any]) -> None:
    trained("acdc").export(tmp_path / "model")
    for path in (tmp_path / "model").iterdir():
        with pytest.raises((ValueError, UnicodeDecodeError)):
            list(pickletools.genops(path.read_bytes()))


def test_the_genotype_lies_beside_the_card(tmp_path: Path, trained: Callable[..., Any]) -> None:
    network = trained("acdc")
    network.export(tmp_path / "model")
    cell = json.loads((tmp_path / "model" / "genotype.json").read_text())
    assert Genotype.from_dict(cell["genotype"]) == network.genotype
    assert cell["id"] == network.genotype.id
    trained("acdc", kind="plain").export(tmp_path / "plain")
    assert not (tmp_path / "plain" / "genotype.json").exists()


def test_the_lines_of_its_readme_run(
    tmp_path: Path, trained: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = trained("acdc")
    network.export(tmp_path / "model")
    text = (tmp_path / "model" / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    assert len(code.splitlines()) == 3
    shutil.copy(network.source.cases[0].channels[0].path, tmp_path / "cine.nii.gz")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {})
    assert (tmp_path / "labels.nii.gz").stat().st_size > 0


def test_its_readme_tells_labels_terms_and_origin(
    tmp_path: Path, trained: Callable[..., Any]
) -> None:
    network = trained("brats")
    network.export(tmp_path / "model")
    text = (tmp_path / "model" / "README.md").read_text()
    facts = network.store.fingerprint
    said = [*facts.labels.classes.values(), facts.licence, network.genotype.id, "val_dice: 0.5"]
    said += [f"`CASE_000{i}.nii.gz` {name}" for i, name in enumerate(facts.channel_names)]
    assert not [words for words in said if words not in text]


def test_a_folder_in_use_is_left_alone(tmp_path: Path, trained: Callable[..., Any]) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match="new or empty"):
        trained("acdc").export(tmp_path / "model")
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "thesis.txt"]


def test_weights_of_another_network_leave_nothing_behind(
    tmp_path: Path, trained: Callable[..., Any]
) -> None:
    network = trained("acdc")
    plain = trained("acdc", kind="plain")
    with pytest.raises(CheckpointError, match="fit"):
        replace(network, network=plain.network).export(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_card_survives_the_way_through_json(tmp_path: Path, trained: Callable[..., Any]) -> None:
    trained("brats").export(tmp_path / "model")
    card = read_card(tmp_path / "model")
    again = json.loads(json.dumps(card.to_json()))
    written = json.loads((tmp_path / "model" / "model.json").read_text())
    assert {**again, "digest": card.digest} == written
    assert np.isfinite(card.fingerprint.recipe.spacing).all()
    assert isinstance(card.cell, CellSettings)


def _edits() -> dict[str, Callable[[dict[str, Any]], object]]:
    def edit(*keys: str, value: Any) -> Callable[[dict[str, Any]], object]:
        def change(card: dict[str, Any]) -> None:
            *places, last = keys
            for place in places:
                card = card[place]
            assert card[last] != value
            card[last] = value

        return change

    return {
        "spacing": edit("fingerprint", "recipe", "spacing", value=[3.5, 1.5]),
        "patch": edit("fingerprint", "recipe", "patch", value=[64, 32]),
        "licence": edit("fingerprint", "licence", value="none"),
        "mirror": edit("mirror", value=["height"]),
        "score": edit("provenance", "val_dice", value=0.99),
        "weights": edit("weights_sha256", value="0" * 64),
        "digest": edit("digest", value="0" * 64),
        "digest null": edit("digest", value=0),
        "more": lambda card: card.update(more=1),
        "less": lambda card: card.pop("mirror"),
    }


@pytest.mark.parametrize("edit", _edits().values(), ids=list(_edits()))
def test_a_card_that_was_edited_is_refused(
    tmp_path: Path, trained: Callable[..., Any], edit: Callable[[dict[str, Any]], object]
) -> None:
    trained("acdc").export(tmp_path / "model")
    path = tmp_path / "model" / "model.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content))
    read_card(tmp_path / "model")  # other spaces and another order say the same
    edit(content)
    path.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=r"own digest[\s\S]*export the model again"):
        read_card(tmp_path / "model")


def test_a_card_without_a_digest_is_one_of_an_older_release(
    tmp_path: Path, trained: Callable[..., Any]
) -> None:
    trained("acdc").export(tmp_path / "model")
    card = read_card(tmp_path / "model")
    path = tmp_path / "model" / "model.json"
    content = json.loads(path.read_text())
    del content["digest"]
    path.write_text(json.dumps(content))
    assert read_card(tmp_path / "model").digest == card.digest


def test_a_score_that_is_not_defined_is_null(tmp_path: Path, trained: Callable[..., Any]) -> None:
    trained("acdc").export(tmp_path / "model")
    card = replace(read_card(tmp_path / "model"), provenance={"val_dice": float("nan"), "seed": 1})
    assert card.to_json()["provenance"] == {"val_dice": None, "seed": 1}


@pytest.mark.parametrize("kind", ["cells", "plain"])
def test_an_exported_model_is_a_backbone_whose_card_says_what_it_means(
    tmp_path: Path, trained: Callable[..., Any], kind: str
) -> None:
    network = trained("brats", kind=kind)
    network.export(tmp_path / "model")
    facts = network.store.fingerprint
    settings = network.backbone.model_copy(update={"weights": tmp_path / "model", "label": "again"})
    own = getattr(network.network, "backbone", network.network)
    expected = logits(own, channels=4)
    images = torch.randn(2, 4, 48, 64, generator=torch.Generator().manual_seed(5))
    store = card_of_store(facts)
    reversed_store = replace(store, channels=store.channels[::-1], outputs=store.outputs[::-1])
    with torch.no_grad():
        same = build_backbone(settings, 4, 3, store=store).eval()(images)
        other = build_backbone(settings, 4, 3, store=reversed_store).eval()(images.flip(1))
    assert torch.equal(same, expected)
    torch.testing.assert_close(other, expected.flip(1), atol=1e-4, rtol=1e-4)


def test_an_exported_model_of_other_settings_or_damaged_is_no_backbone(
    tmp_path: Path, trained: Callable[..., Any]
) -> None:
    network = trained("acdc", kind="plain")
    network.export(tmp_path / "model")
    store = card_of_store(network.store.fingerprint)
    wide = BasicUnetSettings(features="small", weights=tmp_path / "model")
    with pytest.raises(ConfigError, match="features: small"):
        build_backbone(wide, 1, 4, store=store)
    settings = network.backbone.model_copy(update={"weights": tmp_path / "model"})
    with pytest.raises(ConfigError, match="RV, MYO, LV"):
        build_backbone(settings, 1, 4, store=replace(store, outputs=("background", "a", "b", "c")))
    weights = tmp_path / "model" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(CheckpointError, match="file that was exported"):
        build_backbone(settings, 1, 4, store=store)
    with pytest.raises(ConfigError, match="exported model"):
        build_backbone(settings.model_copy(update={"weights": tmp_path}), 1, 4, store=store)
