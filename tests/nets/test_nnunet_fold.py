"""Who has been seen by a fold, from what is found about it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

from distributed_iac.data.formats.nnunet_splits import FoldCases
from distributed_iac.errors import ConfigError
from distributed_iac.nets.nnunet_fold import divides_patients, know_fold
from distributed_iac.nets.nnunet_validation import Scores, Validation

POOL = {f"p{number}_v{visit}": f"p{number}" for number in range(5) for visit in (0, 1)}
TWO = frozenset({"p0_v0", "p0_v1", "p1_v0", "p1_v1"})


def splits(val: Collection[str], where: str = "splits_final.json") -> FoldCases:
    return FoldCases(frozenset(POOL) - frozenset(val), frozenset(val), Path(where))


def validated(cases: Collection[str], scores: Scores) -> Validation:
    return Validation(frozenset(cases), scores, {}, Path("validation"))


SUMMARY = validated(TWO, {case: {} for case in TWO})
MAPS = validated(["p0_v0", "p0_v1"], {})


@pytest.mark.parametrize(
    ("found", "validation"),
    [([splits(TWO)], None), ([splits(TWO)], SUMMARY), ([], SUMMARY), ([splits(TWO)], MAPS)],
)
def test_all_but_the_validation_patients_were_seen(
    found: list[FoldCases], validation: Validation | None
) -> None:
    known = know_fold(0, POOL, found, validation)
    assert known is not None
    assert (known.trained, known.unseen) == ({"p2", "p3", "p4"}, {"p0", "p1"})


def test_of_label_maps_alone_only_their_patients_are_surely_unseen() -> None:
    known = know_fold(0, POOL, [], MAPS)
    assert known is not None
    assert known.unseen == {"p0"}


def test_a_patient_with_one_case_in_training_was_seen() -> None:
    fold = splits(["p0_v0", "p0_v1", "p1_v0"])
    known = know_fold(0, POOL, [fold], None)
    assert known is not None
    assert known.unseen == {"p0"}
    assert divides_patients(fold, POOL)
    assert not divides_patients(splits(TWO), POOL)


def test_fold_all_has_seen_everybody() -> None:
    known = know_fold("all", POOL, [], SUMMARY)
    assert known is not None
    assert not known.unseen


def test_nothing_is_known_without_evidence_or_with_evidence_of_other_data() -> None:
    other = validated(["q1"], {"q1": {}})
    assert know_fold(0, POOL, [], None) is None
    assert know_fold(0, POOL, [], other) is None
    assert know_fold(0, POOL, [splits(TWO)], other) is None
    assert know_fold(0, {"a": "a"}, [splits(TWO)], None) is None


@pytest.mark.parametrize(
    ("found", "validation"),
    [
        ([splits(TWO), splits(["p4_v0", "p4_v1"], "other.json")], None),
        ([splits(["p4_v0", "p4_v1"])], SUMMARY),
        ([splits(["p4_v0", "p4_v1"])], MAPS),
    ],
)
def test_two_statements_about_one_fold_that_differ_are_refused(
    found: list[FoldCases], validation: Validation | None
) -> None:
    with pytest.raises(ConfigError, match="the same of its validation cases"):
        know_fold(0, POOL, found, validation)
