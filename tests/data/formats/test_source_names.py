from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from distributed_iac.data.formats.names import (
    canonical_channels,
    is_hidden,
    is_safe_case_id,
    split_nifti,
    stem_of,
)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a.nii.gz", ("a", ".nii.gz")),
        ("a.b.nii", ("a.b", ".nii")),
        ("a.nii.nii.gz", ("a.nii", ".nii.gz")),
        ("a.gz", None),
        (".nii.gz", None),
        ("a.png", None),
    ],
)
def test_nifti_names_split_into_stem_and_ending(name, parts):
    assert split_nifti(name) == parts
    assert stem_of(name) == (parts[0] if parts else name)


@given(st.text(st.characters(exclude_characters="/\x00"), min_size=1, max_size=20))
def test_a_stem_with_its_ending_is_the_name_again(stem):
    for ending in (".nii.gz", ".nii"):
        assert split_nifti(stem + ending) == (stem, ending)


def test_hidden_names_are_those_of_systems():
    assert all(map(is_hidden, (".DS_Store", "._a.nii.gz", "__MACOSX", ".partial.imaging.nii.gz")))
    assert not any(map(is_hidden, ("_a.nii.gz", "a", "imagesTr")))


@pytest.mark.parametrize(
    "given_names",
    [("FLAIR", "T1w", "t1gd", "T2w"), ("flair", "t1", "t1ce", "t2"), ("t2f", "t1n", "t1c", "t2w")],
)
def test_every_dialect_of_the_brain_channels_is_one(given_names):
    assert canonical_channels(given_names) == ("flair", "t1", "t1ce", "t2")


@given(st.lists(st.sampled_from(["MRI", "T1", "T1w", "CT", "cine MRI", "mri_1"]), max_size=6))
def test_canonical_channels_are_as_many_as_given_and_distinct(names):
    canonical = canonical_channels(names)
    assert len(canonical) == len(names)
    assert len(set(canonical)) == len(names)


@given(st.text(max_size=30))
def test_a_safe_case_id_is_one_plain_path_component(text):
    if is_safe_case_id(text):
        assert text not in ("", ".", "..")
        assert not set("/\\\x00\n") & set(text)
        text.encode()


@pytest.mark.parametrize("text", ["case (1)", "amos_0001", "BraTS-GLI-00000-000", "Fall_ä"])
def test_ordinary_names_are_safe(text):
    assert is_safe_case_id(text)


@pytest.mark.parametrize("text", ["\udcff", "a\nb", "a:b", "..", "x" * 201, "ä" * 101])
def test_names_that_some_system_refuses_are_not_safe(text):
    assert not is_safe_case_id(text)
