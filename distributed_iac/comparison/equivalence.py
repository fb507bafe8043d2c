"""Are two arms equally good, up to a margin stated beforehand?

::

    statement = equivalence(interval_90, margin=0.01, better="higher")
    statement.verdict, statement.sentence

Two one-sided tests by interval inclusion (Schuirmann 1987): at level a, "the difference is below
-margin" and "above +margin" are both rejected exactly when the two-sided 1 - 2a interval lies
inside the margins. A p-value above a of a test for a difference is no evidence of equality and is
not used here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from distributed_iac.comparison.bootstrap import Interval

Verdict = Literal["equivalent", "not inferior", "inferior", "inconclusive"]
Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Equivalence:
    """A statement about the difference between a candidate and what it is compared with.

    Args:
        margin: Largest difference that counts as none, in units of the metric.
        interval: Two-sided interval of the difference, candidate less the other, with confidence
            1 - 2a; None where there is none.
        verdict: ``equivalent``: the interval lies inside the margins. ``not inferior``: the
            candidate is not worse by the margin, and may be better by more. ``inferior``: it is
            worse by more than the margin. ``inconclusive``: anything else.
        sentence: The same for people.
    """

    margin: float
    interval: Interval | None
    verdict: Verdict
    sentence: str


def equivalence(interval: Interval | None, margin: float, better: Better) -> Equivalence:
    """Judge an interval of the difference.

    Args:
        interval: Of the candidate's value less the other's, with confidence 1 - 2a.
        margin: Above 0.
        better: Which values of the metric are better.
    """
    if interval is None:
        sentence = "no statement: too few patients for an interval"
        return Equivalence(margin, None, "inconclusive", sentence)
    gain = (interval.low, interval.high) if better == "higher" else (-interval.high, -interval.low)
    verdict = _judge(gain[0], gain[1], margin)
    level = (1 - interval.confidence) / 2
    sentence = (
        f"{verdict} at margin {margin:g}: the {interval.confidence:.0%} interval "
        f"[{interval.low:.4f}, {interval.high:.4f}] {_WHERE[verdict]} "
        f"(two one-sided tests at {level:.3g} by interval inclusion)"
    )
    return Equivalence(margin, interval, verdict, sentence)


_WHERE: dict[Verdict, str] = {
    "equivalent": "lies inside the margins",
    "not inferior": "lies on the better side of the worse margin",
    "inferior": "lies wholly beyond the worse margin",
    "inconclusive": "crosses the worse margin",
}


def _judge(worst: float, best: float, margin: float) -> Verdict:
    if worst > -margin:
        return "equivalent" if best < margin else "not inferior"
    return "inferior" if best < -margin else "inconclusive"
