"""A finished step is found under its key and in its form, else it is done again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from distributed_iac.data.contract import Problem
from distributed_iac.data.prepare.prepared_case import TargetCounts
from distributed_iac.data.prepare.work import CaseRecord, WorkFolder, write_record
from distributed_iac.data.volumes.geometry import SliceGeometry
from distributed_iac.data.volumes.plane import CaseGeometry, InPlaneTransform

RECORD = CaseRecord(
    key="k",
    case_id="case_1",
    foreground=(0, 3),
    geometry=CaseGeometry(
        SliceGeometry((4, 5, 2), (2, 1, 0), (1, 1, -1), (3.0, 1.0, 1.0)),
        InPlaneTransform((5, 4), (5, 4), (8, 8), (-2, -2), needed=((0, 5), (0, 4))),
    ),
    affine=tuple(map(float, range(16))),
    counts={"ring": TargetCounts(*range(len(TargetCounts.__dataclass_fields__)))},
    notes=(Problem("oblique", "warning", Path("a.nii"), "it is", "turn it", "case_1"),),
    fingerprints={"t1": "5f0c"},
)


@pytest.fixture
def work(tmp_path: Path) -> WorkFolder:
    folder = WorkFolder(tmp_path)
    write_record(folder.case_files("case_1").record, RECORD)
    return folder


def test_what_was_kept_is_found(work: WorkFolder) -> None:
    assert work.record("case_1", "k") == RECORD


@pytest.mark.parametrize("case", ["case_1", "case_2"])
def test_work_of_other_settings_and_no_work_are_none(work: WorkFolder, case: str) -> None:
    assert work.record(case, "other") is None


@pytest.mark.parametrize("spoilt", ["lacks a field", "cut"])
def test_a_record_of_another_form_is_none(work: WorkFolder, spoilt: str) -> None:
    file = work.case_files("case_1").record
    plain = json.loads(file.read_text())
    del plain["fingerprints"]
    file.write_text(json.dumps(plain) if spoilt == "lacks a field" else file.read_text()[:50])
    assert work.record("case_1", "k") is None
