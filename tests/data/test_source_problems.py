from __future__ import annotations

from pathlib import Path

import pytest

import distributed_iac.data.formats as formats
from distributed_iac.data.problems import CODES, Findings


def test_every_documented_code_is_used_by_some_reader():
    modules = [p for p in Path(formats.__path__[0]).glob("*.py") if p.name != "problems.py"]
    text = "\n".join(module.read_text() for module in modules)
    assert [code for code in CODES if f'"{code}"' not in text] == []


def test_an_undocumented_code_is_a_mistake_of_ours():
    with pytest.raises(AssertionError, match="undocumented"):
        Findings().error("surprise", Path("x"), "reason", "remedy")


def test_problems_come_in_the_order_of_paths_whatever_the_order_of_finding():
    def found(paths):
        findings = Findings()
        for path in paths:
            findings.warning("unlisted_file", Path(path), "reason", "remedy")
        return findings.problems

    assert found(["b", "a", "c"]) == found(["c", "b", "a"])
    assert [problem.path.name for problem in found(["b", "a"])] == ["a", "b"]
