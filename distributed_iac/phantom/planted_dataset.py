"""A planted problem as files: data, frozen network, answer, and a configuration that runs.

::

    write_planted(Path("phantoms/planted"), PlantedPlan(seed=0, test_patients=24))

    OUT/data/dataset.json  imagesTr/  labelsTr/     nnU-Net's raw layout, test patients included
    OUT/split.json                                  who is for what
    OUT/network.safetensors                         the frozen network, without cells
    OUT/genotype.json                               the cell that was planted: what there is to find
    OUT/planted.yaml                                a run; its paths are OUT's, as it was given

What is prepared from it is what the teacher saw, to the bit of a half float: slices are not
resampled, cut or normalised, and lie as they were drawn (no random kernel is its own mirror image).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from distributed_iac.config.yaml_file import dump_yaml
from distributed_iac.files import new_folder, write_atomically, write_json
from distributed_iac.phantom.planted import (
    BACKBONE,
    CELL,
    SCHEME,
    SIZE,
    PlantedPlan,
    PlantedProblem,
    hanging_on_cells,
    plant_problem,
)
from distributed_iac.phantom.volume_file import save
from distributed_iac.training.outputs import write_weights

CONFIG = "planted.yaml"
GENOTYPE = "genotype.json"
SPACING = (5.0, 1.0, 1.0)
"""Millimetres from slice to slice and in the plane: thick slices, so nobody takes another axis."""

HEADER = """\
# Purpose:  a problem whose answer is known: does a search with these settings find a cell that is
#           there? The planted one is retrained beside what the arms found (control `given`).
# Hardware: 2 CPU cores.
# Time:     about ten minutes.
# Seed {plan.seed}, {plan.patients} patients to search with and {plan.test_patients} to be scored, share {plan.share:g},
# noise {plan.noise:g}: without the cells {hanging:.0%} of the pixels would have another label.
# Random images, a random network: what is measured here says nothing about any patient.
"""  # noqa: E501


@dataclass(frozen=True)
class PlantedDataset:
    """A planted problem on disk.

    Args:
        config: The configuration that runs it.
        source: The data set.
        patients: Of all parts.
        hanging: Share of the pixels that would have another label without the cells.
    """

    config: Path
    source: Path
    patients: int
    hanging: float


def write_planted(out: Path, plan: PlantedPlan) -> PlantedDataset:
    """Write a planted problem, whole or not at all.

    Args:
        out: New or empty folder.
        plan: The problem; with test patients, or nothing can be scored in the end.

    Raises:
        ConfigError: ``out`` is in use.
        OSError: The folder cannot be written. Nothing is left behind then.
    """
    with new_folder(out, "a phantom") as folder:
        problem = plant_problem(plan)
        hanging = hanging_on_cells(problem)
        _write_source(folder / "data", problem)
        write_json(folder / "split.json", {k: list(v) for k, v in problem.parts.items()})
        write_weights(folder / "network.safetensors", problem.backbone.state_dict())
        found = problem.genotype
        write_json(folder / GENOTYPE, {"id": found.id, "genotype": found.to_dict()})
        text = HEADER.format(plan=plan, hanging=hanging) + dump_yaml(
            _config(out, plan.seed, problem)
        )
        write_atomically(folder / CONFIG, text.encode())
    return PlantedDataset(out / CONFIG, out / "data", len(set(problem.patients)), hanging)


def _write_source(root: Path, problem: PlantedProblem) -> None:
    owners = np.array(problem.patients)
    names = sorted(set(problem.patients))
    for name in names:
        own = owners == name
        image = root / "imagesTr" / f"{name}_0000.nii.gz"
        save(image, problem.images[own, 0], "LPS", SPACING)
        save(root / "labelsTr" / f"{name}.nii.gz", problem.labels[own], "LPS", SPACING)
    labels = {"background": 0} | {name: value for value, name in SCHEME.classes.items()}
    write_json(
        root / "dataset.json",
        {
            "channel_names": {"0": "noise"},
            "labels": labels,
            "numTraining": len(names),
            "file_ending": ".nii.gz",
        },
    )


def _config(out: Path, seed: int, problem: PlantedProblem) -> dict[str, Any]:
    """Settings as in ``configs/search_small.yaml``, but for the rate of the cells' weights.

    At 2e-3 the architecture is decided before its operations have learned anything
    (``benchmarks/README.md``, the frontier).
    """
    return {
        "name": f"planted-{seed}",
        "out": str(out / "runs"),
        "stores": str(out / "stores"),
        "threads": 1,
        "data": [
            {
                "name": "planted",
                "source": str(out / "data"),
                "split": {"file": str(out / "split.json")},
                "preprocess": {
                    "spacing": [1.0, 1.0],
                    "patch": [SIZE, SIZE],
                    "crop": "image",
                    "normalisation": [{"scheme": "none"}],
                },
            }
        ],
        "backbones": [
            {
                "name": BACKBONE.name,
                "base_features": BACKBONE.base_features,
                "strides": [list(stride) for stride in BACKBONE.strides or ()],
                "weights": str(out / "network.safetensors"),
            }
        ],
        "given": problem.genotype.to_dict(),
        "controls": ["plain", "random", "given"],
        "seeds": [0, 1],
        "cell": {
            "nodes": CELL.nodes,
            "width": CELL.width,
            "partial_channels": CELL.partial_channels,
            "none": CELL.none,
        },
        "batches": {
            "batch_size": 4,
            "steps_per_epoch": 10,
            "augmentation": "none",
            "foreground_fraction": 0.0,
        },
        "search": {
            "epochs": 60,
            "warmup_epochs": 5,
            "weights": {"kind": "adam", "learning_rate": 1e-2},
            "architecture": {"kind": "adam", "learning_rate": 3e-2, "betas": [0.5, 0.999]},
            "validate_every": 10,
        },
        "retrain": {
            "epochs": 40,
            "unfreeze": "cells",
            "rates": [1.0],
            "optimiser": {"kind": "adam", "learning_rate": 5e-3},
            "validate_every": 5,
        },
        "sweep": {"workers": "reused"},
    }
