"""Pictures of cases come back as they went in; damage is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from distributed_iac.errors import DataError
from distributed_iac.evaluation.overlay_file import (
    OVERLAYS,
    Overlay,
    read_overlays,
    write_overlays,
)


def overlay(role: str) -> Overlay:
    rng = np.random.default_rng(len(role))
    image, label, predicted = rng.integers(0, 3, (3, 6, 5), dtype=np.uint8)
    return Overlay(
        role,
        "p1",
        "p1_a",
        0.5,
        3,
        9,
        (1.5, 2.0),
        {1: "organ", 4: "tumour"},
        image,
        label,
        predicted,
    )


@pytest.mark.parametrize("roles", [(), ("best",), ("best", "worst")])
def test_pictures_come_back(tmp_path: Path, roles: tuple[str, ...]) -> None:
    given = [overlay(role) for role in roles]
    write_overlays(tmp_path / OVERLAYS, given)
    back = read_overlays(tmp_path / OVERLAYS)
    assert len(back) == len(given)
    for one, other in zip(given, back, strict=True):
        assert {k: v for k, v in vars(one).items() if not isinstance(v, np.ndarray)} == {
            k: v for k, v in vars(other).items() if not isinstance(v, np.ndarray)
        }
        for name in ("image", "label", "predicted"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_equal_pictures_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_overlays(tmp_path / name, [overlay("best")])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("keep", [0, 1, 40, 300])
def test_a_damaged_file_is_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / OVERLAYS
    write_overlays(path, [overlay("best")])
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"overlays\.npz"):
        read_overlays(path)
