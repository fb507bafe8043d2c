"""What the frontier compares: ways to search, by name, and the references beside them.

An arm is a line in :data:`ARMS`. Two kinds cost no run of their own: what stops the full search
at a fixed epoch, or by its order of operations, is read off the full search, whose course up to
there is the same to the bit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from distributed_iac.config.base import to_identity
from distributed_iac.config.pruning import (
    JsSettings,
    PolicyName,
    PruningSettings,
    RankSettings,
    ScheduleSettings,
    SignalSettings,
    StabilitySettings,
)
from distributed_iac.config.run import RunConfig
from distributed_iac.genotype import Genotype
from distributed_iac.phantom.planted import CELL, draw_cell
from distributed_iac.seeds import derive_seed

FULL = "full"
NOTHING = PruningSettings(policy="none")
DEFAULT = "default"


@dataclass(frozen=True)
class Arm:
    """A way to search.

    Args:
        family: Of the settings that one is chosen from.
        pruning: What is pruned when.
        like: Arm whose removals are repeated blindly, on operations drawn at random.
        to_the_end: Goes on to the last epoch when it has converged: pruning alone.
        search: Changes to the search's settings. More epochs are as many steps in shorter ones: the
            windows of the policies are epochs, so that they look sooner.
    """

    family: str
    pruning: PruningSettings = NOTHING
    like: str | None = None
    to_the_end: bool = False
    search: Mapping[str, Any] = field(default_factory=dict)


def _js(guard: str, horizon: int, window: int, **more: Any) -> PruningSettings:
    """A JS arm; patience, warm-up and wait follow the window as in the defaults."""
    stability = {
        "window": window,
        "patience": max(1, (window + 1) // 2),
        "warmup": 2 * window,
        "max_wait": window,
        "tau": 0.02,
    } | more
    return PruningSettings(
        policy="js",
        stability=StabilitySettings.model_validate(stability),
        signal=SignalSettings.model_validate({"guard": guard, "horizon": horizon}),
    )


def _schedule(stage: int) -> PruningSettings:
    at = (stage, 2 * stage, 3 * stage)
    return PruningSettings(policy="schedule", schedule=ScheduleSettings(at=at))


def _everything(settings: PruningSettings) -> PruningSettings:
    """The same, pruning all losers at once instead of half of an edge's operations."""
    return settings.model_copy(update={"js": JsSettings(keep_fraction=0.0)})


SURE = _js("distinguished", 10, 5, patience=3, warmup=10, max_wait=10, tau=0.01)
"""As the default was before the frontier was measured."""
SLOW = {"weights": {"kind": "adam", "learning_rate": 2e-3}}
"""A rate of the cells' weights as on real data (``configs/search_small.yaml``)."""
FASTER = {"weights": {"kind": "adam", "learning_rate": 2e-2}}
LOUDER = {"architecture": {"kind": "adam", "learning_rate": 6e-2, "betas": [0.5, 0.999]}}
FALLING = {"schedule": {"kind": "poly", "power": 16}}
"""The weights' rate falls to a fifth within the 20 epochs that the default takes."""


def stop(epoch: int) -> str:
    """Name of early stopping alone after an epoch."""
    return f"stop-{epoch}"


LTH: PruningSettings = RunConfig.model_fields["arms"].default["lth"]

