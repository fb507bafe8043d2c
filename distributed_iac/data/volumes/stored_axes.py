"""Volumes that are cut as they are stored must be stored alike.

::

    codes = common_codes(grids.values())            # "IPL", of most of them
    odd_cases({path: grid, ...}, codes)             # the faults of the others

Where a format's headers do not carry the anatomy (layouts ``as_stored``), the array's own axes
say how a slice lies, and a volume that somebody has rewritten in other axes would be cut in
another plane. Its header is the only witness of that, so it is heard: axis codes that differ from
those of most volumes are an error. A header that does not tell is taken on trust, with a warning
of its own (``orientation_unknown``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from distributed_iac.data.faults import Fault
from distributed_iac.data.volumes.grid import Grid


def common_codes(grids: Iterable[Grid]) -> str | None:
    """Return the axis codes of most volumes, the first of equals; None if no header tells."""
    told = Counter(grid.codes for grid in grids if grid.codes is not None)
    return told.most_common(1)[0][0] if told else None


def odd_cases(grids: Mapping[Path, Grid], codes: str | None) -> list[Fault]:
    """Return a fault for each first image of a case whose axis codes are not those of most.

    Args:
        grids: Of the first image of every case that is cut as stored.
        codes: Of :func:`common_codes`.
    """
    alike = sum(grid.codes == codes for grid in grids.values())
    return [
        Fault(
            "axis_codes_differ",
            path,
            f"the axes are {grid.codes}, those of {alike} of {len(grids)} cases {codes}",
        )
        for path, grid in grids.items()
        if grid.codes not in (None, codes)
    ]
