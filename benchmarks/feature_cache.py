"""What keeping the frozen encoder's features saves of a step and of a validation batch.

::

    python -m benchmarks.feature_cache

For a light and two heavy encoders, at the start of a search and near its end: the time of
encoding a batch against the time of everything else, and against taking the features from the
cache. The share that is saved is ``(encode - cache) / (encode + rest)``, where the rest is a weight
step (forward and backward through decoder and cells) or the forward pass of a validation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.harness import (
    Summary,
    Timing,
    as_json,
    measure,
    options,
    print_timings,
    write_result,
)
from distributed_iac.cell.implant import SearchNetwork
from distributed_iac.cell.structure import CellStructure
from distributed_iac.config.backbone import (
    BackboneSettings,
    BasicUnetSettings,
    FlexibleUnetSettings,
    SwinUnetrSettings,
)
from distributed_iac.config.cell import CellSettings
from distributed_iac.data.batches.loader import Batch
from distributed_iac.nets.build import build_backbone
from distributed_iac.training.features import FeatureCache, Part

BACKBONES: dict[str, BackboneSettings] = {
    "basic_unet tiny": BasicUnetSettings(features="tiny"),
    "flexible_unet resnet34": FlexibleUnetSettings(encoder="resnet34"),
    "swin_unetr 24": SwinUnetrSettings(),
}
CELL = CellSettings(width=0.5, partial_channels=4)
BUDGET = 2**31


def stages() -> dict[str, CellStructure]:
    """The cell at the start, and when every node has two edges with an operation each."""
    full = CellStructure.full(CELL.topology)
    kept = {edge for target in CELL.topology.targets for edge in full.incoming(target)[:2]}
    names = tuple(("sep_conv_3x3",) if edge in kept else () for edge in full.edges)
    return {"8 operations": full, "discrete": CellStructure(CELL.topology, names)}


def candidates(network: SearchNetwork, batch: Batch) -> dict[str, Callable[[], object]]:
    """Encoding, what replaces it, and what follows it in a step and in a validation."""
    rows = np.arange(len(batch.rows))
    cache = FeatureCache(network.encode, [Part("val", rows, len(rows))], BUDGET)
    features, parameters = cache(batch), list(network.cell_parameters())

    def step() -> object:
        network.train()
        loss = network.decode(features).square().mean()
        return torch.autograd.grad(loss, parameters, allow_unused=True)

    @torch.no_grad()
    def validate() -> object:
        network.eval()
        return network.decode(features)

    return {
        "encode": lambda: network.encode(batch.images),
        "cache": lambda: cache(batch),
        "weight step": step,
        "validation": validate,
    }


def saved(timings: dict[str, Timing], rest: str) -> Summary:
    """Share of the time that the cache saves, by the shares within repetitions."""
    encode, cache, other = (np.array(timings[key].seconds) for key in ("encode", "cache", rest))
    return Summary.of((encode - cache) / (encode + other))


def run(batch: int, side: int, repetitions: int) -> dict[str, Any]:
    """Measure everything; returns JSON-able results."""
    results: dict[str, Any] = {}
    slices = Batch(torch.randn(batch, 1, side, side), torch.zeros(batch), np.arange(batch))
    for name, settings in BACKBONES.items():
        backbone = build_backbone(settings, in_channels=1, out_channels=4)
        network = SearchNetwork(backbone, CELL, torch.Generator().manual_seed(0))
        held = sum(feature[0].nbytes for feature in network.encode(slices.images))
        for stage, structure in stages().items():
            network.restrict([structure])
            timings = measure(candidates(network, slices), repetitions=repetitions)
            title = f"{name}, {stage}"
            print_timings(title, timings, "encode")
            results[title] = {
                "timings": as_json(timings, "encode"),
                "saved_of_step": vars(saved(timings, "weight step")),
                "saved_of_validation": vars(saved(timings, "validation")),
                "bytes_per_slice": held,
            }
    return results


def main() -> None:
    """Run the benchmark and write its result."""
    parser = options(__doc__)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--side", type=int, default=64)
    parser.add_argument("--repetitions", type=int, default=5)
    given = parser.parse_args()
    results = run(given.batch, given.side, given.repetitions)
    print(write_result("feature_cache", settings=vars(given), results=results, packages=("torch",)))


if __name__ == "__main__":
    main()
