"""Every error of pydantic that is translated is raised once, as the translation takes it to be.

A failure here after an upgrade names what pydantic changed; `config/pydantic_errors.py` is the
one place to follow it.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError, field_validator

from distributed_iac.config.base import Settings
from distributed_iac.config.pydantic_errors import (
    EXPECTED,
    KINDS,
    NO_FIELD,
    RAISED,
    TAG,
    TOO_SHORT,
    Finding,
    findings,
)


class Flat(Settings):
    kind: Literal["flat"] = "flat"
    size: int = 1


class Round(Settings):
    kind: Literal["round"] = "round"
    name: str = "n"
    where: Path = Path()


class Root(Settings):
    needed: int = 0
    shape: Annotated[Flat | Round, Field(discriminator="kind")] = Flat()
    several: tuple[Annotated[Flat | Round, Field(discriminator="kind")], ...] = (Flat(),)
    side: Literal["left", "right"] = "left"
    either: Literal["auto"] | Flat | tuple[int, int] = "auto"
    listed: Annotated[tuple[int, ...], Field(min_length=1)] = (1,)
    named: Mapping[str, Flat] = {}
    even: int = 2

    @field_validator("even")
    @classmethod
    def _is_even(cls, value: int) -> int:
        if value % 2:
            raise ValueError("even must be even")
        return value


class Needy(Settings):
    needed: int


def refused(values: Any, model: type[Settings] = Root) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(values)
    return caught.value


RAW = [
    ("extra_forbidden", Root, {"x": 1}, ("x",), {}),
    ("missing", Needy, {}, ("needed",), {}),
    ("union_tag_not_found", Root, {"shape": {}}, ("shape",), {"discriminator": "'kind'"}),
    (
        "union_tag_invalid",
        Root,
        {"shape": {"kind": "x"}},
        ("shape",),
        {"discriminator": "'kind'", "tag": "x", "expected_tags": "'flat', 'round'"},
    ),
    ("string_type", Root, {"shape": {"kind": "round", "name": 3}}, ("shape", "round", "name"), {}),
    ("path_type", Root, {"shape": {"kind": "round", "where": 3}}, ("shape", "round", "where"), {}),
    (
        "too_short",
        Root,
        {"listed": []},
        ("listed",),
        {"field_type": "Tuple", "min_length": 1, "actual_length": 0},
    ),
    ("literal_error", Root, {"side": "up"}, ("side",), {"expected": "'left' or 'right'"}),
    ("invalid_key", Root, {7: 1}, (7,), {}),
]


@pytest.mark.parametrize(("kind", "model", "values", "location", "context"), RAW)
def test_pydantic_says_what_the_translation_takes_it_to_say(
    kind: str, model: type[Settings], values: Any, location: Any, context: dict[str, Any]
) -> None:
    (entry,) = refused(values, model).errors(include_url=False)
    found = entry["type"], entry["loc"], entry.get("ctx", {})
    assert found == (kind, location, context), f"pydantic {metadata.version('pydantic')} changed"


def test_every_translated_type_and_context_is_among_them() -> None:
    contexts = {kind: context for kind, _, _, _, context in RAW}
    assert contexts.keys() == {*KINDS, *EXPECTED, *NO_FIELD, TOO_SHORT}
    assert all(key in contexts[kind] for kind, key in EXPECTED.items())
    tagged = [kind for kind, ours in KINDS.items() if ours in ("missing_tag", "unknown_tag")]
    assert tagged
    assert all(TAG in contexts[kind] for kind in tagged)


def test_a_validator_is_quoted_after_the_known_words() -> None:
    (entry,) = refused({"even": 3}).errors()
    assert (entry["type"], entry["msg"]) == ("value_error", f"{RAISED}even must be even")


FOUND = [
    ({"x": 1}, "unknown_key", ("x",)),
    ({"shape": {"kind": "flat", "siz": 1}}, "unknown_key", ("shape", "siz")),
    (
        {"several": [{"kind": "round"}, {"kind": "flat", "y": 1}]},
        "unknown_key",
        ("several", 1, "y"),
    ),
    ({"named": {"a": {"z": 1}}}, "unknown_key", ("named", "a", "z")),
    ({"shape": {}}, "missing_tag", ("shape",)),
    ({"shape": {"kind": "x"}}, "unknown_tag", ("shape",)),
    ({"shape": {"kind": "round", "name": 3}}, "not_text", ("shape", "name")),
    ({"side": "up"}, "refused", ("side",)),
    ({"even": 3}, "refused", ("even",)),
    ({"named": {"a": {7: 1}}}, "refused", ("named", "a", 7)),
    ({"needed": True}, "refused", ("needed",)),
]


@pytest.mark.parametrize(("values", "kind", "place"), FOUND)
def test_a_finding_has_its_kind_and_the_place_that_a_user_wrote(
    values: Any, kind: str, place: Any
) -> None:
    (finding,) = findings(refused(values), Root)
    assert (finding.kind, finding.place) == (kind, place)


def test_the_place_of_an_alternative_is_that_of_its_value() -> None:
    found = findings(refused({"either": {"siz": 1}}), Root)
    assert {one.place for one in found} == {("either",), ("either", "siz")}
    (unknown,) = [one for one in found if one.kind == "unknown_key"]
    assert unknown.allowed == ("kind", "size")
    assert ("either", 1) in {one.place for one in findings(refused({"either": [1, "x"]}), Root)}


def test_allowed_words_and_what_came_are_told() -> None:
    (tag,) = findings(refused({"shape": {"kind": "x"}}), Root)
    assert (tag.key, tag.came, tag.allowed) == ("kind", "x", ("flat", "round"))
    (side,) = findings(refused({"side": "up"}), Root)
    assert (side.came, side.allowed) == ("up", ("left", "right"))
    (key,) = findings(refused({"shape": {"kind": "flat", "siz": 1}}), Root)
    assert (key.key, key.allowed) == ("siz", ("kind", "size"))


def test_a_list_is_not_too_short_where_its_entry_is_refused() -> None:
    class Listed(Settings):
        entries: Annotated[tuple[Flat, ...], Field(min_length=1)]

    (finding,) = findings(refused({"entries": [{"x": 1}]}, Listed), Listed)
    assert finding.place == ("entries", 0, "x")
    assert findings(refused({"entries": []}, Listed), Listed)[0].kind == "refused"


def test_a_list_is_not_called_the_wrong_word() -> None:
    class Sized(Settings):
        patch: Literal["auto"] | tuple[Annotated[int, Field(ge=8)], int] = "auto"

    (finding,) = findings(refused({"patch": [1, 1000]}, Sized), Sized)
    assert finding.place == ("patch", 0)
    found = findings(refused({"patch": "small"}, Sized), Sized)
    assert ("auto",) in {one.allowed for one in found}


def test_a_validator_quotes_itself_without_pydantics_words() -> None:
    assert findings(refused({"even": 3}), Root) == (
        Finding("refused", ("even",), "even must be even", 3),
    )
