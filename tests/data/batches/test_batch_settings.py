from __future__ import annotations

import pytest
from pydantic import ValidationError

from distributed_iac.config.batches import BatchSettings


def test_defaults_mirror_nothing_and_oversample_as_nnunet() -> None:
    settings = BatchSettings()
    assert settings.mirror_axes == ()
    assert settings.foreground_fraction == 0.33
    assert settings.foreground_slots + settings.pass_slots == settings.batch_size


def test_a_pass_that_never_advances_is_refused() -> None:
    with pytest.raises(ValidationError, match="lower foreground_fraction"):
        BatchSettings(foreground_fraction=1.0)
    assert BatchSettings(foreground_fraction=1.0, steps_per_epoch=250).pass_slots == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_size": 0},
        {"steps_per_epoch": 0},
        {"steps_per_epoch": "all"},
        {"foreground_fraction": 1.5},
        {"augmentation": "wild"},
        {"mirror_axes": ["depth"]},
        {"mirror": ["rows"]},
    ],
)
def test_what_is_not_offered_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        BatchSettings.model_validate(wrong)


def test_settings_survive_a_round_trip_through_json() -> None:
    settings = BatchSettings(mirror_axes=("rows",), steps_per_epoch=250)
    assert BatchSettings.model_validate_json(settings.model_dump_json()) == settings


def test_the_order_of_mirror_axes_means_nothing() -> None:
    first = BatchSettings(mirror_axes=("columns", "rows", "columns"))
    assert first == BatchSettings(mirror_axes=("rows", "columns"))
    assert first.model_dump(mode="json")["mirror_axes"] == ["rows", "columns"]
