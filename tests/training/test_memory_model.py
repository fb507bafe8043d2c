"""A line through two batch sizes says what others take, and how finely a batch must be cut."""

from __future__ import annotations

import math

import pytest

from distributed_iac.errors import NumericalError
from distributed_iac.training.memory_model import MemoryModel, fewest_parts

LINE = MemoryModel(fixed=1e9, each=0.25e9)


@pytest.mark.parametrize("sizes", [(1, 2), (3, 7), (8, 64)])
def test_two_sizes_give_the_line_they_lie_on(sizes: tuple[int, int]) -> None:
    few, many = sizes
    fitted = MemoryModel.fit((few, LINE.forecast(few)), (many, LINE.forecast(many)))
    assert [fitted.forecast(n) for n in (1, few, many, 100)] == [
        LINE.forecast(n) for n in (1, few, many, 100)
    ]


def test_a_larger_batch_that_takes_no_more_shows_no_growth() -> None:
    assert MemoryModel.fit((2, 70), (4, 60)) == MemoryModel(fixed=70, each=0)


@pytest.mark.parametrize(
    ("smaller", "larger"), [((0, 5), (2, 6)), ((2, 5), (2, 6)), ((4, 5), (2, 6)), ((1, 0), (2, 6))]
)
def test_what_cannot_be_fitted_is_refused(
    smaller: tuple[int, int], larger: tuple[int, int]
) -> None:
    with pytest.raises(NumericalError, match="two batch sizes"):
        MemoryModel.fit(smaller, larger)


@pytest.mark.parametrize("slices", [1, 2, 7, 32])
@pytest.mark.parametrize("largest", [1, 6, 8, 64])
@pytest.mark.parametrize("there", [10**6, 2 * 10**9, 5 * 10**9, 10**11])
def test_parts_are_the_first_that_fit_on_the_way_of_splitting(
    slices: int, largest: int, there: int
) -> None:
    parts = fewest_parts(LINE, slices, there, largest)
    way = [1]
    while way[-1] < min(largest, slices):
        way.append(min(2 * way[-1], largest, slices))
    fits = [LINE.forecast(math.ceil(slices / one)) <= there for one in way]
    assert parts == (way[fits.index(True)] if any(fits) else way[-1])
