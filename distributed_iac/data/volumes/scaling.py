"""What a NIfTI header says of the scale of its voxels, judged.

::

    faults = scaling_faults(path, stored)           # data/volumes/nifti.py asks it for every file

By the standard (nifti1.h, "DATA SCALING"), stored values are multiplied by ``scl_slope`` and
``scl_inter`` is added, unless the slope is 0. nibabel does neither where the slope is 0, NaN or
infinite. Both NaN is how it says that nothing is stated, and nothing is done. Otherwise:

* A slope of 0 beside an intercept, or NaN beside an intercept of 0: nothing is done either, and
  ``undefined_field`` says so.
* An infinite slope, or NaN beside another intercept, is an error: nobody knows the scale. (So is,
  by nibabel, an intercept that is not finite beside a slope that is.)
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from distributed_iac.data.faults import Fault, FaultError


def scaling_faults(path: Path, stored: Any) -> list[Fault]:
    """Judge slope and intercept as they are stored.

    Args:
        path: Of the file.
        stored: The NIfTI header as its bytes are.

    Returns:
        Warnings.

    Raises:
        FaultError: The scale is unknown.
    """
    slope, inter = float(stored["scl_slope"]), float(stored["scl_inter"])
    said = f"scl_slope is {slope:g} and scl_inter is {inter:g}"
    if math.isinf(slope) or (math.isnan(slope) and not (math.isnan(inter) or inter == 0)):
        raise FaultError(
            Fault(
                "unreadable",
                path,
                f"{said}: the scale of the voxels is unknown",
                remedy="Set scl_slope to 1 and scl_inter to 0 if the numbers on disk are meant",
            )
        )
    if (math.isnan(slope) and inter == 0) or (slope == 0 and math.isfinite(inter) and inter != 0):
        return [
            Fault("undefined_field", path, f"{said}; the numbers on disk are taken as they are")
        ]
    return []
