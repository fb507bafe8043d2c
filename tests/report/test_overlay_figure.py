from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

from distributed_iac.evaluation.overlay_file import OVERLAYS, read_overlays
from distributed_iac.report.overlay_figure import overlay_figure
from distributed_iac.report.run_record import RunRecord


def test_label_and_prediction_stand_side_by_side_best_above_worst(finished: RunRecord) -> None:
    folders = finished.tables.folders
    folder: Path = folders["acdc/basic_unet-tiny/retrain/lth/seed0"]
    best, worst = read_overlays(folder / OVERLAYS)
    figure = overlay_figure([best, replace(worst, predicted=worst.predicted * 0)])
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert titles == [
        f"best: {best.case_id}",
        "predicted, Dice 0.900",
        f"worst: {worst.case_id}",
        "predicted, Dice 0.500",
    ]
    assert [len(axis.collections) for axis in figure.axes] == [2, 2, 2, 0]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["organ", "tumour"]
    figure.savefig(io.BytesIO())
