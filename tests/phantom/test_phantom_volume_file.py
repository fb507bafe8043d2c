from __future__ import annotations

from itertools import permutations, product
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from distributed_iac.phantom.volume_file import affine_of, save, stored_zooms, to_stored

CODES = ["".join(axes) for order in permutations(("RL", "AP", "SI")) for axes in product(*order)]


@pytest.mark.parametrize("codes", CODES)
def test_every_orientation_keeps_each_voxel_at_its_place_in_the_patient(codes: str) -> None:
    spacing = (5.0, 2.0, 1.0)
    volume = np.arange(4 * 5 * 6).reshape(4, 5, 6)
    stored = to_stored(volume, codes)
    affine = affine_of(codes, stored_zooms(codes, spacing), (10.0, 20.0, 30.0))
    assert "".join(nib.aff2axcodes(affine)) == codes

    def place(value: int) -> np.ndarray:
        index = np.argwhere(stored == value)[0]
        return np.asarray(nib.affines.apply_affine(affine, index))

    start = place(int(volume[0, 0, 0]))
    np.testing.assert_allclose(place(int(volume[1, 0, 0])) - start, (0, 0, 5))  # superior
    np.testing.assert_allclose(place(int(volume[0, 1, 0])) - start, (0, -2, 0))  # posterior
    np.testing.assert_allclose(place(int(volume[0, 0, 1])) - start, (-1, 0, 0))  # left


def test_the_kits_affine_is_the_published_one() -> None:
    affine = affine_of("IPL", (3.0, 0.78125, 0.78125), (0.0, 0.0, 0.0))
    expected = [[0, 0, -0.78125, 0], [0, -0.78125, 0, 0], [-3.0, 0, 0, 0], [0, 0, 0, 1]]
    np.testing.assert_array_equal(affine, expected)


def test_frames_stay_last(tmp_path: Path) -> None:
    series = np.zeros((3, 4, 5, 7), np.int16)
    path = tmp_path / "series.nii.gz"
    save(path, series, "LPS", (3.0, 2.0, 2.0), frame_seconds=0.04)
    assert nib.load(path).shape == (5, 4, 3, 7)
    header = nib.load(path).header
    assert header.get_zooms()[3] == pytest.approx(0.04)
    assert header.get_xyzt_units() == ("mm", "sec")


@pytest.mark.parametrize("codes", [(0, 2), (1, 1)])
def test_headers_say_what_was_asked_and_that_nobody_was_imaged(
    tmp_path: Path, codes: tuple[int, int]
) -> None:
    array = np.arange(24, dtype=np.float64).reshape(2, 3, 4)
    path = tmp_path / "new" / "volume.nii.gz"
    save(path, array, "SPL", (3.0, 2.0, 2.0), qform_code=codes[0], sform_code=codes[1])
    image = nib.load(path)
    assert image.get_data_dtype() == np.float64
    assert (int(image.header["qform_code"]), int(image.header["sform_code"])) == codes
    assert bytes(image.header["descrip"]).startswith(b"synthetic phantom")
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), array)


def test_equal_arrays_make_equal_bytes(tmp_path: Path) -> None:
    array = np.arange(64, dtype=np.int16).reshape(4, 4, 4)
    for name in ("a.nii.gz", "b.nii.gz"):
        save(tmp_path / name, array, "LPS", (1.0, 1.0, 1.0))
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
