"""Notes of large tables are short, and lose nothing."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_iac.comparison.remark import Remark
from distributed_iac.report.notes import FEW, Note, NotePlace, notes_of
from distributed_iac.report.tables import Table, latex, markdown

GROUPS = [f"{data}/{net}" for data in ("acdc", "kits") for net in ("unet", "swin")]
PARTS = ("full", "plain", "random")
EVERY = [NotePlace(group, part) for group in GROUPS for part in PARTS]


def told(where, detail: str = "") -> tuple[Note, ...]:
    """Notes of a table in which one thing is said of some rows."""
    return notes_of([(one, [Remark("doubt", detail)] if where(one) else []) for one in EVERY])


@pytest.mark.parametrize(
    ("where", "cases"),
    [
        (lambda one: one in EVERY, ("everywhere",)),
        (lambda one: one.part == "plain", ("plain in every group",)),
        (lambda one: one.group == "kits/swin", ("kits/swin",)),
        (
            lambda one: one.part == "plain" or one.group == "kits/swin",
            ("plain in every group", "kits/swin, full and random"),
        ),
        (lambda one: one in EVERY[:2], ("acdc/unet, full and plain",)),
    ],
)
def test_rows_are_named_as_briefly_as_they_can_be(where, cases) -> None:
    (note,) = told(where)
    assert note.cases == cases
    count = sum(map(where, EVERY))
    assert note.rows == f"{count} of 12 rows"


def test_a_reason_is_said_once_with_what_is_particular_in_each_row() -> None:
    rows = [(one, [Remark("undefined", f"{number % 2}")]) for number, one in enumerate(EVERY[:3])]
    (note,) = notes_of(rows)
    assert note.line == "undefined (acdc/unet, full and random: 0; acdc/unet, plain: 1)"
    assert notes_of([(EVERY[0], [])]) == ()


@given(st.lists(st.lists(st.sampled_from("ab"), max_size=2, unique=True), min_size=12, max_size=12))
def test_no_row_is_lost_and_none_invented(said) -> None:
    rows = [(one, [Remark(r) for r in own]) for one, own in zip(EVERY, said, strict=True)]
    for note in notes_of(rows):
        expected = {one for one, own in zip(EVERY, said, strict=True) if note.sentence in own}
        assert {one for case in note.cases for one in meant(case)} == expected


def meant(case: str) -> set[NotePlace]:
    """Which rows a name stands for, read as a person would."""
    if case == "everywhere":
        return set(EVERY)
    if case.endswith(" in every group"):
        return {one for one in EVERY if one.part == case.split(" ")[0]}
    group, _, parts = case.partition(", ")
    named = parts.split(" and ") if parts else PARTS
    return {NotePlace(group, part) for part in named}


def test_many_cases_are_folded_in_markdown_and_counted_in_latex() -> None:
    rows = [(one, [Remark("undefined", str(number))]) for number, one in enumerate(EVERY)]
    table = Table("T", ("a",), (("x",),), notes_of([*rows, (NotePlace("amos/unet", "full"), [])]))
    (note,) = table.notes
    assert len(note.cases) == 12 > FEW
    assert "undefined (12 of 13 rows)." in latex(table, "t")
    assert "acdc" not in latex(table, "t")
    text = markdown(table)
    assert "<summary>undefined (12 of 13 rows)</summary>" in text
    assert len(re.findall(r"^\* ", text, re.MULTILINE)) == 12
    few = markdown(Table("T", ("a",), (("x",),), notes_of(rows[:2])))
    assert "undefined (acdc/unet, full: 0; acdc/unet, plain: 1)." in few
    assert "<details>" not in few
