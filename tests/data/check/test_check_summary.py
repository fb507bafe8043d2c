"""The summary's numbers are those of the arrays that were written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from distributed_iac.data.check.report import check_source
from distributed_iac.data.check.summary import LabelSummary, Spread, Summary, summarise
from distributed_iac.data.contract import Case, SliceLayout, Source

MakeCase = Callable[..., Case]
MakeSource = Callable[..., Source]


def summary_of(source: Source) -> Summary:
    return summarise(check_source(source))


def store(case: Case, array: NDArray[np.float32], affine: NDArray[np.float64]) -> Case:
    nibabel.save(nibabel.Nifti1Image(array, affine), case.channels[0].path)
    return replace(case, label=None)


def test_cases_patients_and_official_facts_are_counted(
    make_case: MakeCase, make_source: MakeSource
) -> None:
    cases = [
        replace(make_case("a1", patient_id="a"), modality="MR", phase="ED", part="train"),
        replace(make_case("a2", patient_id="a"), modality="MR", phase="ES", part="train"),
        replace(make_case("b"), label=None, part="test"),
    ]
    summary = summary_of(make_source(*cases))
    assert (summary.cases, summary.patients, summary.labelled, summary.slices) == (3, 2, 2, 12)
    assert summary.modalities == {"MR": 2, "CT": 1}
    assert summary.parts == {"train": 2, "test": 1}
    assert summary.phases == {"ED": 1, "ES": 1}
    assert summary.orientations == {"LPS": 3}


def test_axes_are_those_of_the_slices_in_mixed_orientation(
    make_case: MakeCase, make_source: MakeSource
) -> None:
    """Three volumes with their thick axis in three places on disk are three like volumes."""
    array = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    thick_first = np.array([[0, 0, -1.0, 0], [0, -1.0, 0, 0], [-8.0, 0, 0, 0], [0, 0, 0, 1]])
    cases = [
        store(make_case("a"), array, np.diag([-1.0, -2.0, 6.0, 1])),
        store(make_case("b"), array + 1, np.diag([1.0, 2.0, 7.0, 1])),
        store(make_case("c"), array.transpose(2, 1, 0) + 2, thick_first),
    ]
    layout = SliceLayout("LPS", None)
    summary = summary_of(make_source(*(replace(case, layout=layout) for case in cases)))
    assert summary.size == (Spread(5, 5, 5), Spread(4, 4, 4), Spread(3, 3, 3))
    assert summary.spacing == (Spread(6, 7, 8), Spread(1, 2, 2), Spread(1, 1, 1))


def test_intensities_are_extremes_and_median_percentiles(
    make_case: MakeCase, make_source: MakeSource
) -> None:
    base = np.linspace(0, 100, 120, dtype=np.float32).reshape(6, 5, 4)
    cases = [
        store(make_case(name), base + offset, np.eye(4))
        for name, offset in (("a", 0), ("b", 10), ("c", 50))
    ]
    (ct,) = summary_of(make_source(*cases)).intensities
    assert (ct.channel, ct.modality, ct.cases) == ("ct", "CT", 3)
    assert (ct.minimum, ct.maximum) == (0, 150)
    assert ct.percentiles == pytest.approx((10.5, 60, 109.5))


def test_modalities_and_channels_are_not_mixed(
    make_case: MakeCase, make_source: MakeSource
) -> None:
    cases = [make_case("a", channels=("t2", "t1")), make_case("b", channels=("t2", "t1"))]
    cases[1] = replace(cases[1], modality="MR")
    found = summary_of(make_source(*cases)).intensities
    assert [(each.channel, each.modality) for each in found] == [
        ("t2", "CT"),
        ("t2", "MR"),
        ("t1", "CT"),
        ("t1", "MR"),
    ]


def test_labels_count_voxels_and_cases(make_case: MakeCase, make_source: MakeSource) -> None:
    cases = [make_case("a"), make_case("b")]
    assert cases[1].label is not None
    nibabel.save(nibabel.Nifti1Image(np.full((6, 5, 4), 7, np.uint8), np.eye(4)), cases[1].label)
    summary = summary_of(make_source(*cases))
    assert summary.label_files == 2
    assert summary.labels == (
        LabelSummary(0, "background", 1, 102 / 240),
        LabelSummary(1, "organ", 1, 17 / 240),
        LabelSummary(2, "tumour", 1, 1 / 240),
        LabelSummary(7, "?", 1, 120 / 240),
    )


def test_a_source_that_cannot_be_read_has_a_summary(
    make_case: MakeCase, make_source: MakeSource
) -> None:
    case = make_case()
    case.channels[0].path.write_bytes(b"")
    summary = summary_of(make_source(replace(case, label=None)))
    assert (summary.size, summary.spacing, summary.intensities) == ((), (), ())
    assert summary.problems == {"truncated": 1}


def test_a_volume_without_a_finite_voxel_describes_no_intensity(
    make_case: MakeCase, make_source: MakeSource
) -> None:
    case = store(make_case(), np.full((6, 5, 4), np.nan, np.float32), np.eye(4))
    (ct,) = summary_of(make_source(case)).intensities
    assert np.isnan([ct.minimum, ct.maximum]).all()
    assert ct.percentiles == ()
