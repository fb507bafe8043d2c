"""One network, many cells: a cell that was trained in a frozen network, as a file of its own.

::

    models/acdc/model.json  weights.safetensors              # the network, exported once
    models/acdc/cells/hospital-b.safetensors                 # a cell for it, by name

    write_cell_file(path, CellFile(card, network_sha256, agreement, tensors))
    cell = read_cell_file(path)
    network = implanted(backbone, base_card, cell, path)

The file holds the weights of cells and projections, and in its header how images are prepared for
the cell, what its labels are and which network it belongs to, by the SHA-256 of that network's
weights. The network's folder stays as it is: without a cell it is the old network, to the bit.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from distributed_iac.cell.implant import DerivedNetwork, ImplantedNetwork
from distributed_iac.cell.skip_modules import SkipNetwork
from distributed_iac.config.cell import CellSettings
from distributed_iac.data.formats.names import is_hidden
from distributed_iac.data.store.identity import content_key
from distributed_iac.errors import (
    CheckpointError,
    ConfigError,
    DistributedIacError,
    first_line,
    first_names,
)
from distributed_iac.files import MALFORMED, parse_json, write_atomically
from distributed_iac.nets.build import arrange
from distributed_iac.nets.card import ModelCard, parse_card
from distributed_iac.nets.contract import Backbone
from distributed_iac.nets.expectation import Agreement
from distributed_iac.nets.trained import card_of_store
from distributed_iac.nets.wrapped import WrappedBackbone
from distributed_iac.training.outputs import weights_bytes
from distributed_iac.transient import patiently
from distributed_iac.versions import CELL, require_version, versioned

CELLS, ENDING = "cells", ".safetensors"
NONE = "none"
"""What is asked for where the network is wanted as it is."""

BACKBONE = "backbone."
"""Prefix of the network's own tensors beside the cells'."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_HEADER, _DIGEST = "cell", "digest"


@dataclass(frozen=True, eq=False)
class CellFile:
    """Cells for a network.

    Args:
        card: Of the network with them: their genotype or module, their images and labels. Its
            ``weights_sha256`` is that of the cells' tensors.
        network_sha256: Of the weights of the network that they were trained in.
        agreement: How that network's channels and outputs are taken for them.
        tensors: Weights of cells and projections, by name.
    """

    card: ModelCard
    network_sha256: str
    agreement: Agreement
    tensors: Mapping[str, Tensor]


def cell_path(folder: Path, name: str) -> Path:
    """Where a cell of a network's folder lies.

    Raises:
        ConfigError: The name cannot be a file's, or stands for no cell.
    """
    if not _is_name(name):
        raise ConfigError(
            "a cell's name has letters, digits, dots, dashes and underscores, at most 100, and is "
            "not 'none'",
            came=name,
            remedy="name it after the hospital or scanner that it is for",
        )
    return folder / CELLS / f"{name}{ENDING}"


def _is_name(name: str) -> bool:
    return name.lower() != NONE and _NAME.fullmatch(name) is not None


