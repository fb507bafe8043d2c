"""``distributed-iac nnunet``: from any of its folders the same run; what lacks is told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from distributed_iac.cli.main import app
from distributed_iac.cli.nnunet import FEW, LARGE, SMALL
from distributed_iac.cli.nnunet_budget import Epochs, epochs_within, seconds_of, with_epochs
from distributed_iac.config.backbone import NnUnetSettings
from distributed_iac.config.load import load_config
from distributed_iac.errors import ConfigError
from distributed_iac.jobs.job import JobKind

ROOT = Path(__file__).parents[2]
TRAINED = Path(__file__).parents[1] / "nets/data/nnunet_plain"
NAME = "Dataset900_Parity"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """nnU-Net's own three folders, as far as they are needed, and the folder worked in."""
    shutil.copytree(TRAINED, tmp_path / f"nnUNet_results/{NAME}/nnUNetTrainer__nnUNetPlans__2d")
    (tmp_path / f"nnUNet_results/{NAME}/nnUNetTrainer__nnUNetPlans__3d_fullres").mkdir()
    (tmp_path / f"nnUNet_raw/{NAME}").mkdir(parents=True)
    shutil.copy(TRAINED / "dataset.json", tmp_path / f"nnUNet_raw/{NAME}")
    monkeypatch.chdir(tmp_path)
    for variable in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


def nnunet(*words: str) -> Result:
    return CliRunner().invoke(app, ["nnunet", *words, "--write-only"])


def model(place: Path) -> Path:
    return place / f"nnUNet_results/{NAME}/nnUNetTrainer__nnUNetPlans__2d"


@pytest.mark.parametrize("below", ["", NAME, "model", "model/fold_0"])
def test_any_folder_with_one_model_leads_to_the_same_run(place: Path, below: str) -> None:
    inner = below.replace("model", f"{NAME}/nnUNetTrainer__nnUNetPlans__2d")
    result = nnunet(f"nnUNet_results/{inner}")
    assert result.exit_code == 0, result.exception
    config = load_config(place / "dataset900_parity-fold0.yaml")
    (backbone,) = config.backbones
    assert isinstance(backbone, NnUnetSettings)
    assert (backbone.folder.resolve(), backbone.fold) == (model(place), 0)
    assert backbone.parity == "require"
    assert config.data[0].source.resolve() == place / f"nnUNet_raw/{NAME}"
    assert set(config.arms) == {"full", "lth"}


def test_settings_follow_the_number_of_slices(place: Path) -> None:
    plans = json.loads((model(place) / "plans.json").read_text())
    for slices, batch in ((1, 4), (FEW, 12)):
        plans["original_median_shape_after_transp"] = [slices, 64, 64]
        (model(place) / "plans.json").write_text(json.dumps(plans))
        assert nnunet("nnUNet_results", "--config", f"{batch}.yaml").exit_code == 0
        assert load_config(place / f"{batch}.yaml").batches.batch_size == batch


def test_a_configuration_that_was_edited_is_taken_as_it_is(place: Path) -> None:
    nnunet("nnUNet_results")
    path = place / "dataset900_parity-fold0.yaml"
    path.write_text(path.read_text() + "device: cpu\n")
    before = path.read_bytes()
    assert "taken as it is" in nnunet("nnUNet_results").output
    assert "--budget is not used" in nnunet("nnUNet_results", "--budget", "8h").output
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("spoil", "words", "said"),
    [
        (f"nnUNet_raw/{NAME}/dataset.json", (), "--raw"),
        ("model/fold_0/checkpoint_final.pth", (), "none does"),
        ("", ("--fold", "3"), "fold 3; these do: [0]"),
        ("model/plans.json", (), "two levels below"),
        ("model", (), "two levels below"),
    ],
)
def test_what_lacks_is_told_before_anything_is_written(
    place: Path, spoil: str, words: tuple[str, ...], said: str
) -> None:
    spoilt = model(place) / spoil.removeprefix("model").lstrip("/")
    if not spoil.startswith("model"):
        spoilt = place / spoil
    if spoil:
        spoilt.rename(place / "taken_away")
    result = nnunet("nnUNet_results", *words)
    assert isinstance(result.exception, ConfigError)
    assert said in str(result.exception)
    assert not list(place.glob("*.yaml"))


def test_of_several_models_one_must_be_named(place: Path) -> None:
    shutil.copytree(model(place), model(place).with_name("nnUNetTrainerX__nnUNetPlans__2d"))
    result = nnunet("nnUNet_results")
    assert isinstance(result.exception, ConfigError)
    assert "nnUNetTrainerX__nnUNetPlans__2d" in str(result.exception)


@pytest.mark.parametrize(("text", "name"), [(SMALL, "search_small"), (LARGE, "real_size")])
def test_settings_are_those_of_the_published_files(text: str, name: str) -> None:
    """But for epochs and steps of a small run: a changed default reaches this command as well."""
    own = yaml.safe_load(text)
    published = yaml.safe_load((ROOT / f"configs/{name}.yaml").read_text())
    assert own["cell"] == published["cell"]
    assert own.get("arms") == published.get("arms")
    assert published["search"].items() <= own["search"].items()


def test_the_more_time_the_more_epochs_and_never_more_than_usual() -> None:
    run = load_config(ROOT / "configs/quickstart.yaml", ["sweep.cpus=2", "device=cpu"])
    usual = Epochs(run.search.epochs, run.retrain.epochs)
    pace: dict[JobKind, float] = {"search": 10.0, "retrain": 4.0}
    given = [
        epochs_within(run, pace, seconds_of(text)) for text in ("25min", "0.75h", "60 min", "3d")
    ]
    assert given == sorted(given, key=lambda epochs: (epochs.search, epochs.retrain))
    assert given[0].search < given[2].search < usual.search
    assert given[-1] == usual


@pytest.mark.parametrize("budget", ["10min", "soon", "0h", "-1h"])
def test_a_time_that_is_none_or_too_short_is_refused(budget: str) -> None:
    run = load_config(ROOT / "configs/quickstart.yaml", ["sweep.cpus=2", "device=cpu"])
    with pytest.raises(ConfigError, match="budget"):
        epochs_within(run, {"search": 100.0}, seconds_of(budget))


@pytest.mark.parametrize("text", [SMALL, LARGE])
def test_a_budget_changes_epochs_of_searches_and_retrainings_alone(text: str) -> None:
    before, after = yaml.safe_load(text), yaml.safe_load(with_epochs(text, Epochs(20, 7)))
    assert (after["search"].pop("epochs"), after["retrain"].pop("epochs")) == (20, 7)
    del before["search"]["epochs"], before["retrain"]["epochs"]
    assert after == before
