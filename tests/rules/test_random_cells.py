"""Random cells: one name for one cell with one seed, so that whoever wants it shares its job."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_iac.genotype import CellTopology
from distributed_iac.jobs.random_cells import (
    RandomCell,
    crossed_cells,
    crossed_seeds,
    log_genotypes,
    own_cells,
    random_cell,
)

numbers = st.integers(1, 40)
seeds = st.integers(0, 2**40)


@given(seeds, numbers, seeds)
def test_a_job_name_says_which_cell_and_no_two_say_the_same(
    drawn: int, number: int, by: int
) -> None:
    cell = RandomCell(drawn, number)
    assert random_cell(cell.job_name(by), by) == cell
    assert random_cell(cell.job_name(drawn), drawn) == cell


def test_the_first_cell_of_a_seed_is_the_control() -> None:
    assert RandomCell(3).job_name(3) == "random"
    assert [one.job_name(3) for one in own_cells(3, 3)] == ["random", "random.2", "random.3"]
    assert RandomCell(3, 2).job_name(0) == "random.2.seed3"


@pytest.mark.parametrize(
    "name", ["plain", "full.2", "random.0", "random.x", "random.2.seed", "randomly"]
)
def test_other_models_are_no_random_cell(name: str) -> None:
    assert random_cell(name, 0) is None


@given(st.lists(seeds, min_size=1, max_size=5, unique=True), st.integers(1, 9), numbers)
def test_cells_of_a_crossed_design_are_different_and_each_is_its_own_seeds_somewhere(
    given_seeds: list[int], count: int, cells: int
) -> None:
    trained = crossed_seeds(given_seeds, count)
    assert len(set(trained)) == count
    assert trained[: len(given_seeds)] == tuple(given_seeds)[:count]
    crossed = crossed_cells(trained, cells)
    assert len(set(crossed)) == cells
    assert all(cell.seed in trained for cell in crossed)
    most = -(-cells // count)
    assert {cell.number for cell in crossed} == set(range(1, most + 1))


def test_genotypes_are_counted() -> None:
    assert math.exp(log_genotypes(CellTopology(1, 1))) == pytest.approx(7)
    assert math.exp(log_genotypes(CellTopology(2, 2))) == pytest.approx(49 * 3 * 49)
    assert log_genotypes(CellTopology(2, 2), 3) == pytest.approx(3 * math.log(49 * 3 * 49))
