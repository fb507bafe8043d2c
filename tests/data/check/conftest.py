"""Tiny NIfTI files and the sources made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distributed_iac.data.contract import (
    Case,
    Channel,
    Detection,
    LabelScheme,
    SliceLayout,
    Source,
)

SHAPE = (6, 5, 4)

WriteNifti = Callable[..., Path]
MakeCase = Callable[..., Case]
MakeSource = Callable[..., Source]


@pytest.fixture
def scheme() -> LabelScheme:
    return LabelScheme("test (1, 2)", {1: "organ", 2: "tumour"})


@pytest.fixture
def make_case(write_nifti: WriteNifti) -> MakeCase:
    """Write a sound case: random channels, a label with two classes."""

    def make(
        case_id: str = "case_a",
        *,
        patient_id: str | None = None,
        channels: Sequence[str] = ("ct",),
    ) -> Case:
        rng = np.random.default_rng(list(case_id.encode()))
        paths = [
            write_nifti(f"{case_id}/{name}.nii.gz", rng.normal(size=SHAPE).astype(np.float32))
            for name in channels
        ]
        label = np.zeros(SHAPE, np.uint8)
        label[1:4, 1:4, 1:3] = 1
        label[2, 2, 1] = 2
        return Case(
            case_id=case_id,
            patient_id=patient_id or case_id,
            channels=tuple(map(Channel, channels, paths)),
            label=write_nifti(f"{case_id}/label.nii.gz", label),
            modality="CT",
            layout=SliceLayout("LPS", 2),
        )

    return make


@pytest.fixture
def make_source(tmp_path: Path, scheme: LabelScheme) -> MakeSource:
    """Put cases together to a source, as a reader would."""

    def make(*cases: Case, **changes: Any) -> Source:
        names = cases[0].channels if cases else ()
        values: dict[str, Any] = {
            "detection": Detection("test", "1", tmp_path, "written by a test"),
            "channel_names": tuple(channel.name for channel in names),
            "labels": scheme,
            "cases": tuple(sorted(cases, key=lambda case: case.case_id)),
        }
        return Source(**values | changes)

    return make
