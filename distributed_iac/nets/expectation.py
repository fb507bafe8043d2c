"""What a trained network expects of its images and means by its outputs, against what a store has.

::

    network = NetworkCard(("FLAIR", "T1"), ("background", "core", "edema"), "softmax")
    store = NetworkCard(("t1", "flair"), ("background", "edema", "core"), "softmax")
    agree(network, store, Names(), where)          # Agreement(inputs=(1, 0), outputs=(0, 2, 1))
    differences(network, store)                    # spacing, patch, ...: ()

Channels and outputs are matched by name, never by position. What cannot be matched is refused; what
merely differs is listed, with the setting that would make it equal. A network may tell more apart
than the store's labels do: its spare classes then count as background.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isclose
from typing import Any, Literal

from distributed_iac.data.formats.names import canonical_channel
from distributed_iac.errors import ConfigError

Kind = Literal["channel", "label"]

BACKGROUND = "background"

_OTHER_CHANNELS = {"cinemri": "cine"}
_OTHER_LABELS = {
    "wholetumor": "wt",
    "tumorcore": "tc",
    "enhancingtumor": "et",
    "enhancing": "et",
    "resectioncavity": "rc",
}
"""The BraTS regions are written in full or by their initials."""

SAME_SPACING = 0.01
"""Relative difference of pixel sizes that is none. Our choice: headers are rounded."""


_NOTHING = "no setting makes them equal"
_EACH = "give each channel its own under preprocess.normalisation"


@dataclass(frozen=True)
class Intensities:
    """Foreground of a CT channel that the images are shifted and scaled by, in HU."""

    mean: float
    deviation: float

    def is_near(self, other: Intensities) -> bool:
        """Whether images scaled by either look the same. Our choice: a tenth of a deviation."""
        shift = abs(self.mean - other.mean) / self.deviation
        return shift <= 0.1 and isclose(self.deviation, other.deviation, rel_tol=0.1)

    def __str__(self) -> str:
        return f"{self.mean:.4g} +- {self.deviation:.4g} HU"


@dataclass(frozen=True)
class NetworkCard:
    """What a network was trained on; or what one trained on a store would be.

    Args:
        channels: Name of each input channel.
        outputs: Name of each output: background and classes, or regions.
        activation: How the outputs are read: classes by a softmax, regions by a sigmoid each.
        spacing: Pixel size (rows, columns) in mm; None where it is not known yet, as below.
        patch: Height and width in pixels.
        normalisation: Of the intensities: ``ct``, ``zscore``, ``zscore_nonzero``, ...; one word
            that begins as another stands for both.
        orientation: How slices lie: ``LPS``, ``as_stored``, ...
        cut: The same, where files were cut as they are stored and ``orientation`` says how all of
            them are stored.
        intensities: Of CT, for each channel; None for others.
    """

    channels: tuple[str, ...]
    outputs: tuple[str, ...]
    activation: Literal["softmax", "sigmoid"]
    spacing: tuple[float, float] | None = None
    patch: tuple[int, int] | None = None
    normalisation: tuple[str, ...] | None = None
    orientation: str | None = None
    cut: str | None = None
    intensities: tuple[Intensities, ...] | None = None

    def fed_by(self, inputs: Sequence[int]) -> NetworkCard:
        """The same with its channels, and what it says of each, in a store's order.

        Args:
            inputs: For each channel of the store, its position here.
        """

        def ordered(one: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
            if one is None or len(one) != len(self.channels):
                return one
            return tuple(one[place] for place in inputs)

        return replace(
            self,
            channels=tuple(self.channels[place] for place in inputs),
            normalisation=ordered(self.normalisation),
            intensities=ordered(self.intensities),
        )


@dataclass(frozen=True)
class Names:
    """What the user says is the same: name in the store to name in the network."""

    channels: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    def between(self, network: NetworkCard, store: NetworkCard) -> Names:
        """Those that lead from a store to a network: both know what is said to be the same."""
        return Names(
            _between("channel", self.channels, store.channels, network.channels),
            _between("label", self.labels, store.outputs, network.outputs),
        )


@dataclass(frozen=True)
class Agreement:
    """Which of the network's channels and outputs each of the store's is.

    Args:
        inputs: For each channel of the store, its position in the network.
        outputs: For each output of the store, its position in the network.
        spare: Positions of the network's other outputs, which the store has no labels of.
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    spare: tuple[int, ...] = ()


