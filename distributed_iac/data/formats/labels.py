"""The label dictionaries of dataset.json, checked and turned into a label scheme.

::

    numbered_labels({"0": "background", "1": "edema"}, "Task01")
    named_labels({"background": 0, "whole": [1, 2], "core": 2, "ignore": 3}, [1, 2], "Dataset137")

Decathlon, AMOS and nnU-Net v1 map number to name; nnU-Net v2 maps name to number, or to a list
of numbers for a region (``nnunetv2/utilities/label_handling/label_handling.py``). Differs from
nnU-Net v2 in: 1. numbers need not be consecutive, and ``ignore`` need not be the highest, since
nothing here depends on it; 2. a region may not contain the background.
"""

from __future__ import annotations

import re

from distributed_iac.data.contract import LabelScheme, Region
from distributed_iac.errors import SourceError

_NUMBER = re.compile(r"[0-9]{1,5}")


def numbered_labels(labels: object, convention: str) -> LabelScheme:
    """Read ``{"0": "background", "1": "edema", ...}``.

    Raises:
        SourceError: If it is anything else.
    """
    pairs = labels if isinstance(labels, dict) else {}
    classes: dict[int, str] = {}
    for key, name in pairs.items():
        if not _NUMBER.fullmatch(key) or not isinstance(name, str):
            raise _malformed("labels must map numbers to names", f"{key!r}: {name!r:.80}")
        if int(key) > 0:
            classes[int(key)] = name
    if not classes:
        raise _malformed("labels must map at least one number from 1 to a name", f"{labels!r:.80}")
    return LabelScheme(convention, dict(sorted(classes.items())))


def is_numbered(labels: object) -> bool:
    """Tell whether a label dictionary maps number to name, the way of nnU-Net v1."""
    return (
        isinstance(labels, dict) and bool(labels) and all(_NUMBER.fullmatch(key) for key in labels)
    )


def named_labels(labels: object, order: object, convention: str) -> LabelScheme:
    """Read nnU-Net v2's ``labels`` and ``regions_class_order``.

    As in nnU-Net, regions are in force as soon as one entry lists more than one number; then
    every entry is a region and ``regions_class_order`` says what to paint for it.

    Raises:
        SourceError: If background is not 0, a number is used twice or is no number, or the
            painting order does not fit the regions.
    """
    if not isinstance(labels, dict) or _numbers("background", labels.get("background")) != (0,):
        raise _malformed('labels must contain "background": 0', f"{labels!r:.80}")
    named = {key: _numbers(key, value) for key, value in labels.items() if key != "background"}
    ignored = named.pop("ignore", None)
    used = {value for values in named.values() for value in values}
    if not used or 0 in used:
        raise _malformed("labels other than the background must be numbers from 1", f"{named}")
    if ignored is not None and (len(ignored) != 1 or ignored[0] in used | {0}):
        raise _malformed("ignore must be one number of its own", f"{ignored}")
    ignore = None if ignored is None else ignored[0]
    singles = {values[0]: key for key, values in named.items() if len(values) == 1}
    if any(len(values) > 1 for values in named.values()):
        regions = tuple(Region(key, values) for key, values in named.items())
        classes = {value: singles.get(value, f"label {value}") for value in sorted(used)}
        return LabelScheme(convention, classes, regions, _painting(order, regions), ignore)
    if len(singles) < len(named):
        raise _malformed("every label needs a number of its own", f"{named}")
    return LabelScheme(convention, dict(sorted(singles.items())), ignore=ignore)


def _numbers(key: str, value: object) -> tuple[int, ...]:
    numbers = value if isinstance(value, list) else [value]
    if not numbers or not all(type(number) is int and number >= 0 for number in numbers):
        raise _malformed("a label is a number, a region a list of numbers", f"{key}: {value!r:.80}")
    return tuple(dict.fromkeys(numbers))


def _painting(order: object, regions: tuple[Region, ...]) -> tuple[int, ...]:
    values = _numbers("regions_class_order", order) if order else ()
    known = {value for region in regions for value in region.values}
    if len(values) != len(regions) or not known >= set(values):
        raise _malformed(
            f"regions_class_order must give each of the {len(regions)} regions a label number "
            "of its own",
            f"{order!r:.80}",
        )
    return values


def _malformed(message: str, came: str) -> SourceError:
    return SourceError(message, came=came, remedy="Correct dataset.json")
