"""The base of every settings model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

Place = tuple[str | int, ...]


class Settings(BaseModel):
    """A frozen branch of the configuration; unknown keys are refused.

    A room receives only its own branch. Values are validated once, at the door, so the rooms
    need not check again. Text, numbers and truth values stay what they were written as: pydantic
    alone would take ``true`` for the number 1 and ``"010"`` for 10.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, use_attribute_docstrings=True
    )

    @model_validator(mode="wrap")
    @classmethod
    def _nothing_changes_its_kind(
        cls, given: Any, handler: ModelWrapValidatorHandler[Self]
    ) -> Self:
        built = handler(given)
        if isinstance(given, Mapping):
            wrong = [
                error
                for name, value in given.items()
                for error in _changed((name,), value, getattr(built, name))
            ]
            if wrong:
                raise ValidationError.from_exception_data(cls.__name__, wrong)
        return built


def _changed(place: Place, given: Any, built: Any) -> Iterable[InitErrorDetails]:
    """Scalars below a value that validation has turned into another kind of scalar."""
    if isinstance(given, list | tuple) and isinstance(built, list | tuple):
        for position, pair in enumerate(zip(given, built, strict=True)):
            yield from _changed((*place, position), *pair)
    elif isinstance(given, Mapping) and isinstance(built, Mapping):
        for name in given.keys() & built.keys():
            yield from _changed((*place, name), given[name], built[name])
    elif isinstance(built, bool | int | float) and _kind(given) not in (None, _kind(built)):
        message = f"a {_kind(built)} is wanted, not a {_kind(given)}"
        error = PydanticCustomError("kind", "{message}", {"message": message})
        yield InitErrorDetails(type=error, loc=place, input=given)


def _kind(value: Any) -> str | None:
    if isinstance(value, bool):
        return "truth value"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else None
