"""First stage: look at the training cases, decide the recipe.

::

    recipe, cases, skipped = survey_stage(order, crew)

The cases come back with their slice axis fixed, without those that could not be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

from distributed_iac.data.contract import Case, Reorient
from distributed_iac.data.faults import FaultError
from distributed_iac.data.prepare.case import PREPROCESS_VERSION
from distributed_iac.data.prepare.order import Crew, Order
from distributed_iac.data.prepare.recipe import Recipe, decide_recipe, fixed_layout
from distributed_iac.data.prepare.skipped import Skipped
from distributed_iac.data.prepare.survey import CaseSurvey
from distributed_iac.data.prepare.tasks import SurveyTask, survey_task
from distributed_iac.data.store.fingerprint import labels_to_json
from distributed_iac.data.store.identity import content_key
from distributed_iac.data.volumes.geometry import resolve_layout
from distributed_iac.data.volumes.grid import Grid
from distributed_iac.data.volumes.stored_axes import common_codes, odd_cases
from distributed_iac.data.volumes.volume import read_grid_of
from distributed_iac.errors import DataError, SourceError


def survey_stage(
    order: Order, crew: Crew
) -> tuple[Recipe, tuple[Case, ...], tuple[CaseSurvey, ...], list[Skipped]]:
    """Survey every training case and decide the recipe.

    Returns:
        The recipe, all cases that are still to be prepared, the surveys, and the unusable ones.

    Raises:
        DataError: No training case can be used.
        StoreError: The disk is full.
    """
    axes = {} if fixed_layout(order.settings) else _slice_axes(order)
    cases = [
        replace(case, layout=replace(case.layout, slice_axis=axes[case.layout.reorient]))
        if case.layout.slice_axis is None and axes
        else case
        for case in order.cases
    ]
    surveys, skipped = _surveys(order, crew, [case for case in cases if order.is_training(case)])
    if not surveys:
        raise DataError(
            "at least one training case must be usable",
            came="\n    ".join(["none:", *map(str, skipped)]),
            where=order.source.detection.root,
            remedy="repair the files and run the same command again",
        )
    ordered = tuple(surveys[case.case_id] for case in cases if case.case_id in surveys)
    recipe = decide_recipe(order.settings, ordered, axes)
    unusable = {refused.case_id for refused in skipped}
    return recipe, tuple(c for c in cases if c.case_id not in unusable), ordered, skipped


def stored_alike(order: Order, crew: Crew) -> tuple[Order, str | None, list[Skipped]]:
    """Rule out what lies in other array axes than the rest, where slices are cut as stored.

    Not where the settings say how to cut: a network that was trained on such a mixture knows it.

    Returns:
        The order without these cases, the axis codes of the others, and the cases ruled out.
    """
    fixed = fixed_layout(order.settings)
    grids: dict[Path, Grid] = {}
    for case in order.cases:
        path = case.channels[0].path
        if (fixed or case.layout).reorient == "as_stored":
            with suppress(SourceError):  # its own stage will name it
                grids[path] = read_grid_of(path)
    codes = common_codes(grids.values())
    odd = {fault.path: fault for fault in odd_cases(grids, codes)}
    if odd and fixed is not None:
        axes = sorted({str(grid.codes) for grid in grids.values()})
        crew.progress.note(f"cut as stored, in axes that differ: {', '.join(axes)}")
        return order, None, []
    faulty = [case for case in order.cases if case.channels[0].path in odd]
    skipped = [Skipped.from_error(c, FaultError(odd[c.channels[0].path])) for c in faulty]
    for refused in skipped:
        crew.progress.note(f"cannot be used: {refused}")
    left = tuple(case for case in order.cases if case not in faulty)
    return replace(order, cases=left), codes, skipped


def _surveys(
    order: Order, crew: Crew, cases: Sequence[Case]
) -> tuple[dict[str, CaseSurvey], list[Skipped]]:
    scheme = order.source.labels
    found: dict[str, CaseSurvey] = {}
    tasks = []
    for case in cases:
        described = order.described[case.case_id]
        layout = fixed_layout(order.settings) or case.layout
        key = content_key(PREPROCESS_VERSION, described, asdict(layout), labels_to_json(scheme))
        earlier = crew.work.survey(case.case_id, key)
        if earlier is None:
            place = crew.work.survey_file(case.case_id)
            tasks.append(SurveyTask(case, layout, scheme, key, place))
        else:
            found[case.case_id] = earlier
    skipped: list[Skipped] = []
    for case_id, result in crew.do("survey", survey_task, tasks, len(cases)):
        if isinstance(result, Skipped):
            skipped.append(result)
        else:
            found[case_id] = result
    return found, skipped


def _slice_axes(order: Order) -> dict[Reorient, int]:
    """Fix the slice axis once for the source, from the training cases' headers."""
    axes: dict[Reorient, int] = {}
    for case in order.cases:
        reorient, axis = case.layout.reorient, case.layout.slice_axis
        if reorient in axes:
            continue
        if axis is None:
            alike = [other for other in order.cases if other.layout == case.layout]
            training = [other for other in alike if order.is_training(other)]
            axis = _thickest(training or alike, order)
        axes[reorient] = axis
    return axes


def _thickest(cases: Sequence[Case], order: Order) -> int:
    grids = []
    for case in cases:
        try:
            grids.append(read_grid_of(case.channels[0].path))
        except SourceError as error:
            if error.retriable:
                raise
            continue  # its survey will name it
    if not grids:
        raise DataError(
            "the slice axis follows from the images' headers",
            came="none that can be read",
            where=order.source.detection.root,
            remedy="run `distributed-iac check` to see why",
        )
    resolved = resolve_layout(cases[0].layout, grids).slice_axis
    assert resolved is not None
    return resolved
