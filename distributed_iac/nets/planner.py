"""How deep a 2-D network should be for a given patch: nnU-Net's topology rules.

::

    plan = plan_2d(Fingerprint2d(patch_size=(256, 216), spacing=(1.5625, 1.5625)))
    plan.strides        # ((1, 1), (2, 2), (2, 2), (2, 2), (2, 2), (2, 2)): six stages
    plan.features       # (32, 64, 128, 256, 512, 512)

Source: Isensee et al., nnU-Net, Nature Methods 18 (2021), and the rules as nnunetv2 2.x runs
them (``get_pool_and_conv_props`` and the default planner); checked against its own results.
Differs from the planner of nnU-Net in: 1. the patch size is given by the store and is never
reduced to fit a memory target; 2. no batch size is planned; 3. ``max_stages`` can limit the depth.
"""

from __future__ import annotations

from dataclasses import dataclass

from distributed_iac.errors import ConfigError

MIN_EDGE = 4
"""Smallest edge of a feature map at the bottleneck, in pixels (nnU-Net)."""

BASE_FEATURES = 32
"""Channels at full resolution (nnU-Net)."""

MAX_FEATURES_2D = 512
"""Limit to the doubling of channels in 2-D (nnU-Net)."""

MIN_STAGES = 3
"""Fewest resolutions that a DynUNet can be built of (MONAI)."""

Pair = tuple[int, int]


@dataclass(frozen=True)
class Fingerprint2d:
    """What the plan depends on.

    Args:
        patch_size: Height and width that the network is trained on, in pixels.
        spacing: Millimetres per pixel along height and width.
    """

    patch_size: Pair
    spacing: tuple[float, float]


@dataclass(frozen=True)
class Plan2d:
    """A network's stages, finest first.

    Args:
        strides: Stride of each stage along height and width; the first is (1, 1).
        kernels: Convolution kernel of each stage.
        features: Channels of each stage.
    """

    strides: tuple[Pair, ...]
    kernels: tuple[Pair, ...]
    features: tuple[int, ...]


def plan_2d(
    fingerprint: Fingerprint2d,
    *,
    base_features: int = BASE_FEATURES,
    max_features: int = MAX_FEATURES_2D,
    max_stages: int | None = None,
) -> Plan2d:
    """Plan a 2-D network by nnU-Net's rules.

    Axes are halved while their feature map stays at least four pixels wide and while their
    spacing is within a factor of two of the finest poolable axis; a kernel is 1 along an axis
    that is still twice as coarse as the finest, and 3 from then on.

    Args:
        fingerprint: Patch size and spacing.
        base_features: Channels of the first stage.
        max_features: Upper limit of channels.
        max_stages: Upper limit to the number of stages, at least three; none by default.

    Raises:
        ConfigError: If the patch is too small for three stages.
    """
    size = list(fingerprint.patch_size)
    spacing = list(fingerprint.spacing)
    kernel = [1, 1]
    strides: list[Pair] = [(1, 1)]
    kernels: list[Pair] = []
    while max_stages is None or len(strides) < max_stages:
        axes = _axes_to_pool(size, spacing)
        if not axes:
            break
        for axis in range(2):
            if spacing[axis] < 2 * min(spacing):
                kernel[axis] = 3
        kernels.append((kernel[0], kernel[1]))
        strides.append((2 if 0 in axes else 1, 2 if 1 in axes else 1))
        for axis in axes:
            spacing[axis] *= 2
            size[axis] = -(-size[axis] // 2)
    kernels.append((3, 3))
    if len(strides) < MIN_STAGES:
        raise ConfigError(
            f"a planned network needs {MIN_STAGES} resolutions, so a patch of 16 x 16 or more",
            came=f"patch size {fingerprint.patch_size} at spacing {fingerprint.spacing} mm",
            remedy="prepare larger slices, set dynunet's strides, or take basic_unet",
        )
    return Plan2d(
        strides=tuple(strides),
        kernels=tuple(kernels),
        features=doubling(len(strides), base_features, max_features),
    )


def doubling(stages: int, base_features: int, max_features: int) -> tuple[int, ...]:
    """Return channels per stage: doubled from ``base_features``, at most ``max_features``."""
    return tuple(min(base_features * 2**stage, max_features) for stage in range(stages))


def total_stride(strides: tuple[Pair, ...]) -> Pair:
    """Return the product of the strides along each axis: input sizes must be multiples of it."""
    height = width = 1
    for stride in strides:
        height, width = height * stride[0], width * stride[1]
    return height, width


def _axes_to_pool(size: list[int], spacing: list[float]) -> list[int]:
    large = [axis for axis in range(2) if size[axis] >= 2 * MIN_EDGE]
    if not large:
        return []
    finest = min(spacing[axis] for axis in large)
    axes = [axis for axis in large if spacing[axis] / finest < 2]
    # A lone axis is halved only from three times the smallest edge on (nnU-Net).
    if len(axes) == 1 and size[axes[0]] < 3 * MIN_EDGE:
        return []
    return axes
