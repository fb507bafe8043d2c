from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from distributed_iac.phantom import FormatName, Phantom
from distributed_iac.phantom.brats import origin_of

Written = Callable[[FormatName, str], Phantom]
Voxels = Callable[[Path], NDArray[Any]]


def test_images_and_label_of_a_case_share_one_grid(every: Phantom) -> None:
    for case in every.cases:
        label = nib.load(case.label)
        for path in case.images.values():
            image = nib.load(path)
            assert image.shape == label.shape
            np.testing.assert_array_equal(image.affine, label.affine)


def test_labels_are_uint8_and_hold_only_what_the_release_defines(
    every: Phantom, voxels: Voxels
) -> None:
    for case in every.cases:
        assert nib.load(case.label).get_data_dtype() == np.uint8
        assert set(np.unique(voxels(case.label)).tolist()) <= case.values


def test_acdc_headers(phantom: Written) -> None:
    made = phantom("acdc", "2017")
    spacings, shapes = set(), set()
    for case in made.cases:
        image = nib.load(case.images["cine"])
        assert image.get_data_dtype() == np.int16
        assert nib.aff2axcodes(image.affine) == ("L", "P", "S")
        x, y, thickness = (float(zoom) for zoom in image.header.get_zooms())
        assert x == y
        assert 1.36 < x < 1.69
        assert thickness in (5.0, 10.0)
        assert 6 <= image.shape[2] <= 12
        spacings.add(x)
        shapes.add(image.shape)
    assert len(spacings) > 1
    assert len(shapes) > 2


def test_acdc_frame_files_equal_the_series(phantom: Written, voxels: Voxels) -> None:
    for case in phantom("acdc", "2017").cases:
        path = case.images["cine"]
        frame = int(path.name.removesuffix(".nii.gz")[-2:])
        (series_path,) = path.parent.glob("*_4d.nii.gz")
        series = nib.load(series_path)
        assert series.header.get_zooms()[3] > 0
        np.testing.assert_array_equal(voxels(series_path)[..., frame - 1], voxels(path))


@pytest.mark.parametrize("release", ["2018", "2020", "2021", "2023-GLI"])
def test_brats_affine_is_the_published_one_for_its_rows(phantom: Written, release: str) -> None:
    for case in phantom("brats", release).cases:
        for path in (*case.images.values(), case.label):
            image = nib.load(path)
            rows = image.shape[1]
            expected = [[-1, 0, 0, 0], [0, -1, 0, rows - 1], [0, 0, 1, 0], [0, 0, 0, 1]]
            np.testing.assert_array_equal(image.affine, expected)


def test_brats_2024_is_stored_in_another_orientation(phantom: Written) -> None:
    for case in phantom("brats", "2024-GLI").cases:
        assert nib.aff2axcodes(nib.load(case.label).affine) == ("L", "A", "S")


def test_real_matrices_have_the_published_origins() -> None:
    assert origin_of("LPS", (155, 240, 240)) == (0, 239, 0)
    assert origin_of("LAS", (182, 218, 182)) == (90, -126, -72)


@pytest.mark.parametrize("release", ["2019", "2021", "2023"])
def test_kits_headers(phantom: Written, release: str) -> None:
    shapes = {}
    for case in phantom("kits", release).cases:
        for path, dtype in ((case.images["ct"], np.float64), (case.label, np.uint8)):
            image = nib.load(path)
            assert image.get_data_dtype() == dtype
            thickness, pixel, other = (float(zoom) for zoom in image.header.get_zooms())
            assert pixel == other
            np.testing.assert_array_equal(
                image.affine,
                [[0, 0, -pixel, 0], [0, -pixel, 0, 0], [-thickness, 0, 0, 0], [0, 0, 0, 1]],
            )
            assert (int(image.header["qform_code"]), int(image.header["sform_code"])) == (0, 2)
        shapes[case.case_id] = nib.load(case.label).shape
    wide = shapes.pop("case_00160")
    assert wide[2] > wide[1]
    assert all(rows == columns for _, rows, columns in shapes.values())


def test_amos_orientations_are_mixed(phantom: Written) -> None:
    codes = {nib.aff2axcodes(nib.load(c.label).affine) for c in phantom("amos", "2022").cases}
    assert len(codes) >= 3
    assert ("R", "A", "S") in codes
    assert ("L", "P", "S") in codes


def test_ct_is_in_hounsfield_units_and_mr_is_not(phantom: Written, voxels: Voxels) -> None:
    for case in phantom("amos", "2022").cases:
        image = voxels(case.images["image"])
        low, high = np.percentile(image, (1, 99))
        if case.modality == "CT":
            assert low < -950
            assert 150 < high < 1000
        else:
            assert image.min() >= 0
    for case in phantom("kits", "2023").cases:
        image = voxels(case.images["ct"])
        assert image.min() <= -1024
        assert np.array_equal(image, np.rint(image))


def test_mr_units_are_arbitrary(phantom: Written, voxels: Voxels) -> None:
    levels = [
        np.percentile(voxels(path), 99)
        for case in phantom("brats", "2021").cases
        for path in case.images.values()
    ]
    assert max(levels) > 3 * min(levels)
