"""Ways in which a case on disk goes wrong, each the trace of a mishap that users report.

::

    path = HARM["truncated"](site)          # the file that is now damaged

Every function damages one thing and leaves the rest of the tree as it was.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from distributed_iac.phantom.phantom_plan import PlacedCase


@dataclass(frozen=True, eq=False)
class Site:
    """Where to do harm.

    Args:
        out: Folder that the phantom was written to.
        case: The case to damage.
        donor: A case of another patient, for damage that takes two.
        rng: Chooses among channels and voxels.
    """

    out: Path
    case: PlacedCase
    donor: PlacedCase | None
    rng: np.random.Generator

    @property
    def image(self) -> Path:
        """One of the case's image files, at random."""
        files = list(self.case.images.values())
        return files[int(self.rng.integers(len(files)))]


def missing_image(site: Site) -> Path:
    """Delete every image of the case: labels were cloned, images not downloaded."""
    for file in site.case.images.values():
        file.unlink()
    return next(iter(site.case.images.values()))


def missing_channel(site: Site) -> Path:
    """Delete one of several channels."""
    path = site.image
    path.unlink()
    return path


def missing_label(site: Site) -> Path:
    """Delete the label file."""
    site.case.label.unlink()
    return site.case.label


def partial_download(site: Site) -> Path:
    """Leave the hidden file of an interrupted download in the image's place."""
    path = site.image
    partial = path.with_name(f".partial.{path.name}")
    data = path.read_bytes()
    partial.write_bytes(data[: len(data) // 3])
    path.unlink()
    return partial


def truncated(site: Site) -> Path:
    """Cut an image after 60 % of its bytes: a full disk, an interrupted copy."""
    path = site.image
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    return path


def unreadable(site: Site) -> Path:
    """Store a login page under an image's name: a download without permission."""
    path = site.image
    path.write_text("<!DOCTYPE html><title>Please log in</title>\n" * 20, encoding="ascii")
    return path


def zero_size(site: Site) -> Path:
    """Store an image without a voxel: an export that was cropped to nothing."""
    return _edit(site.image, lambda array: array[..., :0])


def channel_count(site: Site) -> Path:
    """Store an image with a second volume on a fourth axis."""
    return _edit(site.image, lambda array: np.stack([array, array[::-1]], axis=-1))


def shape_mismatch(site: Site) -> Path:
    """Drop the last row along the label's longest axis."""

    def crop(array: NDArray[Any]) -> NDArray[Any]:
        axis = int(np.argmax(array.shape))
        return np.take(array, range(array.shape[axis] - 1), axis=axis)

    return _edit(site.case.label, crop)


def spacing_mismatch(site: Site) -> Path:
    """State voxels in the label's header that are a quarter larger than the image's."""
    scale = np.diag([1.25, 1.25, 1.25, 1.0])
    return _edit(site.case.label, move=lambda affine: affine @ scale)


def affine_mismatch(site: Site) -> Path:
    """Shift the label's origin by 12 mm along every axis."""
    shift = np.eye(4)
    shift[:3, 3] = 12.0
    return _edit(site.case.label, move=lambda affine: shift @ affine)


def nonfinite(site: Site) -> Path:
    """Store an image as float32 with NaN and infinity at three voxels."""

    def spoil(array: NDArray[Any]) -> NDArray[Any]:
        spoilt = array.astype(np.float32)
        places = site.rng.choice(spoilt.size, 3, replace=False)
        spoilt.flat[places] = (np.nan, np.inf, -np.inf)
        return spoilt

    return _edit(site.image, spoil)


def noninteger_labels(site: Site) -> Path:
    """Resample the mask with linear instead of nearest-neighbour interpolation."""
    return _edit(
        site.case.label,
        lambda array: ndimage.shift(array.astype(np.float32), 0.4, order=1),
    )


def unexpected_labels(site: Site) -> Path:
    """Write the smallest value that the release does not define at three voxels.

    For BraTS and KiTS that is the value by which two releases differ: masks of another release.
    """
    stray = next(value for value in range(1, 256) if value not in site.case.values)

    def mix(array: NDArray[Any]) -> NDArray[Any]:
        mixed = array.copy()
        mixed.flat[site.rng.choice(mixed.size, 3, replace=False)] = stray
        return mixed

    return _edit(site.case.label, mix)


def empty_mask(site: Site) -> Path:
    """Erase the whole mask."""
    return _edit(site.case.label, np.zeros_like)


def duplicate_case(site: Site) -> Path:
    """Let a case occur twice: as a nested folder, or in the list where a list decides.

    Nested in a second folder of the parent's name: what unpacking an archive inside its own
    folder leaves behind. Listed: a training case that is a validation case too, or the reverse.
    """
    listing = site.out / "amos22" / "dataset.json"
    if listing.exists():
        _list_again(listing, site.case)
        return listing
    folder = site.case.label.parent
    copy = folder.parent / folder.parent.name / folder.name
    shutil.copytree(folder, copy)
    return copy


def _list_again(listing: Path, case: PlacedCase) -> None:
    """List a case under the other of training and validation too."""
    content = json.loads(listing.read_text(encoding="ascii"))
    in_training = case.label.parent.name == "labelsTr"
    name, count = ("validation", "numValidation") if in_training else ("training", "numTraining")
    entry = {
        "image": f"./{case.images['image'].parent.name}/{case.label.name}",
        "label": f"./{case.label.parent.name}/{case.label.name}",
    }
    content[name].append(entry)
    content[count] += 1
    listing.write_text(json.dumps(content, indent=4) + "\n", encoding="ascii")


def duplicate_patient(site: Site) -> Path:
    """Overwrite the case's images and label by those of another patient."""
    assert site.donor is not None, "plant() gives a donor"
    donor, case = site.donor, site.case
    for channel, source in donor.images.items():
        case.images[channel].write_bytes(source.read_bytes())
    case.label.write_bytes(donor.label.read_bytes())
    return next(iter(case.images.values()))


def hidden_files(site: Site) -> Path:
    """Leave the files that macOS adds to folders and archives."""
    path = site.image
    path.with_name(".DS_Store").write_bytes(b"\x00\x00\x00\x01Bud1" + bytes(24))
    twin = path.with_name(f"._{path.name}")
    twin.write_bytes(b"\x00\x05\x16\x07" + bytes(160))
    return twin


def crlf_text(site: Site) -> Path:
    """Give the text file beside the case, or of the whole tree, Windows line ends."""
    beside = site.case.label.with_name("Info.cfg")
    path = beside if beside.exists() else site.out / "amos22" / "dataset.json"
    text = path.read_bytes().replace(b"\r\n", b"\n")
    path.write_bytes(text.replace(b"\n", b"\r\n"))
    return path


Harm = Callable[[Site], Path]

HARM: Mapping[str, Harm] = MappingProxyType(
    {
        "missing_image": missing_image,
        "missing_channel": missing_channel,
        "missing_label": missing_label,
        "partial_download": partial_download,
        "truncated": truncated,
        "unreadable": unreadable,
        "zero_size": zero_size,
        "channel_count": channel_count,
        "shape_mismatch": shape_mismatch,
        "spacing_mismatch": spacing_mismatch,
        "affine_mismatch": affine_mismatch,
        "affine_ignored": affine_mismatch,
        "nonfinite": nonfinite,
        "noninteger_labels": noninteger_labels,
        "unexpected_labels": unexpected_labels,
        "empty_mask": empty_mask,
        "duplicate_case": duplicate_case,
        "duplicate_patient": duplicate_patient,
        "hidden_files": hidden_files,
        "crlf_text": crlf_text,
    }
)
"""What does the harm that a defect's code stands for."""


def _edit(
    path: Path,
    voxels: Callable[[NDArray[Any]], NDArray[Any]] = lambda array: array,
    move: Callable[[NDArray[np.float64]], NDArray[np.float64]] = lambda affine: affine,
) -> Path:
    """Rewrite a file with other voxels or another affine; all else in its header stays."""
    image = nib.load(path)
    header = image.header
    array = voxels(np.asanyarray(image.dataobj))
    affine = move(image.affine)
    edited = nib.Nifti1Image(array, affine)
    edited.header["descrip"] = header["descrip"]
    edited.header.set_xyzt_units(*header.get_xyzt_units())
    edited.header.set_qform(affine, code=int(header["qform_code"]))
    edited.header.set_sform(affine, code=int(header["sform_code"]))
    nib.save(edited, path)
    return path
