"""Whose a case is, by its name; and which patients look as if they were one.

::

    patient_of("sub-001_ses-2")                       # "sub-001"
    alike(["P01_pre", "P01_post", "P02_pre"])         # (("P01_post", "P01_pre"),)
    alike(["case_00001", "case_00002"])               # ()
    spelt_alike(["p1", "P01", "p2"])                  # (("P01", "p1"),)

Generic formats have no patient field. Without a rule, an ACDC set converted to them would put
end-diastole and end-systole of one heart on both sides of a split. A name of no known convention
is its own patient (nnU-Net's assumption); :func:`alike` finds where that is doubtful.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from statistics import median

_CONVENTIONS = tuple(
    re.compile(pattern)
    for pattern in (
        # BIDS: entities (ses-1, acq-2, run-1) and a suffix (T1w) after the subject
        r"(?P<patient>sub-[A-Za-z0-9]+)(?:_[A-Za-z0-9]+(?:-[A-Za-z0-9]+)?)*",
        r"(?P<patient>patient\d{3})(?:_(?:frame\d{2}|ED|ES|4d))?",  # ACDC: phases of one heart
        r"(?P<patient>[A-Z]\d[A-Z]\d[A-Z]\d)(?:_(?:sa|la|SA|LA))?(?:_(?:ED|ES|\d+))?",  # M&Ms
        r"(?P<patient>\d{3})_(?:SA|LA)_(?:ED|ES|CINE)",  # M&Ms-2: two views, two phases
        r"(?P<patient>BraTS-[A-Z]+-\d{5})-\d{3}",  # BraTS 2023 and later: visits
        r"(?P<patient>BraTS-MEN-RT-\d{4})-\d+",  # BraTS 2024, radiotherapy
        r"(?P<patient>TCGA-[A-Z0-9]{2}-[A-Z0-9]{4})(?:[_.-][0-9.-]+)?",  # with a date
        r"(?P<patient>UCSF-[A-Z]+-\d+)(?:_.+)?",  # follow-up or date
        r"(?P<patient>UPENN-GBM-\d{5})_\d{2}",  # 11 baseline, 21 follow-up
    )
)
"""Published names in which one patient has several cases. In those of the abdominal sets (KiTS
case_00001, amos_0001, LiTS volume-1, BTCV img0001, TotalSegmentator s0001) and of the Decathlon
every number is a patient."""

_COUNTED = (
    "session|ses|visit|timepoint|time|tp|scan|run|acq|echo|phase|frame|repeat|rep|day|week|month"
    "|year|fu|v|t"
)
_PLAIN = (
    "pre|post|preop|postop|baseline|bl|followup|left|right|lt|rt|lh|rh|ed|es|systole|diastole|sys"
    "|dia|inhale|exhale|insp|exp|arterial|venous|portal|delayed"
)
_COUNTED_WORD = re.compile(rf"(?:{_COUNTED})(\d*)")
_PLAIN_WORD = re.compile(_PLAIN)
_LETTER = re.compile(r"[a-dlr]")
_VISIT_NUMBER = re.compile(r"\d{1,3}|(?:19|20)\d{6}")
"""A repeat has few digits, or is a date; longer numbers name patients (``TCIA01_1311``)."""
_BETWEEN = re.compile(
    rf"[^\w]+|_+|(?<=\d)(?=(?:{_PLAIN}|ses|visit|[a-dlr])\d*(?![a-z]))"  # also P01L, 7post
)

Parts = tuple[str, ...]


def patient_of(case_id: str) -> str:
    """Return the owner of a case, where its name follows a published convention."""
    for pattern in _CONVENTIONS:
        found = pattern.fullmatch(case_id)
        if found is not None:
            return found["patient"]
    return case_id


def alike(patients: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Groups of ids that differ only in a word or number such as a patient's visits have.

    Ids of a published convention are what they say. Of the others those count as alike that are
    equal up to session, visit, phase, side or run (``P01_pre``, ``P01_post``), letter case and
    leading zeros; or up to a short last number (``P01_1``, ``P01_2``), unless that would leave
    fewer patients than the cases of one: a stem with many numbers is a site (``site3_080``). Of all
    ids those do that :func:`spelt_alike` puts together.

    Returns:
        The groups, each of at least two ids, sorted.
    """
    names = set(patients)
    known = {name for name in names if any(p.fullmatch(name) for p in _CONVENTIONS)}
    stems = {name: _stem(name) for name in sorted(names - known)}
    shorter = {
        name: stem[:-1]
        for name, stem in stems.items()
        if _VISIT_NUMBER.fullmatch(stem[-1]) and _has_digit(stem[:-1])
    }
    repeats = Counter(map(_without_zeros, shorter.values()))
    fewer = stems | shorter
    if repeats and median(repeats.values()) <= len(set(map(_without_zeros, fewer.values()))):
        stems = fewer
    groups: dict[Parts, list[str]] = defaultdict(list)
    for name, stem in stems.items():
        groups[_without_zeros(stem)].append(name)
    found = _larger(groups.values())
    spelt = (group for group in spelt_alike(names) if not any(set(group) <= set(g) for g in found))
    return tuple(sorted((*found, *spelt)))


def spelt_alike(patients: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Groups of ids that are one to a reader: up to letter case, width, zeros in front, separators.

    For ids that somebody has given on purpose, in a table or by a pattern: ``p1`` and ``P1``,
    ``1`` and ``01``, ``P_1`` and ``P-1``, full-width letters.

    Returns:
        The groups, each of at least two ids, sorted.
    """
    groups: dict[Parts, list[str]] = defaultdict(list)
    for name in set(patients):
        groups[_spelling(name)].append(name)
    return _larger(groups.values())


def _larger(groups: Iterable[list[str]]) -> tuple[tuple[str, ...], ...]:
    return tuple(sorted(tuple(sorted(names)) for names in groups if len(names) > 1))


def _spelling(name: str) -> Parts:
    """The parts of a name between separators, without what only its spelling tells."""
    shown = "".join(letter for letter in name if unicodedata.category(letter) != "Cf")
    plain = unicodedata.normalize("NFKC", shown).casefold()
    parts = tuple(part for part in re.split(r"[\W_]+", plain) if part)
    return _without_zeros(parts) or (name,)


def _stem(name: str) -> Parts:
    """The parts of a name that tell patients apart, in lower case."""
    parts = [p for p in _BETWEEN.split(unicodedata.normalize("NFKC", name).casefold()) if p]
    kept = _without_words(parts)
    if len(kept) > 1 and _LETTER.fullmatch(kept[-1]) and _has_digit(kept[:-1]):
        kept = kept[:-1]
    return tuple(kept) or (name,)


def _without_zeros(parts: Parts) -> Parts:
    return tuple(re.sub(r"(?<!\d)0+(?=\d)", "", part) for part in parts)


def _without_words(parts: list[str]) -> list[str]:
    """Leave out words of a visit, and the numbers that belong to them; all is kept if all is."""
    without = [part for part in parts if not _PLAIN_WORD.fullmatch(part)]
    kept: list[str] = []
    counted = False
    for part in without:
        word = _COUNTED_WORD.fullmatch(part)
        if word is None and not (counted and part.isdigit()):
            kept.append(part)
        counted = word is not None and not word[1]
    return kept if _has_digit(kept) else without or parts


def _has_digit(parts: Iterable[str]) -> bool:
    return any(character.isdigit() for part in parts for character in part)
