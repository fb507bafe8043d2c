"""The base of every settings model, and how settings are added without disowning older runs.

::

    class EvaluationSettings(Settings):
        overlap: Annotated[float, Before(0.0)] = 0.5     # added after a release

    RunConfig.model_validate(stored, context=AS_STORED)  # what an older release left out is 0.0
    fields_before(EvaluationSettings)                    # {"overlap": 0.0}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationInfo, model_validator

AS_STORED: Mapping[str, bool] = MappingProxyType({"as_stored": True})
"""Context of a validation: the values are those that a release resolved and wrote down."""


@dataclass(frozen=True)
class Before:
    """Marks a setting that was added after a release.

    Args:
        value: What the releases without the setting did: it stands for a stored configuration
            that does not know the setting, and is left out of what a job's or a store's identity
            is made of. The default may be another one.
    """

    value: Any


class Settings(BaseModel):
    """A frozen branch of the configuration; unknown keys are refused.

    A room receives only its own branch. Values are validated once, at the door, so the rooms
    need not check again.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True
    )

    @model_validator(mode="before")
    @classmethod
    def _complete_what_is_stored(cls, values: Any, info: ValidationInfo) -> Any:
        if info.context != AS_STORED or not isinstance(values, Mapping):
            return values
        return {**fields_before(cls), **values}


def fields_before(settings: type[Settings]) -> dict[str, Any]:
    """Names of the settings that were added after a release, and what was done before."""
    return {
        name: mark.value
        for name, field in settings.model_fields.items()
        for mark in field.metadata
        if isinstance(mark, Before)
    }
