from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_iac.verdict.report import Report, ReportKeys
from distributed_iac.verdict.role import Role, RoleKeys

ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=3),
    st.lists(st.integers(), max_size=2),
    st.just(np.zeros(3)),
    st.just(np.float32(math.nan)),
)
KEYS = [value for value in vars(ReportKeys()).values() if isinstance(value, str)]


@given(st.dictionaries(st.sampled_from([*KEYS, "loss"]), ANYTHING))
def test_any_mapping_can_be_read_and_numbers_that_come_out_are_finite(
    result: dict[str, Any],
) -> None:
    report = ReportKeys().read(result)
    for name in ("js_max", "entropy", "seconds", "op_evaluations", "score"):
        value = getattr(report, name)
        assert value is None or math.isfinite(value)
    assert isinstance(report.iteration, int)


def test_nothing_reported_is_none_everywhere() -> None:
    assert ReportKeys().read({}) == Report(iteration=0, epoch=0)


def test_a_whole_report_is_read_as_it_is() -> None:
    result = {
        "training_iteration": 7,
        "epoch": 9,
        "time_total_s": 12.5,
        "converged": np.bool_(False),
        "reason": "why",
        "js_max": np.float32(0.5),
        "stable_edges": np.int64(12),
        "val_dice": 0.7,
        "best_val_dice": 0.75,
        "genotype": "{...}",
        "genotype_id": "a41f",
        "loss": math.inf,
    }
    assert ReportKeys().read(result) == Report(
        iteration=7,
        epoch=9,
        seconds=12.5,
        converged=False,
        reason="why",
        js_max=0.5,
        stable_edges=12,
        score=0.75,
        genotype="a41f",
        not_finite=("loss",),
    )


def test_an_unknown_divergence_is_not_a_broken_search() -> None:
    report = ReportKeys().read({"js_max": math.nan})
    assert report.js_max is None
    assert report.not_finite == ()


@pytest.mark.parametrize(
    ("reported", "collapsed"),
    [
        ({}, None),
        ({"skip_leaders": 3, "pool_leaders": 1}, None),
        ({"skip_leaders": 3, "pool_leaders": 1, "live_edges": 0}, None),
        ({"skip_leaders": 3, "pool_leaders": 1, "live_edges": 5}, False),
        ({"skip_leaders": 3, "pool_leaders": 2, "live_edges": 5}, True),
        ({"skip_leaders": 3, "pool_leaders": 2, "live_edges": 5, "collapsed": False}, False),
    ],
)
def test_collapse_is_reported_or_follows_from_the_leaders(
    reported: dict[str, Any], collapsed: bool | None
) -> None:
    assert ReportKeys().read(reported).collapsed is collapsed


def test_a_trainable_may_use_names_of_its_own() -> None:
    keys = ReportKeys(js_max="search/js", watched=("search/loss",))
    report = keys.read({"search/js": 0.1, "search/loss": math.nan})
    assert (report.js_max, report.not_finite) == (0.1, ("search/loss",))


def test_a_configuration_that_knows_nothing_is_an_unprotected_search() -> None:
    role = RoleKeys().read({"learning_rate": 0.1})
    assert role == Role()
    assert role.judged


def test_a_role_is_read_from_nested_configurations() -> None:
    keys = RoleKeys(group="data/name", protected="keep")
    role = keys.read({"kind": "pretrain", "data": {"name": "acdc"}, "keep": True, "seed": 3})
    assert role == Role(kind="pretrain", group="acdc", seed="3", protected=True)
    assert not role.judged


def test_a_path_into_something_that_is_no_mapping_is_missing() -> None:
    assert RoleKeys(group="data/name").read({"data": 5}).group == ""
