"""How nnU-Net prepares an image, in the words of this project's settings.

::

    settings = planned_preprocess(read_nnunet_plan(folder), where=folder)
    settings.spacing, settings.patch, settings.slices.axes, settings.normalisation[0].scheme

Follows nnU-Net 2.8's ``DefaultPreprocessor`` and readers: the array as it lies in the file, axes
exchanged by ``transpose_forward`` and none reversed; cut to the box of what is not zero; normalised
a channel at a time; resampled within slices. Where a plan names other code, it is refused: what
looks like the same network would be fed other images.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from distributed_iac.config.preprocess import (
    ChannelNormalisation,
    CtStatistics,
    PreprocessSettings,
    Scheme,
    SliceSettings,
)
from distributed_iac.data.contract import SliceLayout
from distributed_iac.errors import ConfigError
from distributed_iac.nets.nnunet_plan import NnUnetPlan

ORIENTATIONS: Mapping[str, Literal["as_stored", "RAS"]] = {
    "SimpleITKIO": "as_stored",
    "NibabelIO": "as_stored",
    "SimpleITKIOWithReorient": "RAS",
    "NibabelIOWithReorient": "RAS",
}
"""nnU-Net's readers of NIfTI files, and to which axis codes they bring an array."""

READ_AXES = (2, 1, 0)
"""Array axes of a NIfTI file in the order in which nnU-Net's readers return them."""

SCHEMES: Mapping[str, Scheme] = {
    "ZScoreNormalization": "zscore",
    "CTNormalization": "ct",
    "NoNormalization": "none",
    "RescaleTo01Normalization": "unit",
    "RGBTo01Normalization": "rgb",
}

DEFAULT_STEPS = frozenset(("DefaultPreprocessor", "resample_data_or_seg_to_shape"))


def planned_preprocess(plan: NnUnetPlan, *, where: object) -> PreprocessSettings:
    """Translate a plan.

    Args:
        plan: Of a trained model.
        where: Its folder, for messages.

    Raises:
        ConfigError: The plan names a reader, preprocessor, resampling or normalisation of which
            only nnU-Net knows what it does.
    """
    odd = {key: name for key, name in plan.steps.items() if name not in DEFAULT_STEPS}
    if odd:
        raise _unknown(f"{' and '.join(sorted(DEFAULT_STEPS))} are known", odd, where)
    if plan.reader not in ORIENTATIONS:
        raise _unknown(f"nnU-Net's readers {', '.join(ORIENTATIONS)} are known", plan.reader, where)
    cut = plan_cut(plan)
    assert cut.axes is not None
    rules = tuple(_rule(plan, number, where) for number in range(plan.in_channels))
    return PreprocessSettings(
        follow="data",
        slices=SliceSettings(orientation=cut.reorient, axes=cut.axes),
        spacing=plan.spacing,
        patch=plan.patch_size,
        crop="box",
        normalisation=rules,
    )


def plan_cut(plan: NnUnetPlan) -> SliceLayout:
    """How a plan cuts slices; of an unknown reader, as one that takes files as they are."""
    first, second, third = (READ_AXES[axis] for axis in plan.transpose)
    return SliceLayout(ORIENTATIONS.get(plan.reader, "as_stored"), None, (first, second, third))


def plan_schemes(plan: NnUnetPlan) -> list[str]:
    """Normalisation of each channel, in our words where there are any."""
    return [
        "zscore_nonzero" if SCHEMES.get(name) == "zscore" and masked else SCHEMES.get(name, name)
        for name, masked in zip(plan.normalization, plan.masked, strict=True)
    ]


def _rule(plan: NnUnetPlan, number: int, where: object) -> ChannelNormalisation:
    name = plan.normalization[number]
    if name not in SCHEMES:
        raise _unknown(f"nnU-Net's normalisations {', '.join(SCHEMES)} are known", name, where)
    scheme = plan_schemes(plan)[number]
    if scheme != "ct":
        return ChannelNormalisation.model_validate({"scheme": scheme})
    known = plan.intensities[number]
    return ChannelNormalisation(
        scheme="ct",
        ct=CtStatistics(
            lower=known["percentile_00_5"],
            upper=known["percentile_99_5"],
            mean=known["mean"],
            deviation=known["std"],
        ),
    )


def _unknown(known: str, came: object, where: object) -> ConfigError:
    return ConfigError(
        f"to feed an nnU-Net network as it was trained, {known}",
        came=came,
        remedy="prepare the images by hand and set preprocess.follow: data with spacing, patch, "
        "crop, normalisation and slices, or train with nnU-Net's default planner",
        where=where,
    )
