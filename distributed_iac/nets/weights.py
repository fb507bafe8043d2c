"""Weights from a file: read without running code, matched completely, or refused with the reasons.

::

    load_weights(backbone, Path("unet.pt"))                 # ours, or MONAI's own state_dict
    load_weights(backbone, Path("models/acdc"))             # the backbone of an exported model
    load_encoder_weights(net.encoder, Path("resnet34.pth")) # ImageNet weights for the encoder

Files are ``.safetensors``, or what ``torch.save`` wrote, read with ``weights_only=True``: pickled
code is never run. The tensors may lie in a wrapper dictionary (``state_dict``, ``model``, ...) and
their names may carry the prefixes of DataParallel, ``torch.compile`` or an owning module.
"""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from distributed_iac.errors import CheckpointError, ConfigError, first_line
from distributed_iac.nets.card import WEIGHTS, read_card, require_digest
from distributed_iac.nets.wrapped import WrappedBackbone
from distributed_iac.transient import patiently

StateDict = Mapping[str, Tensor]

WRAPPERS = ("state_dict", "model_state_dict", "network_weights", "model", "net", "weights")
"""Keys under which training scripts keep the network's tensors, in the order they are tried."""

PREFIXES = ("module.", "_orig_mod.", "net.", "network.", "model.", "backbone.", "encoder.")
"""Owners that prefix every name: DataParallel, torch.compile, our wrapper, habits of others."""

CLASSIFIER = r"^(fc|_fc|classifier|last_linear|head|head_fc)\."
"""The classification layer of ImageNet files, of no use to an encoder."""

LISTED = 30
"""Names shown per kind of mismatch."""


def load_weights(backbone: WrappedBackbone, path: Path) -> None:
    """Load a file, or an exported model, into the whole network, every tensor or none.

    Args:
        backbone: The network to fill.
        path: A state_dict with our key names or with those of the wrapped network; or the folder
            of an exported model, of which cells are left out.

    Raises:
        ConfigError: If the file is missing or does not fit; all misfits are listed.
        CheckpointError: If the file is damaged or holds more than tensors.
    """
    state = read_exported(path) if path.is_dir() else read_state_dict(path)
    fill(backbone.net, state, where=path, redundant=backbone.redundant_keys)


def read_exported(folder: Path) -> StateDict:
    """Read the tensors of an exported model's backbone.

    Raises:
        ConfigError: It is no exported model.
        CheckpointError: It is damaged.
    """
    card = read_card(folder)
    require_digest(folder / WEIGHTS, card.weights_sha256)
    state = read_state_dict(folder / WEIGHTS)
    if card.cell is None:
        return state
    own = "backbone."  # beside it lie the cells and their projections
    return {name.removeprefix(own): state[name] for name in state if name.startswith(own)}


def load_encoder_weights(encoder: nn.Module, path: Path) -> None:
    """Load a file into an encoder; a classification layer in the file is left out.

    A first convolution trained on three colour channels is adapted to another number of input
    channels by :func:`adapt_input_convolution`.

    Raises:
        ConfigError: If the file is missing or does not fit; all misfits are listed.
        CheckpointError: If the file is damaged or holds more than tensors.
    """
    own = encoder.state_dict()
    state = {
        name: adapt_input_convolution(tensor, own[name].shape) if name in own else tensor
        for name, tensor in _unwrapped(read_state_dict(path), own).items()
        if name in own or not re.match(CLASSIFIER, name)
    }
    fill(encoder, state, where=path)


