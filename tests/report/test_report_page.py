"""The page: its numbers are those of the tables, it needs nothing else, and it trusts nobody."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from distributed_iac.comparison.pairing import MEAN
from distributed_iac.report.notes import Note
from distributed_iac.report.page.assemble import page_of
from distributed_iac.report.page.blocks import Page, Section, ShownTable
from distributed_iac.report.page.headlines import headlines
from distributed_iac.report.page.render import render
from distributed_iac.report.rebuild import PAGE, rebuild
from distributed_iac.report.run_figures import RunFigures, run_figures
from distributed_iac.report.run_record import RunRecord, read_run
from distributed_iac.report.run_tables import run_tables
from distributed_iac.report.tables import UNKNOWN, Table, csv_text, show


def page_text(folder: Path) -> str:
    rebuild(folder)
    return (folder / PAGE).read_text()


VOID = {"meta", "img", "br", "path", "use", "rect", "circle", "line"}


class Parsed(HTMLParser):
    """Tables, identifiers, references and tags of a page."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: dict[str, list[list[str]]] = {}
        self.identifiers: list[str] = []
        self.links: list[str] = []
        self.tags: Counter[str] = Counter()
        self.text = ""
        self._row: list[str] | None = None
        self._table = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        self.tags[tag] += 1
        if found.get("id"):
            self.identifiers.append(found["id"])
        self.links += [v for k, v in attributes if k in ("href", "src", "xlink:href") and v]
        if tag == "table":
            self._table = found["data-name"]
            self.tables[self._table] = []
        if tag == "tr":
            self._row = []
            self.tables[self._table].append(self._row)
        if tag in ("td", "th"):
            self._row.append("")

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._row:
            self._row[-1] += data.strip()

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self._row = None


@pytest.fixture(scope="module")
def page(
    finished: RunRecord, finished_tables: dict[str, Table], finished_figures: RunFigures
) -> Page:
    return page_of(finished, finished_tables, finished_figures)


@pytest.fixture(scope="module")
def html(page: Page) -> str:
    return render(page)


def test_what_was_doubtful_in_the_data_is_told_before_the_results(page: Page) -> None:
    told = [f"{name}: P01_pre looks like P01_post" for name in ("acdc", "kits")]
    assert set(told) <= set(page.warnings)
    assert "acdc: z.png: not used" in page.warnings


def test_every_table_on_the_page_is_the_table_in_the_files(
    html: str, finished_tables: dict[str, Table]
) -> None:
    shown = Parsed(html).tables
    assert set(shown) == {name for name, table in finished_tables.items() if table.rows}
    assert set(shown) == set(finished_tables) - {"unfinished"}  # nothing failed
    for name, rows in shown.items():
        table = finished_tables[name]
        (header, *body) = csv.reader(io.StringIO(csv_text(table), newline=""))
        assert rows[0] == header
        assert len(rows) - 1 == len(body)
        for there, here in zip(body, rows[1:], strict=True):
            kinds = [type(cell) for cell in table.rows[body.index(there)]]
            for kind, exact, text in zip(kinds, there, here, strict=True):
                expected = show(kind(exact)) if exact else UNKNOWN
                assert text == expected, (name, there)


def test_headlines_are_the_numbers_of_the_comparison(finished: RunRecord, html: str) -> None:
    shown = headlines(finished)
    (speed,) = [
        one
        for one in finished.comparison.speed
        if (one.group, one.measure) == ("all groups", "seconds")
    ]
    (dice,) = [
        one
        for one in finished.comparison.contrasts
        if (one.group, one.against, one.metric, one.target) == ("all groups", "full", "dice", MEAN)
    ]
    assert speed.ratio is not None
    assert speed.interval is not None
    assert dice.interval is not None
    assert shown[0].value == f"{speed.ratio:.2f}x"
    assert shown[0].interval == f"[{speed.interval.low:.2f}, {speed.interval.high:.2f}]"
    assert shown[2].value == f"{dice.difference:+.3f}"
    assert shown[2].interval == f"[{dice.interval.low:.3f}, {dice.interval.high:.3f}]"
    text = Parsed(html).text
    for one in shown:
        assert one.value in text
        assert one.interval in text


def test_headlines_ask_what_the_run_can_answer(finished: RunRecord) -> None:
    """The network as it was is among the controls; a run without ``full`` is not asked about it."""
    labels = [one.label for one in headlines(finished)]
    assert "Test Dice, lth less plain" in labels
    config = finished.config
    alone = config.model_copy(update={"arms": {"lth": config.arms["lth"]}})
    left = [one.label for one in headlines(replace(finished, config=alone))]
    assert left == [one for one in labels if "full" not in one]


