"""A network's prediction of whole cases, on the grid of the files they came from.

::

    labels = predict_case(network, store, case, batch_size=32, device=device)   # as on disk

Probabilities, not labels, are brought back to the native grid and decided there, as nnU-Net does.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from distributed_iac.data.batches import read_batch
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
    slices = _probabilities(network, store, case, batch_size, device)
    return store.restore_probabilities(case.case_id, slices)


def _probabilities(
    network: nn.Module, store: Store, case: StoredCase, batch_size: int, device: torch.device
) -> Iterator[NDArray[np.float32]]:
    """Yield (K, H, W) slice by slice, so that a large volume never lies in memory as a whole."""
    regions = bool(store.fingerprint.labels.regions)
    with torch.no_grad():
        for start in range(0, len(case.rows), batch_size):
            batch = read_batch(store, case.rows[start : start + batch_size], device)
            logits = network(batch.images).float()
            if not bool(logits.isfinite().all()):
                raise NumericalError(
                    "a network's outputs are finite numbers",
                    came="NaN or infinity",
                    where=f"case {case.case_id}, slices from {start}",
                    remedy="evaluate weights from before the training diverged",
                )
            yield from (logits.sigmoid() if regions else logits.softmax(1)).cpu().numpy()