def adapt_input_convolution(weight: Tensor, shape: Sequence[int]) -> Tensor:
    """Adapt a convolution (O, 3, k, k) to ``shape`` (O, C, k, k), else return it unchanged.

    For C = 1 the colours are summed; for others they are repeated and scaled by 3 / C, so that
    equal channels give the same response (the rule of timm's ``adapt_input_conv``).
    """
    fits = len(shape) == 4 and weight.ndim == 4 and weight.shape[0] == shape[0]
    if not fits or weight.shape[1] != 3 or shape[1] == 3 or weight.shape[2:] != shape[2:]:
        return weight
    if shape[1] == 1:
        return weight.sum(dim=1, keepdim=True)
    channels = int(shape[1])
    repeated = weight.repeat(1, -(-channels // 3), 1, 1)[:, :channels]
    return repeated * (3 / channels)


def read_state_dict(path: Path) -> StateDict:
    """Read the tensors of a weights file, out of a wrapper dictionary if need be.

    Raises:
        ConfigError: If there is no such file.
        CheckpointError: If the file is damaged or holds no tensors by name.
    """
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load

        _require_file(path)
        try:
            # Not by its own hand: safetensors calls every failure to open a missing file.
            tensors: StateDict = load(patiently(path.read_bytes))
        except SafetensorError as error:
            raise _damaged(path, error) from error
        return tensors
    payload = read_torch_file(path)
    if isinstance(payload, Mapping):
        for candidate in (payload, *(payload.get(key) for key in WRAPPERS)):
            if is_state_dict(candidate):
                return candidate
    raise CheckpointError(
        "a weights file holds tensors by name, alone or under one of " + ", ".join(WRAPPERS),
        came=_contents(payload),
        remedy="save it again with torch.save(network.state_dict(), path)",
        where=path,
    )


def read_torch_file(
    path: Path, allowed: Sequence[Callable[..., Any] | tuple[Any, str]] = ()
) -> Any:
    """Read what ``torch.save`` wrote, onto the CPU, without running pickled code.

    Args:
        path: The file.
        allowed: Classes and functions that the file may name beside torch's own safe list.

    Raises:
        ConfigError: If there is no such file.
        CheckpointError: If the file is damaged or names anything else.
    """
    _require_file(path)
    try:
        with torch.serialization.safe_globals(list(allowed)), warnings.catch_warnings():
            # Said of pickles that torch.save did not write; they are refused below, with a reason.
            warnings.filterwarnings("ignore", "Detected pickle protocol", UserWarning)
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        refused = re.search(r"GLOBAL (\S+)", str(error))
        if refused is None:
            raise _damaged(path, error) from error
        raise CheckpointError(
            "only tensors and plain values are read from a checkpoint, never pickled code",
            came=f"the file needs {refused.group(1)}",
            remedy="save it again with torch.save(network.state_dict(), path)",
            where=path,
        ) from error
    except Exception as error:  # bytes that are no checkpoint raise anything in an unpickler
        raise _damaged(path, error) from error


def fill(
    network: nn.Module, state: StateDict, *, where: object, redundant: Sequence[str] = ()
) -> None:
    """Fill ``network`` from ``state``, every tensor or none.

    Args:
        network: The module whose names and shapes must be met.
        state: Tensors by name.
        where: The file, for messages.
        redundant: Regular expressions of names that may be left out where ``network`` lacks them.

    Raises:
        ConfigError: If names or shapes differ; all are listed.
        CheckpointError: If a tensor is not finite.
    """
    own = network.state_dict()
    pattern = re.compile("|".join(redundant) or r"(?!)")
    given = {
        name: tensor
        for name, tensor in _unwrapped(state, own).items()
        if name in own or not pattern.search(name)
    }
    misfits = _misfits(own, given)
    if misfits:
        raise ConfigError(
            f"the weights must fit the {len(own)} tensors of this network one by one",
            came="\n          ".join(misfits),
            remedy="set the backbone's options, channels and classes to those of the training, "
            "or give another file",
            where=where,
        )
    bad = [name for name, tensor in given.items() if not torch.isfinite(tensor).all()]
    if bad:
        raise CheckpointError(
            "weights must be finite",
            came=_listed(f"{len(bad)} tensors with NaN or infinity", bad),
            remedy="take an earlier checkpoint of that training",
            where=where,
        )
    network.load_state_dict(given)


def _misfits(own: StateDict, given: StateDict) -> list[str]:
    missing = [name for name in own if name not in given]
    unexpected = [name for name in given if name not in own]
    reshaped = [
        f"{name} {tuple(given[name].shape)} instead of {tuple(own[name].shape)}"
        for name in own
        if name in given and given[name].shape != own[name].shape
    ]
    kinds = (("missing", missing), ("unexpected", unexpected), ("of another shape", reshaped))
    return [_listed(f"{len(names)} {kind}", names) for kind, names in kinds if names]


def _listed(title: str, names: Sequence[str]) -> str:
    more = f", and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"{title}: {', '.join(names[:LISTED])}{more}"


def _unwrapped(state: StateDict, own: StateDict) -> StateDict:
    """Strip prefixes that all names share, or add one that they lack, if more names fit then."""
    candidates = [state]
    while candidates[-1]:
        names = candidates[-1]
        prefix = next((p for p in PREFIXES if all(name.startswith(p) for name in names)), None)
        if prefix is None:
            break
        candidates.append({name.removeprefix(prefix): names[name] for name in names})
    bare = candidates[-1]
    lacking = (prefix for prefix in PREFIXES if all(name.startswith(prefix) for name in own))
    candidates.extend({prefix + name: bare[name] for name in bare} for prefix in lacking)
    return max(candidates, key=lambda candidate: len(own.keys() & candidate.keys()))


def is_state_dict(candidate: object) -> TypeGuard[StateDict]:
    """Tell whether ``candidate`` is a non-empty mapping of names to tensors."""
    return (
        isinstance(candidate, Mapping)
        and len(candidate) > 0
        and all(isinstance(tensor, Tensor) for tensor in candidate.values())
    )


def _contents(payload: object) -> str:
    if isinstance(payload, Mapping):
        return "a dictionary with " + (", ".join(sorted(map(str, payload))) or "nothing in it")
    return f"a {type(payload).__name__}"


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise ConfigError(
            "a weights file must exist before the run; nothing is ever downloaded",
            came="no such file",
            remedy="correct the path, or leave it out to train from scratch",
            where=path,
        )


def _damaged(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        "a weights file is .safetensors or written by torch.save",
        came=first_line(error),
        remedy="copy or save the file again; it may be cut short",
        where=path,
    )
