"""A network's prediction of whole cases, on the grid of the files they came from.

::

    labels = predict_case(network, store, case, batch_size=32, device=device)   # as on disk

Probabilities, not labels, are brought back to the native grid and decided there, as nnU-Net does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from distributed_iac.data.batches import read_batch
from distributed_iac.data.contract import Region
from distributed_iac.data.store import Store, StoredCase
from distributed_iac.errors import NumericalError


def predict_case(
    network: nn.Module, store: Store, case: StoredCase, *, batch_size: int, device: torch.device
) -> NDArray[np.uint8]:
    """Predict every slice of a case.

    Args:
        network: Images (B, C, H, W) to logits (B, K, H, W); put into evaluation mode.
        store: Where the case lies.
        case: The case.
        batch_size: Slices at a time.
        device: Where to compute.

    Returns:
        Label values in the array order of the label file, (X, Y, Z).

    Raises:
        NumericalError: A logit is NaN or infinite; decided by argmax, it would pass for a class.
        DataError: K does not fit the store's label scheme.
    """
    network.eval()
    starts = range(0, len(case.rows), batch_size)
    batches = (
        read_batch(store, case.rows[start : start + batch_size], device).images for start in starts
    )
    regions = store.fingerprint.labels.regions
    try:
        return store.restore_probabilities(
            case.case_id, slice_probabilities(network, batches, regions=regions)
        )
    except NumericalError as error:
        raise NumericalError(
            error.message, came=error.came, remedy=error.remedy, where=f"case {case.case_id}"
        ) from error


def slice_probabilities(
    network: nn.Module, batches: Iterable[Tensor], *, regions: Sequence[Region]
) -> Iterator[NDArray[np.float32]]:
    """Predict slice by slice, so that a large volume never lies in memory as a whole.

    Args:
        network: Images (B, C, H, W) to logits (B, K, H, W), in evaluation mode.
        batches: Images (B, C, H, W), on the network's device.
        regions: Of the label scheme: what the outputs are, each with a sigmoid of its own. None:
            they are classes, which share a softmax.

    Yields:
        Probabilities (K, H, W) of each slice.

    Raises:
        NumericalError: A logit is NaN or infinite.
    """
    done = 0
    with torch.no_grad():
        for images in batches:
            logits = network(images).float()
            if not bool(logits.isfinite().all()):
                raise NumericalError(
                    "a network's outputs are finite numbers",
                    came=f"NaN or infinity among slices {done} to {done + len(images) - 1}",
                    remedy="use weights from before the training diverged; its epochs table shows "
                    "the losses",
                )
            yield from (logits.sigmoid() if regions else logits.softmax(1)).cpu().numpy()
            done += len(images)
