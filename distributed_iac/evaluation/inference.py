"""A network's prediction of whole cases, on the grid of the files they came from.

::

    way = Inference(mirror=mirror_axes(config.evaluation, backbone_settings), batch_size=32)
    labels = predict_case(network, store, case, way, device)            # as on disk

Slices larger than the patch are covered by overlapping windows of its size, blended with a
Gaussian; a slice of the patch's size is predicted in one piece. Logits, not labels, are brought
back to the native grid and decided there. All of it as nnU-Net does, but for its float16 sums.

The windows are ours because MONAI's sliding window can neither place nor weight them as nnU-Net
does: half a pixel moved 8 to 14 of 16,380 voxels to another class, where these move 0 or 1.

Shapes: Z slices, C channels, K outputs, h' x w' a whole slice, H x W the patch.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn

from distributed_iac.config.backbone import BackboneSettings, NnUnetSettings
from distributed_iac.config.batches import Axis
from distributed_iac.config.evaluation import EvaluationSettings
from distributed_iac.data.store import Store, StoredCase
from distributed_iac.data.volumes.plane import Size
from distributed_iac.errors import NumericalError
from distributed_iac.nets.nnunet_folder import read_nnunet_mirroring

STEP = 0.5
"""Largest step of the windows, as a share of their side; nnU-Net's ``tile_step_size``."""

SIGMA = 1 / 8
"""Deviation of the windows' Gaussian weights, as a share of their side; nnU-Net's."""


Predict = Callable[[Tensor], Tensor]
"""Images (B, C, H, W) to logits (B, K, H, W)."""


@dataclass(frozen=True)
class Inference:
    """How slices are predicted.

    Args:
        mirror: Axes along which a slice is mirrored as well, in all combinations; the logits are
            averaged (nnU-Net's test-time augmentation).
        batch_size: Windows at a time; changes memory and speed only.
    """

    mirror: tuple[Axis, ...] = ()
    batch_size: int = 32


def mirror_axes(settings: EvaluationSettings, backbone: BackboneSettings) -> tuple[Axis, ...]:
    """Resolve ``auto``: what an nnU-Net checkpoint allows, nothing for other backbones.

    Raises:
        ConfigError: The checkpoint is not there.
        CheckpointError: It is damaged.
    """
    if settings.mirror != "auto":
        return settings.mirror
    if not isinstance(backbone, NnUnetSettings):
        return ()
    return read_nnunet_mirroring(
        backbone.folder, fold=backbone.fold, checkpoint=backbone.checkpoint
    )


def predict_case(
    network: nn.Module, store: Store, case: StoredCase, way: Inference, device: torch.device
) -> NDArray[np.uint8]:
    """Predict every slice of a case.

    Args:
        network: Images (B, C, H, W) to logits (B, K, H, W); put into evaluation mode.
        store: Where the case lies.
        case: The case.
        way: How.
        device: Where to compute.

    Returns:
        Label values in the array order of the label file, (X, Y, Z).

    Raises:
        NumericalError: A logit is NaN or infinite; decided by argmax, it would pass for a class.
        DataError: K does not fit the store's label scheme.
    """
    network.eval()
    slices, (_, *patch) = store.whole_slices(case.case_id), store.image_shape
    logits = slice_logits(network, slices, (patch[0], patch[1]), way, device)
    try:
        return store.restore_logits(case.case_id, logits)
    except NumericalError as error:
        raise NumericalError(
            error.message, came=error.came, remedy=error.remedy, where=f"case {case.case_id}"
        ) from error


def slice_logits(
    network: nn.Module,
    slices: NDArray[np.float16],
    window: Size,
    way: Inference,
    device: torch.device,
) -> Iterator[NDArray[np.float32]]:
    """Predict slice by slice, so that a large volume never lies in memory as a whole.

    Args:
        network: Images (B, C, H, W) to logits (B, K, H, W), in evaluation mode, on ``device``.
        slices: (Z, C, h', w'), no side below the window's.
        window: (H, W).
        way: How.
        device: Where to compute.

    Yields:
        Logits (K, h', w') of each slice.

    Raises:
        NumericalError: A logit is NaN or infinite.
    """
    predict = partial(_mirrored, network, [{"rows": 2, "columns": 3}[axis] for axis in way.mirror])
    windows = math.prod(map(len, window_starts(slices.shape[2:], window)))
    together = max(1, way.batch_size // windows)
    for start in range(0, len(slices), together):
        images = torch.from_numpy(np.array(slices[start : start + together]))  # may be mapped
        with torch.no_grad():
            outputs = _windowed(predict, window, way.batch_size, images.to(device).float())
        if not bool(outputs.isfinite().all()):
            raise NumericalError(
                "a network's outputs are finite numbers",
                came=f"NaN or infinity among slices {start} to {start + len(images) - 1}",
                remedy="use weights from before the training diverged; its epochs table shows "
                "the losses",
            )
        yield from outputs.float().cpu().numpy()


def window_starts(size: Sequence[int], window: Sequence[int]) -> list[list[int]]:
    """First pixels of the windows along each axis: even steps, as few as half a window allows.

    nnU-Net's ``compute_steps_for_sliding_window``.
    """
    starts = []
    for length, side in zip(size, window, strict=True):
        last = length - side
        steps = math.ceil(last / (side * STEP))
        starts.append([round(last / steps * step) for step in range(steps + 1)] if steps else [0])
    return starts


@lru_cache(maxsize=8)
def window_weights(window: Size) -> Tensor:
    """Weight of each pixel (H, W) of a window; nnU-Net's ``compute_gaussian``."""
    peak = np.zeros(window)
    peak[window[0] // 2, window[1] // 2] = 1
    weights = ndimage.gaussian_filter(peak, [SIGMA * side for side in window], mode="constant")
    weights[weights == 0] = weights[weights > 0].min()  # every pixel counts in some window
    return torch.from_numpy((weights / weights.max()).astype(np.float32))


def _mirrored(network: nn.Module, axes: Sequence[int], images: Tensor) -> Tensor:
    """Average over mirrored images; nnU-Net's ``_internal_maybe_mirror_and_predict``."""
    flips = [some for n in range(1, len(axes) + 1) for some in itertools.combinations(axes, n)]
    total: Tensor = network(images)
    for flip in flips:
        total = total + network(images.flip(flip)).flip(flip)
    return total / (len(flips) + 1) if flips else total


def _windowed(predict: Predict, window: Size, batch_size: int, images: Tensor) -> Tensor:
    """Slide a window over slices that are larger than it."""
    size = images.shape[2:]
    if tuple(size) == window:
        return predict(images)
    height, width = window
    places = [
        (..., slice(top, top + height), slice(left, left + width))
        for top, left in itertools.product(*window_starts(size, window))
    ]
    windows = torch.cat([images[place] for place in places]).split(batch_size)
    outputs = torch.cat([predict(some).float() for some in windows])
    weights = window_weights(window).to(images.device)
    total = images.new_zeros((len(images), outputs.shape[1], *size))
    known = images.new_zeros(size)
    for place, output in zip(places, outputs.split(len(images)), strict=True):
        total[place] += output * weights
        known[place] += weights
    return total / known
