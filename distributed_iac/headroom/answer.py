"""From numbers to words: can a search be worth its cost here, and what would change that?

::

    found = answer(headroom)
    found.code, found.sentence
    for line in told(headroom): print(line)

For a reader who is no statistician. A Dice point is 0.01 of Dice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from distributed_iac.headroom.crossed import Figure
from distributed_iac.headroom.measured import Headroom

Code = Literal["worth", "too small", "no sign", "not visible", "not known"]
"""worth: cells differ, by enough, and it would be seen. too small: what the best cell could gain
counts as none. no sign: cells differ no more than one does from seed to seed. not visible: there
is something to gain, and the run could not show it. not known: too little was trained."""

ASSUMPTIONS = (
    "all figures are of the val patients, who also chose each training's best epoch and learning "
    "rate; no score of a test patient is looked at, only how many there are",
    "the most that a cell could gain is sqrt(2 log N) standard deviations, N being all genotypes "
    "that a search chooses from: no more than that if the values of cells have no heavier tails "
    "than a normal distribution; it includes what a cell gains on these val patients alone",
    "intervals take effects of cells, seeds and both together to be normal and independent",
    "cells are trained as the run's settings say: where those teach a network hardly anything (see "
    "the mean val Dice), cells cannot differ either, and that says nothing of longer training",
    "a test patient is taken to vary as a val patient does",
)
"""What a reader has to believe."""


@dataclass(frozen=True)
class Answer:
    """The answer.

    Args:
        code: Which one.
        sentence: The same with its reasons, and what would change it.
    """

    code: Code
    sentence: str


def answer(found: Headroom) -> Answer:
    """Whether a search can be worth its cost in this group."""
    best, smallest = found.best, found.smallest
    margin = f"differences below {points(found.margin)} count as none (comparison.dice_margin)"
    if best.high is not None and best.high < found.margin:
        return Answer(
            "too small",
            "A search is not worth its cost here: even the best of all cells would gain at most "
            f"{points(best.high)} over a random one, and {margin}; more patients or seeds would "
            "not change that; longer training, another backbone or another task may.",
        )
    if best.value is None or best.high is None or found.share_of_cell.low is None:
        return Answer("not known", _not_known(found))
    if found.share_of_cell.low <= 0:
        return Answer(
            "no sign",
            f"Nothing says that a search is worth its cost here: {found.cells} random cells differ "
            "no more from each other than luck with seeds explains; up to "
            f"{points(best.high)} remain possible, which more cells or seeds in this measurement "
            "(headroom.cells, headroom.seeds) would narrow down; longer training, another backbone "
            "or another task may have more to find.",
        )
    if best.value < found.margin:
        return Answer(
            "too small",
            "A search is hardly worth its cost here: cells differ, but the best of all would gain "
            f"about {points(best.value)} over a random one ({points(best.high)} at the most), and "
            f"{margin}; more patients or seeds would show it better and make it no larger; longer "
            "training, another backbone or another task may.",
        )
    alone = found.planned_seeds == found.test_patients == 1
    if alone or (smallest.value is not None and smallest.value > best.value):
        return Answer("not visible", _not_visible(found, best.value, smallest.value))
    seen = "" if smallest.value is None else f", and {points(smallest.value)} would be seen"
    return Answer(
        "worth",
        "A search can be worth its cost here: cells differ by more than luck, the best of all "
        f"could gain up to about {points(best.value)} over a random one{seen}; what it has to beat "
        f"is random_search, which is expected to gain {_gain(found)}; with fewer patients or "
        "seeds only larger differences would be seen.",
    )


def told(found: Headroom) -> Iterator[str]:
    """All that was measured, a sentence a line; the answer comes last."""
    yield (
        f"{_count(found.cells, 'random cell')}, each trained with {_count(found.seeds, 'seed')}; "
        f"{_count(found.val_patients, 'val patient')}"
        + ("" if found.mean is None else f"; mean val Dice {found.mean:.3f}")
        + (f"; {found.left_out} trainings left out (missing ones, and their rows or columns)"
           if found.left_out else "")
    )  # fmt: skip
    if found.share_of_cell.value is not None:
        yield (
            f"Where the differences between trainings come from: {_share(found.share_of_cell)} "
            f"which cell it is; {_share(found.share_of_seed)} the seed, whichever the cell; "
            f"{_share(found.share_of_both)} how a cell happens to fare with a seed. The last two "
            "are luck."
        )
    yield (
        f"Standard deviation from one cell to another: {_points(found.spread_of_cells)}; of one "
        f"cell, trained again: {_points(found.spread_of_seeds)}."
    )
    yield (
        "The best of all cells over a random one, which no search can exceed: "
        f"{_points(found.best)}."
    )
    yield (
        f"The best on val of {found.few} random cells over a random one (random_search): "
        f"{_points(found.best_of_few)}."
    )
    yield (
        f"Smallest difference between two arms that {_count(found.test_patients, 'test patient')} "
        f"and {_count(found.planned_seeds if found.seeds > 1 else 1, 'seed')} show 8 times out of "
        "10: "
        f"{_points(found.smallest)}." + _held_for(found)
    )
    yield answer(found).sentence


def points(value: float) -> str:
    """A difference of Dice for people."""
    shown = f"{100 * value:.2f}" if abs(value) < 0.01 else f"{100 * value:.1f}"
    return f"{shown} Dice points"


def _not_known(found: Headroom) -> str:
    if found.cells < 2:
        why = f"it takes at least two trained cells (came {found.cells})"
        remedy = "raise headroom.cells, unless trainings failed or are missing"
    else:
        why = "with one seed nobody can tell a better cell from a lucky one"
        remedy = "raise headroom.seeds"
    most = "" if found.best.high is None else f"; no search can gain more than {_most(found)}"
    return f"Whether a search is worth its cost is not known: {why}{most}; {remedy}."


def _not_visible(found: Headroom, best: float, smallest: float | None) -> str:
    ways = [
        f"{count} {what} would"
        for count, what in (
            (found.enough_seeds, "seeds"),
            (found.enough_patients, "test patients"),
        )
        if count is not None
    ]
    way = " or ".join(ways) if ways else "it would take seeds and patients together"
    return (
        "A search may be worth its cost here, but this run could not show it: the best of all "
        f"cells could gain about {points(best)} over a random one, and with "
        f"{_count(found.planned_seeds, 'seed')} and {_count(found.test_patients, 'test patient')} "
        f"{'nothing' if smallest is None else f'only {points(smallest)}'} would be seen; {way}."
    )


def _gain(found: Headroom) -> str:
    value = found.best_of_few.value
    return "something too" if value is None else f"{points(value)} with {found.few} cells"


def _most(found: Headroom) -> str:
    assert found.best.high is not None
    return points(found.best.high)


def _held_for(found: Headroom) -> str:
    if found.smallest.value is None:
        return ""
    if found.seeds < 2:
        return " One seed was trained: this holds for that seed alone."
    if found.planned_seeds < 2:
        return " With one seed it holds for the cells and trainings of that seed alone."
    return "" if found.val_patients > 1 else " With one val patient it holds for a single patient."


def _share(figure: Figure) -> str:
    if figure.value is None or figure.low is None or figure.high is None:
        return "not known"
    return f"{figure.value:.0%} [{figure.low:.0%}, {figure.high:.0%}]"


def _points(figure: Figure) -> str:
    if figure.value is None:
        return "not known" if figure.high is None else f"at most {points(figure.high)}"
    assert figure.low is not None
    assert figure.high is not None
    return f"{points(figure.value)} [{100 * figure.low:.2f}, {100 * figure.high:.2f}]"


def _count(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
