"""Every case has a picture or a reason, and the page shows them all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from distributed_iac.data.check.gallery import draw_cases, write_index
from distributed_iac.data.check.report import check_source
from distributed_iac.data.contract import Case, Source

MakeCase = Callable[..., Case]
MakeSource = Callable[..., Source]
PNG = b"\x89PNG\r\n\x1a\n"


def test_sound_cases_are_drawn_and_damaged_ones_explained(
    make_case: MakeCase, make_source: MakeSource, tmp_path: Path
) -> None:
    cases = [make_case(name) for name in ("a", "b<i>", "c")]
    assert cases[2].label is not None
    cases[1].channels[0].path.write_bytes(b"")
    cases[2].label.write_bytes(b"")
    report = check_source(make_source(*cases))
    folder = tmp_path / "overlays"
    pictures = list(draw_cases(report, folder, workers=1))
    assert [(picture.case_id, picture.path) for picture in pictures] == [
        ("a", folder / "a.png"),
        ("b<i>", None),
        ("c", None),
    ]
    assert (folder / "a.png").read_bytes().startswith(PNG)
    assert all(picture.reason for picture in pictures[1:])

    page = write_index(report, pictures, folder).read_text()
    assert page.count("<figure>") == 3
    assert 'src="a.png"' in page
    assert "b&lt;i&gt;" in page
    assert "b<i>" not in page
    assert page.count('class="error"') == 2


def test_nothing_is_drawn_of_no_cases(make_source: MakeSource, tmp_path: Path) -> None:
    assert list(draw_cases(check_source(make_source()), tmp_path, workers=2)) == []
