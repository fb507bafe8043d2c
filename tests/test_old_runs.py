"""Today's code takes up what release 0.1.0 left on disk; see ``tests/data/v0_1_0/README.md``."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pyarrow.parquet as pq
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from distributed_iac import versions
from distributed_iac.cli.main import main
from distributed_iac.config.load import load_config, load_resolved
from distributed_iac.data.store import Store
from distributed_iac.data.store.identity import PREPARATION
from distributed_iac.jobs.plan import plan_jobs
from distributed_iac.run.collect import collect_run
from distributed_iac.run.digest import Digests
from distributed_iac.run.journal import Event, Journal
from distributed_iac.run.result import read_result

FORMATS = Path(__file__).parents[1] / "docs" / "formats.md"
ARCHIVE = Path(__file__).parent / "data" / "v0_1_0" / "runs.tar.xz"
MADE_IN = "/tmp/iac-0.1.0"
"""Only a name in the archive."""
FULL = "kits/unet/search/full/seed0"
PATIENCE = 900.0
"""Seconds; many times what it takes, for crowded machines."""

ANOTHER_CPU = 0.02
"""Dice by which the end of an interrupted run may differ from the undisturbed one. On the CPU that
made both they are equal; another kind sums in another order, and a training carries that on."""

OUTSIDE_THE_PATCH = 200
"""Of 22,400 voxels: release 0.1.0 predicted one patch a slice, and background around it; whole
slices are predicted now, by patches that overlap. 102 voxels became other ones."""


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All of it, as if it had been made in this folder, where the process works now."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    for path in tmp_path.glob("*/run/jobs.json"):  # release 0.1.0 kept an absolute path in it
        path.write_text(path.read_text().replace(MADE_IN, str(tmp_path)))
    run = tmp_path / "run.yaml"  # the defaults have changed since: what was done is asked for
    asked = run.read_text().replace("\nretrain: {", "\nretrain: {rates: [], ")
    run.write_text(asked.replace("\nsearch: {", "\nsearch: {precision: auto, "))
    monkeypatch.chdir(tmp_path)
    return tmp_path


Iac = Callable[..., str]


@pytest.fixture
def iac(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iac:
    """Runs the command line in this process; it succeeds, and says something."""

    def run(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["distributed-iac", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        shown = capsys.readouterr()
        assert caught.value.code == 0, shown.out + shown.err
        return shown.out

    return run


def results(run: Path) -> dict[str, dict[str, Any]]:
    return {key: read_result(folder) for key, folder in collect_run(run).folders.items()}


def events(run: Path, since: int = 0) -> Iterator[Event]:
    yield from list(Journal(run / "journal.jsonl").read())[since:]


def same_end(found: dict[str, Any], undisturbed: dict[str, Any]) -> None:
    """Two results of one job are the same, but for times and the kind of CPU."""
    for name in ("key", "digest", "epochs", "genotype_id"):
        assert found.get(name) == undisturbed.get(name), name
    if undisturbed.get("val_dice") is not None:
        assert found["val_dice"] == pytest.approx(undisturbed["val_dice"], abs=ANOTHER_CPU)


@pytest.mark.usefixtures("old")
def test_its_store_opens_whole() -> None:
    store = Store.open(Path("stores/kits"), "checksums")
    rows = store.rows("test")
    assert np.isfinite(store.images(rows)).all()
    (case,) = store.cases("test")
    assert (
        store.native_label(case.case_id).shape
        == case.geometry.restore_labels(store.labels(case.rows)).shape
    )


@pytest.mark.usefixtures("old")
def test_its_store_is_the_one_that_is_asked_for(iac: Iac) -> None:
    before = Path("stores/kits/manifest.json").stat().st_mtime_ns
    iac("prepare", "run.yaml")
    assert Path("stores/kits/manifest.json").stat().st_mtime_ns == before


@pytest.mark.parametrize("run", ["runs/run", "cut/run", "searched/run"])
@pytest.mark.usefixtures("old")
def test_results_are_found_by_the_digests_that_they_were_kept_under(run: str) -> None:
    """Else every finished job would be done again.

    A setting that is new wants a mark (``config/base.py``); a kind of job whose results really
    are other ones now wants another number (``run/digest.py``).
    """
    kept = {e.job: e.values["digest"] for e in events(Path(run)) if e.kind == "end"}
    assert kept
    for config in (load_config(Path("run.yaml")), load_resolved(Path(run) / "config.yaml")):
        digests = Digests(config, plan_jobs(config))
        assert {key: digests[key] for key in kept} == kept


@pytest.mark.usefixtures("old")
def test_its_finished_run_is_shown_and_reported_as_it_was(iac: Iac) -> None:
    run = Path("runs/run")
    before = {name: pq.read_table(run / f"{name}.parquet") for name in ("jobs", "patients")}
    assert "9/9 jobs done" in iac("status", str(run), "--once")
    assert "complete: 9 jobs" in iac("report", str(run))
    for name, table in before.items():
        again = pq.read_table(run / f"{name}.parquet").select(table.column_names)
        assert json.dumps(again.to_pylist()) == json.dumps(table.to_pylist())  # NaN equals NaN
    assert (run / "report.html").stat().st_size


@pytest.mark.usefixtures("old")
def test_a_sweep_of_its_finished_run_does_nothing_again(iac: Iac) -> None:
    run = Path("runs/run")
    kept, known = results(run), len(list(events(run)))
    assert "9/9 jobs done" in iac("sweep", "run.yaml")
    assert {event.kind for event in events(run, known)} == {"end", "close"}
    assert results(run) == kept


@pytest.mark.usefixtures("old")
def test_another_default_is_refused_with_the_setting_that_continues_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["distributed-iac", "sweep", "run.yaml", "--set", "retrain.rates=[1.0, 0.1]"]
    monkeypatch.setattr(sys, "argv", argv)
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert "retrain.rates: [] there, [1.0, 0.1] here" in capsys.readouterr().err


@pytest.mark.slow
def test_its_interrupted_sweep_is_continued_to_the_same_end(old: Path) -> None:
    run = old / "cut" / "run"
    known = len(list(events(run)))
    done = subprocess.run(
        [sys.executable, "-m", "distributed_iac.cli.main", "sweep", "run.yaml", "--set", "out=cut"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    reported = [
        e.values["epoch"] for e in events(run, known) if (e.kind, e.job) == ("report", FULL)
    ]
    assert reported[0] > 1, "the search went on from its checkpoint"
    opened = [event.values for event in events(run, known) if event.kind == "open"]
    assert [values["experiment"] for values in opened] == ["sweep-001", "sweep-002"]
    assert opened[0]["unreadable"], "the pickles of another release are not for this one"
    started = {event.job for event in events(run, known) if event.kind == "start"}
    assert started.isdisjoint({"kits/prepare", "kits/unet/pretrain"})
    found, undisturbed = results(run), results(old / "runs" / "run")
    assert found.keys() == undisturbed.keys()
    for key in found:
        same_end(found[key], undisturbed[key])


@pytest.mark.slow
def test_its_interrupted_search_is_continued_to_the_same_end(old: Path, iac: Iac) -> None:
    run = old / "searched" / "run"
    known = len(list(events(run)))
    iac("search", "run.yaml", "--arm", "full", "--set", "out=searched")
    reported = [
        e.values["epoch"] for e in events(run, known) if (e.kind, e.job) == ("report", FULL)
    ]
    assert reported == list(range(6, 13)), "five epochs were in the checkpoint"
    same_end(results(run)[FULL], results(old / "runs" / "run")[FULL])


@pytest.mark.usefixtures("old")
def test_its_exported_model_predicts_what_it_did(iac: Iac) -> None:
    iac("predict", "models/kits", "images", "again", "--device", "cpu")
    then, now = (nib.load(f"{place}/case_00000.nii.gz") for place in ("labels", "again"))
    np.testing.assert_array_equal(now.affine, then.affine)
    assert np.count_nonzero(then.dataobj) > 100
    different = np.count_nonzero(np.asarray(now.dataobj) != np.asarray(then.dataobj))
    assert different <= OUTSIDE_THE_PATCH


@pytest.mark.usefixtures("old")
def test_its_networks_are_exported(iac: Iac) -> None:
    assert "retrain/lth/seed0" in iac("export", "runs/run")
    iac("export", "runs/run", "kits/unet/retrain/lth/seed0", "models/again")
    one, two = (
        json.loads((Path("models") / n / "model.json").read_text()) for n in ("kits", "again")
    )
    assert two["weights_sha256"] == one["weights_sha256"]


@pytest.mark.usefixtures("old")
def test_its_tensorboard_files_are_read_and_written_on(iac: Iac) -> None:
    def epochs() -> list[int]:
        board = EventAccumulator("runs/run/tensorboard/kits/unet/full/seed0")
        board.Reload()
        return [event.step for event in board.Scalars("importance/entropy")]

    assert epochs() == list(range(2, 13))
    iac("report", "runs/run")
    assert epochs() == list(range(2, 13))


PLACES = {
    "runs/run/": "RUN/",
    "cut/run/": "RUN/",
    "searched/run/": "RUN/",
    "runs/artifacts/": "ARTIFACT/",
    "cut/artifacts/": "ARTIFACT/",
    "searched/artifacts/": "ARTIFACT/",
    "stores/kits/": "STORE/",
    "models/kits/": "MODEL/",
}
ROWS = re.findall(r"^\| (`\w+/.*?) \| (.*?) \|", FORMATS.read_text(), re.MULTILINE)
PATTERNS = [pattern for files, _ in ROWS for pattern in re.findall("`(.*?)`", files)]
NOT_LEFT = {
    *("RUN/*/curves.png", "RUN/*/cell.png", "RUN/*/before.pt", "STORE/.work/*", "STORE/.lock"),
    *(
        "STORE/whole/*.npy",
        "STORE/notes.json",
        "STORE/images.json",
        "ARTIFACT/parity.csv",
        "LABELS/predictions.jsonl",
    ),
    *("MODEL/cells/*.safetensors", "ARTIFACT/validation.parquet"),
    *(f"RUN/headroom.{ending}" for ending in ("json", "txt", "svg", "png")),
}
"""What only an end that this search never reached, an earlier interruption, a store or a prediction
of this release, the question about the headroom, or a network of nnU-Net leaves behind."""


def named(path: str) -> str:
    """A file under the name that the table of formats gives its place."""
    (place,) = [place for place in PLACES if path.startswith(place)]
    name = PLACES[place] + path.removeprefix(place)
    return re.sub(r"^ARTIFACT/../[0-9a-f]{64}/", "ARTIFACT/", name)


@pytest.mark.usefixtures("old")
def test_the_table_of_formats_names_every_file_and_no_other(iac: Iac) -> None:
    iac("report", "runs/run")
    found = {named(f"{path}") for top in PLACES for path in Path(top).rglob("*") if path.is_file()}
    results = {name.removeprefix("ARTIFACT/") for name in found if name.startswith("ARTIFACT/")}
    copies = {n for n in found if n.startswith("RUN/kits/") and n.rpartition("/")[2] in results}
    used = {pattern for pattern in PATTERNS if fnmatch.filter(found, pattern)}
    assert used == set(PATTERNS) - NOT_LEFT
    missing = {n for n in found - copies if not any(fnmatch.fnmatch(n, p) for p in PATTERNS)}
    assert not missing


def test_the_table_of_formats_names_every_version_and_modules_that_exist() -> None:
    text = FORMATS.read_text(encoding="utf-8")
    for name, format in (*vars(versions).items(), ("PREPARATION", PREPARATION)):
        if isinstance(format, versions.Format):
            assert re.search(rf"\b{name}\b.*`{format.key}`|\b{name}, in ", text), name
    modules = set(re.findall(r"`([\w/]+\.py)`", text))
    package = Path(versions.__file__).parent
    repository = package.parent
    assert len(modules) > 15
    assert all((package / one).is_file() or (repository / one).is_file() for one in modules)
