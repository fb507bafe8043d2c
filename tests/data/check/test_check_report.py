"""A check covers every case, joins the reader's problems and repeats none of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from distributed_iac.data.check.case import CaseFinding, inspect_case
from distributed_iac.data.check.report import check_source, conclude
from distributed_iac.data.contract import Case, Problem, Source

MakeCase = Callable[..., Case]
MakeSource = Callable[..., Source]


def test_a_sound_source_is_clean(make_case: MakeCase, make_source: MakeSource) -> None:
    report = check_source(make_source(make_case("a"), make_case("b")))
    assert report.is_clean
    assert [facts.case.case_id for facts in report.facts] == ["a", "b"]


def test_it_never_stops_at_the_first_problem(make_case: MakeCase, make_source: MakeSource) -> None:
    cases = [make_case(name) for name in "abcd"]
    cases[0].channels[0].path.write_bytes(b"")
    cases[2].channels[0].path.write_bytes(b"garbage" * 99)
    shutil.copy(cases[1].channels[0].path, cases[3].channels[0].path)
    report = check_source(make_source(*cases))
    assert [(problem.case_id, problem.code) for problem in report.problems] == [
        ("a", "truncated"),
        ("c", "unreadable"),
        ("d", "duplicate_patient"),
    ]


def test_workers_change_nothing(make_case: MakeCase, make_source: MakeSource) -> None:
    cases = [make_case(name) for name in "abc"]
    cases[1].channels[0].path.write_bytes(b"")
    source = make_source(*cases)
    alone, together = check_source(source, workers=1), check_source(source, workers=2)
    assert together.problems == alone.problems
    assert [f.images for f in together.facts] == [f.images for f in alone.facts]


def test_the_order_of_findings_does_not_matter(
    make_case: MakeCase, make_source: MakeSource
) -> None:
    source = make_source(*(make_case(name) for name in "abc"))
    shutil.copy(source.cases[0].channels[0].path, source.cases[2].channels[0].path)
    findings = [inspect_case(case, source.labels) for case in source.cases]
    forth, back = conclude(source, findings), conclude(source, findings[::-1])
    assert forth.problems == back.problems
    assert [problem.case_id for problem in back.problems] == ["c"]


def test_the_reader_is_joined_and_not_repeated(
    make_case: MakeCase, make_source: MakeSource, tmp_path: Path
) -> None:
    first, second = make_case("a"), make_case("b")
    shutil.copy(first.channels[0].path, second.channels[0].path)
    said = Problem("duplicate_patient", "warning", tmp_path, "seen", "look", "b")
    other = Problem("missing_label", "error", tmp_path / "c", "gone", "fetch", "c")
    report = check_source(make_source(first, second, problems=(other, said)))
    assert report.problems == (said, other)


def test_a_watcher_sees_every_case_once(make_case: MakeCase, make_source: MakeSource) -> None:
    seen: list[str] = []

    def watch(findings: Iterable[CaseFinding]) -> Iterator[CaseFinding]:
        for finding in findings:
            seen.append(finding.facts.case.case_id)
            yield finding

    check_source(make_source(*(make_case(name) for name in "abc")), follow=watch)
    assert sorted(seen) == ["a", "b", "c"]


@pytest.mark.parametrize("workers", [1, 4])
def test_a_source_without_cases_is_checked(make_source: MakeSource, workers: int) -> None:
    assert check_source(make_source(), workers=workers).is_clean


def test_a_declared_label_that_no_label_map_holds_is_told(
    make_case: MakeCase, make_source: MakeSource
) -> None:
    source = make_source(make_case("a"), make_case("b"))
    declared = replace(source.labels, classes={**source.labels.classes, 77: "spleen"})
    (problem,) = check_source(replace(source, labels=declared)).problems
    assert (problem.code, problem.severity, problem.case_id) == ("absent_label", "warning", None)
    assert "spleen (77)" in problem.reason
