"""The script that waits for a GPU runs here as well, so that it will run there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import gpu


def test_every_part_runs_dry_and_leaves_its_figures(tmp_path: Path) -> None:
    parts = [name for name in gpu.PARTS if name != "tests"]  # these are what is running
    gpu.main(["--toy", "--folder", str(tmp_path), "--parts", *parts])
    results = json.loads((tmp_path / "gpu.json").read_text())["results"]
    assert set(results) == set(parts)
    found = {name: results[name]["found"] for name in parts}
    sizes = [str(one) for one in gpu.TOY.sizes]
    assert all(list(found[name]) == sizes for name in ("steps", "feeding", "precision"))
    assert set(found["steps"][sizes[0]]) == {"executed", "plain PC-DARTS"}
    assert found["patients"]["full"]["epochs"] == gpu.TOY.settings["search"]["epochs"]
    assert found["patients"]["forecast"]["peak_bytes"] > 0


def test_without_a_gpu_nothing_is_measured_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SystemExit, match="no GPU is visible here: --toy"):
        gpu.main(["--folder", str(tmp_path)])
