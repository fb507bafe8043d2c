"""Conventions follow the data set where the settings say ``auto``, and the settings otherwise."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import ValidationError

from distributed_iac.config.evaluation import EvaluationSettings
from distributed_iac.evaluation.conventions import POLICIES, conventions_for


@pytest.mark.parametrize(
    ("format", "policy"), [("brats", "brats"), ("kits", "kits"), ("acdc", "nan"), ("amos", "nan")]
)
def test_auto_is_the_policy_of_the_data_sets_challenge(format, policy, phantom_store) -> None:
    fingerprint = replace(phantom_store("acdc").fingerprint, format=format)
    assert conventions_for(EvaluationSettings(), fingerprint).empty.name == policy


@pytest.mark.parametrize("policy", list(POLICIES))
def test_a_named_policy_holds_for_every_data_set(policy, phantom_store) -> None:
    for format in ("acdc", "brats", "kits"):
        fingerprint = replace(phantom_store("acdc").fingerprint, format=format)
        settings = EvaluationSettings(empty_masks=policy)
        assert conventions_for(settings, fingerprint).empty is POLICIES[policy]


@pytest.mark.parametrize(("release", "tumor"), [("2019", None), ("2021", 1.1498), ("2023", 1.1498)])
def test_kits_has_published_tolerances_from_2021_on(release, tumor, phantom_store) -> None:
    fingerprint = replace(phantom_store("acdc").fingerprint, format="kits", release=release)
    tolerance = conventions_for(EvaluationSettings(), fingerprint).tolerance("tumor")
    assert tolerance == (None if tumor is None else pytest.approx(tumor, abs=1e-4))


def test_tolerances_of_the_settings_come_first(phantom_store) -> None:
    fingerprint = replace(phantom_store("acdc").fingerprint, format="kits", release="2023")
    settings = EvaluationSettings(tolerances_mm={"tumor": 3.0, "LV": 2.0})
    conventions = conventions_for(settings, fingerprint)
    assert conventions.tolerance("tumor") == 3
    assert conventions.tolerance("LV") == 2
    assert conventions.tolerance("mass") == pytest.approx(1.1329, abs=1e-4)


def test_without_surface_dice_there_is_no_tolerance(phantom_store) -> None:
    settings = EvaluationSettings(metrics=("dice",), tolerances_mm={"LV": 2.0})
    assert conventions_for(settings, phantom_store("acdc").fingerprint).tolerance("LV") is None


def test_every_policy_is_found_by_its_name() -> None:
    for name, policy in POLICIES.items():
        assert policy.name == name


def test_settings_refuse_what_makes_no_sense() -> None:
    for wrong in (
        {"metrics": ["hd95"]},
        {"tolerances_mm": {"LV": 0}},
        {"empty_masks": "zero"},
        {"batch_size": 0},
    ):
        with pytest.raises(ValidationError):
            EvaluationSettings.model_validate(wrong)


def test_equal_metrics_make_equal_settings() -> None:
    assert EvaluationSettings(metrics=("hd95", "dice")) == EvaluationSettings(
        metrics=("dice", "hd95", "dice")
    )
