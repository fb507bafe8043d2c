"""nnU-Net's 2-D topology rules, against what nnU-Net itself planned."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_iac.errors import ConfigError
from distributed_iac.nets.planner import (
    Fingerprint2d,
    Pair,
    Plan2d,
    doubling,
    plan_2d,
    total_stride,
)


def padded(size: Pair, plan: Plan2d) -> Pair:
    """What nnU-Net pads a patch to: a multiple of all strides."""
    height, width = total_stride(plan.strides)
    return -(-size[0] // height) * height, -(-size[1] // width) * width


SIZES = st.tuples(st.integers(16, 700), st.integers(16, 700))
SPACINGS = st.tuples(st.floats(0.2, 8.0), st.floats(0.2, 8.0))


@pytest.mark.parametrize(
    ("data_set", "size", "spacing", "patch", "stages"),
    [
        ("ACDC", (256, 216), 1.5625, (256, 224), 6),
        ("BraTS21", (171, 137), 1.0, (192, 160), 6),
        ("KiTS", (512, 512), 0.78125, (512, 512), 8),
        ("AMOS", (512, 512), 0.71, (512, 512), 8),
    ],
)
def test_isotropic_plans_are_those_that_nnunet_made(
    data_set: str, size: tuple[int, int], spacing: float, patch: tuple[int, int], stages: int
) -> None:
    plan = plan_2d(Fingerprint2d(size, (spacing, spacing)))
    assert (padded(size, plan), len(plan.strides)) == (patch, stages), data_set
    assert plan.strides == ((1, 1), *((2, 2),) * (stages - 1))
    assert set(plan.kernels) == {(3, 3)}
    assert plan.features == (32, 64, 128, 256, 512, 512, 512, 512)[:stages]


def test_anisotropic_plans_are_those_that_nnunet_made() -> None:
    # Recorded from get_pool_and_conv_props of nnunetv2 2.8.1.
    coarse = plan_2d(Fingerprint2d((400, 96), (0.4, 3.0)))
    assert coarse.strides == ((1, 1), (2, 1), (2, 1), (2, 2), (2, 2), (2, 2), (2, 2))
    assert coarse.kernels == ((3, 1), (3, 1), *((3, 3),) * 5)
    assert padded((400, 96), coarse) == (448, 96)
    narrow = plan_2d(Fingerprint2d((512, 40), (0.5, 0.5)))
    assert narrow.strides == ((1, 1), (2, 2), (2, 2), (2, 2), (2, 1), (2, 1), (2, 1))
    assert padded((512, 40), narrow) == (512, 40)


@given(SIZES, SPACINGS)
def test_every_plan_divides_its_patch_and_leaves_a_bottleneck(
    size: tuple[int, int], spacing: tuple[float, float]
) -> None:
    try:
        plan = plan_2d(Fingerprint2d(size, spacing))
    except ConfigError:
        return
    assert plan.strides[0] == (1, 1)
    assert len(plan.strides) == len(plan.kernels) == len(plan.features)
    assert all(stride != (1, 1) for stride in plan.strides[1:])
    for axis in range(2):
        total = total_stride(plan.strides)[axis]
        assert -(-size[axis] // total) >= 4


@given(SIZES, st.integers(3, 6))
def test_a_limit_cuts_the_plan_short(size: tuple[int, int], limit: int) -> None:
    full = plan_2d(Fingerprint2d(size, (1.0, 1.0)))
    cut = plan_2d(Fingerprint2d(size, (1.0, 1.0)), max_stages=limit)
    assert len(cut.strides) == min(limit, len(full.strides))
    assert cut.strides == full.strides[: len(cut.strides)]


def test_a_patch_too_small_for_three_stages_is_refused_with_a_way_out() -> None:
    with pytest.raises(ConfigError, match="16 x 16") as caught:
        plan_2d(Fingerprint2d((15, 12), (1.0, 1.0)))
    assert "(15, 12)" in str(caught.value)
    assert "basic_unet" in str(caught.value)


def test_features_double_up_to_their_limit() -> None:
    assert doubling(5, 8, 40) == (8, 16, 32, 40, 40)