@dataclass(frozen=True)
class Difference:
    """Something that the network was trained with and the store has otherwise.

    Args:
        what: Name of it.
        network: The network's.
        store: The store's.
        remedy: What makes them equal.
    """

    what: str
    network: str
    store: str
    remedy: str

    def __str__(self) -> str:
        return (
            f"{self.what}: the network was trained with {self.network}, "
            f"the store has {self.store}; {self.remedy}"
        )


def agree(network: NetworkCard, store: NetworkCard, names: Names, where: object) -> Agreement:
    """Match channels and outputs by name.

    Letter case, spaces and signs do not count, and known synonyms are one name (T1Gd, t1ce).

    Raises:
        ConfigError: A channel or label of the store is not the network's, a channel of the network
            is not the store's, or outputs are read in another way.
    """
    if network.activation != store.activation:
        raise ConfigError(
            "labels of a trained network are read as the store's: as classes, or as regions",
            came=f"network: {_list(network.outputs)} ({network.activation}); "
            f"store: {_list(store.outputs)} ({store.activation})",
            where=where,
            remedy="take a network that was trained on labels of this form",
        )
    outputs = _matched("label", network.outputs, store.outputs, names.labels, where)
    return Agreement(
        match_channels(network.channels, store.channels, names, where),
        outputs,
        tuple(place for place in range(len(network.outputs)) if place not in outputs),
    )


def match_channels(
    network: Sequence[str], store: Sequence[str], names: Names, where: object
) -> tuple[int, ...]:
    """For each channel of the store its position in the network.

    Raises:
        ConfigError: They do not match one to one.
    """
    return _matched("channel", network, store, names.channels, where)


def differences(network: NetworkCard, store: NetworkCard) -> tuple[Difference, ...]:
    """List what both know and have differently; their channels are in one order."""
    return tuple(_differences(network, store))


def _differences(network: NetworkCard, store: NetworkCard) -> Iterator[Difference]:
    if network.spacing and store.spacing and not _near(network.spacing, store.spacing):
        remedy = f"set preprocess.spacing: [{_list(map(_number, network.spacing))}]"
        yield Difference("spacing", _mm(network.spacing), _mm(store.spacing), remedy)
    if network.patch and store.patch and network.patch != store.patch:
        remedy = f"set preprocess.patch: [{_list(map(str, network.patch))}]"
        yield Difference("patch", _pixels(network.patch), _pixels(store.patch), remedy)
    if network.normalisation and store.normalisation:
        theirs, ours, remedy = network.normalisation, store.normalisation, _EACH
        if not len(theirs) == len(ours) == len(store.channels):
            theirs, ours = (tuple(sorted(set(words))) for words in (theirs, ours))
            remedy = _NOTHING
        if len(theirs) != len(ours) or not all(map(_same_word, theirs, ours)):
            if len(set(theirs)) == 1 and theirs[0] in ("ct", "zscore", "zscore_nonzero"):
                remedy = f"set preprocess.normalisation: {theirs[0]}"
            yield Difference("normalisation", _list(theirs), _list(ours), remedy)
    if network.intensities and store.intensities:
        for theirs_, ours_ in zip(network.intensities, store.intensities, strict=False):
            if not theirs_.is_near(ours_):
                yield Difference("CT intensities", str(theirs_), str(ours_), _NOTHING)
    ways = (store.orientation, store.cut)
    if network.orientation and store.orientation and network.orientation not in ways:
        remedy = "set preprocess: from_backbone for a network of nnU-Net"
        yield Difference("orientation", network.orientation, store.orientation, remedy)


