"""The base of every settings model, and how settings are added without disowning older runs.

::

    class EvaluationSettings(Settings):
        overlap: Annotated[float, Before(0.0)] = 0.5     # added after a release

    RunConfig.model_validate(stored, context=AS_STORED)  # what an older release left out is 0.0
    fields_before(EvaluationSettings)                    # {"overlap": 0.0}
    to_plain(settings), to_identity(settings)            # for files; for digests
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationInfo,
    model_validator,
)

from distributed_iac.config.pydantic_errors import Place, refusals

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]

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
    need not check again. Text, numbers and truth values stay what they were written as: pydantic
    alone would take ``true`` for the number 1 and ``"010"`` for 10.
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

    @model_validator(mode="wrap")
    @classmethod
    def _nothing_changes_its_kind(
        cls, given: Any, handler: ModelWrapValidatorHandler[Self]
    ) -> Self:
        built = handler(given)
        if isinstance(given, Mapping):
            wrong = [
                one
                for name, value in given.items()
                for one in _changed((name,), value, getattr(built, name, value))  # or an alias
            ]
            if wrong:
                raise refusals(cls.__name__, wrong)
        return built


def fields_before(settings: type[Settings]) -> dict[str, Any]:
    """Names of the settings that were added after a release, and what was done before."""
    return {
        name: mark.value
        for name, field in settings.model_fields.items()
        for mark in field.metadata
        if isinstance(mark, Before)
    }


def to_plain(settings: Settings) -> dict[str, Any]:
    """Return plain JSON-able values, equal for equal settings (sets are sorted)."""
    fields = type(settings).model_fields
    return {fields[name].alias or name: _plain(value, to_plain) for name, value in settings}


def to_identity(settings: Settings) -> dict[str, Any]:
    """Return the same without settings that are as they were before they existed.

    For digests: a setting that a later release adds leaves the digests of older results alone,
    as long as nobody uses it.
    """
    before = fields_before(type(settings))
    plain = {name: _plain(value, to_identity) for name, value in settings}
    return {
        name: value
        for name, value in plain.items()
        if name not in before or value != _plain(before[name], to_identity)
    }


def _plain(value: Any, branch: Callable[[Settings], dict[str, Any]]) -> Any:
    if isinstance(value, Settings):
        return branch(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item, branch) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(_plain(item, branch) for item in value)
    if isinstance(value, list | tuple):
        return [_plain(item, branch) for item in value]
    return str(value) if isinstance(value, Path) else value


def _changed(place: Place, given: Any, built: Any) -> Iterable[tuple[Place, Any, str]]:
    """Scalars below a value that validation has turned into another kind: where, what, why not."""
    if isinstance(given, list | tuple) and isinstance(built, list | tuple):
        # Of another length: a validator has left out repetitions, which are of one kind anyway.
        pairs = zip(given, built, strict=True) if len(given) == len(built) else ()
        for position, pair in enumerate(pairs):
            yield from _changed((*place, position), *pair)
    elif isinstance(given, Mapping) and isinstance(built, Mapping):
        for name in given.keys() & built.keys():
            yield from _changed((*place, name), given[name], built[name])
    elif isinstance(built, bool | int | float) and _kind(given) not in (None, _kind(built)):
        yield place, given, f"a {_kind(built)} is wanted, not a {_kind(given)}"


def _kind(value: Any) -> str | None:
    if isinstance(value, bool):
        return "truth value"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else None
