"""Snapshots that Tune could not continue from are known before it tries."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
import ray
from ray import cloudpickle
from ray.tune.experiment import Trial

from distributed_iac.tune import ray_internals
from distributed_iac.tune.ray_internals import resuming_trials, snapshot_problem

OLD, NEW = "2026-01-01_10-00-00", "2026-01-02_09-00-00"


def write_snapshot(folder: Path, session: str, trials: dict[str, str]) -> list[Path]:
    """As Tune does, one file for trials, one for its search generator, one for the searcher."""
    plain = [
        json.dumps({"trial_id": name, "status": status, "config": {"job": f"job of {name}"}})
        for name, status in trials.items()
    ]
    contents = {
        f"experiment_state-{session}.json": json.dumps(
            {"runner_data": {}, "trial_data": [[one, "{}"] for one in plain]}
        ).encode(),
        f"search_gen_state-{session}.json": cloudpickle.dumps({"counter": len(trials)}),
        f"searcher-state-{session}.pkl": b'{"trials": {}, "until": {}}',
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def test_a_whole_snapshot_can_be_continued(tmp_path: Path) -> None:
    write_snapshot(tmp_path, NEW, {"a": "RUNNING"})
    assert snapshot_problem(str(tmp_path)) is None
    assert snapshot_problem(tmp_path.as_uri()) is None


@pytest.mark.parametrize("which", range(3))
def test_a_snapshot_that_was_cut_short_cannot(tmp_path: Path, which: int) -> None:
    damaged = write_snapshot(tmp_path, NEW, {"a": "RUNNING"})[which]
    damaged.write_bytes(damaged.read_bytes()[:-3])
    assert str(snapshot_problem(str(tmp_path))).startswith(damaged.name)


@pytest.mark.parametrize("which", range(3))
def test_nor_can_one_that_a_kill_prevented(tmp_path: Path, which: int) -> None:
    write_snapshot(tmp_path, NEW, {"a": "RUNNING"})[which].unlink()
    assert "there is no" in str(snapshot_problem(str(tmp_path)))
    assert "there is no" in str(snapshot_problem(str(tmp_path / "nowhere")))


def test_the_newest_session_counts(tmp_path: Path) -> None:
    for damaged in write_snapshot(tmp_path, OLD, {"a": "RUNNING", "b": "RUNNING"}):
        damaged.write_bytes(b"")
    write_snapshot(tmp_path, NEW, {"a": "TERMINATED", "b": "ERROR", "c": "PENDING"})
    assert snapshot_problem(str(tmp_path)) is None
    assert resuming_trials(tmp_path) == {"b": "job of b", "c": "job of c"}


def said_by_ray(name: str) -> bool:
    """Whether some module of the installed Ray mentions a name."""
    folder = Path(ray.__file__).parent
    modules = (*folder.glob("tune/**/*.py"), *folder.glob("_common/usage/*.py"))
    return any(name in path.read_text(encoding="utf-8") for path in modules)


def test_ray_is_the_version_whose_insides_are_used(bound: Callable[[str], str]) -> None:
    """After an upgrade: look at every test here, then raise the version in both places."""
    assert bound("ray[tune]") == "==2.60.*"
    assert version("ray").startswith("2.60.")


def test_ray_knows_every_variable_that_is_set() -> None:
    variables = {*ray_internals.QUIET, ray_internals.SNAPSHOT_SECONDS, ray_internals.TRIALS_AHEAD}
    assert {name for name in variables if not said_by_ray(name)} == set()
    node = (Path(ray.__file__).parent / "_private" / "node.py").read_text(encoding="utf-8")
    assert ray_internals.START_SECONDS.removeprefix("RAY_") in node
    assert '"sockets"' in node
    assert ray_internals.SOCKETS["off"] in node


def test_a_note_in_the_last_result_reaches_the_next_snapshot() -> None:
    trial = Trial("__fake", stub=True, config={})
    trial.update_last_result({"training_iteration": 1})
    trial.get_json_state()  # cached from here on
    ray_internals.note_in_last_result(trial, {"stop_code": "budget"})
    assert trial.last_result["stop_code"] == "budget"
    assert "budget" in str(trial.get_json_state())