def _matched(
    kind: Kind,
    theirs: Sequence[str],
    ours: Sequence[str],
    given: Mapping[str, str],
    where: object,
) -> tuple[int, ...]:
    if tuple(theirs) == tuple(ours) and not given:
        return tuple(range(len(ours)))
    places: dict[str, list[int]] = {}
    for position, name in enumerate(theirs):
        places.setdefault(_key(kind, name), []).append(position)
    said = {_key(kind, ours_): theirs_ for ours_, theirs_ in given.items()}
    if len({(_key(kind, mine), _key(kind, other)) for mine, other in given.items()}) > len(said):
        raise ConfigError(
            f"{kind}_names says once what a {kind} of the store is in the network; letter case, "
            "spaces and signs do not count",
            came=", ".join(f"{_quoted(mine)}: {_quoted(other)}" for mine, other in given.items()),
            where=where,
            remedy="keep one entry of those that name the same",
        )
    wanted = [_key(kind, said.get(_key(kind, name), name)) for name in ours]
    known = {_key(kind, name) for name in ours}
    strangers = [name for name in given if _key(kind, name) not in known]
    strangers += [name for name in given.values() if _key(kind, name) not in places]
    # A place that two names lead to, or a name of two places, is no match.
    sure = {key: place[0] for key, place in places.items() if len(place) == 1}
    found = [sure.get(key) if wanted.count(key) == 1 else None for key in wanted]
    matched = tuple(place for place in found if place is not None)
    too_few = len(theirs) > len(ours) if kind == "channel" else False
    if strangers or len(matched) < len(ours) or too_few:
        lost = [name for name, place in zip(ours, found, strict=True) if place is None]
        spare = [name for position, name in enumerate(theirs) if position not in matched]
        raise _mismatch(kind, theirs, ours, (lost, spare, strangers), where)
    return matched


def _mismatch(
    kind: Kind,
    theirs: Sequence[str],
    ours: Sequence[str],
    unmatched: tuple[Sequence[str], Sequence[str], Sequence[str]],
    where: object,
) -> ConfigError:
    lost, spare, strangers = unmatched
    came = f"network: {_list(theirs)}; store: {_list(ours)}"
    if strangers:
        came += f"; {kind}_names says {_list(strangers)}, which is neither's"
    if len(theirs) != len(ours):
        only = [f"only the store has {_list(lost)}"] if lost else []
        only += [f"only the network has {_list(spare)}"] if spare else []
        came = "; ".join([came, *only])
        remedy = f"take a network and a data set of the same {kind}s"
        if lost and kind == "label" and len(theirs) > len(ours):
            remedy = "if it is the network's under another name, say so, store to network: "
            remedy += f"label_names: {{{_quoted(lost[0])}: {_quoted(spare[0])}}}"
    else:
        pairs = ", ".join(f"{_quoted(a)}: {_quoted(b)}" for a, b in zip(lost, spare, strict=False))
        remedy = "if they are the same under other names, say which is which, store to network: "
        remedy += f"{kind}_names: {{{pairs}}} in the backbone's settings"
    if strangers:
        remedy = f"correct {kind}_names; what both call alike need not stand there"
    return ConfigError(
        f"the {kind}s of a trained network must be those of the store, by name",
        came=came,
        where=where,
        remedy=remedy,
    )


def _between(
    kind: Kind, given: Mapping[str, str], ours: Sequence[str], theirs: Sequence[str]
) -> dict[str, str]:
    mine, others = ({_key(kind, name) for name in names} for names in (ours, theirs))
    return {
        own: name
        for own, name in given.items()
        if _key(kind, own) in mine and _key(kind, name) in others
    }


def _key(kind: Kind, name: str) -> str:
    """The name without what spelling adds to it."""
    bare = re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", name).casefold())
    if kind == "channel":
        bare = canonical_channel(bare)
        return _OTHER_CHANNELS.get(bare, bare) or name
    bare = bare.replace("tumour", "tumor")
    return _OTHER_LABELS.get(bare, bare) or name


def _near(first: tuple[float, float], second: tuple[float, float]) -> bool:
    return all(isclose(*pair, rel_tol=SAME_SPACING) for pair in zip(first, second, strict=True))


def _same_word(first: str, second: str) -> bool:
    return first.startswith(second) or second.startswith(first)


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z]\w*", name) else f"'{name}'"


def _list(names: Iterator[str] | Sequence[str]) -> str:
    return ", ".join(names)


def _number(value: float) -> str:
    return f"{value:.6g}" if value % 1 else f"{value:.1f}"


def _mm(spacing: tuple[float, float]) -> str:
    return f"{_number(spacing[0])} x {_number(spacing[1])} mm"


def _pixels(patch: tuple[int, int]) -> str:
    return f"{patch[0]} x {patch[1]}"
