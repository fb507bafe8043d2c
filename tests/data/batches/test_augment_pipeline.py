from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields, replace
from typing import Any

import pytest
import torch

from distributed_iac.config.batches import Axis
from distributed_iac.data.batches.augment import Augmentation
from distributed_iac.data.batches.augment_strength import (
    LIGHT,
    STRENGTHS,
    STRONG,
    AugmentationStrength,
    Chance,
)
from distributed_iac.errors import ConfigError

NEVER = Chance(0.0, 1.0, 1.0)
STILL = AugmentationStrength(
    **{f.name: 0.0 if f.name == "mirror" else NEVER for f in fields(AugmentationStrength)}
)


def batch(count: int = 12, channels: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(count, channels, 24, 20, generator=generator)
    labels = torch.randint(0, 5, (count, 24, 20), generator=generator, dtype=torch.uint8)
    return images, labels


def make(
    strength: AugmentationStrength, axes: Collection[Axis] = (), seed: int = 0
) -> Augmentation:
    generator = torch.Generator().manual_seed(seed)
    return Augmentation(strength, mirror_axes=axes, generator=generator)


@pytest.mark.parametrize("name", ["light", "strong"])
def test_the_same_state_gives_the_same_bits(name: str) -> None:
    augment = make(STRENGTHS[name], {"rows", "columns"})
    for _ in range(3):
        augment(*batch())
    state = augment.state_dict()
    expected = [augment(*batch()) for _ in range(3)]

    other = make(STRENGTHS[name], {"rows", "columns"}, seed=99)
    other.load_state_dict(state)
    for images, labels in expected:
        again = other(*batch())
        assert torch.equal(again[0], images)
        assert torch.equal(again[1], labels)


@pytest.mark.parametrize("name", ["light", "strong"])
def test_shapes_types_finiteness_and_label_values_are_kept(name: str) -> None:
    augment = make(STRENGTHS[name], {"rows", "columns"})
    for count, channels in ((1, 1), (12, 2), (3, 4)):
        for _ in range(10):
            images, labels = augment(*batch(count, channels))
            assert images.shape == (count, channels, 24, 20)
            assert images.dtype == torch.float32
            assert images.isfinite().all()
            assert labels.shape == (count, 24, 20)
            assert labels.dtype == torch.uint8
            assert set(labels.unique().tolist()) <= {0, 1, 2, 3, 4}


def test_the_global_generator_is_neither_read_nor_moved() -> None:
    before = torch.get_rng_state()
    first = make(STRONG)(*batch())
    assert torch.equal(torch.get_rng_state(), before)
    with torch.random.fork_rng():
        torch.manual_seed(123)
        assert torch.equal(make(STRONG)(*batch())[0], first[0])


def test_a_recipe_of_nothing_changes_nothing() -> None:
    images, labels = make(STILL, {"rows", "columns"})(*batch())
    assert torch.equal(images, batch()[0])
    assert torch.equal(labels, batch()[1])


def test_images_and_labels_move_together() -> None:
    geometry = {name: replace(getattr(LIGHT, name), probability=1.0) for name in ("scale", "shift")}
    strength = replace(STILL, rotation=Chance(0.8, -180, 180), mirror=0.5, **geometry)
    labels = torch.zeros(12, 64, 48, dtype=torch.uint8)
    labels[:, 12:40, 8:24] = 3
    before = labels.clone()
    images, labels = make(strength, {"rows", "columns"})(labels[:, None].float(), labels)
    shown, labelled = images[:, 0] > 1.5, labels > 0
    dice = 2 * (shown & labelled).sum((1, 2)) / (shown.sum((1, 2)) + labelled.sum((1, 2)))
    assert (dice > 0.97).all()
    assert (labels != before).flatten(1).any(1).all()


@pytest.mark.parametrize(("axis", "dimension"), [("rows", 1), ("columns", 2)])
def test_mirroring_is_exact_halves_the_batch_and_keeps_to_the_allowed_axis(
    axis: Axis, dimension: int
) -> None:
    augment = make(replace(STILL, mirror=0.5), {axis})
    mirrored = 0
    for _ in range(50):
        images, labels = augment(*batch())
        for i in range(12):
            flipped = bool(torch.equal(labels[i], batch()[1].flip(dimension)[i]))
            source = batch()[0].flip(dimension + 1) if flipped else batch()[0]
            assert torch.equal(images[i], source[i])
            assert flipped or torch.equal(labels[i], batch()[1][i])
            mirrored += flipped
    # 600 fair coins: the standard deviation is 12
    assert 250 < mirrored < 350


def test_no_axis_is_mirrored_unless_it_is_named() -> None:
    augment = make(replace(STILL, mirror=1.0))
    assert torch.equal(augment(*batch())[1], batch()[1])


@pytest.mark.parametrize(
    "name",
    [f.name for f in fields(AugmentationStrength) if f.name not in ("mirror", "shift")],
)
def test_each_change_of_the_strong_recipe_happens_about_as_often_as_it_says(name: str) -> None:
    chance: Chance = getattr(STRONG, name)
    augment = make(replace(STILL, **{name: chance}))
    changed, trials = 0, 0
    for _ in range(60):
        images, _ = augment(*batch(channels=1))
        changed += int((images != batch(channels=1)[0]).flatten(1).any(1).sum())
        trials += len(images)
    expected = chance.probability * chance.channel_probability
    deviation = (expected * (1 - expected) / trials) ** 0.5
    assert abs(changed / trials - expected) < 4 * deviation


def test_channels_are_changed_by_their_own_amounts_and_noise_by_one_deviation() -> None:
    bright = make(replace(STILL, brightness=Chance(1.0, 0.5, 0.9)))
    images, _ = bright(*batch())
    factors = images[:, :, 0, 0] / batch()[0][:, :, 0, 0]
    assert ((factors > 0.5) & (factors < 0.9)).all()
    assert factors.unique().numel() == factors.numel()

    noisy = make(replace(STILL, noise=Chance(1.0, 0.5, 2.0)))
    zeros = torch.zeros(8, 2, 64, 64)
    images, _ = noisy(zeros, torch.zeros(8, 64, 64, dtype=torch.uint8))
    first, second = images.std((2, 3)).T
    torch.testing.assert_close(first, second, rtol=0.1, atol=0)
    assert (images[:, 0] * images[:, 1]).mean().abs() < 0.05
    assert first.max() / first.min() > 1.2


def test_amounts_balanced_around_one_lie_on_both_sides_equally_often() -> None:
    augment = make(replace(STILL, brightness=Chance(1.0, 0.9, 3.0, "around_one")))
    ones = torch.ones(400, 1, 2, 2)
    images, _ = augment(ones, torch.zeros(400, 2, 2, dtype=torch.uint8))
    factors = images[:, 0, 0, 0]
    assert factors.min() >= 0.9
    assert factors.max() <= 3.0
    assert abs(float((factors < 1).float().mean()) - 0.5) < 0.1


def test_light_is_milder_than_strong() -> None:
    for name in ("rotation", "scale", "noise", "brightness", "contrast", "gamma"):
        light, strong = getattr(LIGHT, name), getattr(STRONG, name)
        assert light.high <= strong.high
        assert light.low >= strong.low


@pytest.mark.parametrize(
    "wrong",
    [
        {"probability": 1.1},
        {"low": 2.0},
        {"channel_probability": -0.1},
        {"balance": "around_one", "low": 1.0},
    ],
)
def test_a_chance_that_contradicts_itself_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        replace(Chance(0.5, 0.7, 1.5), **wrong)
