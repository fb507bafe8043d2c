"""Phantoms: small synthetic data sets in the exact on-disk layouts of ACDC, BraTS, KiTS and AMOS.

::

    phantom = make_phantom("kits", Path("phantoms/kits"), patients=8, seed=0, size="small")
    plant(phantom.out, "kits", ["truncated"], seed=0)

They stand in for data that cannot be passed on: for tests, for a first run, for trying a new
format. The anatomy is drawn, not real: structures have the right place, shape, label and order of
brightness; neighbours that must not be confused look alike; so a network has something to learn,
and results on phantoms say nothing about patients.

How a file comes about: a patient's space (:mod:`.space`) is filled with shapes (:mod:`.shapes`)
that make up an anatomy (:mod:`.heart`, :mod:`.brain`, :mod:`.torso`), which becomes an image
(:mod:`.imaging`), which is stored (:mod:`.volume_file`) in a format's tree (:mod:`.acdc`,
:mod:`.brats`, :mod:`.kits`, :mod:`.amos`).
"""

from distributed_iac.phantom.catalogue import FORMATS, FormatName, resolve_release
from distributed_iac.phantom.defects import (
    DEFECTS,
    Defect,
    PlantedDefect,
    defects_of,
    plant,
)
from distributed_iac.phantom.make import Phantom, make_phantom
from distributed_iac.phantom.phantom_plan import SIZES, PhantomPlan, PlacedCase, Size

__all__ = [
    "DEFECTS",
    "FORMATS",
    "SIZES",
    "Defect",
    "FormatName",
    "Phantom",
    "PhantomPlan",
    "PlacedCase",
    "PlantedDefect",
    "Size",
    "defects_of",
    "make_phantom",
    "plant",
    "resolve_release",
]
