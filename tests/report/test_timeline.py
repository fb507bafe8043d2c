from __future__ import annotations

import io
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_iac.errors import ConfigError
from distributed_iac.report.timeline import Span, lanes, occupancy, timeline

spans = st.lists(
    st.builds(
        lambda key, start, length: Span(str(key), "search", start, start + length),
        st.integers(),
        st.integers(0, 20),
        st.integers(1, 8),
    ),
    max_size=15,
)


@given(spans)
def test_no_two_spans_of_a_lane_overlap_and_no_lane_is_wasted(found) -> None:
    placed = lanes(found)
    for lane in set(placed):
        own = sorted((s.start, s.end) for s, at in zip(found, placed, strict=True) if at == lane)
        assert all(end <= start for (_, end), (start, _) in pairwise(own))
    at_once = max((sum(o.start <= s.start < o.end for o in found) for s in found), default=0)
    assert len(set(placed)) == at_once


def test_every_job_is_a_bar_as_long_as_it_ran_in_the_band_of_its_group() -> None:
    figure = timeline(
        [
            Span("acdc/prepare", "prepare", 100, 110),
            Span("acdc/u/search/full/seed0", "search", 110, 150),
            Span("acdc/u/search/lth/seed0", "search", 112, 130),
            Span("kits/prepare", "prepare", 105, 125, "failed"),
        ]
    )
    strip, chart = figure.axes
    bars = [(b.get_x(), b.get_width(), b.get_y() + 0.41) for b in chart.patches]
    assert bars == [(0, 10, 0), (5, 20, 1), (10, 40, 2), (12, 18, 3)]
    assert [bool(bar.get_hatch()) for bar in chart.patches] == [False, True, False, False]
    labels = [label.get_text() for label in chart.get_yticklabels()]
    assert labels == ["acdc", "kits", "acdc/u"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "prepare",
        "search",
        "failed",
    ]
    assert strip.get_ylim()[1] > 3
    figure.savefig(io.BytesIO())


@given(spans)
def test_the_strip_counts_what_runs(found) -> None:
    times, counts = occupancy(found)
    for time, count in zip(times, counts, strict=True):
        assert count == sum(span.start <= time < span.end for span in found)


def test_an_empty_run_is_drawn_and_says_so() -> None:
    figure = timeline([])
    assert figure.get_suptitle() == "No job has run yet"
    figure.savefig(io.BytesIO())


def test_a_job_that_has_just_begun_is_drawn() -> None:
    timeline([Span("acdc/prepare", "prepare", 5, 5, "running")]).savefig(io.BytesIO())


@pytest.mark.parametrize(
    ("seconds", "unit"), [(2, "seconds"), (600, "minutes"), (20000, "hours"), (9e5, "days")]
)
def test_the_axis_is_in_a_unit_that_reads_well(seconds: float, unit: str) -> None:
    axis = timeline([Span("acdc/prepare", "prepare", 0, seconds)]).axes[1]
    assert axis.get_xlabel() == f"{unit} since the first start"


def test_time_runs_forwards() -> None:
    with pytest.raises(ConfigError, match="ends after"):
        Span("acdc/prepare", "prepare", 2, 1)
