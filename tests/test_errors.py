"""Errors say what is allowed, what came and what to do, also across processes."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from distributed_iac import errors

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.DistributedIacError)
]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_survives_the_way_back_from_a_worker(
    kind: type[errors.DistributedIacError],
) -> None:
    error = kind("allowed is 1 or 2", came=3, remedy="use 1", where="config.yaml: a.b")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == str(error)


def test_the_message_has_all_three_parts_and_the_place() -> None:
    text = str(errors.ConfigError("allowed is 1 or 2", came=3, remedy="use 1", where="c.yaml: a.b"))
    assert text == "c.yaml: a.b: allowed is 1 or 2\n  came:   3\n  remedy: use 1"


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (errors.ConfigError, 2),
        (errors.SourceError, 3),
        (errors.StoreError, 3),
        (errors.GeometryError, 3),
        (errors.NumericalError, 4),
        (errors.CheckpointError, 4),
    ],
)
def test_exit_codes_follow_the_branches(kind: type[errors.DistributedIacError], code: int) -> None:
    assert kind.exit_code == code


def test_what_storage_raises_is_told_as_an_error_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "absent"
    with (
        pytest.raises(errors.ConfigError, match=r"split\.file must be readable") as caught,
        errors.raised_as(errors.ConfigError, "split.file must be readable", where=path),
    ):
        path.read_bytes()
    assert (caught.value.came, caught.value.where) == ("No such file or directory", path)
    assert isinstance(caught.value.__cause__, FileNotFoundError)


def test_only_what_is_named_is_raised_anew() -> None:
    with (
        pytest.raises(errors.DataError) as caught,
        errors.raised_as(errors.DataError, "it is a number", caught=ValueError),
    ):
        int("a")
    assert "invalid literal" in str(caught.value)
    with pytest.raises(KeyError), errors.raised_as(errors.DataError, "not this one"):
        raise KeyError("key")
