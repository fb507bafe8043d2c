from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from distributed_iac.config.base import to_plain
from distributed_iac.config.given import GivenGenotype
from distributed_iac.config.run import RunConfig
from distributed_iac.genotype import Genotype
from distributed_iac.jobs.plan import plan_jobs
from distributed_iac.jobs.settings import settings_of

GENES = [[0, "sep_conv_3x3"], [1, "skip_connect"]]
CELL = {"inputs": 2, "nodes": [GENES, GENES]}
GIVEN = {"scope": "shared", "cells": [CELL]}


def config(
    given: Any = GIVEN, controls: tuple[str, ...] = ("plain", "given"), **more: Any
) -> RunConfig:
    values = {"name": "run", "data": [{"name": "d", "source": "d"}], "cell": {"nodes": 2}}
    return RunConfig.model_validate(values | {"given": given, "controls": controls} | more)


def test_a_given_cell_is_the_genotype_that_it_writes_out() -> None:
    genotype = Genotype.from_dict(GIVEN)
    settings = GivenGenotype.model_validate(genotype.to_dict())
    assert settings.genotype == genotype
    assert GivenGenotype.model_validate(to_plain(settings)) == settings


@pytest.mark.parametrize(
    ("given", "controls", "more", "said"),
    [
        (None, ("plain", "given"), {}, "belong together"),
        (GIVEN, ("plain",), {}, "belong together"),
        (GIVEN, ("given",), {"cell": {"nodes": 3}}, "2 inputs and 3 nodes"),
        (GIVEN, ("given",), {"cell": {"nodes": 2, "inputs": "skip"}}, "1 inputs and 2 nodes"),
        (GIVEN, ("given",), {"cell": {"nodes": 2, "genotype_scope": "per_skip"}}, "per_skip"),
        (GIVEN, ("given",), {"variants": {"a": {}, "b": {"cell": {"nodes": 3}}}}, "d, b: given is"),
        (
            GIVEN,
            ("given",),
            {"data": [{"name": "d", "source": "d", "settings": {"cell": {"inputs": "skip"}}}]},
            "d: given is",
        ),
        ({"cells": [{"inputs": 2, "nodes": [[[0, "conv"]]]}]}, ("given",), {}, "conv"),
        ({"cells": [{"inputs": 2, "nodes": [[[5, "skip_connect"]]]}]}, ("given",), {}, "5"),
    ],
)
def test_a_given_cell_that_no_search_could_find_is_refused(
    given: Any, controls: tuple[str, ...], more: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        config(given, controls, **more)


def test_another_given_cell_is_another_job_and_no_other_job_depends_on_it() -> None:
    other = {
        "scope": "shared",
        "cells": [CELL | {"nodes": [GENES, [[0, "skip_connect"], *GENES[1:]]]}],
    }
    ours, others = config(), config(other)
    differ = {
        job.name
        for job in plan_jobs(ours).jobs()
        if settings_of(ours, job) != settings_of(others, job)
    }
    assert differ == {"given"}
