"""A comparison as tables for a paper, a README and a spreadsheet.

::

    for name, table in paper_tables(comparison).items():
        write_atomically(run / "tables" / f"{name}.tex", latex(table, f"tab:{name}").encode())
    csv_text(contrast_records(comparison))          # every number in a column of its own
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from distributed_iac.comparison.bootstrap import Interval
from distributed_iac.comparison.compare import Comparison
from distributed_iac.comparison.contrast import Contrast
from distributed_iac.comparison.pairing import MEAN, Metric
from distributed_iac.comparison.remark import Remark
from distributed_iac.comparison.signed_rank import LARGEST_EXACT
from distributed_iac.comparison.speed import SpeedUp
from distributed_iac.report.notes import Note, NotePlace, notes_of
from distributed_iac.report.tables import UNKNOWN, Cell, Table

METRIC_NAMES: Mapping[Metric, str] = {"dice": "Dice", "hd95": "HD95 (mm)"}


def paper_tables(comparison: Comparison) -> dict[str, Table]:
    """All tables for people, by a name that can be a file's."""
    return {
        "cost": cost_table(comparison),
        "dice": patient_table(comparison, "dice"),
        "hd95": patient_table(comparison, "hd95"),
        "likeness": likeness_table(comparison),
        "early": early_table(comparison),
    }


def records(comparison: Comparison) -> dict[str, Table]:
    """All tables for machines, by a name that can be a file's."""
    return {"speed": speed_records(comparison), "contrasts": contrast_records(comparison)}


def cost_table(comparison: Comparison) -> Table:
    """Speed-ups, one row a group, one column a measure."""
    settings = comparison.settings
    measures = list(dict.fromkeys(one.measure for one in comparison.speed))
    groups = list(dict.fromkeys(one.group for one in comparison.speed))
    found = {(one.group, one.measure): one for one in comparison.speed}
    rows: list[tuple[Cell, ...]] = [
        (group, pairs_of(comparison, group), *(_speed_up(found.get((group, m))) for m in measures))
        for group in groups
    ]
    title = (
        f"Search cost of {settings.reference} over {settings.candidate}: geometric mean of paired "
        f"ratios with {settings.confidence:.0%} bootstrap interval"
    )
    notes = notes_of(
        [
            (NotePlace(one.group, one.measure.replace("_", " ")), one.warnings)
            for one in comparison.speed
        ],
        "ratios",
    )
    columns = ("group", "pairs", *(measure.replace("_", " ") for measure in measures))
    return Table(title, columns, tuple(rows), notes)


def patient_table(comparison: Comparison, metric: Metric) -> Table:
    """Patient-level differences of the mean over targets."""
    settings = comparison.settings
    own = [one for one in comparison.contrasts if one.metric == metric and one.target == MEAN]
    margin = settings.dice_margin if metric == "dice" else settings.hd95_margin
    title = (
        f"Patient-level {METRIC_NAMES[metric]} of {settings.candidate} and its paired difference "
        f"with {settings.confidence:.0%} interval"
    )
    columns = (
        "group", "against", "patients", "seeds", settings.candidate, "other", "difference",
        "p (Holm)", f"within {margin:g}",
    )  # fmt: skip
    rows = tuple((one.group, one.against, *figures_of(one)) for one in own)
    places = [(NotePlace(one.group, one.against), one) for one in own]
    return Table(title, columns, rows, notes_on(places, margin) if own else ())


def notes_on(rows: Sequence[tuple[NotePlace, Contrast]], margin: float) -> tuple[Note, ...]:
    """How the figures of contrasts were made, and what must be known of single ones."""
    notes = notes_of([(place, (*_undefined(one), *one.warnings)) for place, one in rows])
    return (Note(_METHOD.format(margin=margin)), *notes)


_METHOD = (
    "p: two-sided Wilcoxon signed-rank test over patients, exact up to "
    f"{LARGEST_EXACT} that differ, Holm-corrected over groups, uncorrected over all groups; "
    "within {margin:g}: two one-sided tests by interval inclusion"
)


def likeness_table(comparison: Comparison) -> Table:
    """Genes that searches share, against chance."""
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            one.group,
            " and ".join(dict.fromkeys(one.arms)),
            one.relation,
            len(one.genes),
            *one.shared_genes,
        )
        for one in comparison.likeness
    )
    columns = ("group", "arms", "relation", "pairs", "shared genes", "by chance", "of")
    return Table("Agreement of the genotypes that searches found, mean over pairs", columns, rows)


