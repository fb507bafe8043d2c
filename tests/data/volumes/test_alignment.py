"""Of a case's files the odd one is blamed, for its gravest difference only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from distributed_iac.data.volumes.alignment import compare, odd_files
from distributed_iac.data.volumes.grid import Grid, displacement

GRID = Grid((10, 20, 30), 1, np.diag([-1.0, -1.0, 5.0, 1.0]), (1.0, 1.0, 5.0))


def moved(by: float) -> Grid:
    affine = GRID.affine.copy()
    affine[0, 3] += by
    return replace(GRID, affine=affine)


OTHER_SHAPE = replace(moved(99), shape=(10, 20, 31), zooms=(2.0, 2.0, 2.0))
OTHER_SPACING = replace(moved(99), zooms=(1.0, 1.0, 5.1))


@pytest.mark.parametrize(
    ("other", "code"),
    [
        (OTHER_SHAPE, "shape_mismatch"),
        (OTHER_SPACING, "spacing_mismatch"),
        (moved(99), "affine_mismatch"),
    ],
)
def test_only_the_gravest_difference_is_named(other: Grid, code: str) -> None:
    found = compare(GRID, other)
    assert found is not None
    assert found[0] == code


@pytest.mark.parametrize(
    "other", [GRID, moved(0.09), replace(GRID, zooms=(1.0000001, 0.9999999, 5.0))]
)
def test_rounding_is_no_difference(other: Grid) -> None:
    assert compare(GRID, other) is None


def test_opposite_axes_are_named_by_their_codes() -> None:
    found = compare(GRID, replace(GRID, affine=np.diag([1.0, 1.0, 5.0, 1.0])))
    assert found is not None
    assert "RAS differ from LPS" in found[1]


def test_a_rotation_shows_at_the_corners() -> None:
    """A small angle about the origin moves the far corner most."""
    angle = 0.01
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    distance = displacement(GRID.affine, turn @ GRID.affine, GRID.shape)
    assert distance == pytest.approx(2 * np.sin(angle / 2) * np.hypot(9, 19))


def test_the_odd_channel_is_blamed_though_it_comes_first() -> None:
    paths = [Path(name) for name in ("t1", "t2", "flair", "seg")]
    headers = dict(zip(paths, (OTHER_SHAPE, GRID, GRID, GRID), strict=True))
    faults = odd_files(headers, paths[:3], "LPS")
    assert [(fault.code, fault.path) for fault in faults] == [("shape_mismatch", paths[0])]


def test_the_label_decides_between_two_channels() -> None:
    t1, t2, seg = (Path(name) for name in ("t1", "t2", "seg"))
    headers = {t1: OTHER_SHAPE, t2: GRID, seg: GRID}
    assert [fault.path for fault in odd_files(headers, [t1, t2], "LPS")] == [t1]


def test_between_one_image_and_its_label_the_label_is_blamed() -> None:
    image, label = Path("imaging"), Path("segmentation")
    faults = odd_files({image: GRID, label: OTHER_SHAPE}, [image], "LPS")
    assert [fault.path for fault in faults] == [label]


def test_a_label_alone_is_compared_with_nothing() -> None:
    assert odd_files({Path("segmentation"): GRID}, [Path("imaging")], "LPS") == []
