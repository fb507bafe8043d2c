"""Numbers along a logarithmic axis that people read at once.

::

    axes.set_yscale("log")
    plain_log_ticks(axes.yaxis)         # 0.01, 0.02, 0.05, 0.1: no powers, nothing in between
"""

from __future__ import annotations

from matplotlib.axis import Axis
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter


def plain_log_ticks(axis: Axis) -> None:
    """Plain numbers at 1, 2 and 5 of every decade; of many decades only as many as have room."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_locator(NullLocator())