def early_table(comparison: Comparison) -> Table:
    """How early the final operations were among the strongest."""
    top = comparison.settings.top
    rows = tuple(
        (one.group, one.seed, one.epoch, one.share, one.chance, one.settled)
        for one in comparison.early
    )
    columns = ("group", "seed", "epoch", f"share in top {top}", "by chance", "all from epoch")
    title = f"Final operations of {comparison.settings.reference} among the {top} strongest"
    return Table(title, columns, rows)


def speed_records(comparison: Comparison) -> Table:
    """Every pair of searches, and every mean (seed empty)."""
    rows: list[tuple[Cell, ...]] = []
    for one in comparison.speed:
        ends = _ends(one.interval)
        rows.append((one.group, one.measure, None, "mean", None, None, one.ratio, *ends))
        if all(pair.group == one.group for pair in one.pairs):
            rows += [
                (
                    pair.group, one.measure, pair.seed, pair.state, pair.reference,
                    pair.candidate, pair.ratio, None, None,
                )
                for pair in one.pairs
            ]  # fmt: skip
    columns = (
        "group",
        "measure",
        "seed",
        "state",
        "reference",
        "candidate",
        "ratio",
        "low",
        "high",
    )
    return Table("Speed-ups", columns, tuple(rows))


def contrast_records(comparison: Comparison) -> Table:
    """Every contrast with every number."""
    columns = (
        "candidate", "against", "group", "metric", "target", "patients", "seeds",
        "candidate_mean", "against_mean", "difference", "low", "high", "p_value", "p_holm",
        "test", "zeros", "margin", "equivalence_low", "equivalence_high", "verdict",
        "undefined_candidate", "undefined_against", "undefined_both", "unpaired", "warnings",
    )  # fmt: skip
    return Table("Contrasts", columns, tuple(_record(one) for one in comparison.contrasts))


def _record(one: Contrast) -> tuple[Cell, ...]:
    return (
        one.candidate, one.against, one.group, one.metric, one.target, one.patients,
        " ".join(map(str, one.seeds)), one.candidate_mean, one.against_mean, one.difference,
        *_ends(one.interval), one.test.p_value, one.p_holm, one.test.method, one.test.zeros,
        one.equivalence.margin, *_ends(one.equivalence.interval), one.equivalence.verdict,
        one.undefined.candidate, one.undefined.against, one.undefined.both,
        one.undefined.unpaired, "; ".join(map(str, one.warnings)),
    )  # fmt: skip


def figures_of(one: Contrast) -> tuple[Cell, ...]:
    """What a contrast found: patients, seeds, both means, their difference, p and verdict."""
    p_value = one.test.p_value if one.p_holm is None else one.p_holm
    return (
        one.patients,
        len(one.seeds) or None,
        one.candidate_mean,
        one.against_mean,
        " ".join(difference_text(one)).rstrip(),
        f"{p_value:.2g}",
        one.equivalence.verdict,
    )


def _undefined(one: Contrast) -> Sequence[Remark]:
    counts = (
        (one.undefined.candidate, f"for {one.candidate} only"),
        (one.undefined.against, f"for {one.against} only"),
        (one.undefined.both, "for both"),
    )
    undefined = ", ".join(f"{count} {what}" for count, what in counts if count)
    found = [Remark("undefined values are left out on both sides", undefined)] if undefined else []
    if one.undefined.unpaired:
        lone = Remark("values on one side only are left out", f"{one.undefined.unpaired} values")
        found.append(lone)
    return found


def _speed_up(one: SpeedUp | None) -> str:
    return UNKNOWN if one is None else " ".join(ratio_text(one)).rstrip()


def ratio_text(one: SpeedUp) -> tuple[str, str]:
    """A speed-up and its interval; empty where there is none."""
    if one.ratio is not None:
        return f"{one.ratio:.2f}x", _brackets(one.interval, 2)
    return f"at least {min(pair.ratio for pair in one.pairs):.2f}x (reference cut short)", ""


def difference_text(one: Contrast) -> tuple[str, str]:
    """A difference and its interval; empty where there is none."""
    digits = 3 if one.metric == "dice" else 2
    return f"{one.difference:+.{digits}f}", _brackets(one.interval, digits)


def pairs_of(comparison: Comparison, group: str) -> int:
    """Complete pairs by the measure that has most."""
    return max(len(one.complete) for one in comparison.speed if one.group == group)


def _ends(interval: Interval | None) -> tuple[float | None, float | None]:
    return (None, None) if interval is None else (interval.low, interval.high)


def _brackets(interval: Interval | None, digits: int) -> str:
    if interval is None:
        return ""
    return f"[{interval.low:.{digits}f}, {interval.high:.{digits}f}]"
