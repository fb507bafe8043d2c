from __future__ import annotations

import pytest

from distributed_iac.data.formats.registry import READERS, detect, read_source
from distributed_iac.errors import ConfigError, SourceError


def test_an_unknown_folder_is_answered_with_all_formats_and_what_was_found(tmp_path):
    (tmp_path / "scans").mkdir()
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(SourceError) as caught:
        detect(tmp_path)
    message = str(caught.value)
    assert all(name in message for name in READERS)
    assert "scans/, notes.txt" in message


def test_long_folders_are_shown_in_part(tmp_path):
    for number in range(40):
        (tmp_path / f"f{number:02d}").write_text("")
    with pytest.raises(SourceError, match="and 28 more"):
        detect(tmp_path)


def test_an_empty_folder_is_called_empty(tmp_path):
    with pytest.raises(SourceError, match="an empty folder"):
        detect(tmp_path)


@pytest.mark.parametrize(
    ("name", "remedy"), [("amos22.zip", "unpack"), ("notes", "check the path")]
)
def test_a_file_is_no_source(name, remedy, tmp_path):
    (tmp_path / name).write_text("")
    with pytest.raises(SourceError, match=remedy):
        read_source(tmp_path / name)


@pytest.mark.parametrize("format_name", ["auto", "kits"])
def test_a_missing_folder_is_no_source(format_name, tmp_path):
    with pytest.raises(SourceError, match="nothing of that name"):
        read_source(tmp_path / "absent", format=format_name)


@pytest.mark.parametrize(
    ("came", "near"), [("nnunet", "nnunet_raw"), ("ACDC", "acdc"), ("brats2021", "brats")]
)
def test_an_unknown_format_is_answered_with_the_nearest(came, near, tmp_path):
    with pytest.raises(ConfigError, match=f"did you mean {near}") as caught:
        read_source(tmp_path, format=came)
    assert all(name in str(caught.value) for name in ("auto", *READERS))


def test_a_format_near_to_nothing_is_answered_with_auto(tmp_path):
    with pytest.raises(ConfigError, match="use auto"):
        read_source(tmp_path, format="zzzz")


def test_the_wrong_format_is_answered_with_the_right_one(trees, tmp_path):
    root = trees.acdc(tmp_path / "database")
    with pytest.raises(SourceError, match="it looks like acdc") as caught:
        read_source(root, format="kits")
    assert "case_NNNNN" in str(caught.value)
    assert "training/" in str(caught.value)


def test_a_wrong_format_where_several_of_another_lie_is_answered_too(trees, tmp_path):
    for name in ("Dataset001_A", "Dataset002_B"):
        trees.nnunet(tmp_path / name)
    with pytest.raises(SourceError, match="it looks like nnunet_raw"):
        read_source(tmp_path, format="kits")


def test_a_named_format_is_taken_where_two_lie_side_by_side(trees, tmp_path):
    for variant in ("acdc", "kits-2019"):
        trees.build(variant, tmp_path)
    assert read_source(tmp_path, format="kits").format == "kits"


def test_several_sets_deep_below_do_not_hide_the_one_at_hand(trees, tmp_path):
    root = trees.amos(tmp_path / "amos22")
    for name in ("Dataset218_CT", "Dataset219_MR"):
        trees.nnunet(root / "converted" / name)
    assert detect(root).format == "amos"
