"""The sweeps of :mod:`benchmarks.real_patients`, one after another: what each is asked.

Paths are relative to the folder that the benchmark works in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.real_patients_data import SIZES
from distributed_iac.config.backbone import DynUnetSettings
from distributed_iac.config.pruning import PruningSettings
from distributed_iac.config.run import RunConfig

FEW = ["plain", "random", "normalisation", "last_block", "network", "convolution"]
"""Controls beside the short arm: one of a kind. What all of them and full do is known from 20."""

FIRST_ARMS: Mapping[str, Any] = {
    "full": {"policy": "none"},
    "lth": {
        "policy": "js",
        "stability": {"tau": 0.02, "max_wait": 5},
        "signal": {"guard": "settled", "horizon": 10},
    },
}
"""As most parts were first measured."""
DEFAULT_ARMS: Mapping[str, PruningSettings] = RunConfig.model_fields["arms"].default

CHANGES: Mapping[str, Mapping[str, Any]] = {
    "turned": {
        "data": {"name": "turned", "preprocess": {"spacing": [3.0, 3.0], "patch": [80, 80]}}
    },
    "replace": {"cell": {"residual": "replace"}},
    "wide-cells": {"cell": {"width": 16}},
    "per-skip": {"cell": {"genotype_scope": "per_skip"}},
}
"""Of the task of 20 patients, one at a time, where the choice of a cell may matter more: slices cut
as their format's reader does, which are upside down for the network; cells that take a skip's place
instead of being added to it, twice as wide, or each with a genotype of its own."""

NETWORKS: Mapping[str, Mapping[str, Any]] = {
    "narrow": {"name": "dynunet", "base_features": 8},
    "wide": {"name": "dynunet", "base_features": 32},
}
"""The wide one begins with as many channels as nnU-Net's networks do."""


@dataclass(frozen=True)
class Part:
    """A sweep.

    Args:
        name: Of its run.
        settings: On top of the shared ones.
        exports: Job whose network later parts take, and the folder it goes to; None: no one's.
        command: What it is handed to.
    """

    name: str
    settings: Mapping[str, Any]
    exports: tuple[str, str] | None = None
    command: Literal["sweep", "headroom"] = "sweep"


def parts() -> Iterator[Part]:
    """All parts, those that answer most for the least time first."""
    for width in NETWORKS:
        yield training(width, "acdc", "raw/acdc")
        for size in SIZES if width == "narrow" else SIZES[:1]:
            yield other_hospital(size, width)
        if width == "narrow":
            yield early(width)
            yield early(width, rate=1e-2)
            yield rates(width)
            yield per_skip(other_hospital(max(SIZES), width))
            yield headroom(other_hospital(max(SIZES), width))
            yield headroom(same_hospital("acdc", width))
            yield headroom(same_hospital("hippocampus", width))
            yield headroom(unseen_judges("acdc", width))
            for change in CHANGES:
                yield changed(change, width)
            yield same_hospital("acdc", width)
            yield unseen_judges("acdc", width)
            yield training(width, "acdc-seen", "raw/acdc_seen")
            yield other_groups(width)
            yield headroom(other_groups(width))
            yield more_seeds(other_groups(width))
            yield per_skip(other_groups(width))
            yield same_hospital("hippocampus", width)
            yield full_length("acdc", width)
    yield same_hospital("acdc", "wide")


def default_arms(*names: str) -> dict[str, Any]:
    """Arms of the product's default, by name; all of them where none is named."""
    return {
        name: DEFAULT_ARMS[name].model_dump(mode="json", exclude_defaults=True)
        for name in names or DEFAULT_ARMS
    }


def training(width: str, data: str, source: str) -> Part:
    """A network for others to take: a run whose search is as short as can be."""
    network = dict(NETWORKS[width])
    key = f"{data}/{DynUnetSettings(**network).key}"
    return Part(
        f"train-{data}-{width}",
        {
            "data": [dataset(data, source)],
            "backbones": [network],
            "controls": ["plain"],
            "seeds": [0],
            "arms": {"full": {"policy": "none"}},
            "search": {"epochs": 2, "warmup_epochs": 1},
            "retrain": {"epochs": 1, "rates": [1.0]},
        },
        (f"{key}/pretrain", f"models/{data}-{width}"),
    )


def other_hospital(size: int, width: str) -> Part:
    """The network of ACDC, frozen, at Sunnybrook."""
    split = {"file": f"splits/sunnybrook_{size}.json"}
    data = {"name": f"new{size}", "source": "raw/sunnybrook", "split": split}
    network = {
        **NETWORKS[width],
        "weights": f"models/acdc-{width}",
        "label_names": {"LV endocardium": "LV"},
    }
    settings = {
        "data": [data],
        "backbones": [network],
        "also_scored": [{"name": "old", "source": "raw/acdc"}],
    }
    is_first = (size, width) == (max(SIZES), "narrow")
    return Part(f"new-{size}-{width}", settings if is_first else {**settings, **few()})


def few() -> dict[str, Any]:
    """What is asked where full and every control would take too long."""
    return {"controls": FEW, "arms": default_arms("lth"), "seeds": [0, 1]}