def cell_names(folder: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the cells in a network's folder, and of files beside them that are called otherwise.

    Raises:
        OSError: The folder of its cells cannot be listed.
    """
    if not (folder / CELLS).exists():
        return (), ()
    every = patiently(lambda: list((folder / CELLS).iterdir()))
    files = sorted(path.name for path in every if not is_hidden(path.name))
    cells = [name for name in files if name.endswith(ENDING) and _is_name(name[: -len(ENDING)])]
    others = tuple(name for name in files if name not in cells)
    return tuple(sorted(name[: -len(ENDING)] for name in cells)), others


def write_cell_file(path: Path, cell: CellFile) -> None:
    """Write a cell, whole or not at all.

    Raises:
        ConfigError: There is one of this name, letter case aside.
        OSError: It cannot be written.
    """
    alike = (one for one in path.parent.glob("*") if one.name.lower() == path.name.lower())
    taken = next(alike, None)
    if taken is not None:  # also where the letter case of a file's name does not count
        raise ConfigError(
            "a cell is added under a name of its own, letter case aside",
            came=path.name[: -len(ENDING)],
            remedy="name it otherwise, or delete that file",
            where=taken,
        )
    card = replace(cell.card, weights_sha256=_sha256(cell.tensors))
    about = {
        "network_sha256": cell.network_sha256,
        "agreement": asdict(cell.agreement),
        "card": card.to_json(),
    }
    text = json.dumps(versioned(CELL, about), sort_keys=True)
    header = {_HEADER: text, _DIGEST: content_key(text)}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, weights_bytes(cell.tensors, header))


def read_cell_file(path: Path) -> CellFile:
    """Read a cell; nothing in it can run code.

    Raises:
        ConfigError: There is none.
        CheckpointError: It is damaged, altered, or of another release.
    """
    if not path.is_file():
        raise ConfigError(
            "a cell is a file that `distributed-iac export RUN MODEL NETWORK --as NAME` wrote",
            came="no such file",
            where=path,
        )
    try:
        with safe_open(str(path), framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        text = header[_HEADER]
        if header.get(_DIGEST) != content_key(text):
            raise _damaged(path, "another content than its own digest says")
        about = parse_json(text)
        require_version(CELL, about, path)
        card, network, found = about["card"], str(about["network_sha256"]), about["agreement"]
        agreed = Agreement(*(tuple(found[part]) for part in ("inputs", "outputs", "spare")))
    except (OSError, SafetensorError, *MALFORMED) as error:
        raise _damaged(path, first_line(error)) from error
    cell = CellFile(parse_card(card, path), network, agreed, tensors)
    if cell.card.weights_sha256 != _sha256(tensors):
        raise _damaged(path, "other weights than its own digest says")
    return cell


def implanted(
    backbone: WrappedBackbone, base: ModelCard, cell: CellFile, where: Path
) -> ImplantedNetwork:
    """Put cells into the network that they belong to.

    Args:
        backbone: The network, loaded; changed in place.
        base: Its card.
        cell: The cells.
        where: Their file, for messages.

    Raises:
        ConfigError: They belong to another network.
        CheckpointError: Their tensors do not make what their card says.
    """
    card = cell.card
    if base.weights_sha256 != cell.network_sha256:
        raise ConfigError(
            f"this cell belongs to the network whose weights have the SHA-256 "
            f"{cell.network_sha256[:16]}...",
            came=f"one with {base.weights_sha256[:16]}...",
            remedy="use the network that it was trained in",
            where=where,
        )
    if card.cell is None:
        raise _damaged(where, "no cell")
    activation = card_of_store(card.fingerprint).activation
    arrange(backbone, cell.agreement, activation)
    try:
        network = implant(backbone, card, card.cell)
        own = {name for name in network.state_dict() if not name.startswith(BACKBONE)}
        if own != set(cell.tensors):
            raise _damaged(where, "tensors of others than its card's")
        network.load_state_dict(cell.tensors, strict=False)
    except (RuntimeError, DistributedIacError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise _damaged(where, first_line(error)) from error
    return network


def implant(backbone: Backbone, card: ModelCard, settings: CellSettings) -> ImplantedNetwork:
    """A network with what its card says in its skips, still without weights.

    Args:
        backbone: The network.
        card: With a genotype or a module.
        settings: How they are implanted.

    Raises:
        ConfigError: The genotype does not fit the backbone.
    """
    generator = torch.Generator().manual_seed(0)
    if card.genotype is not None:
        return DerivedNetwork(backbone, card.genotype, settings, generator)
    assert card.module is not None, "a card with cell settings says of what"
    return SkipNetwork(backbone, card.module, settings, generator)


def split_weights(
    weights: Mapping[str, Tensor],
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Tensors of an implanted network: the network's own, without their prefix, and the cells'."""
    own = {
        name.removeprefix(BACKBONE): w for name, w in weights.items() if name.startswith(BACKBONE)
    }
    return own, {name: w for name, w in weights.items() if not name.startswith(BACKBONE)}


def without_cells(network: nn.Module, where: Path) -> WrappedBackbone:
    """The network of an exported model that cells can be added to, or left out of.

    Raises:
        ConfigError: It has some already.
    """
    if not isinstance(network, WrappedBackbone):
        raise ConfigError(
            "cells are added to a network, or left out of one, that has none in it",
            came="one that was exported with a cell in it",
            remedy="use it without choosing a cell, or export the plain network and add cells by "
            "name",
            where=where,
        )
    return network


def require_untouched(backbone: nn.Module, own: Mapping[str, Tensor], where: Path) -> None:
    """Refuse cells whose network was trained on with them.

    Args:
        backbone: The exported network, already arranged for the cells' data.
        own: The network's tensors beside the cells.
        where: Of the exported network.

    Raises:
        ConfigError: They are not the exported network's, to the bit.
    """
    state = backbone.state_dict()
    other = [name for name in own if name not in state or not torch.equal(state[name], own[name])]
    if other or set(state) != set(own):
        raise ConfigError(
            "a cell is added to the very network that it was trained in, frozen",
            came=f"{len(other)} of {len(own)} tensors differ, such as {first_names(other, 2)}"
            if other
            else "a network of other tensors",
            remedy="name the exported network that the run began with; where that was trained on "
            "(retrain.unfreeze), export the model to a folder of its own",
            where=where,
        )


def _sha256(tensors: Mapping[str, Tensor]) -> str:
    return hashlib.sha256(weights_bytes(tensors)).hexdigest()


def _damaged(path: Path, came: str) -> CheckpointError:
    return CheckpointError(
        "a cell must be as `distributed-iac export` wrote it",
        came=came,
        remedy="copy it again, or export it again",
        where=path,
    )
