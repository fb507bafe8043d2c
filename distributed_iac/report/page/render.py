"""A page as one HTML file that needs nothing else: no network, no script, no other file.

::

    html = render(page)
    write_atomically(run / "report.html", html.encode())

Everything that comes from a run is escaped; the only markup that is not is that of the figures,
which this room has drawn itself.
"""

from __future__ import annotations

import base64
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from distributed_iac import __version__
from distributed_iac.report.drawing import Drawing, inline_svg
from distributed_iac.report.page.blocks import Block, Page
from distributed_iac.report.tables import show


def render(page: Page) -> str:
    """Render a page; equal pages give equal text."""
    environment = Environment(
        loader=PackageLoader("distributed_iac.report.page", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(show=show, svg=_svg, png=_png, kind=_kind)
    style = resources.files("distributed_iac.report.page").joinpath("page.css").read_text("utf-8")
    return environment.get_template("page.html.j2").render(
        page=page, style=Markup(style), version=__version__
    )


def _kind(block: Block) -> str:
    return type(block).__name__


def _svg(drawing: Drawing) -> Markup:
    return Markup(inline_svg(drawing))


def _png(drawing: Drawing) -> str:
    """As a ``data:`` URI."""
    return f"data:image/png;base64,{base64.b64encode(drawing.png).decode()}"
