"""Figures as bytes that depend on nothing but what they show.

::

    drawing = render(figure, "cost")
    drawing.svg, drawing.png               # files
    inline_svg(drawing)                    # for a page that holds several

No date, no version, no random identifier: the same numbers give the same bytes. In the SVG text
stays text, so that it can be searched and read aloud, and there is no background, so that a page
can have its own; the PNG is white.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.figure import Figure

PNG_DPI = 144
_IDS = re.compile(rb'(\bid="|xlink:href="#|url\(#)')


@dataclass(frozen=True)
class Drawing:
    """A rendered figure.

    Args:
        name: Can be a file's, and is unique on a page.
        svg: The SVG file.
        png: The PNG file.
    """

    name: str
    svg: bytes
    png: bytes


def render(figure: Figure, name: str) -> Drawing:
    """Render a figure both ways.

    Args:
        figure: Drawn by one of this room's functions.
        name: Of lower-case letters, digits and hyphens.
    """
    svg, png = io.BytesIO(), io.BytesIO()
    engine = figure.get_layout_engine()
    if engine is not None:  # once is enough: with an engine, every format is drawn twice
        engine.execute(figure)
        figure.set_layout_engine(None)
    with mpl.rc_context({"svg.hashsalt": "distributed-iac", "svg.fonttype": "none"}):
        figure.savefig(
            svg, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
    figure.savefig(png, format="png", dpi=PNG_DPI, metadata={"Software": None})
    return Drawing(name, svg.getvalue(), png.getvalue())


def inline_svg(drawing: Drawing) -> str:
    """The ``<svg>`` element alone, its identifiers made unique.

    Matplotlib numbers the parts of each figure from 1, so two figures on a page would refer to
    each other's parts.
    """
    start = drawing.svg.index(b"<svg")
    prefix = drawing.name.encode() + b"-"
    body = _IDS.sub(lambda match: match[0] + prefix, drawing.svg[start:])
    body = re.sub(rb"\s*<metadata>.*?</metadata>", b"", body, flags=re.DOTALL)
    return body.decode()
