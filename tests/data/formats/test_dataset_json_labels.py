from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given

from distributed_iac.data.contract import Region
from distributed_iac.data.formats.labels import is_numbered, named_labels, numbered_labels
from distributed_iac.errors import SourceError

NAMES = st.lists(
    st.text(min_size=1, max_size=6).filter(lambda name: name not in ("background", "ignore")),
    min_size=1,
    max_size=6,
    unique=True,
)


@given(NAMES)
def test_both_directions_of_writing_labels_mean_the_same(names):
    by_number = {"0": "background", **{str(n): name for n, name in enumerate(names, 1)}}
    by_name = {"background": 0, **{name: n for n, name in enumerate(names, 1)}}
    assert numbered_labels(by_number, "x") == named_labels(by_name, None, "x")
    assert is_numbered(by_number)


def test_classes_are_ascending_however_they_are_written():
    assert list(numbered_labels({"10": "j", "2": "b", "0": "background"}, "x").classes) == [2, 10]
    assert list(named_labels({"b": 7, "a": 3, "background": 0}, None, "x").classes) == [3, 7]


def test_lists_of_one_number_are_plain_labels():
    """nnU-Net's rule: regions begin with a list of more than one number."""
    scheme = named_labels({"background": 0, "a": [1], "b": [2]}, None, "x")
    assert scheme.regions == ()
    assert scheme.classes == {1: "a", 2: "b"}


def test_values_without_a_name_of_their_own_are_called_by_their_number():
    scheme = named_labels({"background": 0, "whole": [1, 2], "core": 2}, [1, 2], "x")
    assert scheme.classes == {1: "label 1", 2: "core"}
    assert scheme.regions == (Region("whole", (1, 2)), Region("core", (2,)))


@pytest.mark.parametrize(
    "labels",
    [None, [], {}, {"0": "background"}, {"one": "a"}, {"1": 1}, {"-1": "a"}, {"1.0": "a"}],
)
def test_numbered_labels_refuse_what_they_cannot_mean(labels):
    with pytest.raises(SourceError):
        numbered_labels(labels, "x")


@pytest.mark.parametrize(
    ("labels", "order"),
    [
        ({"background": 0}, None),
        ({"background": True, "a": 1}, None),
        ({"background": 0, "a": True}, None),
        ({"background": 0, "a": 0}, None),
        ({"background": 0, "a": -1}, None),
        ({"background": 0, "a": [0, 1]}, [1]),
        ({"background": 0, "a": []}, None),
        ({"background": 0, "a": 1, "ignore": [2, 3]}, None),
        ({"background": 0, "a": 1, "ignore": 0}, None),
        ({"background": 0, "a": [1, 2], "b": 2}, "12"),
        ({"background": 0, "a": [1, 2], "b": 2}, [1, 1]),
        ({"background": 0, "a": [1, 2], "b": 2}, {"0": 1}),
    ],
)
def test_named_labels_refuse_what_they_cannot_mean(labels, order):
    with pytest.raises(SourceError):
        named_labels(labels, order, "x")
