from __future__ import annotations

import io

import pytest

from distributed_iac.report.course_figure import PANELS, SearchCourse, arm_colours, course_figure


def rows(count: int, **more: object) -> list[dict[str, object]]:
    return [
        {"epoch": e, "js_mean": 0.5 / e, "live_operations": 80 - e, "entropy": 0.9, **more}
        for e in range(1, count + 1)
    ]


def test_an_arm_has_one_colour_and_a_search_one_line() -> None:
    arms = ("full", "lth", "rank")
    courses = [
        SearchCourse("full", 0, rows(9)),
        SearchCourse("lth", 0, rows(4)),
        SearchCourse("lth", 1, rows(5)),
    ]
    figure = course_figure(courses, arms, tau=0.01)
    colours = arm_colours(arms)
    live = figure.axes[[key for key, _, _ in PANELS].index("live_operations")]
    lines = [line for line in live.lines if len(line.get_xdata()) > 1]
    assert [line.get_color() for line in lines] == [colours[one.arm] for one in courses]
    assert [list(line.get_ydata()) for line in lines] == [
        [80 - e for e in range(1, count + 1)] for count in (9, 4, 5)
    ]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["full", "lth"]
    figure.savefig(io.BytesIO())


def test_what_was_not_reported_yet_is_left_open() -> None:
    figure = course_figure([SearchCourse("lth", 0, rows(3, js_mean=float("nan")))], ("lth",), None)
    figure.savefig(io.BytesIO())
    dice = figure.axes[-1]
    assert all(len(line.get_ydata()) == 0 for line in dice.lines)


@pytest.mark.parametrize("tau", [0.1, 0.01])
def test_a_threshold_without_a_curve_is_drawn(tau: float) -> None:
    """After one epoch, with which nothing can be compared; 0.1 alone had no height."""
    figure = course_figure([SearchCourse("lth", 0, rows(1, js_mean=None))], ("lth",), tau)
    figure.savefig(io.BytesIO())
    low, high = figure.axes[0].get_ylim()
    assert low < tau < high


def test_what_is_measured_every_few_epochs_is_one_line() -> None:
    some = [row | {"val_dice": 0.1 * e if e % 5 == 0 else None} for e, row in enumerate(rows(20))]
    figure = course_figure([SearchCourse("lth", 0, some)], ("lth",), None)
    line = max(figure.axes[-1].lines, key=lambda one: len(one.get_xdata()))
    assert list(line.get_xdata()) == [1, 6, 11, 16]
