"""The printed check is complete, and plain in a pipe."""

from __future__ import annotations

import io
from collections.abc import Callable

from rich.console import Console

from distributed_iac.data.check.report import check_source
from distributed_iac.data.check.summary import summarise
from distributed_iac.data.check.terminal import print_check
from distributed_iac.data.contract import Case, Problem, Source

MakeCase = Callable[..., Case]
MakeSource = Callable[..., Source]


def printed(source: Source, *, terminal: bool = False) -> str:
    report = check_source(source)
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, width=100 if terminal else None)
    print_check(console, report, summarise(report))
    return stream.getvalue()


def test_a_pipe_gets_plain_unbroken_lines(make_case: MakeCase, make_source: MakeSource) -> None:
    case = make_case()
    case.channels[0].path.write_bytes(b"")
    text = printed(make_source(case, licence="x" * 300))
    assert "\x1b" not in text
    assert "x" * 300 in text
    assert str(case.channels[0].path) in text.replace("\n", "\n ")
    assert any(str(case.channels[0].path) in line for line in text.splitlines())


def test_a_terminal_gets_colour(make_case: MakeCase, make_source: MakeSource) -> None:
    assert "\x1b[" in printed(make_source(make_case()), terminal=True)


def test_everything_found_is_said(make_case: MakeCase, make_source: MakeSource) -> None:
    text = printed(make_source(make_case("a"), make_case("b")))
    for words in (
        "2 of 2 patients, 2 labelled, 8 slices",
        "test (1, 2)",
        "organ",
        "tumour",
        "background",
        "written by a test",
        "no problems found",
    ):
        assert words in text
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line.split()}
    assert rows["slice"] == ["slice", "4", "4", "4", "8", "8", "8"]
    assert rows["column"] == ["column", "6", "6", "6", "1.5", "1.5", "1.5"]


def test_every_problem_is_listed_with_file_reason_and_remedy(
    make_case: MakeCase, make_source: MakeSource
) -> None:
    case = make_case()
    problems = tuple(
        Problem(code, severity, case.channels[0].path, f"reason {code}", f"remedy {code}", "z")
        for code, severity in (("missing_label", "error"), ("alias_used", "warning"))
    )
    text = printed(make_source(case, problems=problems))
    for problem in problems:
        assert f"  reason  {problem.reason}\n" in text
        assert f"  remedy  {problem.remedy}\n" in text
    assert "1 error, 1 warning" in text


def test_brackets_in_names_are_not_taken_for_markup(
    make_case: MakeCase, make_source: MakeSource
) -> None:
    text = printed(make_source(make_case(), licence="[red]see [1][/red]"))
    assert "[red]see [1][/red]" in text


def test_a_source_without_cases_is_printed(make_source: MakeSource) -> None:
    assert "0 of 0 patients" in printed(make_source())
