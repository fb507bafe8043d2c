"""A network's prediction of whole cases, on the grid of the files they came from.

::

    way = Inference(mirror=("rows",), batch_size=32)
    labels = predict_case(network, store, case, way, device)            # as on disk

Slices larger than the patch are covered by overlapping windows of its size, blended with a
Gaussian (MONAI's sliding window, at nnU-Net's steps); a slice of the patch's size is predicted in
one piece. Logits, not labels, are brought back to the native grid and decided there. All of it as
nnU-Net does. Differs from it in: 1. windows may lie one pixel elsewhere where the steps are no
whole numbers; 2. sums are float32, nnU-Net's float16.

Shapes: Z slices, C channels, K outputs, h' x w' a whole slice, H x W the patch.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from distributed_iac.config.batches import Axis
from distributed_iac.data.plane import Size
from distributed_iac.data.store import Store, StoredCase
from distributed_iac.errors import NumericalError

STEP = 0.5
"""Largest step of the windows, as a share of their side; nnU-Net's ``tile_step_size``."""

SIGMA = 0.125
"""Deviation of the windows' Gaussian weights, as a share of their side; nnU-Net's and MONAI's."""


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
    predictor = _Windows(_Mirrored(network, way.mirror), window, way.batch_size)
    together = max(
        1, way.batch_size // math.prod(map(len, window_starts(slices.shape[2:], window)))
    )
    for start in range(0, len(slices), together):
        images = torch.from_numpy(np.array(slices[start : start + together]))  # may be mapped
        with torch.no_grad():
            logits = predictor(images.to(device).float()).float()
        if not bool(logits.isfinite().all()):
            raise NumericalError(
                "a network's outputs are finite numbers",
                came=f"NaN or infinity among slices {start} to {start + len(images) - 1}",
                remedy="use weights from before the training diverged; its epochs table shows "
                "the losses",
            )
        yield from logits.cpu().numpy()


def window_starts(size: Sequence[int], window: Sequence[int]) -> list[range]:
    """First pixels of the windows along each axis: as few as steps of half a window allow.

    The last window may begin earlier than its step, to end with the slice.
    """
    starts = []
    for length, side in zip(size, window, strict=True):
        count = math.ceil((length - side) / (side * STEP)) + 1
        step = math.ceil((length - side) / max(count - 1, 1)) or 1
        starts.append(range(0, count * step, step))
    return starts


class _Mirrored:
    """A network averaged over mirrored images; nnU-Net's ``_internal_maybe_mirror_and_predict``."""

    def __init__(self, network: nn.Module, mirror: Sequence[Axis]) -> None:
        self._network = network
        axes = [{"rows": 2, "columns": 3}[axis] for axis in mirror]
        self._flips = [c for n in range(1, len(axes) + 1) for c in itertools.combinations(axes, n)]

    def __call__(self, images: Tensor) -> Tensor:
        total: Tensor = self._network(images)
        for flip in self._flips:
            total = total + self._network(images.flip(flip)).flip(flip)
        return total / (len(self._flips) + 1) if self._flips else total


class _Windows:
    """Slides a window over slices that are larger than it."""

    def __init__(self, predictor: _Mirrored, window: Size, batch_size: int) -> None:
        self._predictor, self._window, self._batch_size = predictor, window, batch_size

    def __call__(self, images: Tensor) -> Tensor:
        size = images.shape[2:]
        if tuple(size) == self._window:
            return self._predictor(images)
        from monai.inferers import sliding_window_inference  # seconds to import

        starts = window_starts(size, self._window)
        # MONAI turns the overlap back into a step by truncation: half a pixel keeps it whole.
        overlap = [1 - (s.step + 0.5) / side for s, side in zip(starts, self._window, strict=True)]
        logits: Tensor = sliding_window_inference(
            images,
            self._window,
            self._batch_size,
            self._predictor,
            overlap=[max(share, 0.0) for share in overlap],
            mode="gaussian",
            sigma_scale=SIGMA,
        )
        return logits
