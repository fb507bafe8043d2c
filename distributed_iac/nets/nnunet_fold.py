"""Which patients a fold of nnU-Net has seen in training; pure.

::

    known = know_fold(0, pool, [FoldCases(...)], validation)
    known.trained & test                    # must be empty: these were seen

nnU-Net lists cases and may put two cases of one patient on two sides. A patient with a case in
training has been seen, whatever else was held out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from distributed_iac.data.formats.nnunet_splits import FoldCases
from distributed_iac.data.formats.patients import patient_of
from distributed_iac.errors import ConfigError, first_names
from distributed_iac.nets.nnunet_validation import Validation


@dataclass(frozen=True)
class KnownFold:
    """What is known of a fold.

    Args:
        trained: Patients with a case that it was trained on.
        unseen: All others of the data set.
        why: How that is known, for people.
    """

    trained: frozenset[str]
    unseen: frozenset[str]
    why: str


def know_fold(
    fold: int | Literal["all"],
    pool: Mapping[str, str],
    splits: Sequence[FoldCases],
    validation: Validation | None,
) -> KnownFold | None:
    """Gather what is known of a fold's training.

    Args:
        fold: ``all`` is trained on every case.
        pool: Cases of the data set that nnU-Net may have trained on, each with its patient.
        splits: This fold in each file of folds that was found.
        validation: What the model's folder says that it was validated on.

    Returns:
        None where nothing is known: nothing was found, or the model is of other cases than these.

    Raises:
        ConfigError: Two of them contradict each other.
    """
    if fold == "all":
        return _known(frozenset(pool), pool, "fold all is trained on every training case")
    if validation is not None and not _is_about(validation.cases, pool):
        return None
    _require_agreement(fold, splits, validation)
    if splits and _is_about(splits[0].train | splits[0].val, pool):
        return _known(splits[0].train, pool, f"{splits[0].where}")
    if validation is not None:
        rest = frozenset(pool) - validation.cases
        return _known(rest, pool, f"all cases but those in {validation.where}")
    return None


def divides_patients(fold: FoldCases, pool: Mapping[str, str]) -> bool:
    """Whether a fold has cases of one patient on both sides, as nnU-Net's own lists may."""
    return not _owners(fold.train, pool).isdisjoint(_owners(fold.val, pool))


def _known(trained: frozenset[str], pool: Mapping[str, str], why: str) -> KnownFold:
    owners = _owners(trained, pool)
    return KnownFold(owners, frozenset(pool.values()) - owners, why)


def _owners(cases: frozenset[str], pool: Mapping[str, str]) -> frozenset[str]:
    return frozenset(pool.get(case) or patient_of(case) for case in cases)


def _is_about(cases: frozenset[str], pool: Mapping[str, str]) -> bool:
    """Whether these are cases of this data set: a model may be tried on another one."""
    return not _owners(cases, pool).isdisjoint(pool.values())


def _require_agreement(
    fold: int, splits: Sequence[FoldCases], validation: Validation | None
) -> None:
    said = {f"{one.where}": one.val for one in splits}
    if validation is not None and validation.extent == "all cases":
        said[f"{validation.where}"] = validation.cases
    elif validation is not None:
        for one in splits:
            if not validation.cases <= one.val:
                said[f"{validation.where}"] = validation.cases
    if len(set(said.values())) > 1:
        raise ConfigError(
            f"what is found about fold {fold} must say the same of its validation cases",
            came="; ".join(
                f"{where}: {first_names(sorted(cases))}" for where, cases in said.items()
            ),
            remedy="remove the one that does not belong to this training, or set seen_test: allow "
            "on the backbone",
        )
