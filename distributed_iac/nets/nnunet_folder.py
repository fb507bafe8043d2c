"""Reading what nnU-Net v2 leaves behind after training, without nnU-Net.

::

    plan = read_nnunet_plan(Path("nnUNetTrainer__nnUNetPlans__2d"))
    plan.spacing, plan.patch_size, plan.normalization         # what the network expects
    weights = read_nnunet_weights(folder, fold=0, checkpoint="final")

A model folder holds ``plans.json``, ``dataset.json`` and ``fold_<k>/checkpoint_<which>.pth``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from pydantic import ValidationError

from distributed_iac.config.batches import Axis
from distributed_iac.errors import CheckpointError, ConfigError
from distributed_iac.files import MALFORMED, parse_json
from distributed_iac.nets.nnunet_plan import CONFIGURATION, NnUnetPlan, parse_plan
from distributed_iac.nets.weights import StateDict, is_state_dict, read_torch_file

_DTYPES = (np.float16, np.float32, np.float64, np.int32, np.int64, np.bool_)
_SCALAR = np.float64(0).__reduce__()[0]

NNUNET_GLOBALS: tuple[Any, ...] = (
    (_SCALAR, "numpy._core.multiarray.scalar"),
    (_SCALAR, "numpy.core.multiarray.scalar"),
    np.dtype,
    *(type(np.dtype(kind)) for kind in _DTYPES),
)
"""All that nnU-Net's checkpoints name beside torch's safe list: the numpy numbers of its training
log, under numpy's module path of today and that before 2.0. None of it runs foreign code."""


def read_nnunet_plan(folder: Path) -> NnUnetPlan:
    """Read the 2-D plan of a trained model.

    Raises:
        ConfigError: If the folder is not such a model, or its network is of another class.
    """
    plans = _read_json(folder / "plans.json")
    dataset = _read_json(folder / "dataset.json")
    try:
        return parse_plan(plans, dataset, where=folder)
    except MALFORMED as error:
        raise ConfigError(
            "plans.json and dataset.json must be those of an nnU-Net v2 training",
            came=_what_is_wrong(error),
            remedy="copy both files from the trained model's folder again",
            where=folder,
        ) from error


def _what_is_wrong(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"the key {error} is missing"
    if isinstance(error, ValidationError):
        found = error.errors(include_url=False)
        return "; ".join(
            f"{'.'.join(map(str, one['loc']))}: {one['msg']}".removeprefix(": ") for one in found
        )
    return str(error)


def read_nnunet_weights(
    folder: Path, *, fold: int | Literal["all"], checkpoint: Literal["final", "best"]
) -> StateDict:
    """Read the network's tensors, under nnU-Net's names, from a fold's checkpoint.

    Raises:
        ConfigError: If there is no such checkpoint.
        CheckpointError: If it is damaged, names other code, or is of another configuration.
    """
    path, payload = _read_checkpoint(folder, fold, checkpoint)
    weights = payload.get("network_weights") if isinstance(payload, Mapping) else None
    if not is_state_dict(weights):
        raise CheckpointError(
            "an nnU-Net checkpoint holds network_weights",
            came="none",
            remedy="copy the checkpoint again, or load a plain state_dict into dynunet",
            where=path,
        )
    said = payload.get("init_args") or {}
    configuration = said.get("configuration", CONFIGURATION)
    if configuration != CONFIGURATION:
        raise CheckpointError(
            f"the checkpoint must be of nnU-Net's configuration {CONFIGURATION}",
            came=configuration,
            remedy="give the folder of the 2-D training, named ...__2d",
            where=path,
        )
    _require_place(said, folder, fold, path)
    return weights


def _require_place(
    said: Mapping[str, Any], folder: Path, fold: int | Literal["all"], path: Path
) -> None:
    """Refuse a checkpoint that says it is of another fold, or of another plan."""
    if said.get("fold", fold) != fold:
        raise CheckpointError(
            "a checkpoint lies in the folder of its fold",
            came=f"one of fold {said['fold']}, as it says itself",
            remedy="copy the checkpoint of the fold again, or name the fold that it is of",
            where=path,
        )
    if not {"plans", "dataset_json"} <= set(said):
        return
    asked = read_nnunet_plan(folder)
    try:
        trained = parse_plan(said["plans"], said["dataset_json"], where=path)
    except MALFORMED as error:
        raise CheckpointError(
            "a checkpoint holds the plans that it was trained by",
            came=_what_is_wrong(error),
            remedy="copy the checkpoint again",
            where=path,
        ) from error
    odd = [name for name in asdict(asked) if getattr(asked, name) != getattr(trained, name)]
    if odd:
        raise CheckpointError(
            "plans.json and dataset.json are those that the checkpoint was trained by",
            came="; ".join(
                f"{name} {getattr(asked, name)} there, {getattr(trained, name)} in the checkpoint"
                for name in odd
            ),
            remedy="copy both files from the trained model's folder again",
            where=path,
        )


def read_nnunet_mirroring(
    folder: Path, *, fold: int | Literal["all"], checkpoint: Literal["final", "best"]
) -> tuple[Axis, ...]:
    """Read along which axes nnU-Net mirrors when this checkpoint predicts.

    Raises:
        ConfigError: If there is no such checkpoint.
        CheckpointError: If it is damaged, or mirrors an axis that slices do not have.
    """
    path, payload = _read_checkpoint(folder, fold, checkpoint)
    axes = payload.get("inference_allowed_mirroring_axes") if isinstance(payload, Mapping) else None
    names = get_args(Axis)
    listed = axes is None or isinstance(axes, Sequence | Set)
    if not listed or not set(axes or ()) <= set(range(len(names))):
        raise CheckpointError(
            "a 2-D checkpoint mirrors rows (0) and columns (1)",
            came=axes,
            remedy="set evaluation.mirror by hand",
            where=path,
        )
    return tuple(names[axis] for axis in sorted(axes or ()))


def _read_checkpoint(
    folder: Path, fold: int | Literal["all"], checkpoint: Literal["final", "best"]
) -> tuple[Path, Any]:
    path = folder / f"fold_{fold}" / f"checkpoint_{checkpoint}.pth"
    if not path.is_file():
        found = sorted(str(p.relative_to(folder)) for p in folder.glob("fold_*/checkpoint_*.pth"))
        raise ConfigError(
            "the trained model must hold the checkpoint that fold and checkpoint name",
            came=f"no {path.relative_to(folder)}; there: {', '.join(found) or 'no checkpoint'}",
            remedy="set fold and checkpoint to one of those",
            where=folder,
        )
    return path, read_torch_file(path, NNUNET_GLOBALS)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = parse_json(path.read_bytes())
    except FileNotFoundError as error:
        raise ConfigError(
            "a trained nnU-Net model folder holds plans.json, dataset.json and fold_*",
            came=f"no {path.name}",
            remedy="give the folder named like nnUNetTrainer__nnUNetPlans__2d",
            where=path.parent,
        ) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            "plans.json and dataset.json must be JSON",
            came=str(error),
            remedy="copy the file from the trained model's folder again",
            where=path,
        ) from error
    return content
