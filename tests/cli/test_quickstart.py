"""What the quickstart says at its end, and when it is stopped."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from rich.console import Console

from distributed_iac import quickstart
from distributed_iac.agreement import Match
from distributed_iac.comparison.bootstrap import Interval
from distributed_iac.comparison.given import FoundOfGiven
from distributed_iac.errors import SourceError
from distributed_iac.quickstart import MODELS, DatasetResult

LINES = [
    DatasetResult(name, dict.fromkeys(MODELS, dice), (20, 18), 1.25, (3, 8))
    for name, dice in (("acdc", 0.801), ("brats", 0.512), ("kits", 0.214), ("amos", 0.019))
]

PLANTED = DatasetResult(
    "planted", {n: 0.5 for n in MODELS if n != "plain_extra"}, (60, 17), 5.63, (0, 4)
)

Main = Callable[[BaseException | None], tuple[int, str]]


def test_the_table_fits_eighty_columns_with_nothing_cut() -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    quickstart.show(console, [*LINES, PLANTED])
    shown = console.export_text()
    assert "…" not in shown
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= 80
    for line in LINES:
        (row,) = [text.split() for text in shown.splitlines() if text.startswith(line.dataset)]
        assert row == [
            line.dataset,
            *[f"{line.dice['lth']:.3f}"] * 5,
            "20/18",
            "1.2x",
            "3",
            "of",
            "8",
        ]
    (row,) = [line.split() for line in shown.splitlines() if line.startswith("planted")]
    assert row[1:6] == ["0.500", "-", "0.500", "0.500", "0.500"]


@pytest.fixture
def main(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Main:
    """Run ``main`` with a path that ends so; exit code and output."""

    def call(end: BaseException | None) -> tuple[int, str]:
        def run(_: Console) -> None:
            if end is not None:
                raise end

        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(quickstart, "run", run)
        code = 0
        try:
            quickstart.main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        return code, capsys.readouterr().out

    return call


@pytest.mark.parametrize(
    ("end", "code", "said"),
    [
        (None, 0, "minutes"),
        (KeyboardInterrupt(), 130, "continues where it stopped"),
        (typer.Exit(4), 4, "tries it again"),
        (SourceError("volumes [must] be whole", remedy="copy it again"), 3, "[must]"),
        (OSError(28, "No space left on device", "runs"), 4, "free some space"),
    ],
)
def test_every_end_says_what_to_do(
    main: Main, end: BaseException | None, code: int, said: str
) -> None:
    got, shown = main(end)
    assert got == code
    assert said in shown


def test_what_was_found_of_the_planted_cell_is_said_with_what_there_was() -> None:
    match, gap = Match(3, 4, 1.9, 0.3), Interval(0.2, 0.3, 0.95, "patients")
    found = FoundOfGiven("planted/unet", "lth", (match,), 0.545, 0.694, 0.770, gap, 0.664, gap)
    said = quickstart.found_sentence(found)
    assert "worth 0.770, where a random one is worth 0.545" in said
    assert "lth found, with 3 of its 4 operations, is worth 0.694: 66% of the way" in said
    nothing = quickstart.found_sentence(replace(found, share=None, interval=None))
    assert "nothing was there to find" in nothing
