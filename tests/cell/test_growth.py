"""More channels for the operations that are left: what was learned stays, exactly."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import nn

from distributed_iac.cell.growth import grow
from distributed_iac.cell.operations import SEARCH, build_operation
from distributed_iac.config.cell import CellSettings
from distributed_iac.genotype import OPERATIONS

STEPS = [{"alive": 0.5, "partial_channels": 2}, {"alive": 0.25, "partial_channels": 1}]


def settings(**changes: object) -> CellSettings:
    return CellSettings.model_validate(
        {"partial_channels": 4, "relax_partial_channels": STEPS, **changes}
    )


def trained(name: str, channels: int) -> nn.Module:
    operation = build_operation(name, channels, SEARCH).double()
    for _ in range(3):
        operation(torch.randn(2, channels, 6, 6, dtype=torch.float64))
    return operation


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("mode", [True, False], ids=["train", "eval"])
def test_kept_channels_compute_what_they_computed(name: str, mode: bool) -> None:
    smaller, larger = trained(name, 3), build_operation(name, 6, SEARCH).double()
    growth = grow(smaller, larger)
    x = torch.randn(2, 6, 7, 7, dtype=torch.float64)
    before, after = smaller.train(mode)(x[:, :3]), larger.train(mode)(x)
    torch.testing.assert_close(after[:, :3], before, atol=1e-12, rtol=0)
    assert [one.old for one in growth] == list(smaller.parameters())
    assert [one.new for one in growth] == list(larger.parameters())


@pytest.mark.parametrize("name", ["sep_conv_3x3", "dil_conv_5x5"])
def test_new_channels_learn_and_are_learned_from(name: str) -> None:
    larger = build_operation(name, 6, SEARCH)
    grow(trained(name, 3).float(), larger)
    loss = (larger(torch.randn(2, 6, 7, 7)) * torch.randn(2, 6, 7, 7)).sum()
    for gradient in torch.autograd.grad(loss, list(larger.parameters())):
        assert (gradient.flatten(1) != 0).any(dim=1).all()


@given(st.integers(0, 14 * 8), st.integers(0, 14 * 8))
def test_k_never_rises_while_operations_die(one: int, other: int) -> None:
    fewer, more = sorted((one, other))
    assert settings().partial_channels_at(fewer) <= settings().partial_channels_at(more)


@pytest.mark.parametrize(("none", "full"), [("candidate", 14 * 8), ("left_out", 14 * 7)])
def test_k_follows_the_share_that_is_alive(none: str, full: int) -> None:
    cell = settings(none=none)
    ks = [cell.partial_channels_at(n) for n in (full, full // 2 + 1, full // 2, full // 4, 8)]
    assert ks == [4, 4, 2, 1, 1]
    assert settings(relax_partial_channels=[]).partial_channels_at(8) == 4


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([STEPS[1], STEPS[0]], "goes down"),
        ([{"alive": 0.5, "partial_channels": 4}], "goes down"),
        ([{"alive": 0.5, "partial_channels": 3}], "3 does not divide the K before it, 4"),
        ([{"alive": 1.0, "partial_channels": 2}], "less than 1"),
    ],
)
def test_relaxations_that_make_no_sense_are_refused(steps: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        settings(relax_partial_channels=steps)
