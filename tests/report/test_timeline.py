from __future__ import annotations

import io
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distributed_iac.errors import ConfigError
from distributed_iac.report.timeline import Span, lanes, timeline

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


def test_every_job_is_a_bar_as_long_as_it_ran() -> None:
    figure = timeline(
        [
            Span("acdc/prepare", "prepare", 100, 110),
            Span("acdc/u/pretrain", "pretrain", 110, 150),
            Span("kits/prepare", "prepare", 105, 125, "failed"),
        ]
    )
    bars = figure.axes[0].patches
    assert [(bar.get_x(), bar.get_width(), bar.get_y() + 0.425) for bar in bars] == [
        (0, 10, 0),
        (10, 40, 0),
        (5, 20, 1),
    ]
    assert [bar.get_hatch() for bar in bars] == [None, None, "///"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["prepare", "pretrain"]
    figure.savefig(io.BytesIO())


def test_an_empty_run_is_drawn_and_says_so() -> None:
    figure = timeline([])
    assert figure.axes[0].get_title() == "No job has run yet"
    figure.savefig(io.BytesIO())


def test_time_runs_forwards() -> None:
    with pytest.raises(ConfigError, match="ends after"):
        Span("acdc/prepare", "prepare", 2, 1)
