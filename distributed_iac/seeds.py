"""Seeds for every purpose from one seed.

::

    derive_seed(0, "search", "acdc", "basic_unet")      # independent of every other purpose
"""

from __future__ import annotations

import hashlib


def derive_seed(seed: int, *purpose: str | int) -> int:
    """Return a seed in [0, 2**63) that depends on ``seed`` and on every part of the purpose.

    A hash rather than ``seed + i``, so that neighbouring seeds and purposes share no streams, and
    rather than Python's own ``hash``, which differs from process to process.
    """
    text = "\x1f".join([str(seed), *map(str, purpose)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