def test_a_handful_of_patients_makes_no_headline(finished: RunRecord) -> None:
    few = tuple(replace(one, patients=5) for one in finished.comparison.contrasts)
    scarce = replace(finished)
    vars(scarce)["comparison"] = replace(finished.comparison, contrasts=few)
    shown = headlines(scarce)
    dice = [one for one in shown if one.label.startswith("Test Dice")]
    assert dice
    assert all("5 test patients are too few" in one.sentence for one in dice)
    words = ("Better", "Worse", "quivalent", "inferior")
    assert not any(word in one.sentence for one in dice for word in words)


def test_a_reference_that_prunes_is_told_and_not_called_full_length(
    make_run: Callable[..., Path],
) -> None:
    folder = make_run(arms={"full": {"policy": "js"}, "lth": {"policy": "js"}})
    page = rebuild(folder)
    assert any("the arm full prunes (policy: js)" in warning for warning in page.warnings)
    assert "by full-length search" not in (folder / PAGE).read_text()


def test_the_page_needs_nothing_else(html: str) -> None:
    parsed = Parsed(html)
    assert parsed.tags["script"] == 0
    assert parsed.tags["link"] == 0
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in parsed.links)
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]


def test_identifiers_are_unique_and_references_lead_somewhere(html: str) -> None:
    parsed = Parsed(html)
    assert len(parsed.identifiers) == len(set(parsed.identifiers))
    targets = {f"#{identifier}" for identifier in parsed.identifiers}
    inside = {link for link in parsed.links if link.startswith("#")}
    inside |= set(re.findall(r"url\((#[^)]+)\)", html))
    assert inside
    assert inside <= targets


def test_every_figure_is_on_the_page_and_described(html: str, finished_figures: RunFigures) -> None:
    parsed = Parsed(html)
    for drawing in finished_figures.drawings:
        assert f"figure-{drawing.name}" in parsed.identifiers
    assert parsed.tags["figure"] == len(finished_figures.drawings)
    assert parsed.tags["figcaption"] == len(finished_figures.drawings)


def test_tags_are_balanced(html: str) -> None:
    opened: list[str] = []

    class Balance(HTMLParser):
        def handle_starttag(self, tag: str, _: object) -> None:
            if tag not in VOID:
                opened.append(tag)

        def handle_endtag(self, tag: str) -> None:
            if tag not in VOID:
                assert opened.pop() == tag

    Balance().feed(html)
    assert opened == []


def test_what_comes_from_a_run_is_text(make_run: Callable[..., Path]) -> None:
    folder = make_run(failed=["acdc/prepare"])
    html = page_text(folder)
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)" in html
    assert "diverged in epoch 7 <script>alert(1)</script>" in Parsed(html).text


def test_a_run_without_results_says_so(make_run: Callable[..., Path]) -> None:
    html = page_text(make_run(stop_after=1))
    text = Parsed(html).text
    assert "not yet" in text
    assert "No pair of finished lth and full searches" in text
    assert "No search has finished yet" in text
    assert "the patients table is empty" in text


@pytest.mark.parametrize(
    ("arms", "question"),
    [
        (["full", "lth"], "full-length search (full) and by a shortened one (lth)"),
        (["lth"], "by lth. The cells were retrained"),
    ],
)
def test_the_question_is_one_that_the_arms_can_answer(
    make_run: Callable[..., Path], arms: list[str], question: str
) -> None:
    policies = {"full": {"policy": "none"}, "lth": {"policy": "js"}}
    folder = make_run(stop_after=1, arms={arm: policies[arm] for arm in arms})
    assert question in Parsed(page_text(folder)).text


def test_a_note_about_many_rows_is_folded_and_complete(page: Page) -> None:
    cases = tuple(f"acdc/unet{number}: {number} for both" for number in range(5))
    notes = (Note("left out", cases, "5 of 9 rows"), Note("few", cases[:2], "2 of 9 rows"))
    table = ShownTable("noted", Table("Noted", ("a",), (("x",),), notes))
    shown = replace(page, sections=(Section("s", "S", (table,)),))
    html = render(shown)
    assert "<summary>left out (5 of 9 rows)</summary>" in html
    assert all(f"<li>{case}</li>" in html for case in cases)
    assert f"few ({'; '.join(cases[:2])})." in Parsed(html).text


def test_undecided_edges_are_counted_in_the_text(
    finished: RunRecord, finished_tables: dict[str, Table], page: Page
) -> None:
    (cells,) = [section for section in page.sections if section.anchor == "cells"]
    undecided = len(finished_tables["undecided"].rows)
    kept = sum(len(one.result.cell.kept) for one in finished.searches)
    assert undecided > 0
    assert f"Of {kept} kept edges in 8 finished searches, {undecided} are undecided" in (
        cells.blocks[0].text
    )


def test_a_run_of_random_cells_alone_is_asked_nothing_about_searches(
    make_run: Callable[..., Path],
) -> None:
    record = read_run(make_run(question="headroom", headroom={"cells": 2, "seeds": 2}))
    tables = run_tables(record)
    page = page_of(record, tables, run_figures(record))
    assert page.headlines == ()
    assert not [one for one in page.warnings if "compare" in one]
