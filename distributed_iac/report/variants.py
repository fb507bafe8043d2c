"""What variants of a run differ in, what that is worth, and whether the order of models holds.

::

    variants_section(record, tables)            # None for a run without variants
    variant_tables(record)                      # "variants", "variant-dice", "variant-hd95", ...
"""

from __future__ import annotations

from collections.abc import Mapping

from distributed_iac.comparison.pairing import MEAN, Metric
from distributed_iac.comparison.variants import VariantContrast
from distributed_iac.config.overrides import described
from distributed_iac.jobs.job import group_name
from distributed_iac.report.comparison_tables import METRIC_NAMES, figures_of, notes_on
from distributed_iac.report.notes import NotePlace
from distributed_iac.report.page.blocks import Block, Listing, Prose, Section, ShownTable
from distributed_iac.report.run_record import RunRecord
from distributed_iac.report.tables import Cell, Table


def variant_tables(record: RunRecord) -> dict[str, Table]:
    """All tables about variants, by a name that can be a file's; none without variants."""
    if not record.config.variants:
        return {}
    return {
        "variants": settings_table(record),
        "variant-dice": difference_table(record, "dice"),
        "variant-hd95": difference_table(record, "hd95"),
        "ranking": ranking_table(record),
    }


def settings_table(record: RunRecord) -> Table:
    """Every variant: its settings, and how many jobs are its own."""
    jobs = record.graph.jobs()
    rows: list[tuple[Cell, ...]] = []
    for name in record.config.variant_names:
        given = record.config.variants[name]
        own = [job for job in jobs if job.variants == (name,)]
        shared = [job for job in jobs if name in job.variants and len(job.variants) > 1]
        common = [job for job in jobs if not job.variants]
        rows.append(
            (name, described(given) or "the run as it is", len(own), len(shared), len(common))
        )
    columns = ("variant", "settings", "jobs of its own", "shared with some", "shared with all")
    return Table("Variants", columns, tuple(rows))


def difference_table(record: RunRecord, metric: Metric) -> Table:
    """Patient-level differences of every variant from the first, arm by arm."""
    settings = record.config.comparison
    own = [
        one
        for one in record.comparison.variants
        if (one.contrast.metric, one.contrast.target) == (metric, MEAN)
    ]
    margin = settings.dice_margin if metric == "dice" else settings.hd95_margin
    columns = (
        "variant", "against", "model", "group", "patients", "seeds", "variant's", "other's",
        "difference", "p (Holm)", f"within {margin:g}",
    )  # fmt: skip
    title = (
        f"Patient-level {METRIC_NAMES[metric]} of every variant and its paired difference from the "
        f"first, with {settings.confidence:.0%} interval"
    )
    places = [
        (NotePlace(one.contrast.group, f"{one.label}, {one.contrast.candidate}"), one.contrast)
        for one in own
    ]
    return Table(title, columns, tuple(map(_row, own)), notes_on(places, margin) if own else ())


def _row(one: VariantContrast) -> tuple[Cell, ...]:
    found = one.contrast
    return (found.candidate, found.against, one.label, found.group, *figures_of(found))


def ranking_table(record: RunRecord) -> Table:
    """The order of arms, models and cells in two variants."""
    rows = tuple(
        (
            one.group,
            " and ".join(one.variants),
            one.of,
            len(one.names),
            one.kept,
            one.pairs,
            one.tau,
            *one.first,
            ", ".join(one.names),
        )
        for one in record.comparison.rankings
    )
    columns = (
        "group", "variants", "ordered", "how many", "pairs kept", "of", "Kendall's tau",
        "first in the one", "first in the other", "order in the one",
    )  # fmt: skip
    return Table("Order by mean test Dice in two variants", columns, rows)


def variants_section(record: RunRecord, tables: Mapping[str, Table]) -> tuple[Section, ...]:
    """What variants are worth, and what the order of models is worth; nothing without variants."""
    if not record.config.variants:
        return ()
    first = record.config.variant_names[0]
    blocks: list[Block] = [
        Prose(
            "Every variant is the same run with the settings below: the same data, backbones, arms "
            "and controls, and the same seeds. Jobs whose settings a variant leaves alone, and "
            "that build upon nothing it changes, were done once."
        ),
        ShownTable("variants", tables["variants"]),
        Prose(
            f"Each model in every other variant against itself in {first}, paired by seed, "
            "patient, case and target. A positive difference of Dice, or a negative one of HD95, "
            f"speaks against {first}."
        ),
        ShownTable("variant-dice", tables["variant-dice"]),
        ShownTable("variant-hd95", tables["variant-hd95"], "folded"),
        Prose(_order(record)),
    ]
    sentences = tuple(one.sentence for one in record.comparison.rankings if one.of != "models")
    if sentences:
        blocks.append(Listing(sentences))
    blocks.append(ShownTable("ranking", tables["ranking"], "folded"))
    return (Section("variants", "Variants", tuple(blocks)),)


def _order(record: RunRecord) -> str:
    """Does the order of the arms stay, over all groups and pairs of variants?"""
    ranked = [one for one in record.comparison.rankings if one.of == "arms"]
    of_arms = [one for one in ranked if one.tau is not None]
    missing = _not_ranked(record)
    unknown = f" Not known yet, for want of two arms scored in both: {missing}." if missing else ""
    if not of_arms:
        return (
            "The arms have no order that could hold: all have the same mean test Dice."
            if ranked
            else "Whether the order of arms holds is known once two were scored in two variants."
        ) + unknown
    same = sum(one.kept == one.pairs for one in of_arms)
    stays = (
        "The order of the arms by mean test Dice stays the same from variant to variant"
        if same == len(of_arms)
        else f"The order of the arms by mean test Dice stays the same in {same} of {len(of_arms)} "
        "comparisons of a variant with the first"
    )
    return (
        f"{stays}. It is an order of means: arms that the table of patients does not tell apart "
        f"change places by chance.{unknown}"
    )


def _not_ranked(record: RunRecord) -> str:
    """Where the arms are trained otherwise than in the first variant, and have no order yet."""
    first, *others = record.config.variant_names
    ranked = {(one.group, one.variants[1]) for one in record.comparison.rankings
              if one.of == "arms"}  # fmt: skip
    trained = {name: _arms_of(record, name) for name in (first, *others)}
    return ", ".join(
        f"{group} in {name}"
        for name in others
        for group, keys in trained[name].items()
        if len(record.config.arms) > 1
        and keys != trained[first][group]
        and (group, name) not in ranked
    )


def _arms_of(record: RunRecord, variant: str) -> dict[str, set[str]]:
    """Keys of the arms' retrainings by group, whatever the variant."""
    found: dict[str, set[str]] = {}
    for job in record.graph.of_variant(variant):
        if job.kind == "retrain" and job.arm is not None:
            found.setdefault(group_name(job.dataset, job.backbone), set()).add(job.key)
    return found
