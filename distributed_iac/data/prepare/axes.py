"""Along which array axes slices are cut, from the images' headers alone.

::

    request, axis_codes, odd = stored_alike(request, runner)
    axes = slice_axes(request)                       # {"LPS": 2}
    cases = along_axes(request.cases, axes)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from distributed_iac.config.preprocess import PreprocessSettings
from distributed_iac.data.contract import Case, Reorient, SliceLayout
from distributed_iac.data.prepare.request import StoreRequest
from distributed_iac.data.prepare.stage_runner import StageRunner
from distributed_iac.data.store.case_notes import Skipped
from distributed_iac.data.volumes.alignment import common_codes, odd_cases
from distributed_iac.data.volumes.geometry import resolve_layout
from distributed_iac.data.volumes.grid import Grid
from distributed_iac.data.volumes.volume import read_grid_of
from distributed_iac.errors import DataError, SourceError


def fixed_layout(settings: PreprocessSettings) -> SliceLayout | None:
    """How slices are cut where the settings say so."""
    slices = settings.slices
    return None if slices == "auto" else SliceLayout(slices.orientation, None, slices.axes)


def stored_alike(
    request: StoreRequest, runner: StageRunner
) -> tuple[StoreRequest, str | None, list[Skipped]]:
    """Rule out what lies in other array axes than the rest, where slices are cut as stored.

    Not where the settings say how to cut: a network that was trained on such a mixture knows it.

    Returns:
        The request without these cases, the axis codes of the others, and the cases ruled out.
    """
    fixed = fixed_layout(request.settings)
    grids: dict[Path, Grid] = {}
    for case in request.cases:
        path = case.channels[0].path
        if (fixed or case.layout).reorient == "as_stored":
            grid = _grid_if_readable(path)
            if grid is not None:
                grids[path] = grid
    codes = common_codes(grids.values())
    odd = {fault.path: fault for fault in odd_cases(grids, codes)}
    if odd and fixed is not None:
        axes = sorted({str(grid.codes) for grid in grids.values()})
        runner.observer.note(f"cut as stored, in axes that differ: {', '.join(axes)}")
        return request, None, []
    faulty = [case for case in request.cases if case.channels[0].path in odd]
    skipped = [Skipped.from_problem(odd[c.channels[0].path].of(c.case_id)) for c in faulty]
    for refused in skipped:
        runner.observer.note(f"cannot be used: {refused}")
    left = tuple(case for case in request.cases if case not in faulty)
    return replace(request, cases=left), codes, skipped


def slice_axes(request: StoreRequest) -> dict[Reorient, int]:
    """Fix the slice axis once for the source, from the training cases' headers.

    Returns:
        Nothing where the settings say how slices are cut.

    Raises:
        DataError: No header can be read.
    """
    axes: dict[Reorient, int] = {}
    if fixed_layout(request.settings):
        return axes
    for case in request.cases:
        reorient, axis = case.layout.reorient, case.layout.slice_axis
        if reorient in axes:
            continue
        if axis is None:
            alike = [other for other in request.cases if other.layout == case.layout]
            training = [other for other in alike if request.is_training(other)]
            axis = _thickest(training or alike, request)
        axes[reorient] = axis
    return axes


def along_axes(cases: Sequence[Case], axes: Mapping[Reorient, int]) -> tuple[Case, ...]:
    """Give every case its slice axis."""
    return tuple(
        replace(case, layout=replace(case.layout, slice_axis=axes[case.layout.reorient]))
        if case.layout.slice_axis is None and axes
        else case
        for case in cases
    )


def _thickest(cases: Sequence[Case], request: StoreRequest) -> int:
    found = [_grid_if_readable(case.channels[0].path) for case in cases]
    grids = [grid for grid in found if grid is not None]
    if not grids:
        raise DataError(
            "the slice axis follows from the images' headers",
            came="none that can be read",
            where=request.source.detection.root,
            remedy="run `distributed-iac check` to see why",
        )
    resolved = resolve_layout(cases[0].layout, grids).slice_axis
    assert resolved is not None
    return resolved


def _grid_if_readable(path: Path) -> Grid | None:
    """The grid of an image; None for one that cannot be used, which its own stage will name.

    Raises:
        SourceError: It cannot be read for now: nothing may be concluded from the others alone.
    """
    try:
        return read_grid_of(path)
    except SourceError as error:
        if error.retriable:
            raise
        return None
