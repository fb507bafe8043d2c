"""Where a skip meets the decoder, in the two blocks that MONAI's networks are built of.

::

    x = join_upcat(net.upcat_4, 0, deeper, skip, implant)
    x = join_up_block(net.decoder5, 0, deeper, skip, implant)

Both do what the block's own ``forward`` does, in the same order, with ``implant`` called between
the upsampling and the concatenation: the results are equal bit for bit.

Shapes: deeper (B, D, h, w), skip (B, C, H, W) with H, W about 2h, 2w; result (B, O, H, W).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from distributed_iac.nets.contract import Implant


def join_upcat(block: Any, tap: int, deeper: Tensor, skip: Tensor, implant: Implant) -> Tensor:
    """Join by MONAI's ``UpCat``: upsample, pad to odd sizes, concatenate (skip, up), convolve."""
    up: Tensor = block.upsample(deeper)
    down, right = (int(skip.shape[axis] != up.shape[axis]) for axis in (-2, -1))
    if down or right:
        up = F.pad(up, (0, right, 0, down), "replicate")
    joined: Tensor = block.convs(torch.cat([implant(tap, skip, up), up], dim=1))
    return joined


def join_up_block(block: Any, tap: int, deeper: Tensor, skip: Tensor, implant: Implant) -> Tensor:
    """Join by MONAI's ``UnetUpBlock`` or ``UnetrUpBlock``: upsample, concatenate (up, skip)."""
    up: Tensor = block.transp_conv(deeper)
    joined: Tensor = block.conv_block(torch.cat((up, implant(tap, skip, up)), dim=1))
    return joined
