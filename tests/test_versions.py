"""A version is read, or refused with what to do; one that is damaged is no other one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from distributed_iac import versions
from distributed_iac.data.store.identity import PREPARATION
from distributed_iac.errors import DistributedIacError
from distributed_iac.versions import Format, require_version, versioned

FORMATS = [*(one for one in vars(versions).values() if isinstance(one, Format)), PREPARATION]


@pytest.fixture(params=FORMATS, ids=lambda format: format.what)
def format(request: pytest.FixtureRequest) -> Format:
    chosen: Format = request.param
    return chosen


def refusal(format: Format, version: Any) -> DistributedIacError:
    with pytest.raises(format.error) as caught:
        require_version(format, {format.key: version}, "a file")
    assert caught.value.where == "a file"
    return caught.value


def test_all_that_is_written_is_read(format: Format) -> None:
    content = versioned(format, {"x": 1})
    assert content == {format.key: format.version, "x": 1}
    assert require_version(format, content, "a file") == format.version
    assert 1 <= format.oldest <= format.version


def test_release_0_1_0_wrote_version_1_or_none(format: Format) -> None:
    first = replace(format, oldest=1)
    assert require_version(first, {}, "a file") == 1


def test_a_newer_one_asks_for_an_upgrade(format: Format) -> None:
    error = refusal(format, format.version + 1)
    assert "newer release" in str(error.came)
    assert "upgrade" in str(error.remedy)


def test_one_that_is_too_old_comes_with_its_own_remedy(format: Format) -> None:
    error = refusal(replace(format, version=9, oldest=8), 7)
    assert "8 or 9" in error.message
    assert "older release" in str(error.came)
    assert error.remedy == format.again


@pytest.mark.parametrize("version", [0, -1, True, False, None, "1", 1.0, 1.5, [1], {"a": 1}])
def test_a_damaged_one_is_none(format: Format, version: Any) -> None:
    error = refusal(format, version)
    assert error.came == repr(version)
    assert error.remedy == format.again
