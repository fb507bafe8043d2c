"""Settings of a run that a data set or a variant replaces, nested as in the configuration itself.

::

    batches: {batch_size: 12, augmentation: strong}
    data:
      - {name: acdc, source: data/acdc, settings: {batches: {batch_size: 32}}}
    variants:
      augmented: {}
      unaugmented: {batches: {augmentation: none}}

In Python::

    laid = lay_over({"batches": BatchSettings()}, [Layer(("variants", "unaugmented"), given)])
    laid.branches["batches"].augmentation           # "none"; laid.wrong says what cannot be

What is laid over merges with what is below, key by key; a later layer wins. Where it makes a
setting one of another class (an Adam of an SGD), nothing of the old one is kept: a learning rate
means nothing to another optimiser.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

from pydantic import ValidationError

from distributed_iac.config.base import Settings, to_plain
from distributed_iac.config.pydantic_errors import Finding, Place, findings

VARIED = ("batches", "cell", "pretrain", "search", "retrain")
"""Branches that may be another one for a data set or in a variant. All else is the run's: what is
compared, with whom, over which patients and seeds, how it is scored and where it runs."""

Override = Mapping[str, Any]
"""Nested values, as they were written."""


@dataclass(frozen=True)
class Layer:
    """What replaces some settings.

    Args:
        place: Where it is written, from the root of the configuration.
        given: What it holds.
    """

    place: Place
    given: Override


@dataclass(frozen=True)
class LaidOver:
    """Branches with layers over them.

    Args:
        branches: All of them; those that cannot be are left as they were.
        wrong: What cannot be, by where it is written.
    """

    branches: Mapping[str, Settings]
    wrong: tuple[Finding, ...]


def lay_over(
    branches: Mapping[str, Settings],
    layers: Sequence[Layer],
    context: Mapping[str, Any] | None = None,
) -> LaidOver:
    """Lay overrides over settings, and validate what comes of it.

    Args:
        branches: Settings by key.
        layers: The last one wins.
        context: Of the validation.
    """
    wrong = [one for layer in layers for one in _misplaced(layer, branches)]
    found = dict(branches)
    for key, branch in branches.items():
        own = [(one, one.given[key]) for one in layers if isinstance(one.given.get(key), Mapping)]
        plain = to_plain(branch)
        for _, given in own:
            plain = _laid(type(branch), plain, given)
        if own:
            try:
                found[key] = type(branch).model_validate(plain, context=context)
            except ValidationError as error:
                for one in findings(error, type(branch)):
                    place = (*_written_in(layers, (key, *one.place)), key, *one.place)
                    wrong.append(replace(one, place=place))
    return LaidOver(found, tuple(wrong))


def leaves(given: Override) -> Iterator[tuple[str, ...]]:
    """Key paths of all values in an override."""
    for key, value in given.items():
        if isinstance(value, Mapping):
            yield from ((str(key), *rest) for rest in leaves(value))
        else:
            yield (str(key),)


def described(given: Override) -> str:
    """An override in one line: ``batches.batch_size 32, search.epochs 100``."""
    return ", ".join(f"{'.'.join(path)} {_value(given, path)}" for path in leaves(given))


def value_at(branches: Mapping[str, Settings], path: Sequence[str]) -> Any:
    """The plain value under a key path; a value that equals no other where there is none."""
    here: Any = to_plain(branches[path[0]])
    for key in path[1:]:
        if not isinstance(here, Mapping) or key not in here:
            return object()
        here = here[key]
    return here


def _value(given: Override, path: Sequence[str]) -> str:
    here: Any = given
    for key in path:
        here = here[key]
    return str(here)


def _misplaced(layer: Layer, branches: Mapping[str, Settings]) -> Iterator[Finding]:
    names = tuple(branches)
    listed = f"{', '.join(names[:-1])} and {names[-1]}"
    for key, value in layer.given.items():
        place = (*layer.place, key)
        if key not in branches:
            message = (
                f"overrides are nested settings of {listed}, such as batches: {{augmentation: "
                "none}; all else is one for the whole run"
            )
            yield Finding("refused", place, message, key, allowed=names)
        elif not isinstance(value, Mapping):
            yield Finding("refused", place, "what is overridden here is a mapping", value)


def _laid(kind: type[Settings] | None, below: Override, given: Override) -> dict[str, Any]:
    merged = dict(below)
    for name, value in given.items():
        lower = merged.get(name)
        if isinstance(value, Mapping) and isinstance(lower, Mapping):
            annotation = kind.model_fields[name].annotation if kind else None
            old, new = (_member(annotation, one) for one in (lower, {**lower, **value}))
            merged[name] = _laid(old, lower, value) if old is new else dict(value)
        else:
            merged[name] = value
    return merged


def _member(annotation: Any, plain: Override) -> type[Settings] | None:
    """The settings class that plain values are of; None where no class has their ``kind``."""
    classes = tuple(_classes(annotation))
    if len(classes) < 2:
        return next(iter(classes), None)
    kinds = ((one, get_args(one.model_fields["kind"].annotation)) for one in classes)
    return next((one for one, words in kinds if plain.get("kind") in words), None)


def _classes(annotation: Any) -> Iterator[type[Settings]]:
    if isinstance(annotation, type) and issubclass(annotation, Settings):
        yield annotation
    for one in get_args(annotation):
        yield from _classes(one)


def _written_in(layers: Sequence[Layer], path: Place) -> Place:
    """Place of the layer that holds most of a path; of several, of the last."""
    return max(reversed(layers), key=lambda one: _depth(one.given, path)).place


def _depth(given: Override, path: Place) -> int:
    here: Any = given
    for depth, key in enumerate(path):
        if not isinstance(here, Mapping) or key not in here:
            return depth
        here = here[key]
    return len(path)
