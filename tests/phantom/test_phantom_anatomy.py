from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from distributed_iac.phantom import FormatName, Phantom, PlacedCase

Written = Callable[[FormatName, str], Phantom]
Voxels = Callable[[Path], NDArray[Any]]

SPLEEN, RIGHT_KIDNEY, LEFT_KIDNEY, GALLBLADDER, OESOPHAGUS, LIVER, STOMACH = range(1, 8)
AORTA, CAVA, PANCREAS, RIGHT_ADRENAL, LEFT_ADRENAL, DUODENUM, BLADDER, GENITAL = range(8, 16)


def middle(case: PlacedCase, *values: int) -> NDArray[np.float64]:
    """Return the centre of a structure in RAS+ mm, by the file's own affine."""
    image = nib.load(case.label)
    voxels = np.argwhere(np.isin(np.asanyarray(image.dataobj), values))
    assert len(voxels), f"{case.case_id} has no {values}"
    centre: NDArray[np.float64] = nib.affines.apply_affine(image.affine, voxels.mean(axis=0))
    return centre


def is_right_of(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    return bool(a[0] > b[0])


def is_front_of(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    return bool(a[1] > b[1])


def is_above(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    return bool(a[2] > b[2])


def test_no_label_at_either_end_and_some_in_between(
    every: Phantom, axial: Callable[[Path], NDArray[Any]]
) -> None:
    for case in every.cases:
        labelled = axial(case.label).any(axis=(1, 2))
        assert not labelled[0]
        assert not labelled[-1]
        assert labelled.sum() >= 2


def test_structures_span_different_slices(phantom: Written, voxels: Voxels) -> None:
    for case in phantom("amos", "2022").cases:
        label = voxels(case.label)
        extents = {tuple(np.flatnonzero((label == v).any(axis=(0, 1)))) for v in range(1, 14)}
        assert len(extents) >= 6


# --- ACDC ---------------------------------------------------------------------------------------


def test_every_heart_has_all_three_structures(phantom: Written, voxels: Voxels) -> None:
    for case in phantom("acdc", "2017").cases:
        assert set(np.unique(voxels(case.label))) == {0, 1, 2, 3}


def test_the_right_ventricle_lies_on_the_patients_right(phantom: Written) -> None:
    for case in phantom("acdc", "2017").cases:
        assert is_right_of(middle(case, 1), middle(case, 3))


def test_the_left_cavity_is_walled_in_by_myocardium(phantom: Written, voxels: Voxels) -> None:
    cross = ndimage.generate_binary_structure(2, 1)
    for case in phantom("acdc", "2017").cases:
        label = voxels(case.label)
        for k in range(label.shape[2]):
            cavity = label[..., k] == 3
            around = ndimage.binary_dilation(cavity, cross) & ~cavity
            assert np.all(label[..., k][around] == 2)


def test_hearts_contract(phantom: Written, voxels: Voxels) -> None:
    by_patient: dict[str, list[PlacedCase]] = {}
    for case in phantom("acdc", "2017").cases:
        by_patient.setdefault(case.patient_id, []).append(case)
    for diastole, systole in by_patient.values():
        for cavity in (1, 3):
            volumes = [np.sum(voxels(case.label) == cavity) for case in (diastole, systole)]
            assert volumes[1] < 0.95 * volumes[0]


def test_groups_look_like_their_names(phantom: Written, voxels: Voxels) -> None:
    ratios = {}
    for case in phantom("acdc", "2017").cases:
        if case.case_id.endswith(("frame01", "frame04")) and case.patient_id not in ratios:
            label = voxels(case.label)
            counts = [np.sum(label == value) for value in range(4)]
            ratios[case.patient_id] = (counts[2] / counts[3], counts[1] / counts[3])
    wall = {patient: ratio[0] for patient, ratio in ratios.items()}
    assert wall["patient001"] < wall["patient061"] < wall["patient021"]  # DCM < NOR < HCM
    right = {patient: ratio[1] for patient, ratio in ratios.items()}
    assert right["patient090"] > right["patient061"]  # RV > NOR


# --- BraTS --------------------------------------------------------------------------------------


def brats_values(release: str) -> tuple[int, int]:
    """Return the label of enhancing tumour, and of the cavity or 0."""
    return (4, 0) if release < "2022" else (3, 4 if release == "2024-GLI" else 0)


def test_background_is_exactly_zero_in_all_channels_or_in_none(
    phantom: Written, voxels: Voxels
) -> None:
    for case in phantom("brats", "2021").cases:
        images = [voxels(path) for path in case.images.values()]
        brain = images[0] > 0
        assert all(np.array_equal(image > 0, brain) for image in images)
        assert 0.1 < brain.mean() < 0.6
        assert not voxels(case.label)[~brain].any()
        assert ndimage.label(brain)[1] == 1


@pytest.mark.parametrize("release", ["2018", "2021", "2023-GLI", "2024-GLI"])
def test_label_values_are_those_of_the_release(
    phantom: Written, voxels: Voxels, release: str
) -> None:
    enhancing, cavity = brats_values(release)
    found = [
        set(np.unique(voxels(case.label)).tolist()) for case in phantom("brats", release).cases
    ]
    everything = {0, 1, 2, enhancing} | ({cavity} if cavity else set())
    least = {0, 2} if cavity else {0, 1, 2}  # necrosis may have been resected
    assert all(least <= values <= everything for values in found)
    assert everything in found
    assert {0, 1, 2} in found, "some cases have no enhancing tumour"


def test_low_grade_gliomas_of_2018_do_not_enhance(phantom: Written, voxels: Voxels) -> None:
    for case in phantom("brats", "2018").cases:
        assert (4 in voxels(case.label)) == ("HGG" in case.label.parts)


def test_oedema_surrounds_the_core(phantom: Written, voxels: Voxels) -> None:
    for case in phantom("brats", "2021").cases:
        label = voxels(case.label)
        core = np.isin(label, (1, 4))
        rim = ndimage.binary_dilation(core, iterations=2) & ~core & (label != 0)
        assert np.all(label[rim] == 2)
        assert rim.any()


def test_the_enhancing_rim_is_brightest_where_contrast_agent_was_given(
    phantom: Written, voxels: Voxels
) -> None:
    gains = []
    for case in phantom("brats", "2021").cases:
        label, images = voxels(case.label), {n: voxels(p) for n, p in case.images.items()}
        if (label == 4).any():
            white = {name: np.median(image[image > 0]) for name, image in images.items()}
            rim = {name: images[name][label == 4].mean() / white[name] for name in ("t1", "t1ce")}
            gains.append(rim["t1ce"] / rim["t1"])
    assert np.mean(gains) > 1.15


def test_a_tumour_grows_from_visit_to_visit_in_the_same_brain(
    phantom: Written, voxels: Voxels
) -> None:
    visits: dict[str, list[PlacedCase]] = {}
    for case in phantom("brats", "2024-GLI").cases:
        visits.setdefault(case.patient_id, []).append(case)
    pairs = [cases for cases in visits.values() if len(cases) == 2]
    assert pairs
    for first, second in pairs:
        assert np.sum(voxels(second.label) > 0) > np.sum(voxels(first.label) > 0)
        brains = [voxels(case.images["t1"]) > 0 for case in (first, second)]
        assert np.array_equal(*brains)


def test_the_cerebellum_lies_low_and_behind(
    phantom: Written, axial: Callable[[Path], NDArray[Any]]
) -> None:
    for release in ("2021", "2024-GLI"):
        brain = axial(phantom("brats", release).cases[0].images["t1"]) > 0
        heights = np.flatnonzero(brain.any(axis=(1, 2)))
        low = brain[heights[0] : heights[0] + len(heights) // 4]
        assert np.argwhere(low)[:, 1].mean() > np.argwhere(brain)[:, 1].mean() + 2


# --- KiTS ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("release", ["2019", "2021", "2023"])
def test_every_case_has_a_tumour_and_half_have_cysts(
    phantom: Written, voxels: Voxels, release: str
) -> None:
    found = [set(np.unique(voxels(case.label)).tolist()) for case in phantom("kits", release).cases]
    assert all({0, 1, 2} <= values for values in found)
    assert sum(3 in values for values in found) == (0 if release == "2019" else 4)


def test_kits19_counts_cysts_as_kidney(phantom: Written, voxels: Voxels) -> None:
    pairs = zip(phantom("kits", "2019").cases, phantom("kits", "2023").cases, strict=True)
    for old, new in pairs:
        label = voxels(new.label).copy()
        label[label == 3] = 1
        np.testing.assert_array_equal(voxels(old.label), label)


def test_kits_arrays_are_axial_slices_as_they_lie(phantom: Written, voxels: Voxels) -> None:
    for case in phantom("kits", "2023").cases:
        label, image = voxels(case.label) > 0, voxels(case.images["ct"])
        body = image > -300
        kidneys, trunk = np.argwhere(label), np.argwhere(body)
        assert kidneys[:, 1].mean() > trunk[:, 1].mean(), "kidneys lie in the back: rows go there"
        _, rows, columns = image.shape
        inside = image[:, rows * 2 // 5 : rows * 3 // 5, columns // 4 : -columns // 4] < -700
        assert inside[:3].sum() > 3 * inside[-3:].sum(), "the first slices hold the lungs"


def test_the_first_kidney_instance_is_the_right_one(phantom: Written, voxels: Voxels) -> None:
    for case in phantom("kits", "2023").cases:
        columns = [
            np.argwhere(
                voxels(case.label.parent / "instances" / f"kidney_instance-{i}_annotation-1.nii.gz")
            )[:, 2].mean()
            for i in (1, 2)
        ]
        assert columns[0] < columns[1], "columns run from the patient's right to the left"


def test_the_majority_of_annotators_is_the_segmentation(phantom: Written, voxels: Voxels) -> None:
    for case in phantom("kits", "2023").cases:
        label, folder = voxels(case.label), case.label.parent / "instances"
        for kind, values in (("kidney", (1, 2, 3)), ("tumor", (2,)), ("cyst", (3,))):
            votes = np.zeros(label.shape, dtype=bool)
            for first in folder.glob(f"{kind}_instance-*_annotation-1.nii.gz"):
                masks = [
                    voxels(first.with_name(first.name.replace("annotation-1", f"annotation-{n}")))
                    for n in (1, 2, 3)
                ]
                votes |= np.sum(masks, axis=0) >= 2
            np.testing.assert_array_equal(votes, np.isin(label, values))


def test_tumours_enhance_less_than_kidneys_and_cysts_least(
    phantom: Written, voxels: Voxels
) -> None:
    means: dict[int, list[float]] = {1: [], 2: [], 3: []}
    for case in phantom("kits", "2023").cases:
        label, image = voxels(case.label), voxels(case.images["ct"])
        for value, found in means.items():
            if (label == value).sum() >= 5:
                found.append(float(np.median(image[label == value])))
    assert np.mean(means[3]) < np.mean(means[2]) < np.mean(means[1])


# --- AMOS ---------------------------------------------------------------------------------------


def test_ct_has_every_organ_but_removed_gallbladders(phantom: Written, voxels: Voxels) -> None:
    for case in phantom("amos", "2022").cases:
        expected = set(range(16 if case.modality == "CT" else 14))
        found = set(np.unique(voxels(case.label)).tolist())
        assert expected - found <= {GALLBLADDER}
        assert found <= expected


def test_organs_lie_where_they_belong_whatever_the_orientation(phantom: Written) -> None:
    for case in phantom("amos", "2022").cases:
        at = {value: middle(case, value) for value in range(1, 14) if value != GALLBLADDER}
        assert is_right_of(at[RIGHT_KIDNEY], at[LEFT_KIDNEY])
        assert is_right_of(at[RIGHT_ADRENAL], at[LEFT_ADRENAL])
        assert is_right_of(at[LIVER], at[STOMACH])
        assert is_right_of(at[STOMACH], at[SPLEEN])
        assert is_right_of(at[CAVA], at[AORTA])
        assert is_right_of(at[DUODENUM], at[PANCREAS])
        assert is_above(at[LEFT_ADRENAL], at[LEFT_KIDNEY])
        assert is_above(at[OESOPHAGUS], at[PANCREAS])
        assert is_above(at[LIVER], at[RIGHT_KIDNEY])
        assert is_front_of(at[STOMACH], at[SPLEEN])
        assert is_front_of(at[PANCREAS], at[AORTA])
        if case.modality == "CT":
            bladder = middle(case, BLADDER)
            assert is_above(at[RIGHT_KIDNEY], bladder)
            assert is_front_of(bladder, middle(case, GENITAL))
