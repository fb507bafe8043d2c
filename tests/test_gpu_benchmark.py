"""The script that waits for a GPU runs here as well, so that it will run there."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import gpu
from distributed_iac.cell.random_genotype import random_genotype
from distributed_iac.genotype import CellTopology


def test_every_part_runs_dry_and_leaves_its_figures(tmp_path: Path) -> None:
    parts = [name for name in gpu.PARTS if name != "tests"]  # these are what is running
    gpu.main(["--scale", "toy", "--folder", str(tmp_path), "--parts", *parts])
    results = json.loads((tmp_path / "gpu.json").read_text())["results"]
    assert set(results) == set(parts)
    found = {name: results[name]["found"] for name in parts}
    sizes = [str(one) for one in gpu.TOY.sizes]
    assert all(list(found[name]) == sizes for name in ("steps", "feeding"))
    assert list(found["precision"]["sizes"]) == list(found["retraining"]) == sizes
    assert all(0 <= dice <= 1 for dice in found["retraining"][sizes[0]].values())
    assert set(found["steps"][sizes[0]]) == {"executed", "plain PC-DARTS"}
    assert found["patients"]["full"]["epochs"] == gpu.TOY.settings["search"]["epochs"]
    assert found["patients"]["forecast"]["memory"]["each"] >= 0
    assert found["patients"]["twice_the_batch"]["memory_bytes"] > 0
    # Of the whole process here, libraries included; a GPU's is its own.
    assert 0.5 < found["patients"]["lth"]["of_forecast"] < 2


def decided(*removed: tuple[int, str]) -> list[gpu.Decided]:
    """Epochs from 2 on, one removal in each, always the same cell."""
    cell = random_genotype(CellTopology(nodes=1), np.random.default_rng(0), "shared", 1).to_json()
    return [gpu.Decided(epoch, cell, frozenset([one])) for epoch, one in enumerate(removed, 2)]


def test_a_lower_precision_is_the_default_where_it_prunes_as_long_alike_as_the_last_bit() -> None:
    exact = decided((0, "skip"), (1, "skip"), (2, "skip"))
    never = gpu.compared(exact, exact)
    fourth = gpu.compared(exact, decided((0, "skip"), (1, "skip"), (2, "edge")))
    third = gpu.compared(exact, decided((0, "skip"), (1, "edge"), (2, "skip")))
    shorter = gpu.compared(exact, exact[:1])
    ways = [never, fourth, third, shorter]
    assert [one["prunings_part"] for one in ways] == [None, 4, 3, 3]
    assert [one["cells_part"] for one in ways] == [None, None, None, 3]

    def default(*pairs: tuple[gpu.Compared, gpu.Compared]) -> str:
        return gpu.default_from({"last_bit": bit, "bfloat16": low} for bit, low in pairs)

    assert default((never, never), (third, third), (third, fourth)) == "bfloat16"
    assert default((never, never), (fourth, third)) == "float32"
    assert default((never, third)) == "float32"
    assert default((third, {**third, "same": 0})) == "float32"
    assert default((never, {**never, "prunings": 0})) == "float32"


def test_a_size_that_is_done_is_not_searched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scale = dataclasses.replace(gpu.TOY, folder=tmp_path)
    first = gpu.precision(scale)
    monkeypatch.setattr(gpu, "decided", None)
    assert gpu.precision(scale) == first


def test_the_control_begins_one_bit_away_in_every_weight() -> None:
    network = gpu.searched(gpu.TOY.sizes[0])
    before = [weight.detach().clone() for weight in network.parameters()]
    gpu.move_by_last_bit(network)
    for old, new in zip(before, network.parameters(), strict=True):
        assert bool((new > old).all())
        assert bool((torch.nextafter(new, torch.full_like(new, -torch.inf)) == old).all())


def test_without_a_gpu_nothing_is_measured_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SystemExit, match="no GPU is visible here: --scale toy"):
        gpu.main(["--folder", str(tmp_path)])
