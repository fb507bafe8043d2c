"""What lies in configs/ loads, says what it is for, and plans what it promises; benchmarks/ too."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from distributed_iac.config.load import load_config
from distributed_iac.config.overrides import VARIED
from distributed_iac.config.split import SplitSettings
from distributed_iac.config.yaml_file import read_yaml
from distributed_iac.jobs.plan import plan_jobs

CONFIGS = Path(__file__).parents[2] / "configs"
MANIFESTS = sorted(path for path in CONFIGS.glob("*.yaml") if "apiVersion" in read_yaml(path))
FILES = sorted(set(CONFIGS.glob("*.yaml")) - set(MANIFESTS))
RUNS = [path for path in FILES if "data" in read_yaml(path)]
BENCHMARKS = sorted((CONFIGS.parent / "benchmarks").glob("*.yaml"))
REAL = ("acdc", "brats", "kits", "amos")


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.name)
def test_every_run_loads_and_is_planned(path: Path) -> None:
    config = load_config(path)
    jobs = plan_jobs(config).jobs()
    assert config.name == path.stem.replace("_", "-")
    assert {job.dataset for job in jobs} == {dataset.name for dataset in config.data}


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.name)
def test_what_a_benchmark_runs_is_planned(path: Path) -> None:
    assert plan_jobs(load_config(path)).jobs()


@pytest.mark.parametrize("path", [*FILES, *MANIFESTS], ids=lambda path: path.name)
def test_every_file_opens_with_its_purpose_and_hardware(path: Path) -> None:
    head = path.read_text(encoding="utf-8").splitlines()[:6]
    assert head[0].startswith("# Purpose:")
    assert any(line.startswith("# Hardware:") for line in head)


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.name)
def test_every_run_says_how_long_it_takes_and_how_that_is_known(path: Path) -> None:
    head = path.read_text(encoding="utf-8").split("\nbase:")[0]
    assert "# Time:" in head
    if path.stem != "quickstart":
        assert "not measured" in head


@pytest.mark.parametrize(
    "path", [path for path in FILES if path not in RUNS], ids=lambda path: path.name
)
def test_every_base_serves_a_run(path: Path, tmp_path: Path) -> None:
    child = tmp_path / "run.yaml"
    child.write_text(f"base: {path}\nname: t\ndata: [{{name: d, source: s}}]\n", encoding="utf-8")
    assert load_config(child).name == "t"


@pytest.mark.parametrize("name", [*REAL, "sweep_all"])
def test_a_real_run_compares_both_arms_with_every_control_over_three_seeds(name: str) -> None:
    config = load_config(CONFIGS / f"{name}.yaml")
    assert set(config.arms) == {"full", "lth"}
    assert config.arms["full"].policy == "none"
    assert config.arms["lth"].policy == "js"
    assert set(config.controls) == {"plain", "plain_extra", "random"}
    counts = Counter(job.kind for job in plan_jobs(config).jobs())
    groups = len(config.data) * len(config.backbones) * len(config.variant_names)
    assert counts["prepare"] == len(config.data)
    assert counts["pretrain"] == counts["evaluate"] == groups
    assert counts["search"] == groups * 2 * 3
    assert counts["retrain"] == groups * (2 + 2) * 3


@pytest.mark.parametrize("name", [*REAL, "sweep_all"])
def test_left_and_right_stay_apart_where_classes_have_sides(name: str) -> None:
    for place, view in load_config(CONFIGS / f"{name}.yaml").views.items():
        if place.startswith("amos"):
            assert view.batches.mirror_axes == ("rows",)


def test_the_sweep_takes_each_data_set_as_its_own_run_does() -> None:
    """Settings and all: so that what one has done serves the other."""
    sweep = load_config(CONFIGS / "sweep_all.yaml")
    for name in REAL:
        alone = load_config(CONFIGS / f"{name}.yaml").view(name)
        swept = sweep.view(name, "augmented")
        assert swept.data == alone.data
        assert [getattr(swept, one) for one in VARIED] == [getattr(alone, one) for one in VARIED]


def test_the_sweep_has_both_arms_of_augmentation() -> None:
    sweep = load_config(CONFIGS / "sweep_all.yaml")
    assert {view.batches.augmentation for view in sweep.views.values()} == {"strong", "none"}
    assert sweep.idle_overrides() == ()


def test_a_network_from_nnunet_is_searched_without_training_it_again() -> None:
    config = load_config(CONFIGS / "nnunet_finetune.yaml")
    (backbone,), (dataset,) = config.backbones, config.data
    assert backbone.is_trained
    assert not any(job.kind == "pretrain" for job in plan_jobs(config).jobs())
    assert backbone.name == "nnunet"
    assert dataset.split == SplitSettings()  # left open: it follows the backbone's fold
