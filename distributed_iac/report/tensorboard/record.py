"""One thing that TensorBoard shows, at one step.

::

    record = scalar("dice/val", step=3, at=1764000000.0, value=0.81)
    record.identity                     # tells equal records from different ones
    record.event()                      # built when it is written, not before

Scalars, histograms and images are written in the form that every reader of event files knows;
TensorBoard migrates them while it reads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from distributed_iac.report.tensorboard.protocol import (
    Value,
    event,
    histogram_value,
    image_value,
    scalar_value,
    text_value,
)

FORM = "2"
"""Raised when the same records are to be drawn otherwise, so that old files are written anew."""


@dataclass(frozen=True)
class Record:
    """One value of one tag at one step.

    Args:
        tag: Under which it is shown.
        step: The epoch.
        at: When that was, in seconds since 1970.
        content: Stands for the value: equal contents are built into equal values.
        build: Makes the value. Pictures cost tenths of a second, which is why it waits.
    """

    tag: str
    step: int
    at: float
    content: str
    build: Callable[[], Value] = field(compare=False, repr=False)

    @property
    def identity(self) -> bytes:
        """Equal for equal records, and for no others."""
        return "\0".join((FORM, self.tag, str(self.step), repr(self.at), self.content)).encode()

    def event(self) -> bytes:
        """The record as TensorBoard's event, serialised."""
        return event(self.at, self.step, self.build())


def scalar(tag: str, step: int, at: float, value: float) -> Record:
    """A number; TensorBoard keeps it in single precision."""
    return Record(tag, step, at, repr(value), lambda: scalar_value(tag, value))


def shares(tag: str, step: int, at: float, weights: Sequence[float], description: str) -> Record:
    """A distribution over numbered choices, as a histogram with a bar of width 1 for each.

    Args:
        tag: Under which it is shown.
        step: The epoch.
        at: When that was.
        weights: Share of each choice; the bar of choice i reaches from i to i + 1.
        description: What the numbers mean; shown beside the tag.
    """
    content = f"{description}{[float(w) for w in weights]!r}"
    return Record(tag, step, at, content, lambda: histogram_value(tag, weights, description))


def image(tag: str, step: int, at: float, content: str, draw: Callable[[], bytes]) -> Record:
    """A picture.

    Args:
        tag: Under which it is shown.
        step: The epoch.
        at: When that was.
        content: Stands for what is drawn.
        draw: Draws it; a PNG file.
    """
    return Record(tag, step, at, content, lambda: image_value(tag, draw()))


def text(tag: str, step: int, at: float, markdown: str) -> Record:
    """Markdown."""
    return Record(tag, step, at, markdown, lambda: text_value(tag, markdown))


def digest(*parts: bytes) -> str:
    """A content from bytes of any length."""
    told = hashlib.sha256()
    for part in parts:
        told.update(len(part).to_bytes(8, "little") + part)
    return told.hexdigest()
