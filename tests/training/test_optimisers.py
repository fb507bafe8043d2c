"""Optimisers: one state, however they step, and larger weights that go on where smaller were."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from distributed_iac.cell.growth import grow
from distributed_iac.cell.operations import SEARCH, build_operation
from distributed_iac.config.training import AdamSettings, OptimiserSettings, SgdSettings
from distributed_iac.training.optimisers import (
    Stepping,
    build_optimiser,
    inherit,
    load_optimiser,
    optimiser_state,
    set_rate_factor,
)

KINDS: dict[str, OptimiserSettings] = {
    "sgd": SgdSettings(learning_rate=0.1, reference_batch=None),
    "nesterov": SgdSettings(learning_rate=0.1, reference_batch=None, nesterov="on"),
    "adam": AdamSettings(learning_rate=0.01, weight_decay=1e-3),
    "adamw": AdamSettings(kind="adamw", learning_rate=0.01, weight_decay=1e-3),
}


@pytest.fixture(params=KINDS)
def settings(request: pytest.FixtureRequest) -> OptimiserSettings:
    return KINDS[request.param]


class Trained:
    """A weight that is pulled towards fixed values."""

    def __init__(self, settings: OptimiserSettings, stepping: Stepping = "eager") -> None:
        self.weight = nn.Parameter(torch.arange(6.0).reshape(2, 3))
        self.optimiser = build_optimiser(settings, [([self.weight], 1.0)], 4, stepping)

    def step(self, factor: float) -> Tensor:
        set_rate_factor(self.optimiser, factor)
        self.weight.grad = self.weight.detach() - torch.ones(2, 3)
        self.optimiser.step()
        return self.weight.detach().clone()

    def load(self, other: Trained) -> None:
        with torch.no_grad():
            self.weight.copy_(other.weight)
        load_optimiser(self.optimiser, optimiser_state(other.optimiser))


FACTORS = [1.0, 0.5, 0.25, 0.1]


def test_recorded_optimisers_take_the_same_steps_with_rates_that_change(
    settings: OptimiserSettings,
) -> None:
    eager, recorded = Trained(settings), Trained(settings, "recorded")
    rate = recorded.optimiser.param_groups[0]["lr"]
    for factor in FACTORS:
        torch.testing.assert_close(recorded.step(factor), eager.step(factor))
    # A recording reads the rate from where it was: it must be changed in place.
    assert recorded.optimiser.param_groups[0]["lr"] is rate
    assert isinstance(rate, Tensor)


@pytest.mark.parametrize("first", ["eager", "recorded"])
@pytest.mark.parametrize("second", ["eager", "recorded"])
def test_state_goes_on_whichever_way_the_steps_are_executed(
    settings: OptimiserSettings, first: Stepping, second: Stepping
) -> None:
    straight, begun = Trained(settings), Trained(settings, first)
    resumed = Trained(settings, second)
    execution = {name: resumed.optimiser.param_groups[0][name] for name in ("fused", "foreach")}
    for factor in FACTORS[:2]:
        straight.step(factor)
        begun.step(factor)
    resumed.load(begun)
    for factor in FACTORS[2:]:
        torch.testing.assert_close(resumed.step(factor), straight.step(factor))
    group = resumed.optimiser.param_groups[0]
    assert {name: group[name] for name in execution} == execution
    assert isinstance(group["lr"], Tensor) == (second == "recorded")
    assert isinstance(optimiser_state(begun.optimiser)["param_groups"][0]["lr"], float)


def operation(channels: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_operation("sep_conv_3x3", channels, SEARCH)


def moments(optimiser: torch.optim.Optimizer, weight: nn.Parameter) -> dict[str, Any]:
    return {k: v.clone() for k, v in optimiser.state[weight].items() if isinstance(v, Tensor)}


def test_larger_weights_go_on_with_the_state_of_those_they_grew_from(
    settings: OptimiserSettings,
) -> None:
    smaller, larger, other = operation(2), operation(4), nn.Parameter(torch.ones(3))
    weights = [other, *smaller.parameters()]
    optimiser = build_optimiser(settings, [(weights, 1.0)], 4)
    for _ in range(3):
        for weight in weights:
            weight.grad = torch.randn_like(weight)
        optimiser.step()
    before = [moments(optimiser, weight) for weight in weights]
    inherit(optimiser, grow(smaller, larger))
    followers = [other, *larger.parameters()]
    assert [id(p) for p in optimiser.param_groups[0]["params"]] == [id(p) for p in followers]
    assert set(map(id, optimiser.state)) == set(map(id, followers))
    for weight, old in zip(followers, before, strict=True):
        for name, value in moments(optimiser, weight).items():
            kept = value[tuple(slice(size) for size in old[name].shape)]
            assert torch.equal(kept, old[name])
            new = value.sum() - kept.sum()
            expected = old[name].mean() if name == "exp_avg_sq" else 0.0
            torch.testing.assert_close(
                new, torch.as_tensor(expected * (value.numel() - kept.numel()))
            )
    for weight in followers:
        weight.grad = torch.randn_like(weight)
    optimiser.step()
