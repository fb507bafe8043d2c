"""Drawings depend on nothing but what they show, and may share a page."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from matplotlib.figure import Figure

from distributed_iac.report.drawing import inline_svg, render


def figure(title: str = "A < B & C") -> Figure:
    drawn = Figure(figsize=(3, 2), layout="constrained")
    axis = drawn.subplots()
    axis.plot([0, 1, 2], [0, 4, 1], "o-", label="line")
    axis.set_title(title)
    axis.legend()
    return drawn


def test_equal_figures_give_equal_bytes() -> None:
    first, second = render(figure(), "a"), render(figure(), "a")
    assert first == second
    assert first != render(figure("other"), "a")
    assert first.png.startswith(b"\x89PNG")


def test_text_is_text_and_escaped() -> None:
    assert b">A &lt; B &amp; C<" in render(figure(), "a").svg


def test_two_drawings_on_a_page_share_no_identifier() -> None:
    texts = [inline_svg(render(figure(), name)) for name in ("a", "b")]
    found = [set(re.findall(r'\bid="([^"]+)"', text)) for text in texts]
    assert found[0]
    assert not found[0] & found[1]
    for text, identifiers in zip(texts, found, strict=True):
        used = set(re.findall(r'(?:xlink:href="#|url\(#)([^")]+)', text))
        assert used
        assert used <= identifiers


def test_an_inline_drawing_is_one_well_formed_element() -> None:
    text = inline_svg(render(figure(), "a"))
    assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    assert "<metadata" not in text
