"""What of a pre-trained network is trained on, with modules in its skips or without, and how fast.

::

    groups = retrained(DerivedNetwork(backbone, genotype, cell, generator), "cells", rate=1.0)
    groups = adapted(backbone, "decoder", rate=0.1)
    stage = SupervisedStage(network, groups, store, scheme, settings, batches, ...)

Everything else is alike for both: start, patients, batches, epochs, schedule, optimiser, gradient
clipping, choice of the best epoch, and the learning rates that are tried on the same part of the
network. The two then differ in the cell alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from distributed_iac.cell.implant import ImplantedNetwork
from distributed_iac.config.training import Unfreeze
from distributed_iac.nets.contract import Backbone
from distributed_iac.nets.freeze import Trained, freeze, train_only

Groups = list[tuple[list[nn.Parameter], float]]
"""Parameters to train, with the share of the optimiser's learning rate that they get."""

UNFROZEN: Mapping[Unfreeze, Trained | None] = {
    "cells": None,
    "cells_and_decoder": "decoder",
    "all": "network",
}
"""What of the backbone is trained beside the cells."""


def retrained(network: ImplantedNetwork, unfreeze: Unfreeze, rate: float) -> Groups:
    """Freeze an implanted network's backbone as far as it is not trained.

    Args:
        network: Changed in place.
        unfreeze: What is trained besides the cells.
        rate: Of the backbone where it is trained, and else of what is implanted; fresh cells
            beside a trained part of the backbone get the optimiser's own.

    Raises:
        ConfigError: The backbone has no such part to train.
    """
    part = UNFROZEN[unfreeze]
    cells = list(network.cell_parameters())
    if part is None:
        freeze(network.backbone)
        return [(cells, rate)]
    return [(cells, 1.0), *adapted(network.backbone, part, rate)]


def adapted(backbone: Backbone, part: Trained, rate: float) -> Groups:
    """Freeze all of a backbone but one part.

    Args:
        backbone: Changed in place.
        part: What is trained.
        rate: Its learning rate.

    Raises:
        ConfigError: The backbone has no such part to train.
    """
    train_only(backbone, part)
    return [([p for p in backbone.parameters() if p.requires_grad], rate)]
