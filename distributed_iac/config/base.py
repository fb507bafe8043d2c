"""The base of every settings model."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """A frozen branch of the configuration; unknown keys are refused.

    A room receives only its own branch. Values are validated once, at the door, so the rooms
    need not check again.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True
    )
