"""Augment a whole batch on its device, repeatable from one generator's state.

::

    augment = Augmentation(STRENGTHS["strong"], mirror_axes=["rows"], generator=torch.Generator())
    images, labels = augment(images, labels)        # (B, C, H, W) and (B, H, W)
    state = augment.state_dict()                    # the generator's, nothing else

All random numbers come from one CPU generator, whatever the device: the same seed gives the same
sequence of rotations and noise on a laptop and on a GPU. Who is changed is therefore known on
the host, so only the samples concerned are gathered, changed and written back; the device is
never asked and never waited for. No Python loop runs over samples or channels.

Why not MONAI: its random transforms draw from a numpy ``RandomState`` of their own and treat
one sample at a time on the CPU. A batch would take B calls, and the state would be scattered
over a dozen objects instead of lying in one generator that a checkpoint can hold.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor

from distributed_iac.config.batches import Axis
from distributed_iac.data.batches import augment_intensity as intensity
from distributed_iac.data.batches import augment_spatial as spatial
from distributed_iac.data.batches.augment_strength import AugmentationStrength, Chance

_IMAGE_DIMENSION: dict[Axis, int] = {"rows": -2, "columns": -1}


class Augmentation:
    """Random changes of a batch.

    Args:
        strength: Probabilities and ranges.
        mirror_axes: Axes that may be mirrored (see ``BatchSettings.mirror_axes``).
        generator: CPU generator that every random number comes from.
    """

    def __init__(
        self,
        strength: AugmentationStrength,
        *,
        mirror_axes: Collection[Axis],
        generator: torch.Generator,
    ) -> None:
        assert generator.device.type == "cpu", "the same sequence holds on every device"
        self._strength = strength
        self._mirror_axes = tuple(axis for axis in _IMAGE_DIMENSION if axis in mirror_axes)
        self._generator = generator

    @torch.no_grad()
    def __call__(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Augment a batch.

        Args:
            images: (B, C, H, W) contiguous float32, normalised; overwritten.
            labels: (B, H, W) integers on the same device; overwritten.

        Returns:
            Images and labels of the same shapes and types. Every label value was among the
            sample's own, or is background.
        """
        assert images.is_contiguous(), "planes are written through a view"
        self._warp(images, labels)
        self._mirror(images, labels)
        planes = images.view(-1, *images.shape[2:])
        samples, channels = images.shape[:2]
        strength = self._strength
        self._noise(planes, strength.noise, samples, channels)
        self._blur(planes, strength.blur, samples, channels)
        steps: tuple[tuple[Chance, intensity.PlaneChange], ...] = (
            (strength.brightness, intensity.brightness),
            (strength.contrast, intensity.contrast),
            (strength.low_resolution, intensity.low_resolution),
            (strength.gamma_inverted, intensity.gamma_inverted),
            (strength.gamma, intensity.gamma),
        )
        for chance, change in steps:
            chosen = self._planes(chance, samples, channels)
            if chosen.numel():
                amount = self._amounts(chance, chosen.numel())
                where = _on(chosen, images)
                planes.index_copy_(0, where, change(planes[where], _on(amount, images)))
        return images, labels

    def state_dict(self) -> dict[str, Any]:
        """Return the generator's state as a uint8 tensor."""
        return {"generator": self._generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue the sequence of random numbers that ``state`` was taken from."""
        self._generator.set_state(state["generator"])

    def _warp(self, images: Tensor, labels: Tensor) -> None:
        strength, count = self._strength, images.shape[0]
        turned, scaled, shifted = (
            self._happens(chance.probability, count)
            for chance in (strength.rotation, strength.scale, strength.shift)
        )
        chosen = (turned | scaled | shifted).nonzero()[:, 0]
        n = chosen.numel()
        if not n:
            return
        degrees = self._amounts(strength.rotation, n).where(turned[chosen], 0.0)
        scale = self._amounts(strength.scale, n).where(scaled[chosen], 1.0)
        shift = self._amounts(strength.shift, n, 2).where(shifted[chosen][:, None], 0.0)
        theta = spatial.affine(degrees, scale, shift, size=(images.shape[2], images.shape[3]))
        where = _on(chosen, images)
        moved = spatial.warp(images[where], labels[where], _on(theta, images))
        images.index_copy_(0, where, moved[0])
        labels.index_copy_(0, where, moved[1])

    def _mirror(self, images: Tensor, labels: Tensor) -> None:
        for axis in self._mirror_axes:
            chosen = self._happens(self._strength.mirror, images.shape[0]).nonzero()[:, 0]
            if chosen.numel():
                where, dimension = _on(chosen, images), _IMAGE_DIMENSION[axis]
                images.index_copy_(0, where, images[where].flip(dimension))
                labels.index_copy_(0, where, labels[where].flip(dimension))

    def _noise(self, planes: Tensor, chance: Chance, samples: int, channels: int) -> None:
        """Add noise: one deviation a sample, fresh noise a channel."""
        chosen = self._planes(chance, samples, channels)
        if chosen.numel():
            deviation = self._amounts(chance, samples)[chosen // channels]
            noise = torch.randn(chosen.numel(), *planes.shape[1:], generator=self._generator)
            planes.index_add_(
                0, _on(chosen, planes), _on(noise.mul_(deviation[:, None, None]), planes)
            )

    def _blur(self, planes: Tensor, chance: Chance, samples: int, channels: int) -> None:
        chosen = self._planes(chance, samples, channels)
        if chosen.numel():
            where = _on(chosen, planes)
            rows, columns = _on(self._amounts(chance, 2, chosen.numel()), planes)
            changed = intensity.blur(planes[where], rows, columns, largest=chance.high)
            planes.index_copy_(0, where, changed)

    def _happens(self, probability: float, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=self._generator) < probability

    def _planes(self, chance: Chance, samples: int, channels: int) -> Tensor:
        """Draw the indices of the planes that a change is applied to."""
        changed = self._happens(chance.probability, samples)[:, None]
        taking_part = self._happens(chance.channel_probability, samples, channels)
        return (changed & taking_part).flatten().nonzero()[:, 0]

    def _amounts(self, chance: Chance, *shape: int) -> Tensor:
        uniform = torch.rand(*shape, generator=self._generator)
        if chance.balance == "even":
            return chance.low + (chance.high - chance.low) * uniform
        below = self._happens(0.5, *shape)
        return torch.where(
            below, chance.low + (1 - chance.low) * uniform, 1 + (chance.high - 1) * uniform
        )


def _on(tensor: Tensor, like: Tensor) -> Tensor:
    return tensor.to(like.device, non_blocking=True)
