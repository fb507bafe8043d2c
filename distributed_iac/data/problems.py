"""The codes of problems that a folder structure shows, and the list a reader fills.

::

    findings = Findings()
    findings.error(
        "missing_image", folder / "imaging.nii.gz",
        "the case has no image", "Run kits23_download_data", case_id="case_00000",
    )
    findings.problems
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from distributed_iac.data.contract import Problem, Severity

CODES: Mapping[str, str] = MappingProxyType(
    {
        "missing_image": "an image that the structure or a list calls for is not there",
        "missing_label": "a training case has no label file",
        "missing_channel": "a case lacks some of the source's channels",
        "partial_download": "an interrupted download left an unfinished image",
        "unlisted_file": "an image or label that no rule or list of the source accounts for",
        "duplicate_case": "a case id appears a second time; the first one is used",
        "ambiguous_file": "a .nii lies beside its .nii.gz, or names differ only in letter case",
        "unused_file": "a file that looks like an image belongs to no case, or cannot be read",
        "dangling_link": "a link leads nowhere",
        "alias_used": "a file is published under a wrong name and was taken for the right one",
        "bad_metadata": "a text file of the source is missing, garbled or contradicts itself",
        "count_mismatch": "dataset.json announces another number of cases than it has",
        "release_guessed": "the names fit several releases; the stricter one was assumed",
        "v1_layout": "an nnU-Net v1 dataset.json; read with the meaning it had there",
        "unsupported_ending": "images are in a format other than NIfTI",
        "normalisation_ignored": "a normalisation asked for by a channel name is not done",
        "outside_root": "a path written in the source leads out of its folder",
        "unexpanded_path": "a path contains an environment variable, which is not expanded",
        "unsafe_name": "a case id cannot be a file name",
        "bad_split": "a supplied split is malformed or names cases that do not exist",
        "split_leak": "a supplied split has one patient on both sides",
        "alike_patients": "ids of different patients look as if they were one patient's",
        "unused_row": "a row of the table of patients names no case",
        "unreadable_folder": "a folder inside the source cannot be listed",
    }
)
"""Every code that a reader uses, with its meaning. The voxel-level check adds its own."""


def warnings_in_brief(problems: Iterable[Problem]) -> tuple[str, ...]:
    """One sentence for each kind of warning: the first of it, and how many there are."""
    kinds: dict[str, list[Problem]] = {}
    for problem in problems:
        if problem.severity == "warning":
            kinds.setdefault(problem.code, []).append(problem)
    return tuple(
        f"{same[0].path.name}: {same[0].reason}. {same[0].remedy}"
        + (f" ({len(same)} of this kind)" if len(same) > 1 else "")
        for same in kinds.values()
    )


class Findings:
    """Problems in the making: filled while a source is read, then frozen into it."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []

    def error(
        self, code: str, path: Path, reason: str, remedy: str, case_id: str | None = None
    ) -> None:
        """Note something that excludes a case, or the whole source where no case is named."""
        self._add("error", code, path, reason, remedy, case_id)

    def warning(
        self, code: str, path: Path, reason: str, remedy: str, case_id: str | None = None
    ) -> None:
        """Note something that the user should know although the data are used."""
        self._add("warning", code, path, reason, remedy, case_id)

    def _add(
        self,
        severity: Severity,
        code: str,
        path: Path,
        reason: str,
        remedy: str,
        case_id: str | None,
    ) -> None:
        assert code in CODES, f"undocumented problem code {code!r}"
        self._problems.append(Problem(code, severity, path, reason, remedy, case_id))

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What was found, in the order of paths, so that two readings compare equal."""
        return tuple(
            sorted(self._problems, key=lambda problem: (problem.path, problem.code, problem.reason))
        )
