"""Pictures of :mod:`benchmarks.real_patients`.

::

    draw_overview({20: rows, 5: rows})      # what adapting gains, by patients and by parameters
    draw_patient(["SC-HF-I-01", ...])       # one patient, by the old network and with its cell
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from distributed_iac.report.drawing import render

OVERVIEW = Path(__file__).parents[1] / "docs" / "real_patients.svg"

Rows = Sequence[Mapping[str, Any]]

_SPAN = ("low", "gain", "high")


def draw_overview(by_size: Mapping[int, Rows]) -> Path:
    """Gain over the plain network, against patients to train on and against trained parameters.

    Args:
        by_size: Rows of ``measured`` by number of patients, ascending; empty where nothing is.
    """
    there = {size: rows for size, rows in by_size.items() if rows}
    rows = [row for own in there.values() for row in own if row["parameters"]]
    models = list(dict.fromkeys(row["model"] for row in rows))
    colours = dict(zip(models, colormaps["tab20"](range(20)), strict=False))
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for model in models:
        last = [(row["parameters"], row) for row in there[max(there)] if row["model"] == model]
        own = [
            (size * 1.03 ** (number - len(rows) / 2), row)  # aside, so that all can be seen
            for size, rows in there.items()
            for number, row in enumerate(rows)
            if row["model"] == model
        ]
        _points(axes[0], own, colours[model], _words(model))
        _points(axes[1], last, colours[model], _words(model))
    for axis in axes:
        axis.axhline(0, color="0.6", linewidth=0.8)
        axis.set_xscale("log")
        axis.grid(alpha=0.3)
    axes[0].set_xticks(list(there), [str(size) for size in there])
    axes[0].minorticks_off()
    axes[0].set(xlabel="patients of the new hospital to train on")
    axes[0].set(ylabel="gain of test Dice over the plain network")
    axes[1].set(xlabel=f"trained parameters ({max(there)} patients)")
    lines, labels = axes[0].get_legend_handles_labels()  # more sizes have more ways
    figure.legend(lines, labels, loc="outside right upper", fontsize=9)
    OVERVIEW.write_bytes(render(figure, OVERVIEW.stem).svg)
    return OVERVIEW


def _points(
    axis: Axes, points: Sequence[tuple[float, Mapping[str, Any]]], colour: Any, label: str
) -> None:
    """Gains with their intervals, joined."""
    if points:
        x = [place for place, _ in points]
        low, gain, high = (np.array([row[key] for _, row in points]) for key in _SPAN)
        away = (gain - low, high - gain)
        axis.errorbar(x, gain, away, color=colour, marker="o", capsize=2, label=label)


def _words(model: str) -> str:
    return {"lth": "LTH's cell", "full": "full's cell", "random": "random cell"}.get(
        model, model.replace("_", " ")
    )


def draw_patient(patients: Sequence[str]) -> None:
    """The patient of median gain: image, annotation, the old network's and the cell's contour."""

    def voxels(folder: str, name: str) -> np.ndarray:
        return np.asanyarray(nib.Nifti1Image.from_filename(Path(folder, f"{name}.nii.gz")).dataobj)

    def dice(one: np.ndarray, two: np.ndarray) -> float:
        return float(2 * (one & two).sum() / (one.sum() + two.sum()))

    found = []
    for patient in patients:
        label = voxels("raw/sunnybrook/labelsTr", patient) == 1
        plain = voxels("demonstration/none", patient) == 3  # LV of RV, MYO, LV
        cell = voxels("demonstration/sunnybrook", patient) == 1
        found.append((dice(cell, label) - dice(plain, label), patient, label, plain, cell))
    found.sort(key=lambda one: one[0])
    gain, patient, label, plain, cell = found[len(found) // 2]
    place = int(label.sum((0, 1)).argmax())
    image = voxels("demonstration/images", patient)[..., place]
    rows, columns = (np.nonzero(label[..., place].any(axis))[0] for axis in (1, 0))
    window = tuple(
        slice(max(0, int(one.mean()) - 55), int(one.mean()) + 55) for one in (rows, columns)
    )
    panels = {
        "annotated": label,
        f"the old network, Dice {dice(plain, label):.2f}": plain,
        f"with its cell, Dice {dice(cell, label):.2f}": cell,
    }
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    for axis, (title, mask) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        axis.imshow(image[window].T, "gray")
        axis.contour(mask[..., place][window].T, [0.5], colors="#f2b134", linewidths=1.5)
        axis.set(title=title, xticks=[], yticks=[])
    figure.savefig("another_hospital.png", dpi=90)
    print(f"another_hospital.png: {patient}, slice {place}, gain {gain:+.3f} (median of patients)")
