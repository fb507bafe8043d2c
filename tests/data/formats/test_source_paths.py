from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings

from distributed_iac.data.formats.inside import Refused, resolve_inside

PIECES = st.sampled_from(
    ["..", ".", "imagesTr", "a.nii.gz", "up", "loop", "", "~", "\x00", "x" * 300]
)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("outer") / "root"
    (root / "imagesTr").mkdir(parents=True)
    (root / "imagesTr/a.nii.gz").write_text("")
    (root / "up").symlink_to("..")
    (root / "loop").symlink_to("loop")
    (root.parent / "a.nii.gz").write_text("")
    return root


@settings(max_examples=200, deadline=None)
@example(pieces=["loop", "..", "up"], start="")
@example(pieces=["loop", "..", "loop", "..", "up"], start="")
@given(pieces=st.lists(PIECES, min_size=1, max_size=6), start=st.sampled_from(["", "/", "./"]))
def test_no_text_leads_out_of_the_root(pieces, start, root):
    placed = resolve_inside(root, start + "/".join(pieces))
    if not isinstance(placed, Refused):
        assert placed.resolve().is_relative_to(root.resolve())
        assert placed != root


@pytest.mark.parametrize("text", ["imagesTr/a.nii.gz", "./imagesTr/../imagesTr//a.nii.gz"])
def test_an_honest_path_is_followed_whatever_its_spelling(text, root):
    assert resolve_inside(root, text) == root / "imagesTr/a.nii.gz"


def test_an_absolute_path_inside_the_root_is_followed(root):
    text = str(root / "imagesTr/a.nii.gz")
    assert resolve_inside(root, text) == root / "imagesTr/a.nii.gz"


def test_a_root_reached_through_a_link_is_kept_as_given(root, tmp_path):
    (tmp_path / "link").symlink_to(root)
    placed = resolve_inside(tmp_path / "link", "imagesTr/a.nii.gz")
    assert placed == tmp_path / "link/imagesTr/a.nii.gz"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("up/a.nii.gz", "outside_root"),
        ("loop/../up/a.nii.gz", "bad_metadata"),
        (".", "outside_root"),
        ("../root-two/a.nii.gz", "outside_root"),
        ("$HOME/a.nii.gz", "unexpanded_path"),
        ("a\x00", "bad_metadata"),
        ("x" * 300, "bad_metadata"),
    ],
)
def test_a_refusal_says_what_is_wrong(text, code, root):
    refused = resolve_inside(root, text)
    assert isinstance(refused, Refused)
    assert refused.code == code
    assert refused.remedy
