"""What a page consists of, without a word about how it looks.

::

    cost = Section("cost", "Search cost", blocks)
    page = Page("acdc", "...", "done", "12 of 12 jobs", headlines, (), (cost,))
    render(page)                        # distributed_iac/report/page/render.py
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from distributed_iac.report.drawing import Drawing
from distributed_iac.report.tables import Table

State = Literal["done", "incomplete", "failed"]
"""failed: at least one job failed for good; incomplete: jobs run or wait."""


@dataclass(frozen=True)
class Headline:
    """One number that a hurried reader takes away.

    Args:
        label: What it is.
        value: The number; empty where there is none yet.
        interval: Its interval; empty where there is none.
        sentence: What it says, or why it is missing.
    """

    label: str
    value: str
    interval: str
    sentence: str


@dataclass(frozen=True)
class Prose:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class ShownTable:
    """A table.

    Args:
        name: Of its files.
        table: What it holds.
        fold: Whether it is folded away until asked for.
    """

    name: str
    table: Table
    fold: Literal["open", "folded"] = "open"


@dataclass(frozen=True)
class ShownFigure:
    """A figure.

    Args:
        drawing: What it shows.
        caption: What to see in it.
        form: ``line`` art may change with the page's colours; a ``photograph`` must not.
    """

    drawing: Drawing
    caption: str
    form: Literal["line", "photograph"] = "line"


@dataclass(frozen=True)
class Gallery:
    """Figures of one kind, side by side where there is room.

    Args:
        title: What they have in common.
        pictures: The figures.
        fold: Whether they are folded away until asked for.
    """

    title: str
    pictures: tuple[ShownFigure, ...]
    fold: Literal["open", "folded"] = "open"


@dataclass(frozen=True)
class Facts:
    """Terms and what they are."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Listing:
    """Sentences below each other."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Code:
    """Text to be copied.

    Args:
        title: What it is.
        text: The text.
        fold: Whether it is folded away until asked for.
    """

    title: str
    text: str
    fold: Literal["open", "folded"] = "open"


Block = Prose | ShownTable | ShownFigure | Gallery | Facts | Listing | Code


@dataclass(frozen=True)
class Section:
    """A part with a heading.

    Args:
        anchor: Of its link; letters and hyphens.
        title: Its heading.
        blocks: What it holds.
    """

    anchor: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Page:
    """A whole page.

    Args:
        title: Name of the run.
        summary: What was done, in one or two sentences.
        state: How far it is.
        progress: The same for people.
        headlines: Numbers to take away.
        warnings: What is missing or must be known before they are trusted.
        sections: Everything else.
    """

    title: str
    summary: str
    state: State
    progress: str
    headlines: tuple[Headline, ...]
    warnings: tuple[str, ...]
    sections: tuple[Section, ...]
