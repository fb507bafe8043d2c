"""TensorBoard's own messages: the only module that knows where they come from.

::

    framed(event(at, step, scalar_value("dice/val", 0.81)))

They come from the tensorboard package alone; neither torch nor TensorFlow is imported. It promises
none of them: ``pyproject.toml`` bounds its version, and
``tests/report/tensorboard/test_tensorboard_protocol.py`` says what another one has changed.
"""
# mypy: disable-error-code="import-untyped"
# The tensorboard package says nothing of its types.

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, TypeAlias

import PIL.Image
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary
from tensorboard.plugins.custom_scalar import layout_pb2 as layout
from tensorboard.plugins.custom_scalar import metadata as custom_scalar
from tensorboard.plugins.histogram import metadata as histogram
from tensorboard.plugins.hparams import api_pb2 as hparams_api
from tensorboard.plugins.hparams import metadata as hparams
from tensorboard.plugins.hparams.plugin_data_pb2 import (
    HParamsPluginData,
    SessionEndInfo,
    SessionStartInfo,
)
from tensorboard.plugins.text import metadata as text_metadata
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboard.util.tensor_util import make_tensor_proto

Value: TypeAlias = Any
"""A ``Summary.Value``; the messages are made at run time, where no type checker sees them."""
Image = Summary.Image
new_value = Summary.Value

VERSION = "brain.Event:2"
"""Of event files; the first event of every file says it."""

__all__ = [
    "HParamsPluginData",
    "SessionEndInfo",
    "SessionStartInfo",
    "Value",
    "custom_scalar",
    "event",
    "framed",
    "histogram_value",
    "hparams",
    "hparams_api",
    "hparams_value",
    "image_value",
    "layout",
    "layout_value",
    "opening",
    "scalar_value",
    "text_value",
]


def framed(event: bytes) -> bytes:
    """An event as a record of an event file: length, checksum, content, checksum."""
    buffer = io.BytesIO()
    RecordWriter(buffer).write(event)
    return buffer.getvalue()


def opening(at: float) -> bytes:
    """How an event file begins.

    The second event tells a TensorBoard that has shown an older file of the run to forget all of
    it: this file says everything again.

    Args:
        at: When the run began, in seconds since 1970.
    """
    version = Event(wall_time=at, file_version=VERSION)
    start = Event(wall_time=at, step=0, session_log=SessionLog(status=SessionLog.START))
    return b"".join(framed(event.SerializeToString()) for event in (version, start))


def event(at: float, step: int, value: Value) -> bytes:
    """An event with one value, serialised."""
    summary = Summary(value=[value])
    return bytes(Event(wall_time=at, step=step, summary=summary).SerializeToString())


def scalar_value(tag: str, number: float) -> Value:
    """A number; TensorBoard keeps it in single precision."""
    return new_value(tag=tag, simple_value=number)


def histogram_value(tag: str, weights: Sequence[float], description: str) -> Value:
    """A bar of width 1 for each weight, and what is said beside the tag."""
    middles = [number + 0.5 for number in range(len(weights))]
    bars = HistogramProto(
        min=0.0,
        max=float(len(weights)),
        num=sum(weights),
        sum=sum(w * x for w, x in zip(weights, middles, strict=True)),
        sum_squares=sum(w * x * x for w, x in zip(weights, middles, strict=True)),
        bucket_limit=[float(number + 1) for number in range(len(weights))],
        bucket=list(weights),
    )
    metadata = histogram.create_summary_metadata(display_name=None, description=description)
    return new_value(tag=tag, histo=bars, metadata=metadata)


def image_value(tag: str, png: bytes) -> Value:
    """A PNG file."""
    with PIL.Image.open(io.BytesIO(png)) as picture:
        width, height = picture.size
    proto = Image(height=height, width=width, colorspace=4, encoded_image_string=png)
    return new_value(tag=tag, image=proto)


def text_value(tag: str, markdown: str) -> Value:
    """Markdown for the text dashboard."""
    return new_value(
        tag=tag,
        tensor=make_tensor_proto([markdown.encode()]),
        metadata=text_metadata.create_summary_metadata(display_name=None, description=None),
    )


def hparams_value(tag: str, content: HParamsPluginData) -> Value:
    """A message of the hparams dashboard; it lies in the metadata, the value is empty."""
    metadata = hparams.create_summary_metadata(content)
    # TensorBoard leaves the order of a map to chance; equal messages are to be equal bytes.
    whole = HParamsPluginData.FromString(metadata.plugin_data.content)
    metadata.plugin_data.content = whole.SerializeToString(deterministic=True)
    return new_value(tag=tag, metadata=metadata, tensor=hparams.NULL_TENSOR)


def layout_value(content: layout.Layout) -> Value:
    """Which curves the custom scalars dashboard puts into one chart."""
    return new_value(
        tag=custom_scalar.CONFIG_SUMMARY_TAG,
        tensor=make_tensor_proto(content.SerializeToString()),
        metadata=custom_scalar.create_summary_metadata(),
    )
