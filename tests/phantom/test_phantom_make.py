from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from distributed_iac.errors import ConfigError
from distributed_iac.phantom import FORMATS, FormatName, Phantom, make_phantom, resolve_release

Digests = Callable[[Path], Mapping[str, str]]


def test_the_same_request_gives_the_same_bytes(
    every: Phantom, tmp_path: Path, digests: Digests
) -> None:
    again = make_phantom(
        every.format, tmp_path / "again", patients=8, seed=3, size="tiny", release=every.release
    )
    assert digests(again.out) == digests(every.out)


@pytest.mark.parametrize("format", FORMATS)
def test_a_patient_is_the_same_however_many_others_there_are(
    format: FormatName, tmp_path: Path, digests: Digests
) -> None:
    one = make_phantom(format, tmp_path / "1", patients=1, seed=4, size="tiny", held_out=0)
    five = make_phantom(format, tmp_path / "5", patients=5, seed=4, size="tiny", held_out=0)
    few, many = digests(one.out), digests(five.out)
    images = {name for name in few if name.endswith(".nii.gz") and "imagesTs" not in name}
    assert images
    assert all(few[name] == many[name] for name in images)


@pytest.mark.parametrize("format", FORMATS)
def test_another_seed_gives_other_patients(
    format: FormatName, tmp_path: Path, digests: Digests
) -> None:
    a, b = (
        make_phantom(format, tmp_path / str(seed), patients=1, seed=seed, size="tiny", held_out=0)
        for seed in (0, 1)
    )
    volumes = [
        {digest for name, digest in digests(each.out).items() if name.endswith(".nii.gz")}
        for each in (a, b)
    ]
    assert not volumes[0] & volumes[1]


def test_no_two_volumes_of_a_phantom_are_alike(every: Phantom) -> None:
    images = [path for case in every.cases for path in case.images.values()]
    assert len({path.read_bytes() for path in images}) == len(images)


def test_every_listed_file_exists(every: Phantom) -> None:
    for case in every.cases:
        assert case.label.is_file()
        assert all(path.is_file() for path in case.images.values())


def test_as_many_patients_as_asked_for(every: Phantom) -> None:
    assert len({case.patient_id for case in every.cases}) == 8
    assert len({case.case_id for case in every.cases}) == len(every.cases)


def test_a_folder_in_use_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(ConfigError, match="new or empty folder"):
        make_phantom("acdc", tmp_path, patients=1, size="tiny")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    out = tmp_path / "empty"
    out.mkdir()
    assert make_phantom("acdc", out, patients=1, size="tiny").cases[0].label.is_relative_to(out)


def test_a_refused_defect_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="missing_channel"):
        make_phantom("kits", tmp_path / "out", patients=2, size="tiny", defects=["missing_channel"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "wrong", [{"patients": 0}, {"seed": -1}, {"held_out": 1.0}, {"size": "huge"}]
)
def test_numbers_out_of_range_are_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        make_phantom("acdc", tmp_path / "out", **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("format", "patients"), [("acdc", 151), ("brats", 1252), ("kits", 301), ("amos", 361)]
)
def test_more_patients_than_the_real_set_has_are_refused(
    tmp_path: Path, format: FormatName, patients: int
) -> None:
    with pytest.raises(ConfigError, match="ids for"):
        make_phantom(format, tmp_path / "out", patients=patients, size="tiny")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("format", "text", "release"),
    [
        ("brats", None, "2021"),
        ("brats", "2023", "2023-GLI"),
        ("brats", "18", "2018"),
        ("kits", "19", "2019"),
        ("kits", None, "2023"),
        ("acdc", "2017", "2017"),
    ],
)
def test_a_release_may_be_shortened(format: FormatName, text: str | None, release: str) -> None:
    assert resolve_release(format, text) == release


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="phantoms are of acdc, brats, kits, amos"):
        make_phantom("mms", tmp_path / "out")  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["20", "2017", ""])
def test_a_release_must_be_one_of_the_formats(text: str) -> None:
    with pytest.raises(ConfigError, match="2021, 2018, 2020, 2023-GLI, 2024-GLI"):
        resolve_release("brats", text)


def test_held_out_patients_lie_in_the_second_official_part(tmp_path: Path) -> None:
    for share, expected in ((0.0, 0), (0.25, 1), (0.5, 2)):
        acdc = make_phantom("acdc", tmp_path / f"a{share}", patients=4, size="tiny", held_out=share)
        assert len(list(acdc.out.glob("database/testing/*"))) == expected
        amos = make_phantom("amos", tmp_path / f"b{share}", patients=4, size="tiny", held_out=share)
        assert len(list(amos.out.glob("amos22/imagesVa/*"))) == expected
