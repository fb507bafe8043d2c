"""Names of a configuration that stand for two things, or for nothing."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from distributed_iac.config.base import AS_STORED, to_plain
from distributed_iac.config.run import RunConfig

BASE: dict[str, Any] = {"name": "run", "data": [{"name": "d", "source": "d"}]}
JS, NONE = {"policy": "js"}, {"policy": "none"}

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "baseline-as-arm": ({"baselines": [{"name": "attention_unet", "label": "lth"}]}, "twice: lth"),
    "baseline-as-control": (
        {"baselines": [{"name": "attention_unet", "label": "plain"}]},
        "twice: plain",
    ),
    "arms-of-one-folder": ({"arms": {"lth": JS, "LTH": NONE}}, "letter case aside"),
    "variants-of-one-folder": (
        {"variants": {"A": {}, "a": {"batches": {"batch_size": 3}}}},
        "letter case aside",
    ),
    "backbones-of-one-folder": (
        {"backbones": [{"name": "basic_unet", "label": one} for one in "Xx"]},
        "letter case aside",
    ),
    "arm-as-random-cell": ({"arms": {"random.2": JS}}, "control random"),
    "candidate": ({"comparison": {"candidate": "lht"}}, "full, lth .came lht"),
    "reference": ({"comparison": {"reference": "ful"}}, "full, lth .came ful"),
    "protect": ({"scheduler": {"protect": ["full", "slow"]}}, "came slow"),
}


@pytest.mark.parametrize(("given", "said"), WRONG.values(), ids=WRONG)
def test_a_name_for_two_things_or_for_nothing_is_refused_and_old_runs_are_read(
    given: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        RunConfig.model_validate(BASE | given)
    RunConfig.model_validate(BASE | given, context=AS_STORED)


def test_a_run_may_do_without_the_arms_that_are_compared_by_default() -> None:
    alone = RunConfig.model_validate(BASE | {"arms": {"mine": JS}})
    assert RunConfig.model_validate(to_plain(alone)) == alone  # what is written for its folder
    assert RunConfig.model_validate(to_plain(alone.headroom_run())) == alone.headroom_run()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, []),
        ({"arms": {"mine": JS}}, []),
        ({"arms": {"full": JS, "lth": JS}}, ["the arm full prunes (policy: js)"]),
        (
            {"arms": {"slow": NONE, "lth": JS}, "comparison": {"reference": "slow"}},
            ["scheduler.protect does not name slow"],
        ),
    ],
    ids=str,
)
def test_a_reference_that_is_no_full_search_is_doubted(
    given: dict[str, Any], said: list[str]
) -> None:
    doubts = RunConfig.model_validate(BASE | given).doubtful_reference()
    assert len(doubts) == len(said)
    assert all(part in doubt for part, doubt in zip(said, doubts, strict=True))
