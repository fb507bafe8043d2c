"""What was found: cost, patients, searches, cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Literal

from distributed_iac.report.page.blocks import (
    Block,
    Gallery,
    Listing,
    Prose,
    Section,
    ShownFigure,
    ShownTable,
)
from distributed_iac.report.parity_table import parity_lines
from distributed_iac.report.run_figures import RunFigures, Titled
from distributed_iac.report.run_record import RunRecord
from distributed_iac.report.tables import Table

MOST_OPEN = 2
"""Galleries that are shown at once; of more groups only the first is open."""


def cost_section(record: RunRecord, tables: Mapping[str, Table], figures: RunFigures) -> Section:
    """Speed-ups."""
    settings = record.config.comparison
    blocks: list[Block] = [
        Prose(
            f"Cost of a search from its first epoch to its genotype. A speed-up is the cost of "
            f"{settings.reference} over that of {settings.candidate} for the same data set, "
            "backbone and seed; operations evaluated do not depend on the machine or on what else "
            "ran on it."
        ),
        ShownTable("cost", tables["cost"]),
    ]
    if figures.cost is not None:
        caption = (
            "Mean test Dice of a search's retrained cell against what the search cost; a dot a "
            "search. Lines: controls and baselines, which cost no search. Up and to the left is "
            "better."
        )
        blocks.append(ShownFigure(figures.cost, caption))
    if figures.anytime:
        told = (
            "Val Dice of the best that was in hand (the plain network, the cell as a search would "
            "have cut it then, the model in training) against everything paid until then: "
            "pre-training, search, every learning rate and random cell that was tried. Mean over "
            "seeds; dots: ends. What was chosen on val looks better there than on test patients."
        )
        pictures = tuple(ShownFigure(one.drawing, one.group) for one in figures.anytime)
        blocks += [Prose(told), Gallery("Quality against total cost", pictures)]
    return Section("cost", "Search cost", tuple(blocks))


def headroom_section(record: RunRecord, tables: Mapping[str, Table]) -> Section:
    """Whether these data can tell cells, and methods, apart at all."""
    said = [
        f"{group}: {sentence}"
        for group, one in record.headroom.items()
        for sentence in one.sentences
    ]
    blocks: list[Block] = [
        Prose(
            "A data set can tell methods apart only if they differ by more than one of them does "
            "from seed to seed."
        ),
        ShownTable("spread", tables["spread"]),
    ]
    if said:
        blocks += [
            Prose(
                "What random cells said before (`distributed-iac headroom`, val patients)"
                f"{record.config.asked_beside_variants}:"
            ),
            Listing(tuple(said)),
        ]
    else:
        asked = "`distributed-iac headroom CONFIG` asks random cells how much there is to find"
        blocks.append(Prose(f"{asked}; it has not been asked with these settings."))
    return Section("headroom", "Can these data tell?", tuple(blocks))


def patients_section(
    record: RunRecord, tables: Mapping[str, Table], figures: RunFigures
) -> Section:
    """Dice and HD95 on patients, controls among them, and pictures."""
    settings = record.config.comparison
    blocks: list[Block] = [
        Prose(
            f"The candidate is {settings.candidate}; a positive difference of Dice, or a negative "
            "one of HD95, speaks for it. Against the full-length arm the question is whether the "
            "short search gives nothing away; against the controls, whether cell and search earn "
            "their place. A large p-value says nothing about equality; the last column does."
        ),
        *_parity(record, tables),
        Prose(_inference(record)),
        ShownTable("dice", tables["dice"]),
        ShownTable("hd95", tables["hd95"]),
        ShownTable("adaptation", tables["adaptation"]),
        ShownTable("models", tables["models"], "folded"),
        ShownTable("retraining", tables["retraining"], "folded"),
        ShownTable("costs", tables["costs"], "folded"),
    ]
    if figures.overlays:
        caption = (
            "{group}, {title}: best and worst test case by mean Dice of the whole case, the slice "
            "with most annotated pixels, on the grid that the network sees. Left: annotated; "
            "right: predicted."
        )
        pictures = tuple(
            ShownFigure(one.drawing, caption.format(group=one.group, title=one.title), "photograph")
            for one in figures.overlays
        )
        blocks.append(Gallery("Best and worst patients", pictures))
    return Section("patients", "Patients", tuple(blocks))


def _inference(record: RunRecord) -> str:
    """How slices were predicted: the same way for every model of a group."""
    mirrored = [
        f"in {group}, for every arm and control, each is also mirrored along {axes}, and the "
        "logits are averaged"
        for group, axes in record.mirrored.items()
    ]
    begun = (
        "Predictions cover whole slices, by overlapping patches where a slice is larger than the "
        "patch"
    )
    return "; ".join([begun, *(mirrored or ["none is mirrored"])]) + "."


def _parity(record: RunRecord, tables: Mapping[str, Table]) -> tuple[Block, ...]:
    """Whether the networks that nnU-Net trained score here as there; nothing without such ones."""
    lines = parity_lines(record)
    return (Listing(lines), ShownTable("parity", tables["parity"], "folded")) if lines else ()


def searches_section(tables: Mapping[str, Table], figures: RunFigures) -> Section:
    """How the searches went."""
    pictures = [
        ShownFigure(
            one.drawing,
            f"{one.group}: a line a search, a dot at its last epoch. JS compares the importance of "
            "the operations with that of the window before, each arm by its own window; it cannot "
            "tell settled from never moved, which the entropy does (1: as at the start).",
        )
        for one in figures.courses
    ]
    return Section(
        "searches",
        "Course of the searches",
        (*pictures, ShownTable("searches", tables["searches"])),
    )


def cells_section(record: RunRecord, tables: Mapping[str, Table], figures: RunFigures) -> Section:
    """What the searches found, how sure they are, and how much they agree."""
    undecided = sum(len(one.result.cell.undecided) for one in record.searches)
    kept = sum(len(one.result.cell.kept) for one in record.searches)
    nothing = [
        one for one in record.searches if one.result.cell.distinction.verdict == "not distinguished"
    ]
    sentence = (
        f"Of {kept} kept edges in {len(record.searches)} finished searches, {undecided} are "
        "undecided: there, the operation is the strongest of several that the search did not tell "
        "apart."
    )
    if nothing:
        sentence += (
            f" {len(nothing)} of the searches did not distinguish most of their operations, and "
            "their cells are no evidence for these operations."
        )
    return Section(
        "cells",
        "Cells",
        (
            Prose(sentence if record.searches else "No search has finished yet."),
            *([ShownTable("given", tables["given"])] if "given" in tables else []),
            *_galleries(figures.cells),
            ShownTable("selection", tables["selection"]),
            ShownTable("undecided", tables["undecided"], "folded"),
            Prose(
                "Two searches that know nothing share some genes as well, so agreement is set "
                "against chance."
            ),
            ShownTable("likeness", tables["likeness"]),
            ShownTable("early", tables["early"]),
        ),
    )


def _galleries(cells: Sequence[Titled]) -> list[Gallery]:
    """One a group."""
    groups = [
        (group, tuple(own))
        for group, own in groupby(sorted(cells, key=lambda one: one.group), lambda one: one.group)
    ]
    return [
        Gallery(
            f"Cells of {group}",
            tuple(ShownFigure(one.drawing, f"{group}: {one.title}") for one in own),
            _fold(number, len(groups)),
        )
        for number, (group, own) in enumerate(groups)
    ]


def _fold(number: int, count: int) -> Literal["open", "folded"]:
    return "open" if count <= MOST_OPEN or number == 0 else "folded"
