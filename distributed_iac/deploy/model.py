"""An exported network, ready for images as they come from a scanner's export.

::

    model = load_model("models/brats")
    image = model.predict(["t1.nii.gz", "t1ce.nii.gz", "t2.nii.gz", "flair.nii.gz"])
    image.to_filename("labels.nii.gz")

Images go the way of ``distributed-iac prepare``, through the same code and with the decisions
that were taken from the training patients; logits are brought back to the grid of the file
and decided there, as in the evaluation. For files that a store was made of, the result equals the
evaluation's prediction voxel for voxel (same device, same batch size).

Shapes: Z slices of a case, C channels, K outputs, H x W the patch, X x Y x Z the file.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from distributed_iac.config.backbone import NnUnetSettings
from distributed_iac.data.contract import Case, Modality
from distributed_iac.data.faults import Fault
from distributed_iac.data.prepare.prepared_case import preprocess_case
from distributed_iac.data.store.fingerprint import Fingerprint
from distributed_iac.data.targets import decode_logits, output_values
from distributed_iac.deploy.cells import (
    CELLS,
    ENDING,
    NONE,
    cell_names,
    cell_path,
    implant,
    implanted,
    read_cell_file,
    without_cells,
)
from distributed_iac.deploy.images import case_of_files
from distributed_iac.deploy.label_image import LabelDtype, label_image
from distributed_iac.deploy.trained_layout import UNKNOWN_AXES, as_trained, has_unknown_axes
from distributed_iac.errors import CheckpointError, ConfigError, SourceError, first_names
from distributed_iac.evaluation.inference import Inference, slice_logits
from distributed_iac.nets.build import build_backbone
from distributed_iac.nets.card import WEIGHTS, ModelCard, read_card, require_digest
from distributed_iac.nets.contract import Backbone
from distributed_iac.nets.nnunet import build_planned
from distributed_iac.nets.planner import Fingerprint2d
from distributed_iac.nets.wrapped import Wanted, WrappedBackbone
from distributed_iac.training.device import choose_device
from distributed_iac.training.memory import ONE_SLICE, BatchSplitter
from distributed_iac.training.outputs import read_weights

StrPath = str | PathLike[str]

LISTED = 5
"""Names of misfitting tensors shown in a message."""

BATCH_SIZE = 8
"""Slices at a time: the widest U-Net here (``large``) on slices of 512 x 512 then takes 3.1 GB on a
CPU (measured; 6.1 GB for 16)."""


@dataclass(frozen=True, eq=False)
class Segmentation:
    """A segmented case.

    Args:
        labels: Label values in the array order of the first image's file, (X, Y, Z).
        faults: What the images were used with nevertheless.
    """

    labels: NDArray[np.uint8]
    faults: tuple[Fault, ...]


@dataclass(frozen=True, eq=False)
class Model:
    """A network with all that it needs to know about images.

    Args:
        card: What it is.
        network: Images (B, C, H, W) to logits (B, K, H, W), in evaluation mode.
        device: Where the network is.
        batch_size: Slices at a time.
    """

    card: ModelCard
    network: nn.Module
    device: torch.device
    batch_size: int = BATCH_SIZE

    def predict(
        self,
        images: StrPath | Sequence[StrPath],
        *,
        modality: Modality | None = None,
        dtype: LabelDtype = "source",
    ) -> nib.Nifti1Image:
        """Segment one case.

        Args:
            images: One 3-D NIfTI file a channel, in the order of the card's channel names; or a
                single file, 4-D with the channels last if there are several.
            modality: Needed only by a model that was trained on CT and on MR.
            dtype: Data type of the label map: the first image's, or uint8.

        Returns:
            The label map on the grid of the first file, with its affine and header.

        Raises:
            DataError: The files cannot be used.
            NumericalError: An output of the network is not finite.

        Warns:
            UserWarning: The files were used although their headers leave something open.
        """
        given = [images] if isinstance(images, str | PathLike) else images
        paths = [Path(path) for path in given]
        case = case_of_files("image", paths, self.card.fingerprint, modality)
        found = self.segment(case)
        remarks = [f"{fault.path}: {fault.reason}" for fault in found.faults]
        if has_unknown_axes(self.card.fingerprint):
            remarks.append(UNKNOWN_AXES)
        for remark in remarks:
            warnings.warn(remark, UserWarning, stacklevel=2)
        return label_image(found.labels, paths[0], dtype)

    def segment(self, case: Case) -> Segmentation:
        """Segment one case of a data set; a label that it may have is not looked at.

        Raises:
            SourceError: A file cannot be used, or the channels are not the model's.
            GeometryError: The affine does not say where the axes point.
            DataError: The model knows no images of this modality.
            NumericalError: An output of the network is not finite.
            OutOfMemoryError: Not even one patch at a time fits into memory.
        """
        scheme, recipe = self.card.fingerprint.labels, self.card.fingerprint.recipe
        _require_same_channels(case, self.card.fingerprint)
        case = as_trained(replace(case, label=None), self.card.fingerprint)
        prepared = preprocess_case(case, recipe, scheme)
        images, whole = prepared.whole_images, prepared.geometry.whole
        splitter = BatchSplitter(self.batch_size, remedy=ONE_SLICE)

        def predict() -> NDArray[np.uint8]:
            way = Inference(self.card.mirror, max(1, self.batch_size // splitter.parts))
            logits = slice_logits(self.network, images, recipe.patch, way, self.device)
            return whole.restore_logits(logits, lambda outputs: decode_logits(outputs, scheme))

        labels = splitter.persist(self.batch_size, predict)
        return Segmentation(labels, prepared.faults)


def load_model(
    folder: StrPath,
    *,
    cell: StrPath | None = None,
    device: str = "auto",
    batch_size: int = BATCH_SIZE,
) -> Model:
    """Load what ``distributed-iac export`` wrote; nothing in it can run code.

    Args:
        folder: The exported folder.
        cell: Of a network with cells: the name of one, or its file; ``none`` for the network as it
            is. None where there is nothing to choose.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:<number>``.
        batch_size: Slices at a time, at least 1.

    Raises:
        ConfigError: The folder is no exported model, or has not the choice of cells that is asked
            for; a package that its backbone needs is not installed, or the device is not there.
        CheckpointError: The folder is damaged or of another release.
    """
    place, chosen = Path(folder), choose_device(device)
    card = read_card(place)
    path = place / WEIGHTS
    require_digest(path, card.weights_sha256)
    added = _cell_of(place, cell)
    network = _network_of(card)
    _load_exactly(network, read_weights(path), path)
    if cell is not None:
        network = without_cells(network, place)
        if added is not None:
            found = read_cell_file(added)
            network = implanted(network, card, found, added)
            card = found.card
    return Model(card, network.to(chosen).eval(), chosen, batch_size)


def _cell_of(folder: Path, wanted: StrPath | None) -> Path | None:
    """The file of the cell that is wanted; None for the network as it is.

    Raises:
        ConfigError: Nobody said which, or there is none of this name.
        OSError: The folder of cells cannot be listed.
    """
    if str(wanted) == NONE:
        return None
    names, others = cell_names(folder)
    if wanted is None:
        if names:
            raise ConfigError(
                f"this network has the cells {', '.join(names)}: one of them, or none, is chosen",
                came="no choice",
                remedy=f"say --cell {names[0]}, or --cell {NONE} for the network as it was",
                where=folder,
            )
        if others:
            raise ConfigError(
                f"cells of a network are files NAME{ENDING}",
                came=first_names(others),
                remedy="copy again what was cut off, rename what is called otherwise, or say "
                f"--cell {NONE} for the network as it was",
                where=folder / CELLS,
            )
        return None
    if str(wanted) in names:
        return cell_path(folder, str(wanted))
    if Path(wanted).is_file():
        return Path(wanted)
    raise ConfigError(
        f"cells of this network are {', '.join(names) or 'none yet'}",
        came=str(wanted),
        remedy=f"name one of them, the file of a cell, or {NONE}",
        where=folder,
    )


def _network_of(card: ModelCard) -> nn.Module:
    """Build the network: a backbone, with what the card has in its skips.

    Raises:
        ConfigError: A package that the backbone needs is not installed, or the genotype does not
            fit the backbone.
    """
    backbone = _backbone_of(card)
    return backbone if card.cell is None else implant(backbone, card, card.cell)


def _load_exactly(network: nn.Module, weights: Mapping[str, Tensor], where: Path) -> None:
    """Load every tensor.

    Raises:
        CheckpointError: Names or shapes differ.
    """
    own = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    given = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    misfits = sorted({name for name, _ in own.items() ^ given.items()})
    if misfits:
        raise CheckpointError(
            f"the weights must fit the {len(own)} tensors of the network one by one",
            came=f"{len(misfits)} that differ, such as {', '.join(misfits[:LISTED])}",
            remedy="export the model again from the run that trained it",
            where=where,
        )
    network.load_state_dict(dict(weights))


def _backbone_of(card: ModelCard) -> Backbone:
    fingerprint = card.fingerprint
    channels, known = len(fingerprint.channel_names), len(output_values(fingerprint.labels))
    outputs = known + len(card.spare_outputs)
    backbone: WrappedBackbone
    if isinstance(card.backbone, NnUnetSettings):
        assert card.nnunet is not None
        with torch.random.fork_rng(devices=[]):
            backbone = build_planned(card.backbone, card.nnunet, Wanted(channels, outputs))
    else:
        plan = Fingerprint2d(fingerprint.recipe.patch, fingerprint.recipe.spacing)
        backbone = build_backbone(card.backbone, channels, outputs, plan)
    if card.spare_outputs:
        backbone.keep_outputs(known, "sigmoid" if fingerprint.labels.regions else "softmax")
    return backbone


def _require_same_channels(case: Case, fingerprint: Fingerprint) -> None:
    found = tuple(channel.name for channel in case.channels)
    if found != fingerprint.channel_names:
        raise SourceError(
            f"this model takes the channels {', '.join(fingerprint.channel_names)}",
            came=", ".join(found),
            where=case.channels[0].path,
            remedy="give images of the kind that it was trained on; if these are, under another "
            "name, give the files instead of the data set",
        )
