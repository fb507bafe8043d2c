"""The first difference between two configurations is named by its key path."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_iac.config.difference import first_difference

PLAIN = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=8,
)


@given(PLAIN)
def test_equal_values_have_none(value: Any) -> None:
    assert first_difference(value, value) is None


@given(PLAIN, PLAIN)
def test_unequal_values_have_one(there: Any, here: Any) -> None:
    assert (first_difference(there, here) is None) == (there == here)


@pytest.mark.parametrize(
    ("there", "here", "said"),
    [
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "a.b: 1 there, 2 here"),
        ({"a": [1, 2]}, {"a": [1, 3]}, "a[1]: 2 there, 3 here"),
        ({"a": [1, 2]}, {"a": [1]}, "a: [1, 2] there, [1] here"),
        ({"a": 1}, {}, "a: 1 there, None here"),
        ({}, {"a": 1}, "a: None there, 1 here"),
    ],
)
def test_it_is_named_by_its_path(there: Any, here: Any, said: str) -> None:
    assert str(first_difference(there, here)) == said
