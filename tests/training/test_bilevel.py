"""Steps of a search: nothing waits for the device, and recording them changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.memory_store import MemoryStore
from distributed_iac.cell.implant import SearchNetwork
from distributed_iac.config.batches import BatchSettings
from distributed_iac.config.cell import CellSettings
from distributed_iac.config.training import AdamSettings, SearchSettings, SgdSettings
from distributed_iac.data.batches.loader import Batches
from distributed_iac.nets.contract import Backbone
from distributed_iac.training.bilevel import Bilevel
from distributed_iac.training.features import FeatureCache, Part
from distributed_iac.training.targets import TargetCoder

CPU = torch.device("cpu")
aten = torch.ops.aten
READS = {
    aten._local_scalar_dense.default: "a tensor's value as a number",
    aten.nonzero.default: "how many entries are true",
    aten.is_nonzero.default: "whether a tensor is true",
    aten.equal.default: "whether tensors are equal",
    aten.masked_select.default: "how many entries are selected",
}
"""Operations that a GPU must finish before the host can go on."""


class HostReadError(Exception):
    """The host wanted to know what only the device knows."""


class NoHostReads(TorchDispatchMode):
    """Fails at whatever would make the host wait for a GPU.

    Args:
        on_host: Tensors that would lie on the host also beside a GPU.
    """

    def __init__(self, on_host: Callable[[], list[Tensor]] = list) -> None:
        super().__init__()
        self._on_host = on_host

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in READS and not any(args[0] is tensor for tensor in self._on_host()):
            raise HostReadError(READS[func])
        if func is aten.index.Tensor and any(
            index is not None and index.dtype in (torch.bool, torch.uint8) for index in args[1]
        ):
            raise HostReadError(READS[aten.nonzero.default])
        return func(*args, **(kwargs or {}))


Make = Callable[..., tuple[Bilevel, Batches]]


@pytest.fixture
def make(backbone: Callable[[], Backbone], store: MemoryStore) -> Make:
    def build(cache: float = 0.0, **changes: Any) -> tuple[Bilevel, Batches]:
        cell = CellSettings(nodes=2, width=4, partial_channels=2)
        network = SearchNetwork(backbone(), cell, torch.Generator().manual_seed(1)).train()
        settings = SearchSettings(**{"beta_decay": 0.1, **changes})
        batches = BatchSettings(batch_size=3, steps_per_epoch=2, augmentation="none")
        parts = [Part("weights", store.rows("weights"))]
        encoder = FeatureCache(network.encode, parts, int(cache * 2**30))
        coder = TargetCoder(store.scheme)
        bilevel = Bilevel(network, coder, settings, 3, CPU, encoder)
        return bilevel, Batches(store, ["weights"], batches, seed=0, device=CPU)

    return build


def steps_of_adam(bilevel: Bilevel) -> list[Tensor]:
    """Step counters, which Adam keeps on the host unless it is built to be recorded."""
    optimisers = (bilevel.weight_optimiser, bilevel.architecture_optimiser)
    return [state["step"] for one in optimisers for state in one.state.values() if "step" in state]


@pytest.mark.parametrize(
    "read",
    [
        lambda x: x.sum().item(),
        lambda x: float(x.max()),
        lambda x: x[x > 0],
        lambda x: bool((x > 0).any()),
        lambda x: x.nonzero(),
    ],
)
def test_what_would_wait_is_noticed(read: Callable[[Tensor], Any]) -> None:
    with pytest.raises(HostReadError), NoHostReads():
        read(torch.randn(4))


@pytest.mark.parametrize("cache", [0.0, 1.0])
@pytest.mark.parametrize("weights", [SgdSettings(), AdamSettings()], ids=["sgd", "adam"])
def test_no_step_waits_for_the_device(make: Make, weights: Any, cache: float) -> None:
    bilevel, batches = make(cache, weights=weights)
    for _ in range(2):  # The second time with optimiser state, and perhaps with kept features.
        with NoHostReads(lambda: steps_of_adam(bilevel)):
            for _ in range(4):
                batch = next(batches)
                loss = bilevel.architecture_step(batch) + bilevel.weight_step(batch)
    assert loss.isfinite()


def test_a_batch_that_runs_out_of_memory_gives_kept_features_up_before_it_is_split(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    bilevel, batches = make(1.0)
    bilevel.weight_step(next(batches))
    assert bilevel._encoder.held
    decode, fits = bilevel.network.decode, [False, False, *[True] * 4]

    def short(features: Any) -> Tensor:
        if not fits.pop(0):
            raise torch.OutOfMemoryError("CUDA out of memory")
        logits: Tensor = decode(features)
        return logits

    monkeypatch.setattr(bilevel.network, "decode", short)
    bilevel.weight_step(next(batches))
    assert bilevel.splitter.parts == 2
    assert bilevel._encoder.held == 0
    bilevel.weight_step(next(batches))
    assert not fits
