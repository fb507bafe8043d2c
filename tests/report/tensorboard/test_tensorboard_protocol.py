"""What is used of TensorBoard beyond what it promises: after an upgrade these say what is gone."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
from tensorboard.compat.proto.event_pb2 import SessionLog
from tensorboard.util.tensor_util import make_ndarray

from distributed_iac.report.tensorboard import protocol
from distributed_iac.report.tensorboard.protocol import hparams_api, layout

PACKAGE = Path(protocol.__file__).parent

FIELDS: dict[Any, set[str]] = {
    protocol.Event: {"wall_time", "step", "file_version", "summary", "session_log"},
    SessionLog: {"status"},
    protocol.Summary: {"value"},
    protocol.new_value: {"tag", "simple_value", "histo", "image", "tensor", "metadata"},
    protocol.HistogramProto: {
        "min",
        "max",
        "num",
        "sum",
        "sum_squares",
        "bucket_limit",
        "bucket",
    },
    protocol.Image: {"height", "width", "colorspace", "encoded_image_string"},
    protocol.HParamsPluginData: {"experiment", "session_start_info", "session_end_info"},
    protocol.SessionStartInfo: {"start_time_secs", "hparams"},
    protocol.SessionEndInfo: {"status", "end_time_secs"},
    hparams_api.Experiment: {"hparam_infos", "metric_infos", "time_created_secs"},
    hparams_api.HParamInfo: {"name", "type", "differs", "domain_discrete"},
    hparams_api.MetricInfo: {"name", "display_name", "description"},
    hparams_api.MetricName: {"tag"},
    layout.Layout: {"category"},
    layout.Category: {"title", "closed", "chart"},
    layout.Chart: {"title", "margin", "multiline"},
    layout.MarginChartContent: {"series"},
    layout.MarginChartContent.Series: {"value", "lower", "upper"},
    layout.MultilineChartContent: {"tag"},
}
"""Messages, and what is written into them."""
CHOICES = {
    hparams_api.Status: {"STATUS_SUCCESS", "STATUS_FAILURE"},
    hparams_api.DataType: {"DATA_TYPE_BOOL", "DATA_TYPE_STRING", "DATA_TYPE_FLOAT64"},
}


@pytest.mark.parametrize("message", FIELDS, ids=lambda one: one.DESCRIPTOR.full_name)
def test_every_field_that_is_written_exists(message: Any) -> None:
    gone = FIELDS[message] - set(message.DESCRIPTOR.fields_by_name)
    assert not gone, (
        f"TensorBoard {version('tensorboard')} has no {sorted(gone)} in "
        f"{message.DESCRIPTOR.full_name}; adapt report/tensorboard/protocol.py"
    )


@pytest.mark.parametrize("choice", CHOICES, ids=lambda one: one.DESCRIPTOR.full_name)
def test_every_choice_that_is_written_exists(choice: Any) -> None:
    assert set(choice.keys()) >= CHOICES[choice]


def test_the_version_is_one_whose_messages_were_looked_at(bound: Callable[[str], str]) -> None:
    """After an upgrade: look at the tests here and at every tab, then raise both."""
    assert bound("tensorboard") == ">=2.19,<2.22"
    assert (2, 19) <= tuple(map(int, version("tensorboard").split(".")[:2])) < (2, 22)


def test_only_the_adapter_imports_tensorboard() -> None:
    using = {
        path.name
        for path in PACKAGE.parents[1].rglob("*.py")
        if "from tensorboard" in (text := path.read_text(encoding="utf-8"))
        or "import tensorboard" in text
    }
    assert using == {"protocol.py"}


def read(path: Path, content: bytes) -> list[Any]:
    path.write_bytes(content)
    return list(LegacyEventFileLoader(str(path)).Load())


def test_an_opening_is_read_as_version_and_start(tmp_path: Path) -> None:
    first, second = read(tmp_path / "events", protocol.opening(1.7e9))
    assert first.file_version == protocol.VERSION
    assert second.session_log.status == SessionLog.START
    assert first.wall_time == second.wall_time == 1.7e9


def test_a_framed_event_is_read_as_it_was(tmp_path: Path) -> None:
    value = protocol.text_value("pruning/decisions", "**after epoch 3**")
    event = protocol.Event(wall_time=1.7e9, step=3, summary=protocol.Summary(value=[value]))
    (found,) = read(tmp_path / "events", protocol.framed(event.SerializeToString()))
    assert found == event
    assert make_ndarray(found.summary.value[0].tensor).tolist() == [b"**after epoch 3**"]


def test_what_dashboards_know_values_by_is_there() -> None:
    """Names of plugins and tags, and the value that stands for none."""
    content = protocol.HParamsPluginData(experiment=hparams_api.Experiment())
    value = protocol.hparams_value(protocol.hparams.EXPERIMENT_TAG, content)
    assert value.metadata.plugin_data.plugin_name == "hparams"
    assert value.tag == "_hparams_/experiment"
    assert protocol.hparams.SESSION_START_INFO_TAG == "_hparams_/session_start_info"
    assert protocol.hparams.SESSION_END_INFO_TAG == "_hparams_/session_end_info"
    charts = protocol.layout_value(layout.Layout())
    assert (charts.tag, charts.metadata.plugin_data.plugin_name) == (
        "custom_scalars__config__",
        "custom_scalars",
    )
    bars = protocol.histogram_value("note", [0.5, 0.5], "what they mean")
    assert bars.metadata.plugin_data.plugin_name == "histograms"
    assert protocol.text_value("note", "words").metadata.plugin_data.plugin_name == "text"
