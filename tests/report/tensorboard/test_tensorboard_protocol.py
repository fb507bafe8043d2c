"""What is used of TensorBoard is what the installed one has; its package promises none of it."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

import pytest

from distributed_iac.report.tensorboard import protocol

USED = {
    protocol.Event: {"wall_time", "step", "file_version", "summary", "session_log"},
    protocol.Summary: {"value"},
    protocol.new_value: {"tag", "simple_value", "histo", "image", "tensor", "metadata"},
    protocol.HistogramProto: {"min", "max", "num", "sum", "sum_squares", "bucket_limit", "bucket"},
    protocol.Image: {"encoded_image_string", "width", "height"},
    protocol.HParamsPluginData: {"experiment", "session_start_info", "session_end_info"},
    protocol.SessionStartInfo: {"hparams", "start_time_secs", "group_name"},
    protocol.SessionEndInfo: {"status", "end_time_secs"},
    protocol.hparams_api.Experiment: {"hparam_infos", "metric_infos", "time_created_secs"},
    protocol.layout.Layout: {"category"},
}


def test_the_version_is_one_whose_messages_were_looked_at(bound: Callable[[str], str]) -> None:
    """After an upgrade: look at the tests here and at every tab, then raise both."""
    assert bound("tensorboard") == ">=2.19,<2.22"
    assert (2, 19) <= tuple(map(int, version("tensorboard").split(".")[:2])) < (2, 22)


@pytest.mark.parametrize("message", USED, ids=lambda message: message.DESCRIPTOR.full_name)
def test_every_field_that_is_written_exists(message: type) -> None:
    assert set(message.DESCRIPTOR.fields_by_name) >= USED[message]  # type: ignore[attr-defined]


def test_the_names_of_dashboards_exist() -> None:
    for name in ("EXPERIMENT_TAG", "SESSION_START_INFO_TAG", "SESSION_END_INFO_TAG", "NULL_TENSOR"):
        assert hasattr(protocol.hparams, name), name
    assert protocol.custom_scalar.CONFIG_SUMMARY_TAG
    assert protocol.hparams_api.Status.Value("STATUS_SUCCESS")
