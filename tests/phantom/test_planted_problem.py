from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from distributed_iac.cli.prepare import prepare
from distributed_iac.config.load import load_config
from distributed_iac.data.store import Store
from distributed_iac.errors import ConfigError
from distributed_iac.genotype import Genotype
from distributed_iac.phantom.planted import (
    SLICES,
    PlantedPlan,
    PlantedProblem,
    hanging_on_cells,
    plant_problem,
)
from distributed_iac.phantom.planted_dataset import PlantedDataset, write_planted
from distributed_iac.training.group import Group

PLAN = PlantedPlan(seed=3, patients=6, test_patients=2)


@cache
def planted(plan: PlantedPlan = PLAN) -> PlantedProblem:
    """A problem takes a second; not to be changed."""
    return plant_problem(plan)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> PlantedDataset:
    """A planted problem on disk, prepared; not to be written to."""
    made = write_planted(tmp_path_factory.mktemp("planted") / "out", PLAN)
    prepare(made.config)
    return made


def test_a_patient_is_the_same_however_many_there_are_and_whoever_asks() -> None:
    few, many = planted(), planted(PlantedPlan(3, 30))
    assert np.array_equal(few.images, many.images[: len(few.images)])
    assert np.array_equal(few.labels, many.labels[: len(few.labels)])
    assert few.genotype == many.genotype != planted(PlantedPlan(4, 6)).genotype


def test_the_parts_hold_every_patient_once() -> None:
    problem = planted()
    members = [name for part in problem.parts.values() for name in part]
    assert sorted(members) == sorted(set(problem.patients))
    assert {part: len(names) for part, names in problem.parts.items()} == {
        "weights": 3, "architecture": 2, "val": 1, "test": 2,
    }  # fmt: skip
    assert problem.patients.count("p000") == SLICES


def test_the_less_the_cells_say_the_fewer_labels_hang_on_them() -> None:
    loud, quiet, mute = (planted(PlantedPlan(3, 6, 2, share=share)) for share in (1.0, 0.1, 0.0))
    assert hanging_on_cells(loud) > hanging_on_cells(quiet) > hanging_on_cells(mute) == 0


def test_noise_disturbs_the_labels_and_nothing_else() -> None:
    clean, noisy = planted(), planted(PlantedPlan(3, 6, 2, noise=0.25))
    assert np.array_equal(clean.images, noisy.images)
    assert 0.02 < (clean.labels != noisy.labels).mean() < 0.3


@pytest.mark.parametrize(
    "wrong", [{"seed": -1}, {"patients": 5}, {"share": 1.5}, {"noise": float("nan")}]
)
def test_numbers_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="at least 6 patients"):
        PlantedPlan(**{"seed": 0, **wrong})


def test_what_is_prepared_is_what_the_teacher_saw(written: PlantedDataset) -> None:
    config, problem = load_config(written.config), planted()
    store = Store.open(config.store_folder(config.data[0]))
    for part, names in problem.parts.items():
        rows = store.rows(part)
        own = np.isin(problem.patients, names)
        images, labels = problem.images[own], problem.labels[own]
        assert np.array_equal(store.images(rows, np.float16), images.astype(np.float16))
        assert np.array_equal(store.labels(rows), labels)


def test_the_network_on_disk_is_the_teachers_without_its_cells(written: PlantedDataset) -> None:
    config, problem = load_config(written.config), planted()
    group = Group.open(config, config.data[0], config.backbones[0])
    images = torch.from_numpy(problem.images[:2])
    with torch.no_grad():
        assert torch.equal(group.backbone().eval()(images), problem.backbone.eval()(images))


def test_the_configuration_names_the_planted_cell(written: PlantedDataset) -> None:
    config = load_config(written.config)
    assert config.given is not None
    assert config.given.genotype == planted().genotype
    content = json.loads((written.config.parent / "genotype.json").read_text())
    assert Genotype.from_dict(content["genotype"]) == config.given.genotype
    assert {"random", "given"} <= set(config.controls)


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(ConfigError, match="new or empty folder"):
        write_planted(tmp_path, PLAN)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
