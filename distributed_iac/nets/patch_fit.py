"""Whether networks can be trained on patches of a size, before anything is prepared or trained.

And whether they have as many skips as a given cell is for.

::

    require_networks(config, dataset, (256, 224), (1.5, 1.5))       # ConfigError: 32 x 32 or more
    require_patch(backbone, (4, 1, 24, 24))                         # B, C, H, W

Every network says itself which size it accepts (``minimum_size``, law 4 of
:mod:`distributed_iac.nets.contract`). Some take less than that in one axis, or in batches of
several; so what is below it is tried, with a copy in training mode.
"""

from __future__ import annotations

import copy
from importlib import import_module
from typing import TYPE_CHECKING

from distributed_iac.config.backbone import BackboneSettings, CustomSettings, NnUnetSettings
from distributed_iac.config.dataset import DatasetSettings
from distributed_iac.config.run import RunConfig
from distributed_iac.errors import ConfigError, first_line
from distributed_iac.nets.nnunet_folder import read_nnunet_plan
from distributed_iac.nets.planner import Fingerprint2d, Pair
from distributed_iac.nets.trained import card_of_data, size_for

if TYPE_CHECKING:
    from distributed_iac.nets.contract import Backbone

LARGE = 256
"""Shorter side of a patch from which on nothing is built to look at it, which takes seconds: even a
network that halves its images seven times accepts it."""

UNIT = (1.0, 1.0)
"""Spacing in mm for planned networks while it is not known: then they are the deepest."""


def require_networks(
    config: RunConfig, dataset: DatasetSettings, patch: Pair, spacing: tuple[float, float] = UNIT
) -> None:
    """Refuse a patch that one of a run's networks cannot be trained on, or a cell for other skips.

    A network whose package is not installed here is passed over.

    Args:
        config: The run.
        dataset: Whose patch it is.
        patch: Height and width in pixels.
        spacing: Millimetres per pixel along height and width.

    Raises:
        ConfigError: The patch is too small, a network cannot be built, or it has more or fewer
            skips than the given genotype has cells.
    """
    if min(patch) >= LARGE and (config.given is None or config.given.scope == "shared"):
        return
    views = [config.view(dataset.name, variant) for variant in config.variant_names]
    sizes = sorted({view.batches.batch_size for view in views})
    for settings in (*config.backbones, *config.baselines):
        made = _built(settings, Fingerprint2d(patch, spacing), _size(config, dataset, settings))
        if made is not None:
            (backbone, channels), where = made, f"{dataset.name}, {settings.key}"
            if settings in config.backbones:
                require_given_cells(config, backbone, where)
            for size in sizes:
                require_patch(backbone, (size, channels, *patch), where)


def require_given_patches(config: RunConfig) -> None:
    """The same for all data sets of a run whose patch is given.

    Raises:
        ConfigError: As :func:`require_networks`.
    """
    for dataset in config.data:
        given = dataset.preprocess
        if given.patch != "auto":
            spacing = UNIT if given.spacing == "auto" else given.spacing
            require_networks(config, dataset, given.patch, spacing)


def require_patch(
    backbone: Backbone, batch: tuple[int, int, int, int], where: str | None = None
) -> None:
    """Refuse patches that a network cannot be trained on.

    Args:
        backbone: The network; it stays as it is.
        batch: Shape of a batch, (B, C, H, W).
        where: Data set and network, for the message.

    Raises:
        ConfigError: The patches are too small.
    """
    least, (height, width) = backbone.minimum_size, batch[2:]
    if min(height, width) >= least:
        return
    why = _trial(backbone, batch)
    if why is not None:
        raise ConfigError(
            f"this network is trained on patches of {least} x {least} pixels or more",
            came=f"{height} x {width} ({why})",
            remedy=f"set preprocess.patch to [{least}, {least}] or more, or take a network that "
            "halves its images less often",
            where=where,
        )


def require_given_cells(config: RunConfig, backbone: Backbone, where: str) -> None:
    """Refuse a given genotype of a cell a skip for a network of more or fewer skips.

    Raises:
        ConfigError: It is one.
    """
    given, skips = config.given, len(backbone.taps)
    if given is not None and given.scope == "per_skip" and len(given.cells) != skips:
        raise ConfigError(
            f"given has a cell for each of the network's skips, which are {skips}",
            came=f"{len(given.cells)} cells",
            remedy="give the cells that were found in this network, the deepest first",
            where=where,
        )


def _size(
    config: RunConfig, dataset: DatasetSettings, settings: BackboneSettings
) -> tuple[int, int]:
    """Channels and outputs; they matter to what others have written alone."""
    data = card_of_data(config, dataset) if isinstance(settings, CustomSettings) else None
    return (1, 2) if data is None else size_for(settings, data)


def _built(
    settings: BackboneSettings, fingerprint: Fingerprint2d, size: tuple[int, int]
) -> tuple[Backbone, int] | None:
    """A network of random weights and its channels; None where its package is missing."""
    if isinstance(settings, NnUnetSettings):
        plan = read_nnunet_plan(settings.folder)
        family = import_module("distributed_iac.nets.nnunet")
        wrapped = import_module("distributed_iac.nets.wrapped")
        wanted = wrapped.Wanted(plan.in_channels, plan.out_channels)
        return family.build_planned(settings, plan.architecture, wanted), plan.in_channels
    build = import_module("distributed_iac.nets.build")  # only now: it brings torch
    files = {"weights", "encoder_weights"} & type(settings).model_fields.keys()
    empty = settings.model_copy(update=dict.fromkeys(files))
    try:
        return build.build_backbone(empty, *size, fingerprint), size[0]
    except ConfigError as error:
        if isinstance(error.__cause__, ImportError):
            return None
        raise


def _trial(backbone: Backbone, batch: tuple[int, int, int, int]) -> str | None:
    """What a network says to such a batch in training; None if it takes it."""
    torch = import_module("torch")
    # Two say of larger batches what they have to: more than one value a channel.
    images = torch.zeros(min(batch[0], 2), *batch[1:])
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        try:
            copy.deepcopy(backbone).cpu().train().training_outputs(images)
        except (ValueError, RuntimeError) as error:
            return first_line(error)
    return None
