"""Probabilities of slices: classes share a softmax, regions do not; nothing else is a number."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from distributed_iac.data.contract import Region
from distributed_iac.errors import NumericalError
from distributed_iac.evaluation.predict import slice_probabilities

REGIONS = (Region("whole", (1, 2)), Region("core", (1,)))


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.BatchNorm2d(2)).eval()


@pytest.fixture
def images() -> Tensor:
    return torch.randn(5, 1, 8, 6, generator=torch.Generator().manual_seed(1))


def test_the_batch_of_slices_does_not_show(network: nn.Module, images: Tensor) -> None:
    one, two, all_of_them = (
        np.stack(list(slice_probabilities(network, images.split(size), regions=())))
        for size in (1, 2, 5)
    )
    assert one.shape == (5, 2, 8, 6)
    np.testing.assert_allclose(one, two, atol=1e-6)
    np.testing.assert_allclose(one, all_of_them, atol=1e-6)


def test_classes_add_up_to_one_and_regions_are_by_themselves(
    network: nn.Module, images: Tensor
) -> None:
    classes = np.stack(list(slice_probabilities(network, [images], regions=())))
    np.testing.assert_allclose(classes.sum(1), 1, atol=1e-6)
    regions = np.stack(list(slice_probabilities(network, [images], regions=REGIONS)))
    np.testing.assert_allclose(regions, network(images).sigmoid().detach().numpy())


def test_slices_come_as_soon_as_their_batch_is_done(network: nn.Module, images: Tensor) -> None:
    waiting = iter(images.split(2))
    next(slice_probabilities(network, waiting, regions=()))
    assert len(list(waiting)) == 2


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused_with_its_slices(
    network: nn.Module, images: Tensor, value: float
) -> None:
    images[3, 0, 4, 4] = value
    with pytest.raises(NumericalError, match="slices 2 to 3"):
        list(slice_probabilities(network, images.split(2), regions=()))
