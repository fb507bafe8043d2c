"""Overlays are upright, undistorted, and outline the label where it is."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray

from distributed_iac.data.check import overlay
from distributed_iac.data.check.overlay import (
    choose_slices,
    class_colours,
    draw_case,
    draw_contours,
    edge_marks,
    window,
)
from distributed_iac.data.contract import Case, Channel, LabelScheme, SliceLayout

MakeCase = Callable[..., Case]
AXIAL = SliceLayout("LPS", 2)


def stored_as(case: Case, codes: str, folder: Path) -> Case:
    """Write the same patient with other axes on disk."""
    target = nibabel.orientations.axcodes2ornt(codes)

    def turn(path: Path) -> Path:
        image = nibabel.load(path)
        current = nibabel.io_orientation(image.affine)
        turned = image.as_reoriented(nibabel.orientations.ornt_transform(current, target))
        new = folder / f"{codes}_{path.name}"
        nibabel.save(turned, new)
        return new

    assert case.label is not None
    channels = tuple(Channel(each.name, turn(each.path)) for each in case.channels)
    return replace(case, channels=channels, label=turn(case.label))


def pictures(figure: Figure) -> list[NDArray[np.float32]]:
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes]


@pytest.mark.parametrize("codes", ["RAS", "LPS", "IPL", "SAR"])
def test_a_picture_is_upright_however_the_patient_is_stored(
    make_case: MakeCase, scheme: LabelScheme, tmp_path: Path, codes: str
) -> None:
    """The case is written in LPS, so that row is y and column is x of the array itself."""
    case = make_case()
    array = np.asarray(nibabel.load(case.channels[0].path).dataobj)
    figure = draw_case(stored_as(case, codes, tmp_path), scheme, AXIAL)
    assert figure.axes[0].get_title() == "slice 2 of 4"
    np.testing.assert_array_equal(pictures(figure)[0], array[:, :, 1].T)
    for axes in figure.axes:
        bottom, top = axes.get_ylim()
        assert bottom > top  # row 0, the anterior, is on top


def test_pixels_are_as_tall_and_wide_as_the_header_says(
    make_case: MakeCase, scheme: LabelScheme, write_nifti: Callable[..., Path]
) -> None:
    array = np.random.default_rng(0).normal(size=(6, 5, 4)).astype(np.float32)
    path = write_nifti("a.nii.gz", array, np.diag([-1.0, -2.5, 8.0, 1.0]))
    case = replace(make_case(), channels=(Channel("ct", path),), label=None)
    figure = draw_case(case, scheme, AXIAL)
    assert {axes.get_aspect() for axes in figure.axes} == {2.5}


def test_channels_are_rows_and_slices_columns(make_case: MakeCase, scheme: LabelScheme) -> None:
    case = replace(make_case(channels=("t1", "t2")), modality="MR")
    figure = draw_case(case, scheme, AXIAL)
    assert [axes.get_ylabel() for axes in figure.axes] == ["t1", "", "t2", ""]
    assert [axes.get_title() for axes in figure.axes[:2]] == ["slice 2 of 4", "slice 3 of 4"]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["1 organ", "2 tumour"]
    figure.savefig(io.BytesIO(), format="png")


def test_slices_lie_in_the_labelled_range() -> None:
    label = np.zeros((100, 2, 2), np.uint8)
    label[[20, 60], 0, 0] = 1
    label[0] = label[99] = 9
    assert choose_slices(label, 100, ignore=9) == (30, 40, 50)
    assert choose_slices(label, 100, ignore=None) == (25, 50, 74)


@pytest.mark.parametrize("label", [None, np.zeros((9, 2, 2), np.uint8)])
def test_without_foreground_the_stack_is_the_range(label: NDArray[np.uint8] | None) -> None:
    assert choose_slices(label, 9, ignore=None) == (2, 4, 6)
    assert choose_slices(None, 1, ignore=None) == (0,)


def test_a_contour_runs_around_its_class_also_at_the_border() -> None:
    label = np.zeros((8, 10), np.uint8)
    label[0:3, 6:10] = 1
    axes = Figure().add_subplot()
    draw_contours(axes, label, {1: (1, 0, 0, 1), 2: (0, 1, 0, 1)})
    (contour,) = axes.collections  # class 2 is absent
    points = np.concatenate([path.vertices for path in contour.get_paths()])
    assert points.min(axis=0).tolist() == [5.5, -0.5]
    assert points.max(axis=0).tolist() == [9.5, 2.5]
    assert (axes.get_xlim(), axes.get_ylim()) == ((-0.5, 9.5), (7.5, -0.5))


@pytest.mark.parametrize(
    ("layout", "marks"),
    [
        (SliceLayout("LPS", 2), "A P R L"),
        (SliceLayout("LPS", 1), "S I R L"),
        (SliceLayout("LPS", 0), "S I A P"),
        (SliceLayout("as_stored", 2), "(A) (P) (R) (L)"),
        (SliceLayout("as_stored", 0), "(A) (P) (R) (L)"),
        (SliceLayout("as_stored", 1), None),
    ],
)
def test_edges_are_marked_as_far_as_they_are_known(layout: SliceLayout, marks: str | None) -> None:
    edges = edge_marks(layout)
    shown = edges and f"{edges.top} {edges.bottom} {edges.left} {edges.right}"
    assert shown == marks


def test_ct_is_shown_in_a_fixed_window_and_mr_by_its_tissue() -> None:
    slices = np.zeros((4, 10, 10), np.float32)
    slices[1:3] = np.linspace(100, 200, 200, dtype=np.float32).reshape(2, 10, 10)
    slices[0, 0, 0] = np.nan
    assert window(slices, "CT") == overlay.CT_WINDOW
    assert window(slices, "MR") == pytest.approx((100.5, 199.5), abs=0.1)
    assert window(np.zeros((1, 2, 2), np.float32), "MR") == (0, 1)


def test_a_class_has_one_colour_in_every_case() -> None:
    scheme = LabelScheme("many", {value: str(value) for value in range(1, 16)})
    few = class_colours(scheme, np.array([0, 3], np.uint8))
    stray = class_colours(scheme, np.array([0, 77], np.uint8))
    assert {value: stray[value] for value in few} == few
    assert len(set(few.values())) == 15
    assert all(max(colour[:3]) - min(colour[:3]) > 0.1 for colour in few.values()), "a grey"
    assert 77 in stray
