"""How the searches of one group went: every arm's seeds side by side, epoch by epoch.

::

    courses = [SearchCourse("full", 0, rows), SearchCourse("lth", 0, rows)]
    figure = course_figure(courses, ("full", "lth"), tau=0.02)
    figure.savefig("course.png")

One colour an arm, one line a seed; a dot where a search ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from distributed_iac.report.search_curves import COLOURS, Rows, curve, plain_log_ticks

PANELS = (
    ("js_mean", "JS divergence between windows (bits), mean over edges", "log"),
    ("live_operations", "Live operations", "linear"),
    ("entropy", "Normalised entropy of the operations, mean over edges", "linear"),
    ("val_dice", "val Dice of the supernet", "linear"),
)
"""Column, title, scale of the vertical axis."""


@dataclass(frozen=True)
class SearchCourse:
    """One search, finished or not.

    Args:
        arm: Way of the search.
        seed: Its seed.
        rows: Its epochs.
    """

    arm: str
    seed: int | None
    rows: Rows


def arm_colours(arms: Sequence[str]) -> dict[str, str]:
    """A colour for each arm, the same in every figure of a run.

    Args:
        arms: All arms of the run, in its order.
    """
    return {arm: COLOURS[number % len(COLOURS)] for number, arm in enumerate(arms)}


def course_figure(
    courses: Sequence[SearchCourse], arms: Sequence[str], tau: float | None
) -> Figure:
    """Draw searches over each other.

    Args:
        courses: At least one, each with at least one epoch.
        arms: All arms of the run.
        tau: Threshold of JS below which an edge counts as stable, in bits; None: not drawn.
    """
    figure = Figure(figsize=(8, 5.4), layout="constrained")
    axes = figure.subplots(2, 2, sharex=True)
    colours = arm_colours(arms)
    for axis, (key, title, scale) in zip(axes.flat, PANELS, strict=True):
        axis.set_yscale(scale)
        if scale == "log":
            plain_log_ticks(axis.yaxis)
        for course in courses:
            _draw(axis, course, key, colours[course.arm])
        axis.set_title(title, fontsize=9, loc="left")
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
        axis.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    if tau is not None:
        if not any(len(line.get_xdata()) for line in axes[0, 0].lines):
            axes[0, 0].set_ylim(tau / 10, tau * 10)  # a line alone has no height
        axes[0, 0].axhline(tau, color="0.4", linewidth=1, linestyle=":")
        axes[0, 0].annotate(
            f"τ = {tau:g}", (1, tau), xycoords=("axes fraction", "data"), ha="right", va="bottom",
            fontsize=8, color="0.4",
        )  # fmt: skip
    for axis in axes[-1]:
        axis.set_xlabel("epoch")
    present = {course.arm for course in courses}
    handles = [Line2D([], [], color=colours[arm], label=arm) for arm in arms if arm in present]
    figure.legend(handles=handles, loc="outside upper right", ncols=6, fontsize=8, frameon=False)
    return figure


def _draw(axis: Axes, course: SearchCourse, key: str, colour: str) -> None:
    epochs, values = curve(course.rows, key, axis.get_yscale())
    axis.plot(epochs, values, color=colour, linewidth=1.3, alpha=0.85)
    axis.plot(epochs[-1:], values[-1:], "o", color=colour, markersize=3.5)
