from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_iac.comparison.compare import compare
from distributed_iac.comparison.likeness import SearchEvidence
from distributed_iac.comparison.rows import JobRow, ScoreRow
from distributed_iac.config.comparison import ComparisonSettings
from distributed_iac.errors import ConfigError
from distributed_iac.genotype import Genotype
from distributed_iac.importance.history import ImportanceHistory
from distributed_iac.report.comparison_tables import contrast_records, paper_tables, records
from distributed_iac.report.notes import Note
from distributed_iac.report.tables import Table, csv_text, escape_latex, latex, markdown

TABLE = Table(
    "A_title", ("name", "value"), (("a|b_c", 0.12345), ("50 %", None)), (Note("so it is"),)
)
SETTINGS = ComparisonSettings(resamples=300)


@pytest.fixture(scope="module")
def comparison():
    jobs, patients, evidence = [], [], []
    cell = Genotype.shared(2, [[(0, "sep_conv_3x3"), (1, "skip_connect")]])
    empty = ImportanceHistory.start(cell.cells[0].topology)
    for seed in (0, 1):
        for arm, epochs in (("full", 20.0), ("lth", 5.0)):
            cut = 10.0 if (arm, seed) == ("full", 1) else epochs
            key = f"acdc/basic_unet/search/{arm}/seed{seed}"
            jobs.append(
                JobRow(key, "search", "acdc", "basic_unet", arm, seed, epochs=cut, seconds=cut)
            )
            evidence.append(SearchEvidence("acdc/basic_unet", arm, seed, cell, empty))
            patients += [
                ScoreRow(
                    f"acdc/basic_unet/retrain/{arm}/seed{seed}", "acdc", "basic_unet", arm, arm,
                    seed, f"p{i}", "c", "lv", 0.8 + 0.01 * i, float("nan") if i == 0 else 2.0 + i,
                )
                for i in range(7)
            ]  # fmt: skip
    return compare(jobs, patients, SETTINGS, planned_epochs=20, evidence=evidence)


def test_markdown_keeps_its_columns_whatever_the_text() -> None:
    lines = markdown(TABLE).splitlines()
    assert lines[0] == r"**A\_title**"
    assert lines[2:6] == [
        "| name | value |",
        "| --- | ---: |",
        r"| a\|b\_c | 0.123 |",
        "| 50 % | n/a |",
    ]
    assert lines[-1] == "so it is."


def test_latex_is_escaped_and_balanced() -> None:
    text = latex(TABLE, "tab:one")
    assert r"a|b\_c & 0.123 \\" in text
    assert r"50 \% & n/a \\" in text
    assert r"\begin{tabular}{lr}" in text
    assert text.count(r"\begin{") == text.count(r"\end{") == 2
    with pytest.raises(ConfigError, match="label"):
        latex(TABLE, "tab}one")


@given(st.text(st.characters(codec="ascii"), max_size=30))
def test_escaped_latex_has_no_live_character(text) -> None:
    escaped = escape_latex(text)
    rest = re.sub(r"\\text[a-z]+\{\}|\\[&%$#_{}]", "", escaped)
    assert not set(rest) & set("&%$#_{}~^\\<>")


@given(st.lists(st.tuples(st.text(max_size=8), st.floats(allow_nan=False, allow_infinity=False))))
def test_csv_gives_back_every_digit(rows) -> None:
    text = csv_text(Table("t", ("name", "value"), tuple(rows)))
    read = list(csv.reader(io.StringIO(text, newline="")))
    assert read[0] == ["name", "value"]
    assert [float(value) for _, value in read[1:]] == [value for _, value in rows]


def test_what_is_unknown_is_an_empty_field() -> None:
    assert csv_text(Table("t", ("a", "b"), ((None, float("nan")),))) == "a,b\r\n,\r\n"


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ConfigError, match="2 cells"):
        Table("t", ("a", "b"), ((1,),))


def test_a_comparison_becomes_tables_for_people(comparison) -> None:
    tables = paper_tables(comparison)
    cost = markdown(tables["cost"])
    assert "| acdc/basic\\_unet | 1 | 4.00x | 4.00x |" in cost
    assert "cut short" in cost
    dice = tables["dice"]
    row = dict(zip(dice.columns, dice.rows[0], strict=True))
    assert row["difference"] == "+0.000 [0.000, 0.000]"
    assert (row["within 0.01"], row["p (Holm)"], row["patients"]) == ("equivalent", "1", 7)
    assert "left out on both sides (everywhere: 2 for both)" in markdown(tables["hd95"])
    assert tables["likeness"].rows[0][-3] == 2.0


def test_every_table_renders_in_every_form(comparison) -> None:
    for name, table in (paper_tables(comparison) | records(comparison)).items():
        assert markdown(table).startswith("**")
        assert rf"\label{{tab:{name}}}" in latex(table, f"tab:{name}")
        lines = list(csv.reader(io.StringIO(csv_text(table), newline="")))
        assert {len(line) for line in lines} == {len(table.columns)}


def test_records_carry_the_numbers_themselves(comparison) -> None:
    table = contrast_records(comparison)
    row = dict(zip(table.columns, table.rows[0], strict=True))
    assert row["difference"] == comparison.contrasts[0].difference
    assert row["seeds"] == "0 1"
    speed = records(comparison)["speed"]
    states = [line[speed.columns.index("state")] for line in speed.rows]
    assert "reference cut short" in states


def test_an_empty_comparison_gives_empty_tables() -> None:
    empty = compare([], [], SETTINGS, planned_epochs=20)
    for table in (paper_tables(empty) | records(empty)).values():
        assert table.rows == ()
        assert "No rows." in markdown(table)
        assert csv_text(table).count("\n") == 1
        assert "tabular" in latex(table, "t")
