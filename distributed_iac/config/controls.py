"""What every result is compared with.

::

    controls: [plain, plain_extra, random]
    baselines:
      - {name: attention_unet}
      - {name: basic_unetplusplus}

A cell that is retrained has had more training than the backbone it sits in, and a searched cell
is a cell: without ``plain_extra`` and ``random`` a gain may be the training's or any cell's.
"""

from __future__ import annotations

from typing import Literal, get_args

Control = Literal["plain", "plain_extra", "random"]
"""``plain``: the pre-trained backbone as it is. ``plain_extra``: the same, trained on for as long
as a cell is retrained. ``random``: a cell that nobody searched, retrained like the others."""

CONTROLS: tuple[Control, ...] = get_args(Control)
