from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from distributed_iac.verdict.report import WATCHED, Report
from distributed_iac.verdict.role import Role

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
NAMES = [*(field.name for field in fields(Report)), *WATCHED, "best_val_dice", "total_seconds"]


@given(st.dictionaries(st.sampled_from(NAMES), ANYTHING))
def test_any_mapping_can_be_read_and_numbers_that_come_out_are_finite(
    result: dict[str, Any],
) -> None:
    report = Report.read(result)
    for name in ("js_max", "entropy", "seconds", "op_evaluations", "score"):
        value = getattr(report, name)
        assert value is None or math.isfinite(value)
    assert isinstance(report.epoch, int)


def test_nothing_reported_is_none_everywhere() -> None:
    assert Report.read({}) == Report(epoch=0)


def test_a_whole_report_is_read_as_it_is() -> None:
    result = {
        "epoch": 9,
        "total_seconds": 12.5,
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
    assert Report.read(result) == Report(
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
    report = Report.read({"js_max": math.nan})
    assert report.js_max is None
    assert report.not_finite == ()


def test_a_configuration_that_knows_nothing_is_an_unprotected_search() -> None:
    role = Role.read({"learning_rate": 0.1})
    assert role == Role()
    assert role.judged


def test_a_role_is_read_from_what_a_trial_is_told() -> None:
    role = Role.read({"kind": "pretrain", "group": "acdc", "arm": None, "seed": 3})
    assert role == Role(kind="pretrain", group="acdc")
    assert not role.judged
