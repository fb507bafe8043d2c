"""The few numbers at the top of a page, worded as in the tables below them.

::

    headlines(record)
"""

from __future__ import annotations

from collections.abc import Iterable

from distributed_iac.comparison.bootstrap import fewest_values
from distributed_iac.comparison.compare import Comparison
from distributed_iac.comparison.contrast import ALL_GROUPS, Contrast
from distributed_iac.comparison.pairing import MEAN
from distributed_iac.comparison.speed import Measure
from distributed_iac.config.comparison import ComparisonSettings
from distributed_iac.report.comparison_tables import difference_text, pairs_of, ratio_text
from distributed_iac.report.page.blocks import Headline
from distributed_iac.report.run_record import RunRecord

COSTS: tuple[tuple[Measure, str], ...] = (
    ("seconds", "Search time"),
    ("op_evaluations", "Operations"),
)


def headlines(record: RunRecord) -> tuple[Headline, ...]:
    """Speed-up and Dice of the candidate, and how its Dice stands against the controls.

    With several groups these are the numbers over all of them. A run without the reference's
    searches is not asked about it, and one that asks about the headroom not about any.
    """
    if record.config.question == "headroom":
        return ()
    asked = ("plain", "plain_extra", "random", "random_search")
    against: list[str] = [one for one in record.config.controls if one in asked]
    costs: list[Headline] = []
    if record.config.comparison.reference in record.config.arms:
        against.insert(0, record.config.comparison.reference)
        costs = [_cost(record.comparison, measure, label) for measure, label in COSTS]
    return (*costs, *(_dice(record.comparison, one) for one in against))


def _cost(comparison: Comparison, measure: Measure, label: str) -> Headline:
    settings = comparison.settings
    title = f"{label}, {settings.reference} over {settings.candidate}"
    found = {one.group: one for one in comparison.speed if one.measure == measure}
    group = _widest(one.group for one in comparison.speed)
    if group is None or not found:
        sentence = (
            f"No pair of finished {settings.candidate} and {settings.reference} searches of one "
            "seed."
        )
        return Headline(title, "", "", sentence)
    value, interval = ratio_text(found[group]) if group in found else ("", "")
    pairs = pairs_of(comparison, group)
    return Headline(title, value, interval, f"{_scope(group)}; {pairs} paired searches.")


def _dice(comparison: Comparison, against: str) -> Headline:
    candidate = comparison.settings.candidate
    title = f"Test Dice, {candidate} less {against}"
    found = {
        one.group: one
        for one in comparison.contrasts
        if (one.against, one.metric, one.target) == (against, "dice", MEAN)
    }
    group = _widest(found)
    if group is None:
        sentence = f"No patient has been scored with both {candidate} and {against}."
        return Headline(title, "", "", sentence)
    value, interval = difference_text(found[group])
    statement = _statement(comparison.settings, found[group])
    return Headline(title, value, interval, f"{_scope(group)}. {statement}")


def _statement(settings: ComparisonSettings, contrast: Contrast) -> str:
    """Against the reference: is nothing given away? Against a control: is anything gained?"""
    if contrast.patients < fewest_values(settings.confidence):
        return f"{contrast.patients} test patients are too few to say anything of others."
    if contrast.against == settings.reference:
        verdict = contrast.equivalence.verdict
        return f"{verdict[0].upper()}{verdict[1:]} at a margin of {contrast.equivalence.margin:g}."
    interval = contrast.interval
    if interval is None or interval.low <= 0 <= interval.high:
        return "No difference was shown."
    return "Better: the interval lies above 0." if interval.low > 0 else "Worse: it lies below 0."


def _widest(groups: Iterable[str]) -> str | None:
    """All groups together where they are there, else the first."""
    names = list(groups)
    return ALL_GROUPS if ALL_GROUPS in names else next(iter(names), None)


def _scope(group: str) -> str:
    if group == ALL_GROUPS:
        return f"Over {ALL_GROUPS} that are compared"
    return f"In {group}"