def early(width: str, rate: float | None = None) -> Part:
    """20 patients of the other hospital once more, one seed, with the arms of today's default.

    Args:
        width: Of the network.
        rate: Of the cells' weights in the search; None: that of ``configs/search_small.yaml``.
    """
    part = other_hospital(max(SIZES), width)
    settings = {
        **part.settings,
        "arms": default_arms(),
        "controls": ["plain", "random"],
        "seeds": [0],
    }
    if rate is not None:
        settings["search"] = {"weights": {"learning_rate": rate}}
    name = f"early-{max(SIZES)}-{width}" if rate is None else f"fast-{max(SIZES)}-{width}"
    return Part(name, settings)


def rates(width: str) -> Part:
    """20 patients of the other hospital, one seed, with higher learning rates to choose from.

    Where all ways chose the highest of the ordinary ones, that says little of any of them.
    """
    part = other_hospital(max(SIZES), width)
    settings = {
        **part.settings,
        "controls": ["plain", "random", "normalisation", "last_block", "convolution"],
        "arms": default_arms("lth"),
        "seeds": [0],
        "retrain": {"rates": [1.0, 3.0, 10.0]},
    }
    return Part(f"rates-{max(SIZES)}-{width}", settings)


def per_skip(part: Part) -> Part:
    """A part once more, the short arm against random cells, each skip with a genotype of its own.

    At Sunnybrook the one task so far where headroom says that something is there to be found.
    """
    settings = {
        **part.settings,
        **CHANGES["per-skip"],
        "controls": ["plain", "random"],
        "arms": default_arms("lth"),
        "seeds": [0, 1, 2],
    }
    return Part(f"per-skip-{part.name.removeprefix('new-')}", settings)


def headroom(part: Part) -> Part:
    """What random cells say of a part's task, trained for less time and at one rate."""
    short = {"epochs": 12, "validate_every": 3, "rates": [1.0]}
    settings = {
        **{key: value for key, value in part.settings.items() if key != "also_scored"},
        "retrain": {**part.settings.get("retrain", {}), **short},
        "headroom": {"cells": 4, "seeds": 3},
    }
    return Part(f"headroom-{part.name}", settings, command="headroom")


def changed(change: str, width: str) -> Part:
    """What random cells say where something else is asked of a cell; more cells, fewer seeds."""
    part, wanted = headroom(other_hospital(max(SIZES), width)), CHANGES[change]
    data = {**part.settings["data"][0], **wanted.get("data", {})}
    settings = {**part.settings, **wanted, "data": [data], "headroom": {"cells": 6, "seeds": 2}}
    return Part(f"{part.name}-{change}", settings, command="headroom")


def other_groups(width: str) -> Part:
    """A network of two disease groups, frozen, for the others."""
    split = {"file": "splits/acdc_unseen.json"}
    data = {"name": "groups", "source": "raw/acdc_unseen", "split": split}
    network = {**NETWORKS[width], "weights": f"models/acdc-seen-{width}"}
    old = {"name": "old-groups", "source": "raw/acdc_seen"}
    settings = {"data": [data], "backbones": [network], "also_scored": [old], **few()}
    return Part(f"groups-{width}", settings)


def more_seeds(part: Part) -> Part:
    """The short arm against random cells alone, with as many seeds again."""
    settings = {**part.settings, "controls": ["plain", "random"], "seeds": [0, 1, 2, 3]}
    return Part(f"seeds-{part.name}", settings)


def same_hospital(name: str, width: str) -> Part:
    """Pre-training, search and retraining on one hospital's patients, everything trained."""
    settings = {
        "seeds": [0, 1],
        "data": [dataset(name, f"raw/{name}")],
        "backbones": [dict(NETWORKS[width])],
        "controls": ["plain", "plain_extra"],
        "arms": default_arms(),
        "search": {"epochs": 60},
        "retrain": {"unfreeze": "all"},
    }
    return Part(f"same-{name}-{width}", settings)


def unseen_judges(name: str, width: str) -> Part:
    """The same, judges of the architecture unknown to the network; random cells, but no full."""
    settings = {
        **same_hospital(name, width).settings,
        "pretrain": {"parts": ["weights"]},
        "controls": ["plain", "plain_extra", "random"],
        "arms": default_arms("lth"),
    }
    return Part(f"unseen-{name}-{width}", settings)


def full_length(name: str, width: str) -> Part:
    """The same, with the full arm really run to its 200 epochs, for one seed."""
    shorter = same_hospital(name, width)
    settings = {**shorter.settings, "seeds": [0], "search": {"epochs": 200}}
    return Part(f"full-length-{name}-{width}", settings)


def dataset(name: str, source: str) -> dict[str, Any]:
    """A data set's settings; hippocampi are small and have pixels of 1 mm."""
    if name == "hippocampus":
        preprocess = {"spacing": [1.0, 1.0], "patch": [48, 64], "workers": 1}
    else:
        preprocess = {"spacing": [3.0, 3.0], "patch": [80, 80], "workers": 1}
    return {"name": name, "source": source, "preprocess": preprocess}
