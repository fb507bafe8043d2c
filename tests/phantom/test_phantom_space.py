from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distributed_iac.phantom.shapes import Ellipsoid, Tube
from distributed_iac.phantom.space import Space, WorkingGrid

STEPS = st.floats(0.5, 12.0)
PLACES = st.floats(-60.0, 60.0)
RADII = st.floats(0.5, 50.0)


def straight(shape: tuple[int, int, int] = (20, 24, 28), step: float = 4.0) -> Space:
    grid = WorkingGrid(shape, (step, step, step))
    return Space.warped(grid, np.random.default_rng(0), warp_mm=(0.0, 0.0, 0.0))


def test_axes_run_towards_superior_posterior_and_left() -> None:
    space = straight()
    assert np.all(np.diff(space.z, axis=0) > 0)
    assert np.all(np.diff(space.y, axis=1) > 0)
    assert np.all(np.diff(space.x, axis=2) > 0)


def test_a_grid_is_centred_where_it_says() -> None:
    grid = WorkingGrid((5, 4, 3), (2.0, 1.0, 1.0), centre=(30.0, 0.0, -7.0))
    assert grid.axis(0).mean() == pytest.approx(30.0)
    assert grid.axis(2).tolist() == [-8.0, -7.0, -6.0]


@pytest.mark.parametrize("length", [0.1, 9.0, 200.0])
def test_fields_have_mean_zero_and_variance_one_everywhere(length: float) -> None:
    grid = WorkingGrid((3, 5, 6), (8.0, 4.0, 4.0))
    rng = np.random.default_rng(1)
    draws = np.stack([grid.field(length, rng) for _ in range(600)])
    assert np.abs(draws.mean(axis=0)).max() < 0.2
    assert np.abs(draws.std(axis=0) - 1).max() < 0.15


def test_fields_are_as_smooth_as_asked() -> None:
    grid = WorkingGrid((4, 40, 40), (4.0, 4.0, 4.0))
    rng = np.random.default_rng(2)
    rough, smooth = grid.field(4.0, rng), grid.field(60.0, rng)
    assert np.abs(np.diff(smooth, axis=2)).mean() < 0.2 * np.abs(np.diff(rough, axis=2)).mean()


def test_warps_stay_within_the_stated_slack() -> None:
    grid = WorkingGrid((10, 20, 20), (8.0, 4.0, 4.0))
    space = Space.warped(grid, np.random.default_rng(3), warp_mm=(5.0, 5.0, 9.0))
    flat = np.broadcast_to(grid.axis(0)[:, None, None], grid.shape)
    assert 0 < np.abs(space.z - flat).max() <= space.slack_mm == 2.5 * 9.0


@settings(max_examples=60, deadline=None)
@given(
    centre=st.tuples(PLACES, PLACES, PLACES),
    radii=st.tuples(RADII, RADII, RADII),
    turn=st.floats(-90, 90),
    lean=st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5)),
    step=STEPS,
)
def test_an_ellipsoids_window_cuts_nothing_off(
    centre: tuple[float, float, float],
    radii: tuple[float, float, float],
    turn: float,
    lean: tuple[float, float],
    step: float,
) -> None:
    grid = WorkingGrid((12, 16, 16), (step, step, step))
    space = Space.warped(grid, np.random.default_rng(4), warp_mm=(3.0, 3.0, 3.0))
    solid = Ellipsoid(centre, radii, turn=turn, lean=lean)
    assert np.array_equal(solid.mask(space), solid.distance(space) < 1.0)


@settings(max_examples=40, deadline=None)
@given(centre=st.tuples(*[st.floats(-30, 30)] * 3), radius=st.floats(0.01, 1.0))
def test_nothing_is_so_small_that_it_falls_between_the_voxels(
    centre: tuple[float, float, float], radius: float
) -> None:
    space = straight(step=4.0)
    ball = Ellipsoid(centre, (radius, radius, radius))
    thread = Tube((centre, (centre[0], centre[1] + 5.0, centre[2])), (radius, radius))
    assert np.count_nonzero(ball.mask(space)) > 0
    assert np.count_nonzero(thread.mask(space)) > 0


def test_an_ellipsoid_has_the_volume_of_one() -> None:
    space = straight((40, 40, 40), step=2.0)
    volume = Ellipsoid((1.0, -2.0, 0.5), (20.0, 14.0, 17.0), turn=30).mask(space).sum() * 8.0
    assert volume == pytest.approx(4 / 3 * math.pi * 20 * 14 * 17, rel=0.02)


def test_a_tube_is_a_cylinder_with_round_ends() -> None:
    space = straight((40, 40, 40), step=2.0)
    volume = Tube(((0, 0, -20), (0, 0, 20)), (10, 10)).mask(space).sum() * 8.0
    assert volume == pytest.approx(math.pi * 100 * 40 + 4 / 3 * math.pi * 1000, rel=0.03)


@pytest.mark.parametrize(
    "solid",
    [Ellipsoid((0, 0, 0), (20, 16, 24)), Tube(((0, -20, 0), (5, 0, 8), (0, 20, 0)), (12, 10, 12))],
    ids=["ellipsoid", "tube"],
)
def test_what_is_left_inside_a_wall_lies_inside(solid: Ellipsoid | Tube) -> None:
    space = straight(step=2.0)
    whole, lumen = solid.mask(space), solid.shrunk(5.0).mask(space)
    assert 0 < lumen.sum() < whole.sum()
    assert not (lumen & ~whole).any()


def test_moving_a_solid_moves_its_voxels() -> None:
    space = straight(step=4.0)
    for solid in (Ellipsoid((0, 0, 0), (12, 9, 9)), Tube(((0, -8, 0), (0, 8, 0)), (8, 8))):
        moved = solid.varied((8.0, -4.0, 12.0), 1.0).mask(space)
        assert np.array_equal(moved, np.roll(solid.mask(space), (3, -1, 2), axis=(0, 1, 2)))
