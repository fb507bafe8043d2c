r"""Tables as Markdown, LaTeX and CSV.

::

    table = Table("Search cost", ("group", "speed-up"), (("acdc/unet", 8.2),), notes=(Note("..."),))
    markdown(table)
    latex(table, label="tab:cost")       # needs \usepackage{booktabs}
    csv_text(table)                      # every digit, nothing but columns and rows

One table serves all three. In Markdown and LaTeX numbers are rounded to three decimals, in CSV
they are not; what is not known is n/a there and an empty field here. Notes that are about many
rows are folded in Markdown and counted in LaTeX.
"""

from __future__ import annotations

import csv
import html
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from distributed_iac.errors import ConfigError
from distributed_iac.report.notes import Note

Cell = str | int | float | None

UNKNOWN = "n/a"


@dataclass(frozen=True)
class Table:
    """Columns and rows.

    Args:
        title: What it shows, without a final full stop.
        columns: Their names.
        rows: As many cells each as there are columns.
        notes: Sentences below the table.

    Raises:
        ConfigError: A row of another length.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ConfigError(
                    f"a row of {self.title!r} has {len(self.columns)} cells", came=str(row)
                )

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Whether each column holds numbers only, some at least; such columns are set right."""
        return tuple(
            any(isinstance(cell, int | float) for cell in column)
            and not any(isinstance(cell, str) for cell in column)
            for column in zip(*self.rows, strict=True)
        ) or tuple(False for _ in self.columns)


def markdown(table: Table) -> str:
    """Render as a GitHub-flavoured Markdown table under a bold title."""
    rule = ["---:" if right else "---" for right in table.numeric]
    lines = [
        f"**{_escape_markdown(table.title)}**",
        "",
        _pipes([_escape_markdown(name) for name in table.columns]),
        _pipes(rule),
        *(_pipes([_escape_markdown(show(cell)) for cell in row]) for row in table.rows),
    ]
    if not table.rows:
        lines += ["", "No rows."]
    for note in table.notes:
        lines += ["", *_markdown_note(note)]
    return "\n".join(lines) + "\n"


def _markdown_note(note: Note) -> list[str]:
    """One line, or a line that opens into a list."""
    if not note.is_long:
        return [f"{_escape_markdown(note.line)}."]
    return [
        "<details>",
        f"<summary>{html.escape(note.line)}</summary>",
        "",
        *(f"* {_escape_markdown(case)}" for case in note.cases),
        "",
        "</details>",
    ]


def latex(table: Table, label: str) -> str:
    r"""Render as a LaTeX table in the style of booktabs.

    Args:
        table: The table.
        label: For ``\ref``; letters, digits, colon, dot and hyphen.

    Raises:
        ConfigError: Another label.
    """
    if not re.fullmatch(r"[A-Za-z0-9:.-]+", label):
        raise ConfigError("a label is of letters, digits, colon, dot and hyphen", came=repr(label))
    notes = "".join(f" {escape_latex(note.line)}." for note in table.notes)
    lines = [
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{escape_latex(table.title)}.{notes}}}",
        rf"  \label{{{label}}}",
        rf"  \begin{{tabular}}{{{''.join('r' if right else 'l' for right in table.numeric)}}}",
        r"    \toprule",
        _ampersands(table.columns),
        r"    \midrule",
        *(_ampersands([show(cell) for cell in row]) for row in table.rows),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def csv_text(table: Table) -> str:
    """Render as CSV at full precision (RFC 4180, so lines end with CR LF)."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(table.columns)
    writer.writerows(["" if _is_unknown(cell) else cell for cell in row] for row in table.rows)
    return file.getvalue()


def show(cell: Cell) -> str:
    """One cell for people."""
    if _is_unknown(cell):
        return UNKNOWN
    if isinstance(cell, float):
        return f"{cell:.3f}" if abs(cell) < 1000 else f"{cell:,.0f}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def escape_latex(text: str) -> str:
    """Make text safe outside of math mode."""
    return "".join(_LATEX.get(letter, letter) for letter in " ".join(text.split()))


def _escape_markdown(text: str) -> str:
    return re.sub(r"([\\|*_`<\[\]])", r"\\\1", " ".join(text.split()))


def _is_unknown(cell: Cell) -> bool:
    return cell is None or (isinstance(cell, float) and not math.isfinite(cell))


def _pipes(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _ampersands(cells: Sequence[str]) -> str:
    return f"    {' & '.join(escape_latex(cell) for cell in cells)} \\\\"
