"""What a network was trained on is matched by name with what a store has, or refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from distributed_iac.errors import ConfigError
from distributed_iac.nets.expectation import (
    Agreement,
    Intensities,
    Names,
    NetworkCard,
    agree,
    differences,
)

NETWORK = NetworkCard(
    ("FLAIR", "T1", "T1Gd"),
    ("background", "core", "edema"),
    "softmax",
    spacing=(0.35, 0.35),
    patch=(512, 448),
    normalisation=("ct", "none"),
    orientation="as in the file, axes (2, 0, 1)",
)
STORE = NetworkCard(
    ("t1", "flair", "t1ce"),
    ("background", "edema", "core"),
    "softmax",
    spacing=(1.0, 1.0),
    patch=(32, 32),
    normalisation=("zscore_all",),
    orientation="LPS",
)


def test_each_of_the_stores_is_found_where_the_network_has_it() -> None:
    assert agree(NETWORK, STORE, Names(), "m") == Agreement((1, 0, 2), (0, 2, 1))
    for inputs in permutations(range(3)):
        for outputs in ((0, 1, 2), (0, 2, 1)):
            store = replace(
                STORE,
                channels=tuple(NETWORK.channels[i].lower() for i in inputs),
                outputs=tuple(NETWORK.outputs[i].upper() for i in outputs),
            )
            assert agree(NETWORK, store, Names(), "m") == Agreement(inputs, outputs)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("T1w", "t1"),
        ("t1 Gd", "T1ce"),
        ("T1-CE", "t1c"),
        ("cineMRI", "cine"),
        ("FLAIR", "t2f"),
        ("Größe 1", "GRÖSSE_1"),
        ("Gro\u0308ße 1", "größe 1"),
        ("CT", "ct"),
        ("?", "?"),
    ],
)
def test_spelling_and_known_synonyms_of_channels_do_not_count(theirs: str, ours: str) -> None:
    network, store = replace(NETWORK, channels=(theirs,)), replace(STORE, channels=(ours,))
    assert agree(network, store, Names(), "m").inputs == (0,)


def test_regions_are_matched_whole_or_by_initials() -> None:
    network = NetworkCard(("ct",), ("Whole Tumour", "enhancing_tumor", "tumor-core"), "sigmoid")
    store = NetworkCard(("ct",), ("WT", "TC", "ET"), "sigmoid")
    assert agree(network, store, Names(), "m").outputs == (0, 2, 1)


def test_what_the_user_says_goes_before_names() -> None:
    network = replace(NETWORK, channels=("0000", "0001", "T1Gd"))
    names = Names({"T1": "0001", "flair": "0000"}, {"edema": "core", "core": "edema"})
    assert agree(network, STORE, names, "m") == Agreement((1, 0, 2), (0, 1, 2))


@pytest.mark.parametrize(
    ("network", "store", "names", "said"),
    [
        # other names: both lists and the setting to write
        (
            replace(NETWORK, channels=("MRI", "T1", "T1Gd")),
            STORE,
            Names(),
            ("MRI, T1, T1Gd", "t1, flair, t1ce", "channel_names: {flair: MRI}"),
        ),
        (
            replace(NETWORK, outputs=("background", "core", "swelling (1)")),
            STORE,
            Names(),
            ("label_names: {edema: 'swelling (1)'}",),
        ),
        # one side has more
        (
            replace(NETWORK, channels=("FLAIR", "T1", "T1Gd", "T2")),
            STORE,
            Names(),
            ("only the network has T2", "same channels"),
        ),
        (
            NETWORK,
            replace(STORE, channels=("t1", "flair", "t1ce", "t2")),
            Names(),
            ("only the store has t2",),
        ),
        # a name twice, on either side
        (replace(NETWORK, channels=("T1", "T1w", "FLAIR")), STORE, Names(), ("T1, T1w, FLAIR",)),
        (NETWORK, replace(STORE, channels=("t1", "T-1", "flair")), Names(), ("t1, T-1, flair",)),
        # the user's names: of nobody, or two for one
        (NETWORK, STORE, Names({"t3": "T1"}), ("channel_names says t3",)),
        (NETWORK, STORE, Names({"t1": "T9"}), ("channel_names says T9", "correct channel_names")),
        (NETWORK, STORE, Names({"t1": "FLAIR"}), ("channel",)),
        # two that are one label, each with another word for it
        (
            NETWORK,
            STORE,
            Names({}, {"edema": "edema", "Edema": "core"}),
            ("label_names says once", "edema: edema, Edema: core", "keep one"),
        ),
        # classes against regions
        (NETWORK, replace(STORE, activation="sigmoid"), Names(), ("classes, or as regions",)),
    ],
)
def test_what_cannot_be_matched_is_refused_with_both_lists(
    network: NetworkCard, store: NetworkCard, names: Names, said: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigError) as caught:
        agree(network, store, names, "models/m")
    assert all(part in str(caught.value) for part in (*said, "models/m"))


def test_classes_that_only_the_network_has_are_spare() -> None:
    network = replace(NETWORK, outputs=("background", "vessel", "core", "edema"))
    assert agree(network, STORE, Names(), "m") == Agreement((1, 0, 2), (0, 3, 2), (1,))


def test_equal_names_of_several_channels_are_known_by_position() -> None:
    """The readers number channels that a data set calls the same."""
    both = ("mri_0", "mri_1")
    found = agree(replace(NETWORK, channels=both), replace(STORE, channels=both), Names(), "m")
    assert found.inputs == (0, 1)


def test_every_difference_has_both_values_and_the_setting_that_makes_them_equal() -> None:
    found = {one.what: str(one) for one in differences(NETWORK, STORE)}
    assert list(found) == ["spacing", "patch", "normalisation", "orientation"]
    assert "0.35 x 0.35 mm" in found["spacing"]
    assert "1.0 x 1.0 mm" in found["spacing"]
    assert "preprocess.spacing: [0.35, 0.35]" in found["spacing"]
    assert "preprocess.patch: [512, 448]" in found["patch"]
    assert "ct, none" in found["normalisation"]
    assert "from_backbone" in found["orientation"]


def test_files_cut_as_they_are_stored_are_so_whatever_their_axes() -> None:
    network = replace(NETWORK, orientation="as_stored along array axes 2, 1, 0")
    store = replace(STORE, orientation="RAS along array axes 2, 1, 0", cut=network.orientation)
    for card in (store, replace(store, cut="LPS")):
        told = [one.what for one in differences(network, card)]
        assert ("orientation" in told) is (card is not store)


def test_ct_intensities_that_shift_the_images_are_a_difference() -> None:
    ct = replace(STORE, intensities=(Intensities(100.0, 70.0),))
    assert differences(ct, replace(STORE, intensities=(Intensities(104.0, 73.0),))) == ()
    for other in (Intensities(120.0, 70.0), Intensities(100.0, 90.0)):
        (one,) = differences(ct, replace(STORE, intensities=(other,)))
        assert "100 +- 70 HU" in str(one)
    assert differences(ct, STORE) == ()


def test_rounding_and_what_is_not_known_are_no_differences() -> None:
    assert differences(STORE, STORE) == ()
    assert differences(STORE, replace(STORE, spacing=(1.0004, 0.9997))) == ()
    assert differences(NETWORK, NetworkCard(("t1",), ("background",), "softmax")) == ()
    assert differences(replace(STORE, normalisation=("zscore",)), STORE) == ()
    rules = ("zscore", "ct", "none")
    network = replace(NETWORK, normalisation=rules, intensities=None)
    turned = network.fed_by((1, 0, 2))
    assert turned.channels == ("T1", "FLAIR", "T1Gd")
    (one,) = differences(turned, replace(network, spacing=None))
    assert one.network == "ct, zscore, none", "the same words, of other channels"
    assert "each channel its own" in one.remedy
    assert differences(turned, replace(network, normalisation=("ct", "zscore", "none"))) == ()
    (one,) = differences(replace(STORE, normalisation=("zscore_nonzero",)), STORE)
    assert one.remedy == "set preprocess.normalisation: zscore_nonzero"