ARMS: Mapping[str, Arm] = {
    FULL: Arm("full"),
    DEFAULT: Arm("default", LTH),
    "warm-up 0": Arm("warm-up", LTH, search={"warmup_epochs": 0}),
    "warm-up 2": Arm("warm-up", LTH, search={"warmup_epochs": 2}),
    "warm-up 10": Arm("warm-up", LTH, search={"warmup_epochs": 10}),
    "half epochs": Arm("shorter epochs", LTH, search={"epochs": 400, "warmup_epochs": 10}),
    "fifths of epochs": Arm("shorter epochs", LTH, search={"epochs": 1000, "warmup_epochs": 25}),
    "weights 2e-2": Arm("rates", LTH, search=FASTER),
    "alpha 6e-2": Arm("rates", LTH, search=LOUDER),
    "falling rate": Arm("rates", LTH, search=FALLING),
    "perturbation": Arm("importance", LTH.model_copy(update={"importance": "perturbation"})),
    "settled-10/w5": Arm("settled", _js("settled", 10, 5)),
    "settled-10/w2": Arm("settled", _js("settled", 10, 2)),
    "settled-10/w2/wait 10": Arm("settled", _js("settled", 10, 2, max_wait=10)),
    "settled-3/w2/wait 10": Arm("settled", _js("settled", 3, 2, tau=0.1, max_wait=10)),
    "settled-1/w2/wait 10": Arm("settled", _js("settled", 1, 2, tau=0.1, max_wait=10)),
    "settled-30/w2": Arm("settled", _js("settled", 30, 2)),
    "settled-1/w2": Arm("settled", _js("settled", 1, 2)),
    "settled-1/w2/all": Arm("settled", _everything(_js("settled", 1, 2))),
    "full, slow weights": Arm("slow weights", search=SLOW),
    "settled-1/w2, slow weights": Arm("slow weights", _js("settled", 1, 2), search=SLOW),
    "distinguished/w5": Arm("distinguished", SURE),
    "distinguished/w2": Arm("distinguished", _js("distinguished", 10, 2)),
    "pruning alone": Arm("pruning alone", _js("settled", 1, 2), to_the_end=True),
    "schedule-2": Arm("schedule", _schedule(2)),
    "schedule-4": Arm("schedule", _schedule(4)),
    "schedule-8": Arm("schedule", _schedule(8)),
    "random like schedule-4": Arm("random pruning", like="schedule-4"),
    "random like default": Arm("random pruning", like=DEFAULT),
}

TRIED = tuple(
    name
    for name, arm in ARMS.items()
    if arm.family in ("warm-up", "shorter epochs", "rates", "importance", "settled")
)
"""The default with something changed: when it looks, what it learns by, what it waits for."""

LONGER = "settled-10/w2/wait 10"
"""The longer form that README offers beside the default."""

STOPS = (8, 12, 15, 20, 30, 45, 90)
"""Epochs after which early stopping alone ends the full search."""

RANKS: Mapping[str, RankSettings] = {
    f"rank-{epochs}": RankSettings(epochs=epochs, operations="all") for epochs in (2, 3, 5)
}
"""Ends of the full search by the order of its operations (DARTS+)."""

EQUAL = ("random like default", "schedule-4", stop(15), "rank-2", "random search-4")
"""What costs about as many operations as the default: on every held-out teacher."""

READ: Mapping[PolicyName, tuple[str, ...]] = {
    "none": (),
    "js": ("stability", "signal", "js"),
    "schedule": ("schedule",),
    "rank": ("rank",),
}
"""The parts of the pruning settings that a policy follows."""

TRIES = (1, 2, 4, 8)
"""Random cells that random search trains and takes the best of, by val."""


def made_of(name: str) -> str:
    """What an arm's searches are known by: another one as soon as a setting of it is another."""
    arm = ARMS[name]
    pruning = to_identity(arm.pruning)
    read = {part: pruning[part] for part in READ[arm.pruning.policy]}
    if arm.pruning.importance != "softmax":  # as all were when the record was begun
        read["importance"] = arm.pruning.importance
    settings = [arm.pruning.policy, read, dict(arm.search), arm.to_the_end]
    like = None if arm.like is None else made_of(arm.like)
    text = json.dumps([settings, like], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def random_cell(teacher: int, number: int) -> Genotype:
    """One of the cells that nobody searched."""
    generator = np.random.default_rng(derive_seed(teacher, "random cell", number))
    return draw_cell(CELL.topology, generator)
