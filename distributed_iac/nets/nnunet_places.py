"""A trained nnU-Net and its raw data, found from whichever of its folders is named.

::

    found = find_trained(Path("nnUNet_results/Dataset004_Hippocampus"), os.environ)
    found.model, found.fold, found.checkpoint, found.raw, found.slices

The model folder, a ``fold_*`` in it, the data set's folder or ``nnUNet_results`` itself will do, as
long as there is but one 2-D model below.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

from distributed_iac.errors import ConfigError
from distributed_iac.files import MALFORMED, parse_json
from distributed_iac.nets.nnunet_folder import read_nnunet_plan

RAW, RESULTS = "nnUNet_raw", "nnUNet_results"
"""nnU-Net's names of its folders, and of the variables that name them."""

CHECKPOINTS: tuple[Literal["final", "best"], ...] = ("final", "best")


@dataclass(frozen=True)
class TrainedNnUnet:
    """What nnU-Net left of a training.

    Args:
        model: Folder with ``plans.json``, ``dataset.json`` and ``fold_*``.
        fold: Which of them.
        checkpoint: Which of the fold's.
        raw: The data set in ``nnUNet_raw``.
        slices: About how many it was trained on: cases times the median of their slices.
    """

    model: Path
    fold: int
    checkpoint: Literal["final", "best"]
    raw: Path
    slices: int


def find_trained(
    folder: Path,
    environment: Mapping[str, str],
    *,
    fold: int | None = None,
    raw: Path | None = None,
) -> TrainedNnUnet:
    """Find all that is needed to go on from a trained network.

    Args:
        folder: The model's, or one above or below it.
        environment: Its ``nnUNet_raw`` is looked into; by default the folder beside the results.
        fold: Which one; None: the named one, else the first that has a checkpoint.
        raw: The raw data set, where it lies elsewhere.

    Raises:
        ConfigError: Something is missing, or there are several.
    """
    own = re.fullmatch(r"fold_(\d+)", folder.name)
    model = _model(folder.parent if own else folder)
    read_nnunet_plan(model)  # whether it is one that can be built
    number = _fold(model, int(own.group(1)) if own and fold is None else fold)
    return TrainedNnUnet(
        model, number, _checkpoints(model)[number], _raw(model, environment, raw), _slices(model)
    )


def _model(folder: Path) -> Path:
    if not folder.is_dir():
        raise ConfigError("a trained nnU-Net is a folder", came="no such folder", where=folder)
    if (folder / "plans.json").is_file():
        return folder
    below = [p.parent for depth in ("*", "*/*") for p in folder.glob(f"{depth}/plans.json")]
    flat = sorted(one for one in below if one.name.endswith("__2d"))
    if len(flat) != 1:
        raise ConfigError(
            "name the folder of one 2-D model, called like nnUNetTrainer__nnUNetPlans__2d, or one "
            "above it",
            came=", ".join(str(one.relative_to(folder)) for one in flat or sorted(below))
            or "no plans.json in it, nor two levels below",
            remedy="name one of these" if flat else "train nnU-Net's configuration 2d",
            where=folder,
        )
    return flat[0]


def _checkpoints(model: Path) -> dict[int, Literal["final", "best"]]:
    """Folds with a checkpoint, and the best known one of each."""
    found: dict[int, Literal["final", "best"]] = {}
    for path in model.glob("fold_*"):
        there = [one for one in CHECKPOINTS if (path / f"checkpoint_{one}.pth").is_file()]
        if there and path.name.removeprefix("fold_").isdecimal():
            found[int(path.name.removeprefix("fold_"))] = there[0]
    return found


def _fold(model: Path, asked: int | None) -> int:
    there = sorted(_checkpoints(model))
    if not there or (asked is not None and asked not in there):
        raise ConfigError(
            "a fold holds checkpoint_final.pth or checkpoint_best.pth",
            came="none does" if not there else f"fold {asked}; these do: {there}",
            remedy="train it, or take another; of fold `all` nobody was held out to compare with",
            where=model,
        )
    return there[0] if asked is None else asked


def _raw(model: Path, environment: Mapping[str, str], given: Path | None) -> Path:
    dataset = Path(os.path.normpath(model.absolute())).parent  # without the ".." of a user's words
    folders = [Path(environment[RAW])] if RAW in environment else []
    folders.append(dataset.parent.parent / RAW)
    tried = [given] if given is not None else [one / dataset.name for one in folders]
    for folder in tried:
        if (folder / "dataset.json").is_file():
            return folder
    raise ConfigError(
        "the raw data set that the network was trained on must be there",
        came="no dataset.json in " + ", ".join(map(str, tried)),
        remedy=f"name it with --raw, or its folder by the variable {RAW}",
        where=model,
    )


def _slices(model: Path) -> int:
    """Of both files it is known that they are JSON; not that nnU-Net wrote these entries."""
    try:
        plans, dataset = (
            cast(dict[str, Any], parse_json((model / name).read_bytes()))
            for name in ("plans.json", "dataset.json")
        )
        median = plans["original_median_shape_after_transp"][0]
        return round(float(median) * int(dataset["numTraining"]))
    except MALFORMED as error:
        raise ConfigError(
            "plans.json says how many slices a case has, dataset.json how many cases there are",
            came=f"{type(error).__name__}: {error}",
            remedy="copy both files from nnU-Net's own folder again",
            where=model,
        ) from error
