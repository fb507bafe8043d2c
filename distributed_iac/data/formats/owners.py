"""Whose each case of a source is: as its reader took it, or as a pattern or a table says.

::

    source = owned(source, PatientSettings(pattern="(?P<patient>P[0-9]+)_.*"))
    source = owned(source, PatientSettings(table=Path("patients.csv")))
    source = owned(source, None)                # as read

Ids that look like one patient's are warned about, :func:`doubts`.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from distributed_iac.config.dataset import PatientSettings
from distributed_iac.data.contract import Source
from distributed_iac.data.formats.names import stem_of
from distributed_iac.data.formats.patients import alike, spelt_alike
from distributed_iac.data.problems import Findings
from distributed_iac.errors import ConfigError, DataError, first_names, raised_as
from distributed_iac.files import parse_json

COLUMNS = ("case", "patient")


def owned(source: Source, settings: PatientSettings | None) -> Source:
    """Settle the patients of a source.

    Raises:
        ConfigError: The table cannot be read.
        DataError: A case has no patient by the pattern or table, or the table contradicts itself.
    """
    findings = Findings()
    if settings is None:
        _note_alike(source, None, findings)
        return replace(source, problems=(*source.problems, *findings.problems))
    unusable = {problem.case_id for problem in source.problems if problem.case_id}
    owners = owners_of([case.case_id for case in source.cases], settings, findings, unusable)
    cases = tuple(replace(case, patient_id=owners[case.case_id]) for case in source.cases)
    splits = _reowned(source, owners, findings)
    settled = replace(source, cases=cases, splits=splits)
    _note_alike(settled, settings, findings)
    return replace(settled, problems=(*source.problems, *findings.problems))


def owners_of(
    ids: Sequence[str],
    settings: PatientSettings,
    findings: Findings,
    unusable: Collection[str] = (),
) -> dict[str, str]:
    """Each case's patient by the pattern or table; as :func:`owned`.

    Args:
        ids: Of the cases.
        settings: The pattern or table.
        findings: Receives rows that name no case.
        unusable: Further ids that a row may name.
    """
    if settings.pattern is not None:
        return _matched(ids, settings.pattern)
    assert settings.table is not None
    return _listed(ids, unusable, settings.table, findings)


def _reowned(
    source: Source, owners: Mapping[str, str], findings: Findings
) -> tuple[Mapping[str, tuple[str, ...]], ...]:
    """The source's folds in terms of the new patients; none where a patient is on two sides."""
    new: dict[str, set[str]] = {}
    for case in source.cases:
        new.setdefault(case.patient_id, set()).add(owners[case.case_id])
    splits = []
    for number, fold in enumerate(source.splits):
        parts = {
            part: {owner for name in names for owner in new.get(name, {name})}
            for part, names in fold.items()
        }
        seen = Counter(owner for names in parts.values() for owner in names)
        both = sorted(owner for owner, count in seen.items() if count > 1)
        if both:
            reason = f"fold {number} of its splits has patients on two sides: {first_names(both)}"
            remedy = "Correct the folds or data.patients; until then the split is made anew"
            findings.warning("split_leak", source.detection.root, reason, remedy)
            return ()
        splits.append({part: tuple(sorted(names)) for part, names in parts.items()})
    return tuple(splits)


def doubts(patients: Iterable[str], settings: PatientSettings | None) -> str | None:
    """Say which ids look like one patient's, if any do, and how to settle it.

    Args:
        patients: All ids.
        settings: The pattern or table that they come from; None where a reader took them.
    """
    groups = alike(patients) if settings is None else spelt_alike(patients)
    if not groups:
        return None
    differ = (
        "in what a visit, phase, side or copy is called by" if settings is None else "in spelling"
    )
    names = [" and ".join(group[:3]) for group in groups]
    return (
        f"{sum(map(len, groups))} patient ids differ only {differ}: {first_names(names)}; each "
        "counts as a patient of its own"
    )


def remedy_of_doubts(settings: PatientSettings | None) -> str:
    """What to do about :func:`doubts`."""
    if settings is None:
        return (
            "Say who is who with data.patients: a pattern, or a table of case and patient; "
            "patients: {pattern: '(?P<patient>.+)'} if they are different people"
        )
    return "Spell them alike in data.patients if they are one person; nothing, if they are not"


def _note_alike(source: Source, settings: PatientSettings | None, findings: Findings) -> None:
    reason = doubts(source.patients, settings)
    if reason is not None:
        remedy = remedy_of_doubts(settings)
        findings.warning("alike_patients", source.detection.root, reason, remedy)


