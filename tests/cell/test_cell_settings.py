from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from distributed_iac.config.cell import CellSettings
from distributed_iac.errors import ConfigError


@pytest.mark.parametrize(("inputs", "count"), [("skip", 1), ("skip_and_decoder", 2)])
def test_inputs_decide_the_topology(inputs: str, count: int) -> None:
    settings = CellSettings.model_validate({"inputs": inputs, "nodes": 3})
    assert settings.topology.inputs == count
    assert settings.topology.nodes == 3


def test_a_fixed_width_that_k_does_not_divide_is_refused_with_those_that_do() -> None:
    with pytest.raises(ValidationError, match="width 12: 1, 2, 3, 4, 6 or 12 do"):
        CellSettings(width=12, partial_channels=5)


def test_a_skip_that_k_does_not_divide_is_refused_with_those_that_do() -> None:
    with pytest.raises(ConfigError, match="width 6") as error:
        CellSettings(width="match", partial_channels=4).width_for(6)
    assert error.value.remedy is not None
    assert "1, 2, 3 or 6" in error.value.remedy


@given(st.integers(1, 600), st.floats(0.01, 0.99), st.sampled_from([1, 2, 4, 8]))
def test_a_fraction_is_rounded_to_a_multiple_of_k(channels: int, share: float, k: int) -> None:
    width = CellSettings(width=share, partial_channels=k).width_for(channels)
    assert width >= k
    assert width % k == 0
    assert abs(width - channels * share) <= max(k / 2, k - channels * share)


@pytest.mark.parametrize("width", [0, -8, 1.0, 1.5, 0.0, "half"])
def test_other_widths_are_refused(width: object) -> None:
    with pytest.raises(ValidationError):
        CellSettings.model_validate({"width": width})


def test_widths_survive_json() -> None:
    for width in (16, 0.5, "match"):
        settings = CellSettings.model_validate({"width": width})
        assert CellSettings.model_validate_json(settings.model_dump_json()) == settings
