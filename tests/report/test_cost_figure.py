from __future__ import annotations

import io

import pytest

from distributed_iac.comparison.rows import JobRow, ScoreRow
from distributed_iac.report.cost_figure import cost_figure

NAN = float("nan")


def search(arm: str, seed: int, seconds: float | None, status: str = "done") -> JobRow:
    key = f"acdc/unet/search/{arm}/seed{seed}"
    return JobRow(key, "search", "acdc", "unet", arm, seed, status, seconds=seconds)


def scored(name: str, seed: int | None, dice: list[float], kind: str = "retrain"):
    arm = name if name in ("full", "lth") else ""
    backbone = name if kind == "baseline" else "unet"
    model = f"acdc/{backbone}/{kind}/{name}"
    return [
        ScoreRow(model, "acdc", backbone, name, arm, seed, f"p{i}", "c", "lv", value, NAN)
        for i, value in enumerate(dice)
    ]


def test_every_finished_search_is_a_point_and_every_control_a_line() -> None:
    jobs = [search("full", 0, 100), search("lth", 0, 10), search("lth", 1, 20)]
    jobs += [search("lth", 2, 20, "running"), search("lth", 3, None)]
    patients = scored("full", 0, [0.8, 0.6]) + scored("lth", 0, [0.9, 0.7])
    patients += scored("lth", 1, [0.5, NAN]) + scored("plain", None, [0.4, 0.4], "evaluate")
    patients += scored("attention_unet", 0, [0.6, 0.6], "baseline")
    figure = cost_figure(jobs, patients)
    (axis,) = figure.axes
    points = {c.get_label(): c.get_offsets().tolist() for c in axis.collections}
    assert points["full"] == [pytest.approx([100, 0.7])]
    assert points["lth"] == [pytest.approx([10, 0.8]), pytest.approx([20, 0.5])]
    levels = {line.get_label(): line.get_ydata()[0] for line in axis.lines}
    assert levels == {"plain": pytest.approx(0.4), "attention_unet": pytest.approx(0.6)}
    assert axis.get_xscale() == "log"
    figure.savefig(io.BytesIO())


def test_nothing_finished_is_drawn_and_said() -> None:
    figure = cost_figure([search("lth", 0, 1, "running")], [])
    assert figure.get_suptitle() == "No search has finished yet"
    figure.savefig(io.BytesIO())
    unscored = cost_figure([search("lth", 0, 1)], [])
    assert [axis.get_title(loc="left") for axis in unscored.axes] == ["acdc/unet"]
    unscored.savefig(io.BytesIO())


def test_next_to_nothing_does_not_look_like_much() -> None:
    jobs = [search("full", 0, 76.2), search("lth", 0, 75.6)]
    close = cost_figure(jobs, scored("full", 0, [0.8]) + scored("lth", 0, [0.798])).axes[0]
    low, high = close.get_xlim()
    assert high / low == pytest.approx(4)
    assert low < 75.6 < 76.2 < high
    assert close.get_ylim() == (pytest.approx(0.774), pytest.approx(0.824))
    jobs = [search("full", 0, 800), search("lth", 0, 10)]
    apart = cost_figure(jobs, scored("full", 0, [0.8]) + scored("lth", 0, [0.5])).axes[0]
    assert apart.get_xlim()[1] / apart.get_xlim()[0] > 80
    assert apart.get_ylim()[1] - apart.get_ylim()[0] > 0.3
