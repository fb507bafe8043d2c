from __future__ import annotations

import pytest
from pydantic import ValidationError

from distributed_iac.config.pruning import (
    JsSettings,
    PruningSettings,
    RankSettings,
    ScheduleSettings,
    SignalSettings,
    StabilitySettings,
)


@pytest.mark.parametrize(
    ("model", "values"),
    [
        (StabilitySettings, {"window": 1}),
        (StabilitySettings, {"tau": 0}),
        (StabilitySettings, {"tau": 1}),
        (StabilitySettings, {"patience": 0}),
        (StabilitySettings, {"warmup": -1}),
        (StabilitySettings, {"max_wait": -1}),
        (SignalSettings, {"alpha": 0}),
        (SignalSettings, {"alpha": 0.5}),
        (SignalSettings, {"min_ratio": 0.9}),
        (JsSettings, {"keep_top": 0}),
        (JsSettings, {"keep_top": 8}),
        (JsSettings, {"keep_fraction": 1}),
        (RankSettings, {"epochs": 1}),
        (PruningSettings, {"policy": "sometimes"}),
        (PruningSettings, {"keep_top": 3}),
    ],
)
def test_impossible_values_are_refused(model, values) -> None:
    with pytest.raises(ValidationError):
        model(**values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"at": (5, 10)}, "one entry each"),
        ({"at": (), "keep": ()}, "one entry each"),
        ({"at": (5, 5, 9)}, "must increase"),
        ({"keep": (5, 5, 1)}, "must decrease"),
        ({"keep": (5, 3, 2)}, "must end with 1"),
    ],
)
def test_a_schedule_goes_one_way_and_to_its_end(values, message) -> None:
    with pytest.raises(ValidationError, match=message):
        ScheduleSettings(**values)


def test_settings_survive_their_own_dump() -> None:
    settings = PruningSettings(policy="schedule", schedule=ScheduleSettings(at=(1, 2, 3)))
    assert PruningSettings(**settings.model_dump(mode="json")) == settings


def test_published_numbers_are_the_papers() -> None:
    assert ScheduleSettings().keep == (5, 3, 1)
    assert RankSettings().epochs == 10
    assert RankSettings().operations == "learnable"
