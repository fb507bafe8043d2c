"""Label maps as NIfTI files on the grid of the image they belong to.

::

    image = label_image(labels, like=Path("case_0000.nii.gz"))
    write_image(image, Path("out/case.nii.gz"))
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from distributed_iac.files import whole_file

LabelDtype = Literal["source", "uint8"]
"""``source``: the data type of the image file; every type that an image can have holds the
values of a label map (62 at most). ``uint8``: the smallest, which is what most tools write."""


def label_image(
    labels: NDArray[np.uint8], like: Path, dtype: LabelDtype = "source"
) -> nib.Nifti1Image:
    """Put labels into an image with the affine and the orientation codes of another.

    Values are stored unscaled. Header extensions stay behind: they describe the scan, and may
    name the patient.

    Args:
        labels: (X, Y, Z), in the array order of the file.
        like: The image file.
        dtype: Data type on disk.
    """
    source = nib.load(like)
    assert isinstance(
        source, nib.Nifti1Pair
    )  # Nifti1Image and both kinds of NIfTI-2 derive from it
    kind = nib.Nifti2Image if isinstance(source.header, nib.Nifti2Header) else nib.Nifti1Image
    header = source.header.copy()
    header.extensions.clear()
    header["cal_min"] = header["cal_max"] = 0
    # A picture's label map is a picture: data/volumes/nifti.py reads two axes as one slice.
    shape = source.shape[:2] if len(source.shape) == 2 else labels.shape
    image = kind(labels.reshape(shape), source.affine, header)
    image.set_data_dtype(source.get_data_dtype() if dtype == "source" else np.uint8)
    image.header.set_slope_inter(1, 0)
    return image


def write_image(
    image: nib.Nifti1Image, path: Path, written: Callable[[Path], object] = lambda _: None
) -> None:
    """Write an image so that a kill at any instant leaves a whole file or none.

    nibabel streams it, slice by slice: a CT volume in the float64 of its source would not fit
    twice into memory.

    Args:
        image: What to write.
        path: Where to.
        written: Told where the whole file lies before it gets its name; if that fails, it gets
            none.

    Raises:
        OSError: The folder is not writable or the disk is full; nothing is left behind.
    """
    # nibabel decides by the ending whether to compress.
    with whole_file(path, ending="".join(path.suffixes[-2:])) as temporary:
        image.to_filename(temporary)
        written(temporary)
