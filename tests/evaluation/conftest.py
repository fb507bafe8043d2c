"""Small real stores of phantoms, prepared once, and helpers for hand-made volumes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from distributed_iac.config.preprocess import PreprocessSettings
from distributed_iac.config.split import SplitSettings
from distributed_iac.data.formats.registry import read_source
from distributed_iac.data.prepare.prepare import prepare_store
from distributed_iac.data.store import Store
from distributed_iac.phantom import FormatName, make_phantom

OpenStore = Callable[[FormatName], Store]
Block = Callable[..., np.ndarray]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def phantom_store(tmp_path_factory: pytest.TempPathFactory) -> OpenStore:
    """Open the store of a format's phantoms, made on first use."""
    stores: dict[str, Store] = {}

    def opened(name: FormatName) -> Store:
        if name not in stores:
            folder = tmp_path_factory.mktemp(name)
            make_phantom(name, folder / "data", patients=5, seed=3, size="tiny")
            source = read_source(folder / "data")
            done = prepare_store(
                source, name, PreprocessSettings(), SplitSettings(), Path(folder / "store")
            )
            stores[name] = Store.open(done.folder)
        return stores[name]

    return opened


@pytest.fixture(scope="session")
def block() -> Block:
    """Make a uint8 volume with boxes painted into it: ``block(shape, (value, slices), ...)``."""

    def painted(shape: tuple[int, int, int], *boxes: tuple[int, tuple[slice, ...]]) -> np.ndarray:
        volume = np.zeros(shape, np.uint8)
        for value, box in boxes:
            volume[box] = value
        return volume

    return painted