def _matched(ids: Sequence[str], pattern: str) -> dict[str, str]:
    found = {case_id: re.fullmatch(pattern, case_id) for case_id in ids}
    owners = {case_id: match["patient"] for case_id, match in found.items() if match is not None}
    without = [case_id for case_id in ids if not owners.get(case_id)]
    if without:
        raise DataError(
            "patients.pattern must match every case id as a whole, with its group patient",
            came=f"{len(without)} of {len(ids)} that it does not match: {first_names(without)}",
            where=pattern,
            remedy="widen the pattern, or give a table",
        )
    return owners


def _listed(
    ids: Sequence[str], unusable: Collection[str], table: Path, findings: Findings
) -> dict[str, str]:
    rows = {_plain(case_id): patient for case_id, patient in _read(table).items()}
    without = [case_id for case_id in ids if _plain(case_id) not in rows]
    unused = sorted(rows.keys() - set(map(_plain, (*ids, *unusable))))
    if without:
        said = f"; {len(unused)} rows name no case: {first_names(unused)}" if unused else ""
        raise DataError(
            "patients.table must have a row for every case",
            came=f"none for {len(without)} of {len(ids)}: {first_names(without)}{said}",
            where=table,
            remedy="add the rows; ids are compared letter by letter, leading zeros included",
        )
    if unused:
        reason = f"{len(unused)} rows name no case of the data set: {first_names(unused)}"
        findings.warning("unused_row", table, reason, "Correct or remove them")
    return {case_id: rows[_plain(case_id)] for case_id in ids}


def _read(table: Path) -> Mapping[str, str]:
    """Case to patient; of a .json an object, else two columns with a header."""
    message = "patients.table must be readable"
    with raised_as(ConfigError, message, remedy="correct it", where=table):
        content = table.read_bytes()
    message, remedy = "a table of patients is UTF-8 text", "save it as UTF-8"
    with raised_as(DataError, message, remedy=remedy, where=table, caught=UnicodeDecodeError):
        text = content.decode("utf-8-sig")
    pairs = _json_rows(text, table) if table.suffix.lower() == ".json" else _text_rows(text, table)
    owners: dict[str, str] = {}
    for case_id, patient in pairs:
        if not case_id or not patient or owners.setdefault(case_id, patient) != patient:
            raise DataError(
                "a table of patients names one patient for each case",
                came=f"{case_id!r}: {patient!r}"
                + (f" and {owners[case_id]!r}" if case_id in owners and patient else ""),
                where=table,
                remedy="correct the row",
            )
    return owners


def _json_rows(text: str, table: Path) -> list[tuple[str, str]]:
    wrong, message = (ValueError, RecursionError), "a .json table of patients is JSON"
    with raised_as(DataError, message, remedy="repair it", where=table, caught=wrong):
        rows = parse_json(text)
    if not isinstance(rows, dict) or not all(isinstance(one, str) for one in rows.values()):
        raise DataError(
            'a .json table of patients is one object, {"case": "patient", ...}, all of it text',
            came=text[:60],
            where=table,
            remedy="write it like that, numbers in quotes",
        )
    return [(stem_of(case.strip()), patient.strip()) for case, patient in rows.items()]


def _text_rows(text: str, table: Path) -> list[tuple[str, str]]:
    lines = [line for line in text.splitlines() if line.strip()]
    header = lines[0] if lines else ""
    delimiter = next((mark for mark in "\t;," if mark in header), ",")
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=delimiter)]
    if not rows or sorted(map(str.casefold, rows[0])) != sorted(COLUMNS):
        raise DataError(
            f"the first line of a table of patients is {','.join(COLUMNS)} (or with tabs, or ;)",
            came=header[:60] or "nothing",
            where=table,
            remedy="name its two columns",
        )
    bad = next((row for row in rows if len(row) != len(COLUMNS)), None)
    if bad is not None:
        raise DataError(
            "each row of a table of patients has two cells",
            came=bad,
            where=table,
            remedy="correct the row; quote a name that contains the separator",
        )
    case, patient = (list(map(str.casefold, rows[0])).index(name) for name in COLUMNS)
    return [(stem_of(row[case]), row[patient]) for row in rows[1:]]


def _plain(name: str) -> str:
    """One spelling of an id: file systems compose accents differently."""
    return unicodedata.normalize("NFC", name)
