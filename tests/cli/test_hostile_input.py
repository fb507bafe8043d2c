"""Bad input, row by row: one readable message that helps, the right exit code, nothing lost.

A row is a command line in a small healthy workplace (a raw data set, its store, a finished run)
after one thing in it has been spoilt. To add one, append to a table: what to call it, the command,
the exit code, what the message must say, and how the workplace is spoilt. All of them, as a table:

    python tests/cli/test_hostile_input.py
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import gzip
import json
import os
import pickle
import re
import resource
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
import yaml

from distributed_iac.cli.live_progress import StageProgress
from distributed_iac.cli.main import main
from distributed_iac.data.store.identity import content_key
from distributed_iac.training.checkpoint import checkpoint_bytes, read_checkpoint

Spoil = Callable[[Path], object]
"""What it returns is kept until the command has ended."""

NNUNET = Path(__file__).parents[1] / "nets" / "data" / "nnunet_plain"
SOURCE = "data/Dataset001_lesion"
CONFIG = {
    "name": "run",
    "device": "cpu",
    "threads": 1,
    "data": [
        {
            "name": "lesion",
            "source": SOURCE,
            "preprocess": {"patch": [32, 32], "workers": 1},
            "split": {
                "fractions": {"weights": 0.25, "architecture": 0.25, "val": 0.25, "test": 0.25}
            },
        }
    ],
    "backbones": [{"name": "basic_unet", "features": [4, 4, 4, 4, 4, 4], "label": "unet"}],
    "batches": {"batch_size": 2, "steps_per_epoch": 1},
    "cell": {"nodes": 1, "partial_channels": 1},
    "pretrain": {"epochs": 1},
    "search": {"epochs": 2, "warmup_epochs": 1},
    "arms": {"lth": {"policy": "js"}},
    "retrain": {"epochs": 1},
}
PATIENTS = 5
BACKBONE = "unet"
MODEL = f"lesion/{BACKBONE}/pretrain"
SPLIT = {
    "weights": ["case0"],
    "architecture": ["case1"],
    "val": ["case2"],
    "test": ["case3", "case4"],
}
INTERRUPTED = (
    *("search", "good.yaml", "--set", "name=cut", "--set", "search.epochs=12"),
    *("--set", "sweep.checkpoint_epochs=5"),
)
"""A search that was interrupted after its second checkpoint."""
ASK_CHECK = "distributed-iac check"
"""Where nothing is left to prepare, ``prepare`` sends to ``check``, which says why."""


def nothing(here: Path) -> None:
    """Leave the workplace healthy."""


@dataclass(frozen=True)
class Row:
    """One bad input.

    Args:
        name: Of the test.
        command: After ``distributed-iac``; ``good.yaml`` is the healthy configuration.
        code: Exit code: 2 configuration or usage, 3 data, 4 the work.
        said: What the message must contain: the fault, and what to do.
        spoil: What is done to the workplace first.
    """

    name: str
    command: tuple[str, ...]
    code: int
    said: tuple[str, ...]
    spoil: Spoil = nothing


def setting(name: str, option: str, *said: str) -> Row:
    """A setting that ``--set`` makes impossible."""
    return Row(name, ("prepare", "good.yaml", "--set", option), 2, said)


def text(name: str, content: str | bytes, *said: str) -> Row:
    """A whole configuration file."""
    raw = content if isinstance(content, bytes) else content.encode()
    return Row(
        name, ("prepare", "bad.yaml"), 2, said, lambda here: (here / "bad.yaml").write_bytes(raw)
    )


def searching(name: str, option: str, code: int, *said: str, spoil: Spoil | None = None) -> Row:
    """A search with one setting changed, in a run of its own."""
    command = ("search", "good.yaml", "--set", "name=other", *(("--set", option) if option else ()))
    return Row(name, command, code, said, spoil or nothing)


def raw(name: str, said: str, spoil: Spoil, *, prepare: str | None = None) -> tuple[Row, Row]:
    """A raw data set that both ``check`` and ``prepare`` must see through.

    Args:
        name: Of the rows.
        said: What ``check`` says.
        spoil: What is done to the data set.
        prepare: What ``prepare`` says; by default the same.
    """
    wanted = ("prepare", "good.yaml", "--set", "stores=new")
    return (
        Row(f"check-{name}", ("check", SOURCE, "--workers", "1"), 3, (said,), spoil),
        Row(f"prepare-{name}", wanted, 3, (said if prepare is None else prepare,), spoil),
    )


def preparing(
    name: str,
    code: int,
    option: str,
    *said: str,
    spoil: Spoil = nothing,
) -> Row:
    """A preparation of a new store with one setting changed."""
    options = ("--set", "stores=new", *(("--set", option) if option else ()))
    return Row(name, ("prepare", "good.yaml", *options), code, said, spoil)


def preparing_again(name: str, *said: str, spoil: Spoil) -> Row:
    """A preparation of the store that is there."""
    return Row(f"store-{name}", ("prepare", "good.yaml"), 3, said, spoil)


def image(here: Path, number: int = 1) -> Path:
    return here / SOURCE / f"imagesTr/case{number}_0000.nii.gz"


def label(here: Path, number: int = 1) -> Path:
    return here / SOURCE / f"labelsTr/case{number}.nii.gz"


def about(here: Path) -> Path:
    return here / SOURCE / "dataset.json"


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def change(path: Path, edit: Callable[[np.ndarray], np.ndarray]) -> None:
    """Rewrite a NIfTI file with other voxels and the same geometry."""
    loaded = nib.load(path)
    voxels = edit(np.asarray(loaded.dataobj).copy())
    nib.save(nib.Nifti1Image(voxels, loaded.affine), path)


def flip(path: Path, at: int) -> None:
    """Flip a bit."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def header(path: Path, at: int, content: bytes) -> None:
    """Overwrite bytes of a NIfTI header."""
    data = bytearray(gzip.decompress(path.read_bytes()))
    data[at : at + len(content)] = content
    path.write_bytes(gzip.compress(bytes(data)))


def voxels_of(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes())[352:]


def append(path: Path, content: bytes) -> None:
    """Append to what is compressed."""
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + content))


def append_bytes(path: Path, content: bytes) -> None:
    path.write_bytes(path.read_bytes() + content)


def copy_patient(here: Path) -> None:
    """Give case1 the files of case0."""
    shutil.copyfile(image(here, 0), image(here, 1))
    shutil.copyfile(label(here, 0), label(here, 1))


def fill(path: Path, value: float) -> None:
    """Give three voxels what another program writes where it knows nothing."""

    def edit(voxels: np.ndarray) -> np.ndarray:
        filled = voxels.astype(np.float32)
        filled[:3, 0, 0] = value
        return filled

    change(path, edit)


def widen(here: Path) -> None:
    """Give case1 voxels of a kilometre, as where a unit is wrong."""
    for path in (image(here), label(here)):
        loaded = nib.load(path)
        affine = loaded.affine @ np.diag([1e6, 1e6, 1, 1])
        nib.save(nib.Nifti1Image(np.asarray(loaded.dataobj), affine), path)


def move(path: Path) -> None:
    """Put a volume elsewhere in the patient."""
    loaded = nib.load(path)
    affine = loaded.affine.copy()
    affine[0, 3] += 12
    nib.save(nib.Nifti1Image(np.asarray(loaded.dataobj), affine), path)


def describe(here: Path, **changes: object) -> None:
    """Change dataset.json; None takes a key out."""
    values = json.loads(about(here).read_text()) | changes
    kept = {key: value for key, value in values.items() if value is not None}
    about(here).write_text(json.dumps(kept))


def again(path: Path, **more: object) -> None:
    """Put keys in front of a JSON object's own, which stay."""
    text = path.read_text().lstrip()
    path.write_text(f"{json.dumps(more)[:-1]}, {text[1:]}")


def two_channels(here: Path) -> None:
    """Give every case its image a second time, as another channel."""
    for number in range(PATIENTS):
        shutil.copyfile(image(here, number), here / SOURCE / f"imagesTr/case{number}_0001.nii.gz")
    describe(here, channel_names={"0": "first", "1": "second"})


def keep_patients(here: Path, count: int) -> None:
    for number in range(count, PATIENTS):
        image(here, number).unlink()
        label(here, number).unlink()
    describe(here, numTraining=count)


class Poison:
    """Writes a file when it is unpickled by somebody who trusts it."""

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("poisoned",)


def poison(path: Path) -> None:
    path.write_bytes(pickle.dumps(Poison()))


def poison_torch(path: Path) -> None:
    torch.save({"stage": Poison()}, path)


def checkpoints(here: Path) -> list[Path]:
    """Both checkpoints of the interrupted search."""
    found = sorted((here / "runs/cut").rglob("*.pt"))
    assert len(found) == 2
    return found


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefg", "bcdefgh", strict=True)
)

SETTINGS = (
    setting("unknown-section", "serch.epochs=3", "serch", "did you mean search?"),
    setting("unknown-key", "search.epoch=3", "did you mean", "epochs"),
    setting("a-variant-of-the-device", "variants={a: {}, b: {device: cpu}}", "device", "nested"),
    setting("a-variant-with-dots", "variants={a: {}, b: {batches.batch_size: 1}}", "nested"),
    setting("variants-alike", "variants={a: {}, b: {pretrain: {epochs: 1}}}", "a and b do not"),
    setting(
        "settings-unknown", "data.0.settings.serch.epochs=3", "data.0.settings.serch", "search"
    ),
    Row("no-such-variant", ("search", "good.yaml", "--variant", "a"), 2, ("no variants", "leave")),
    setting("text-for-number", "search.epochs=many", "search.epochs", "many"),
    setting("no-epochs", "search.epochs=0", "search.epochs", "1"),
    setting("half-an-epoch", "search.epochs=1.5", "search.epochs"),
    setting("no-batch", "batches.batch_size=0", "batches.batch_size"),
    setting("unknown-choice", "batches.augmentation=heavy", "none", "light", "strong", "heavy"),
    setting("unknown-axis", "batches.mirror_axes=[depth]", "rows", "columns"),
    setting(
        "pass-without-slots",
        "batches={steps_per_epoch: pass, foreground_fraction: 1.0}",
        "lower foreground_fraction",
    ),
    setting("width-not-divisible", "cell={width: 10, partial_channels: 4}", "1, 2, 5 or 10"),
    setting("width-above-skip", "cell.width=1.5", "cell.width"),
    setting("unknown-inputs", "cell.inputs=decoder", "skip_and_decoder"),
    setting("no-arms", "arms={}", "arms"),
    setting("arm-with-slash", "arms={a/b: {policy: js}}", "arms"),
    setting("arm-named-as-control", "arms.random={policy: js}", "random"),
    setting(
        "baseline-named-as-arm", "baselines=[{name: attention_unet, label: lth}]", "twice: lth"
    ),
    setting("candidate-of-no-arm", "comparison.candidate=lht", "lth", "came lht"),
    setting("unknown-policy", "arms.lth.policy=jss", "did you mean js?"),
    setting("schedule-of-two-lengths", "arms.lth.schedule={at: [3], keep: [2, 1]}", "one entry"),
    setting("tau-above-one", "arms.lth.stability.tau=2", "tau"),
    setting("warmup-too-long", "search.warmup_epochs=9", "warmup_epochs must be below epochs"),
    setting("fractions-too-large", "data.0.split.fractions.test=0.9", "add up to 1"),
    setting("two-origins-of-test", "data.0.split={test: official, fold: 0}", "choose one"),
    setting("no-seeds", "seeds=[]", "seeds"),
    setting("seed-negative", "seeds=[-1]", "seeds", "from 0 to 2**63 - 1"),
    setting("seed-too-large", "seeds=[99999999999999999999]", "from 0 to 2**63 - 1"),
    setting("seed-in-floating-point", "seeds=[1.0e+20]", "seeds.0"),
    setting("shared-seed-negative", "shared_seed=-1", "shared_seed"),
    setting(
        "data-of-one-folder",
        "data=[{name: Liver, source: data}, {name: liver, source: data}]",
        "letter case",
        "liver",
    ),
    setting("seed-twice", "seeds=[0, 0]", "seeds", "differ"),
    setting("name-leads-out", "name=../evil", "name"),
    setting("no-data", "data=[]", "data"),
    setting("data-name-with-slash", "data.0.name=a/b", "data.0.name"),
    setting("no-such-entry", "data.5.name=x", "entries 0 to 0"),
    setting("key-of-a-value", "name.first=x", "plain value"),
    setting("set-without-value", "nonsense", "key.path=value", "--set search.epochs=40"),
    setting("set-without-key", "=3", "key.path=value"),
    setting("set-broken-yaml", "seeds=[1", "plain YAML"),
    setting("unknown-backbone", "backbones=[{name: unett}]", "basic_unet"),
    setting(
        "strides-too-few", "backbones=[{name: dynunet, strides: [[1, 1], [2, 2]]}]", "three or more"
    ),
    setting("swin-size", "backbones=[{name: swin_unetr, feature_size: 13}]", "12"),
    setting("tiny-patch", "data.0.preprocess.patch=[4, 4]", "8"),
    setting("no-spacing", "data.0.preprocess.spacing=[0, 1]", "spacing"),
    setting("endless-spacing", "data.0.preprocess.spacing=[.inf, 1]", "spacing"),
    setting("endless-rate", "search.weights={kind: adam, learning_rate: .inf}", "learning_rate"),
    setting("nan-rate", "search.weights={kind: sgd, learning_rate: .nan}", "learning_rate"),
    setting("optimiser-without-kind", "search.weights.learning_rate=1", "kind is required"),
    setting("endless-clip", "search.gradient_clip=.inf", "gradient_clip"),
    setting("no-loss", "search.loss={dice_weight: 0, cross_entropy_weight: 0}", "at least one"),
    setting("no-workers", "data.0.preprocess.workers=0", "workers"),
    setting("negative-seed", "data.0.split.seed=-1", "seed"),
    setting("seeds-yes-no", "seeds=[yes, no]", "reads as True", "quote it ('yes')"),
    setting("seed-octal", "seeds=[010]", "reads as 8", "quote it"),
    setting("name-is-date", "name=2024-01-31", "quote it"),
    setting("seed-true", "seeds=[true]", "seeds.0", "a number is wanted"),
)

TEXTS = (
    text("python-object", "name: !!python/object/apply:os.mkdir [poisoned]\n", "plain YAML", "tag"),
    text("python-name", "name: !!python/name:os.system\n", "plain YAML"),
    text("alias-bomb", f"{BOMB}name: *h\n", "aliases stand for more than"),
    text("alias-bomb-as-data", f"{BOMB}data: *h\n", "aliases stand for more than"),
    text("alias-of-itself", "name: &a [*a]\n", "aliases stand for more than"),
    text("key-twice", "name: a\nname: b\n", "twice", "line 2"),
    text("unclosed", "data: [1\n", "plain YAML", "line"),
    text("tab", "data:\n\t- x\n", "plain YAML", "line 2"),
    text("list", "- a\n- b\n", "mapping"),
    text("empty", "", "data"),
    text("scalar", "hello", "mapping"),
    text("bytes", b"\xff\xfe\x00\x80name", "bad.yaml"),
    text("nul", b"name: a\x00b\n", "plain YAML"),
    text("deep", "name: " + "[" * 5000, "bad.yaml"),
    text("complex-key", "? [a, b]\n: c\n", "keys are plain words"),
    text("base-is-self", "base: bad.yaml\n", "base:", "lead back"),
    text("base-missing", "base: absent.yaml\n", "absent.yaml"),
    text("base-no-name", "base: [good.yaml]\n", "base:", "one file"),
    text("base-is-folder", "base: data\n", "data"),
    text("null-section", "base: good.yaml\nsearch: null\n", "search"),
    text("list-section", "base: good.yaml\nsearch: [1]\n", "search"),
    Row(
        "base-circle",
        ("prepare", "bad.yaml"),
        2,
        ("base:", "lead back"),
        lambda here: (
            (here / "bad.yaml").write_text("base: worse.yaml\n"),
            (here / "worse.yaml").write_text("base: bad.yaml\n"),
        ),
    ),
    Row("config-is-folder", ("prepare", "data"), 2, ("data",)),
    Row(
        "config-missing", ("search", "absent.yaml"), 2, ("no such configuration", "check the path")
    ),
)

USAGE = (
    Row("unknown-command", ("serch",), 2, ("serch",)),
    Row("unknown-option", ("check", SOURCE, "--colour"), 2, ("--colour",)),
    Row("missing-argument", ("prepare",), 2, ("Missing argument",)),
    Row("no-check-workers", ("check", SOURCE, "--workers", "0"), 2, ("--workers",)),
    Row("unknown-format", ("check", SOURCE, "--format", "nnunet"), 2, ("nnunet_raw",)),
    Row("unknown-data-set", ("prepare", "good.yaml", "--dataset", "lesio"), 2, ("mean lesion?",)),
    Row("unknown-network", ("search", "good.yaml", "--backbone", "unett"), 2, ("mean unet?",)),
    Row("unknown-arm", ("search", "good.yaml", "--arm", "lht"), 2, ("mean lth?",)),
    Row("unknown-phantom", ("phantom", "lungs", "new"), 2, ("acdc",)),
    Row("planted-size", ("phantom", "planted", "new", "--size", "tiny"), 2, ("--size", "formats")),
    Row("share-of-acdc", ("phantom", "acdc", "new", "--share", "0.5"), 2, ("--share", "planted")),
    Row("few-planted", ("phantom", "planted", "new", "--patients", "3"), 2, ("at least 6",)),
    Row("no-patients", ("phantom", "acdc", "new", "--patients", "0"), 2, ("--patients",)),
    Row("phantom-over-data", ("phantom", "acdc", "data"), 2, ("data",)),
    Row("unknown-release", ("phantom", "kits", "new", "--release", "2020"), 2, ("2023",)),
    Row("unknown-defect", ("phantom", "kits", "new", "--defect", "odd"), 2, ("truncated",)),
    Row("phantom-into-file", ("phantom", "acdc", "good.yaml"), 2, ("good.yaml",)),
    Row("figures-into-file", ("check", SOURCE, "--figures", "good.yaml"), 2, ("another folder",)),
    Row("schema-into-folder", ("schema", "data"), 2, ("data",)),
)

DATA = (
    Row("check-voxels-of-a-kilometre", ("check", SOURCE, "--workers", "1"), 3, ("scanner",), widen),
    preparing(
        "voxels-of-a-kilometre",
        3,
        "data.0.preprocess.spacing=[1, 1]",
        "at most 16384 pixels",
        "correct the voxel size",
        spoil=widen,
    ),
    Row(
        "predict-voxels-of-a-kilometre",
        ("predict", "model", SOURCE, "new"),
        3,
        ("4 label maps written", "at most 16384 pixels"),
        widen,
    ),
    Row("source-missing", ("check", "absent"), 3, ("absent",)),
    Row("source-is-file", ("check", "good.yaml"), 3, ("good.yaml",)),
    Row("source-empty", ("check", "empty"), 3, ("empty",), lambda here: (here / "empty").mkdir()),
    *raw("image-truncated", "case1", lambda here: cut(image(here), 200)),
    *raw("image-empty", "case1", lambda here: cut(image(here), 0)),
    *raw("image-is-text", "case1", lambda here: image(here).write_text("not an image")),
    *raw("image-is-folder", "case1", lambda here: (image(here).unlink(), image(here).mkdir())),
    *raw(
        "image-is-zeros", "case1", lambda here: image(here).write_bytes(gzip.compress(bytes(4000)))
    ),
    *raw("image-nan", "case1", lambda here: change(image(here), lambda v: np.full_like(v, np.nan))),
    *raw("image-of-fill-values", "beyond 1.8e+19", lambda here: fill(image(here), -3.4028235e38)),
    *(
        Row(
            f"{command[0]}-few-voxels-far-out",
            command,
            code,
            ("make its deviation", "fill value"),
            lambda here: fill(image(here), -32768),
        )
        for command, code in (
            (("check", SOURCE, "--workers", "1"), 3),
            (("prepare", "good.yaml", "--set", "stores=new"), 0),
            (("predict", "model", SOURCE, "new"), 0),
        )
    ),
    Row(
        "predict-fill-values",
        ("predict", "model", SOURCE, "new"),
        3,
        ("4 label maps written", "beyond 1.8e+19"),
        lambda here: fill(image(here), 1e20),
    ),
    *raw("image-crc", "damaged", lambda here: flip(image(here), -8)),
    *raw(
        "header-of-fewer-slices",
        "bytes of voxels that the header announces",
        lambda here: [header(path, 46, b"\2\0") for path in (image(here), label(here))],
    ),
    *raw(
        "label-of-two-volumes",
        "bytes follow the",
        lambda here: append(label(here), voxels_of(label(here))),
    ),
    *raw(
        "image-with-garbage", "700 bytes follow the", lambda here: append(image(here), b"x" * 700)
    ),
    *raw(
        "image-with-garbage-member",
        "700 bytes follow the",
        lambda here: append_bytes(image(here), gzip.compress(b"x" * 700)),
    ),
    *raw("patient-copied", "has images of patient id case0", copy_patient),
    *raw(
        "image-copied",
        "has images of patient id case0",
        lambda here: shutil.copyfile(image(here, 0), image(here, 1)),
    ),
    *raw(
        "scale-of-nan",
        "the scale of the voxels is unknown",
        lambda here: header(image(here), 112, np.array([np.nan, 7], "<f4").tobytes()),
    ),
    *(
        Row(
            f"{command[0]}-{name}",
            command,
            code,
            ("undefined_field" if command[0] == "check" else "without meaning", said),
            lambda here, at=at, content=content: header(image(here), at, content),
        )
        for command, code in (
            (("check", SOURCE, "--workers", "1"), 3),
            (("prepare", "good.yaml", "--set", "stores=new"), 0),
            (("predict", "model", SOURCE, "new"), 0),
        )
        for name, at, content, said in (
            ("unit-of-none", 123, b"\7", "xyzt_units has 7"),
            ("slope-of-nan", 112, np.array([np.nan, 0], "<f4").tobytes(), "scl_slope is nan"),
        )
    ),
    *raw("label-crc", "damaged", lambda here: flip(label(here), -8)),
    *raw("image-1d", "case1", lambda here: change(image(here), lambda v: v[:, 0, 0])),
    *raw("image-of-one-slice", "shape", lambda here: change(image(here), lambda v: v[:, :, 0])),
    *raw("label-elsewhere", "mm away", lambda here: move(label(here))),
    *raw("voxel-of-no-size", "voxel size", lambda here: header(image(here), 84, b"\0" * 4)),
    *raw("affine-nan", "span space", lambda here: header(image(here), 280, b"\xff" * 48)),
    *raw(
        "label-scaled",
        "scl_slope 0.00392156886",
        lambda here: header(label(here), 112, np.float32(1 / 255).tobytes()),
    ),
    *raw("image-4d", "case1", lambda here: change(image(here), lambda v: np.stack([v, v], -1))),
    *raw("label-other-shape", "case1", lambda here: change(label(here), lambda v: v[:-2])),
    *raw("label-out-of-range", "7", lambda here: change(label(here), lambda v: v * np.uint8(7))),
    *raw(
        "label-fraction",
        "case1",
        lambda here: change(label(here), lambda v: (v * 0.5).astype(np.float32)),
    ),
    Row(
        "check-other-format",
        ("check", SOURCE, "--workers", "1"),
        3,
        ("case1.mha", "images are read as NIfTI"),
        lambda here: (here / SOURCE / "imagesTr/case1.mha").write_bytes(b"x"),
    ),
    Row(
        "check-link-to-nowhere",
        ("check", SOURCE, "--workers", "1"),
        3,
        ("case9_0000.nii.gz", "leads nowhere"),
        lambda here: (here / SOURCE / "imagesTr/case9_0000.nii.gz").symlink_to("/absent/x.nii.gz"),
    ),
    Row(
        "predict-beside-other-format",
        ("predict", "model", f"{SOURCE}/imagesTr", "new", "--format", "auto"),
        3,
        ("5 label maps written", "case1.mha", "images are read as NIfTI"),
        lambda here: (
            image(here).rename(image(here).with_name("case1_0000.NII.GZ")),
            (here / SOURCE / "imagesTr/case1.mha").write_bytes(b"x"),
        ),
    ),
    preparing("patients-of-no-group", 2, "data.0.patients.pattern=case.*", "(?P<patient>...)"),
    preparing("patients-two-ways", 2, "data.0.patients={}", "a pattern or a table"),
    preparing("patients-unmatched", 3, "data.0.patients.pattern='(?P<patient>x).*'", "case0"),
    preparing("patients-table-missing", 2, "data.0.patients.table=absent.csv", "absent.csv"),
    preparing(
        "patients-rows-missing",
        3,
        "data.0.patients.table=p.csv",
        "a row for every case",
        "case1",
        spoil=lambda here: (here / "p.csv").write_text("case,patient\ncase0,A\n"),
    ),
    *(
        Row(
            f"{command[0]}-patients-spelt-alike",
            (*command, "--set", "stores=new", "--set", "data.0.patients.table=p.csv"),
            0,
            ("P1 and p1", "differ only in spelling", "Spell them alike in data.patients"),
            lambda here: (here / "p.csv").write_text(
                "case,patient\ncase0,p1\ncase1,P1\ncase2,p2\ncase3,p3\ncase4,p4\n"
            ),
        )
        for command in (("prepare", "good.yaml"), ("plan", "good.yaml", "--no-measure"))
    ),
    *raw("label-missing", "case1", lambda here: label(here).unlink()),
    *raw("image-missing", "case1", lambda here: image(here).unlink()),
    *raw(
        "json-broken", "dataset.json", lambda here: about(here).write_text("{"), prepare=ASK_CHECK
    ),
    *raw(
        "json-labels-twice",
        "'labels' is given twice",
        lambda here: again(about(here), labels={"background": 0, "lesion": 1}),
        prepare=ASK_CHECK,
    ),
    *raw("json-list", "dataset.json", lambda here: about(here).write_text("[]"), prepare=ASK_CHECK),
    *raw(
        "json-deep",
        "dataset.json",
        lambda here: about(here).write_text("[" * 100_000),
        prepare=ASK_CHECK,
    ),
    *raw("no-labels", "labels", lambda here: describe(here, labels=None)),
    Row(
        "check-channels-spelt-alike",
        ("check", SOURCE, "--workers", "1"),
        3,
        ("channels T1 and t1 are one name", "t1_0, t1_1"),
        lambda here: describe(here, channel_names={"0": "T1", "1": "t1"}),
    ),
    *(
        Row(
            f"{command[0]}-channels-of-one-image",
            command,
            code,
            ("second holds the same voxels as first",),
            two_channels,
        )
        for command, code in (
            (("check", SOURCE, "--workers", "1"), 3),
            (("prepare", "good.yaml", "--set", "stores=new"), 0),
        )
    ),
    *raw(
        "labels-with-gap",
        "labels",
        lambda here: describe(here, labels={"background": 0, "lesion": 3}),
    ),
    *raw(
        "labels-of-text",
        "labels",
        lambda here: describe(here, labels={"background": 0, "lesion": "one"}),
    ),
    *raw(
        "path-leads-out",
        "/etc/passwd",
        lambda here: describe(
            here,
            numTraining=1,
            dataset={"case0": {"images": ["../" * 20 + "etc/passwd"], "label": "/etc/passwd"}},
        ),
        prepare=ASK_CHECK,
    ),
    *raw(
        "channels-too-many",
        "case",
        lambda here: describe(here, channel_names={"0": "T1", "1": "T2"}),
    ),
    preparing("no-cases", 3, "", ASK_CHECK, spoil=lambda here: keep_patients(here, 0)),
    preparing("one-patient", 3, "", "add patients", spoil=lambda here: keep_patients(here, 1)),
    preparing("three-patients", 3, "", "add patients", spoil=lambda here: keep_patients(here, 3)),
    preparing("no-such-modality", 3, "data.0.modality=ct", f"{PATIENTS} MR", "modality: all"),
    Row("stores-is-file", ("prepare", "good.yaml", "--set", "stores=good.yaml"), 3, ("good.yaml",)),
)


def splitting(name: str, content: object, *said: str) -> Row:
    """A split file that does not fit the source."""
    return preparing(
        f"split-{name}",
        3,
        "data.0.split={file: split.json}",
        *said,
        spoil=lambda here: (here / "split.json").write_text(
            content if isinstance(content, str) else json.dumps(content)
        ),
    )


SPLITS = (
    splitting("broken", "{", "split.json", "repair"),
    splitting(
        "part-twice", f'{{"test": ["case0"], {json.dumps(SPLIT)[1:]}', "'test' is given twice"
    ),
    splitting(
        "fold-side-twice",
        '[{"train": ["case0"], "val": ["case1"], "val": ["case2"]}]',
        "'val' is given twice",
    ),
    splitting("of-another-encoding", "\ufeff" + json.dumps({**SPLIT, "val": ["x"]}), "belongs to"),
    splitting("deep", "[" * 100_000, "split.json", "repair"),
    splitting("stranger", {**SPLIT, "val": ["nobody"]}, "nobody", "belongs to this source"),
    splitting("twice", {**SPLIT, "val": ["case0", "case2"]}, "case0 in", "split by patient"),
    splitting("forgotten", {**SPLIT, "test": ["case3"]}, "case4", "unused"),
    splitting("empty-part", {**SPLIT, "test": [], "unused": ["case3", "case4"]}, "test"),
    preparing(
        "split-of-numbers",
        2,
        "data.0.split={file: split.json}",
        "fold",
        spoil=lambda here: (here / "split.json").write_text("[1, 2]"),
    ),
    preparing("split-missing", 2, "data.0.split={file: absent.json}", "absent.json"),
    preparing("fold-without-folds", 2, "data.0.split={fold: 0}", "fold"),
    preparing("unknown-attribute", 2, "data.0.split.stratify=[hospital]", "hospital"),
)


def store_altered(name: str) -> tuple[Row, ...]:
    """A file of the store with one bit changed, before whatever would train on it."""

    def spoil(here: Path) -> None:
        flipped(here / "stores/lesion" / name)

    said = (f"{name} has been altered", "delete the folder")
    other = ("good.yaml", "--set", "name=other")
    commands = {"prepare": ("good.yaml",), "search": other, "sweep": other}
    return tuple(
        Row(f"{command}-altered-{name}", (command, *options), 3, said, spoil)
        for command, options in commands.items()
    )


def too_small(patch: str, *options: str) -> tuple[Row, ...]:
    """A patch that the network halves once too often, before anything is prepared."""
    given = ("good.yaml", "--set", "name=other", "--set", "stores=new", *options)
    said = ("lesion, unet", "32 x 32 pixels or more", "24 x 24", "preprocess.patch")
    return tuple(
        Row(f"{command}-{patch}-patch-too-small", (command, *given), 2, said)
        for command in ("plan", "prepare", "search", "sweep")
        if patch == "given" or command in ("prepare", "search")  # known once images were looked at
    )


STATE = (
    *too_small("given", "--set", "data.0.preprocess.patch=[24, 24]"),
    *too_small(
        "automatic",
        *("--set", "data.0.preprocess.patch=auto"),
        *("--set", "data.0.preprocess.patch_multiple=8"),
    ),
    Row(
        "store-of-another-patch",
        ("prepare", "good.yaml", "--set", "data.0.preprocess.patch=[48, 48]"),
        3,
        ("preprocess.patch",),
    ),
    Row(
        "run-of-another-config",
        ("search", "good.yaml", "--set", "search.epochs=3"),
        2,
        ("search.epochs", "another name"),
    ),
    Row(
        "run-config-broken",
        ("search", "good.yaml"),
        4,
        ("runs/run/config.json", "delete this file", "another name"),
        lambda here: (here / "runs/run/config.json").write_text("{"),
    ),
    Row(
        "run-config-list",
        ("search", "good.yaml"),
        4,
        ("runs/run/config.json", "delete this file"),
        lambda here: (here / "runs/run/config.json").write_text("[]"),
    ),
    searching("out-is-file", "out=good.yaml", 2, "good.yaml", "another folder"),
    searching(
        "store-and-source-missing",
        "stores=new",
        3,
        "check the path",
        spoil=lambda here: shutil.rmtree(here / SOURCE),
    ),
    searching(
        "patient-copied", "stores=new", 3, "has images of patient id case0", spoil=copy_patient
    ),
    searching(
        "store-manifest-broken",
        "",
        3,
        "prepare",
        spoil=lambda here: (here / "stores/lesion/manifest.json").write_text("{"),
    ),
    searching(
        "store-manifest-missing",
        "",
        3,
        "it makes the store again",
        spoil=lambda here: (here / "stores/lesion/manifest.json").unlink(),
    ),
    searching(
        "store-shard-cut",
        "",
        3,
        "prepare",
        spoil=lambda here: [
            path.write_bytes(path.read_bytes()[:100])
            for path in (here / "stores/lesion/shards").iterdir()
        ],
    ),
    *store_altered("shards/shard-00000.arrow"),
    *store_altered("native_labels.arrow"),
    searching(
        "store-index-gone",
        "",
        3,
        "prepare",
        spoil=lambda here: [path.unlink() for path in (here / "stores/lesion").glob("index*")],
    ),
    searching("no-such-gpu", "device=cuda:99", 2, "cuda:99", "device: cpu"),
    searching("unknown-device", "device=gpu", 2, "cuda:<number>"),
    searching("device-that-computes-nothing", "device=meta", 2, "cuda:<number>", "device: auto"),
    searching("channels-not-divisible", "cell={partial_channels: 3}", 2, "partial_channels", "use"),
    searching("weights-missing", "backbones.0.weights=absent.pt", 2, "absent.pt"),
    searching("weights-text", "backbones.0.weights=good.yaml", 4, "good.yaml", "torch.save"),
    searching(
        "weights-poisoned",
        "backbones.0.weights=w.pt",
        4,
        "w.pt",
        "torch.save",
        spoil=lambda here: poison(here / "w.pt"),
    ),
    searching(
        "weights-poisoned-torch",
        "backbones.0.weights=w.pt",
        4,
        "never pickled code",
        spoil=lambda here: poison_torch(here / "w.pt"),
    ),
    searching(
        "weights-of-another-network",
        "backbones.0.weights=w.pt",
        2,
        "w.pt",
        spoil=lambda here: torch.save({"layer.weight": torch.zeros(3)}, here / "w.pt"),
    ),
    searching("nnunet-missing", "backbones=[{name: nnunet, folder: absent}]", 2, "absent"),
)


def predicting(name: str, code: int, said: str, *options: str, spoil: Spoil = nothing) -> Row:
    """A prediction with the exported model."""
    return Row(name, ("predict", "model", *(options or (SOURCE, "new"))), code, (said,), spoil)


MODELS = (
    Row("run-missing", ("export", "absent"), 2, ("absent", "runs/NAME")),
    Row("run-is-data", ("export", "data"), 2, ("no config.yaml",)),
    Row("run-unnamed-model", ("export", "runs/run", "x"), 2, ("RUN MODEL OUT",)),
    Row("run-unknown-model", ("export", "runs/run", "x/y", "new"), 2, ("list them with",)),
    Row("run-unknown-cell", ("export", "runs/run", "--cell", "ffff", "new"), 2, ("ffff",)),
    Row(
        "run-without-finished-cells",
        ("export", "runs/cut", "--cell", "ffff", "new"),
        2,
        ("no network with a cell is finished", "let the run go on"),
    ),
    Row("export-over-model", ("export", "runs/run", MODEL, "model"), 2, ("name another folder",)),
    Row("model-missing", ("predict", "absent", SOURCE, "new"), 2, ("distributed-iac export",)),
    Row("model-is-data", ("predict", "data", SOURCE, "new"), 2, ("no model.json",)),
    predicting(
        "model-cut",
        4,
        "copy the folder again",
        spoil=lambda here: cut(here / "model/weights.safetensors", 100),
    ),
    predicting(
        "model-poisoned",
        4,
        "copy the folder again",
        spoil=lambda here: poison(here / "model/weights.safetensors"),
    ),
    predicting(
        "model-without-weights",
        4,
        "copy the folder again",
        spoil=lambda here: (here / "model/weights.safetensors").unlink(),
    ),
    predicting(
        "model-card-broken",
        4,
        "export the model again",
        spoil=lambda here: (here / "model/model.json").write_text("{"),
    ),
    predicting(
        "model-card-key-twice",
        4,
        "'fingerprint' is given twice",
        spoil=lambda here: again(here / "model/model.json", fingerprint={}),
    ),
    predicting(
        "model-card-deep",
        4,
        "export the model again",
        spoil=lambda here: (here / "model/model.json").write_text("[" * 100_000),
    ),
    predicting(
        "model-card-empty",
        4,
        "export the model again",
        spoil=lambda here: (here / "model/model.json").write_text("{}"),
    ),
    predicting(
        "model-card-edited",
        4,
        "own digest",
        spoil=lambda here: edit_json(
            here / "model/model.json",
            lambda card: card["fingerprint"]["recipe"].update(patch=[16, 16]),
        ),
    ),
    predicting(
        "labels-empty",
        3,
        "give --overwrite",
        spoil=lambda here: ((here / "new").mkdir(), (here / "new/case0.nii.gz").write_bytes(b"")),
    ),
    predicting("images-missing", 3, "check the path", "absent", "new"),
    predicting(
        "images-none",
        3,
        "empty folder",
        "empty",
        "new",
        spoil=lambda here: (here / "empty").mkdir(),
    ),
    predicting(
        "images-odd",
        3,
        "pictures/a.nii.gz",
        "pictures",
        "new",
        spoil=lambda here: (
            (here / "pictures").mkdir(),
            (here / "pictures/a.nii.gz").write_text("no image"),
        ),
    ),
    predicting("labels-into-file", 2, "name another folder", SOURCE, "good.yaml"),
    predicting("predict-no-such-gpu", 2, "device: cpu", SOURCE, "new", "--device", "cuda:99"),
    predicting("predict-no-batch", 2, "--batch-size", SOURCE, "new", "--batch-size", "0"),
)

RUN = "runs/run"
NOWHERE = "/proc/nowhere"
"""A folder that nobody can make, root included."""
CLOSED = "127.0.0.1:1"
"""An address where nobody listens: a sweep that gets that far has started no Ray."""


def status(name: str, *said: str, spoil: Spoil) -> Row:
    """A look at the finished run after one of its files was spoilt."""
    return Row(f"status-{name}", ("status", RUN, "--once"), 4, said, spoil)


def report(name: str, *said: str, spoil: Spoil) -> Row:
    """A report of the finished run after one of its files was spoilt."""
    return Row(f"report-{name}", ("report", RUN), 4, said, spoil)


def kept(name: str, file: str, edit: Callable[[Path], object]) -> Row:
    """A report after both copies of a finished search's file were spoilt."""
    return report(name, file, "delete", spoil=everywhere(file, edit))


def sweeping(name: str, code: int, option: str, *said: str, spoil: Spoil = nothing) -> Row:
    """A sweep with one more option, or two words of one."""
    return Row(f"sweep-{name}", ("sweep", "good.yaml", *option.split()), code, said, spoil)


def planning(name: str, code: int, option: str, *said: str, spoil: Spoil = nothing) -> Row:
    """A plan with more options."""
    return Row(f"plan-{name}", ("plan", "good.yaml", *option.split()), code, said, spoil)


def filling(name: str, *command: str, room: int = 300) -> Row:
    """A command on a disk that is full after some bytes of any file."""
    return Row(f"full-disk-{name}", command, 4, ("space",), lambda _: fill_up(room))


def where_ray_cannot_start(name: str, *said: str, **variables: str) -> Row:
    """A sweep under other variables; who runs the tests may have set what they would lack."""

    def spoil(here: Path) -> None:
        del here
        for one in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_TMPDIR"):
            os.environ.pop(one, None)
        os.environ.update(variables)

    return Row(f"sweep-{name}", ("sweep", "good.yaml", "--set", "name=other"), 4, said, spoil)


def fill_up(room: int) -> None:
    """Let no file grow larger; Python ignores the signal that comes with it."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def written(path: str, content: str | bytes) -> Spoil:
    """Overwrite a file."""
    data = content if isinstance(content, bytes) else content.encode()
    return lambda here: (here / path).write_bytes(data)


def everywhere(name: str, edit: Callable[[Path], object]) -> Spoil:
    """Spoil a file of every finished job, in the run folder and among the kept results."""
    return lambda here: [edit(path) for path in (here / "runs").rglob(name)]


def flipped(path: Path) -> None:
    """Change a bit in the middle of a file, which keeps its size."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


def results_lost(here: Path) -> None:
    """A run that was copied without its results."""
    shutil.rmtree(here / "runs/artifacts")


def another_data_set(here: Path) -> None:
    """Let the run have a data set that is not prepared yet."""
    path = here / RUN / "config.yaml"
    config = yaml.safe_load(path.read_text())
    config["data"].append(config["data"][0] | {"name": "other"})
    path.write_text(yaml.safe_dump(config))


def jobs_changed(number: int, **changes: object) -> Spoil:
    """Change an entry of jobs.json."""

    def spoil(here: Path) -> None:
        path = here / RUN / "jobs.json"
        content = json.loads(path.read_text())
        content["jobs"][number].update(changes)
        path.write_text(json.dumps(content))

    return spoil


def driven(here: Path) -> object:
    """Another process drives the run: a lock belongs to the file that was opened, so this does."""
    claim = flocked(here / RUN / "driver.lock")
    claim.__enter__()
    return claim


def without_locks(here: Path) -> object:
    """The file system answers as Lustre does that was mounted without ``-o flock``."""
    del here
    lacking = unlockable()
    lacking.__enter__()
    return lacking


@contextlib.contextmanager
def unlockable() -> Iterator[None]:
    def answer(*_: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fcntl, "flock", answer)
        yield


@contextlib.contextmanager
def flocked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def folder_instead(path: str) -> Spoil:
    return lambda here: ((here / path).unlink(missing_ok=True), (here / path).mkdir())


NO_SWEEP = ("jobs.json", "such as runs/NAME")
ANEW = ("jobs.json", "start the sweep again")
BAD_LINE = ("journal.jsonl", "delete that line")
JOURNAL = f"{RUN}/journal.jsonl"

STANDING = (
    Row("status-missing", ("status", "absent", "--once"), 4, NO_SWEEP),
    Row("status-of-data", ("status", "data", "--once"), 4, NO_SWEEP),
    Row("status-of-file", ("status", "good.yaml", "--once"), 4, NO_SWEEP),
    status("jobs-broken", *ANEW, spoil=written(f"{RUN}/jobs.json", "{")),
    status("jobs-list", *ANEW, spoil=written(f"{RUN}/jobs.json", "[]")),
    status("jobs-empty", *ANEW, spoil=written(f"{RUN}/jobs.json", "{}")),
    status("jobs-deep", *ANEW, spoil=written(f"{RUN}/jobs.json", "[" * 100_000)),
    status("jobs-bytes", *ANEW, spoil=written(f"{RUN}/jobs.json", b"\xff\xfe\x00\x80")),
    status("job-needs-nobody", *ANEW, "needs jobs", spoil=jobs_changed(1, needs=["nobody"])),
    status("jobs-in-a-circle", *ANEW, "circle", spoil=jobs_changed(0, needs=[MODEL])),
    status("job-of-another-form", *ANEW, spoil=jobs_changed(0, colour="red")),
    status("journal-bytes", *BAD_LINE, spoil=written(JOURNAL, b"\xff\xfe\x00\x80\n")),
    status("journal-of-numbers", *BAD_LINE, spoil=written(JOURNAL, "5\n")),
    status("journal-of-lists", *BAD_LINE, spoil=written(JOURNAL, "[]\n")),
    status("journal-without-time", *BAD_LINE, spoil=written(JOURNAL, '{"event": "open"}\n')),
    status(
        "journal-time-of-text",
        *BAD_LINE,
        spoil=written(JOURNAL, '{"at": "x", "event": "open", "job": ""}\n'),
    ),
    status(
        "journal-values-of-text",
        *BAD_LINE,
        spoil=written(JOURNAL, '{"at": 1, "event": "open", "job": "", "values": "x"}\n'),
    ),
    status(
        "journal-report-of-no-epoch",
        *BAD_LINE,
        spoil=written(JOURNAL, '{"at": 1, "event": "report", "job": "", "values": {"loss": 1}}\n'),
    ),
    status("journal-is-folder", "journal.jsonl", "directory", spoil=folder_instead(JOURNAL)),
    Row("report-missing", ("report", "absent"), 4, NO_SWEEP),
    Row("report-of-data", ("report", "data"), 4, NO_SWEEP),
    report("journal-emptied", "copy journal.jsonl again", spoil=written(JOURNAL, "")),
    Row("report-into-other-files", ("report", RUN, "--out", "data"), 2, ("data", "new or empty")),
    report("jobs-broken", *ANEW, spoil=written(f"{RUN}/jobs.json", "{")),
    report("journal-broken", *BAD_LINE, spoil=written(JOURNAL, "x\n")),
    report(
        "config-broken", "config.json", "run it again", spoil=written(f"{RUN}/config.json", "{")
    ),
    report("config-list", "config.json", "run it again", spoil=written(f"{RUN}/config.json", "[]")),
    report(
        "environment-broken",
        "environment.json",
        "delete the file",
        spoil=written(f"{RUN}/environment.json", "{"),
    ),
    kept("result-broken", "result.json", lambda path: path.write_text("{")),
    kept("result-list", "result.json", lambda path: path.write_text("[]")),
    kept("history-list", "history.json", lambda path: path.write_text("[]")),
    kept("genotype-empty", "genotype.json", lambda path: path.write_text("{}")),
    kept("epochs-cut", "epochs.parquet", lambda path: cut(path, 50)),
    kept("history-flipped", "history.json", flipped),
    kept("decisions-gone", "decisions.json", lambda path: path.unlink()),
    Row("export-before-another-data-set", ("export", RUN), 0, (MODEL,), another_data_set),
    report("results-lost", "3 finished jobs", MODEL, "copy them to", spoil=results_lost),
    Row("status-results-lost", ("status", RUN, "--once"), 0, ("3 lost", MODEL), results_lost),
    Row("export-lists-lost", ("export", RUN), 0, ("1 finished job is lost", MODEL), results_lost),
    Row(
        "export-result-lost",
        ("export", RUN, MODEL, "new"),
        4,
        (MODEL, "nothing there", "copy them to"),
        results_lost,
    ),
    Row(
        "export-weights-flipped",
        ("export", RUN, MODEL, "new"),
        4,
        ("altered: best.safetensors", "delete its folder"),
        everywhere("best.safetensors", flipped),
    ),
    searching(
        "on-weights-flipped",
        "seeds=[1]",
        4,
        "altered: best.safetensors",
        "delete its folder",
        spoil=everywhere("best.safetensors", flipped),
    ),
)

SWEEPS = (
    sweeping("unknown-key", 2, "--set serch.epochs=3", "did you mean search?"),
    sweeping("of-another-config", 2, "--set search.epochs=3", "search.epochs", "another name"),
    sweeping("no-cores", 2, "--set sweep.cpus=0", "sweep.cpus"),
    sweeping("negative-failures", 2, "--set sweep.max_failures=-1", "sweep.max_failures"),
    sweeping("negative-gpus", 2, "--set sweep.resources.search.gpus=-1", "gpus"),
    sweeping("unknown-job", 2, "--set sweep.resources.serch.cpus=2", "did you mean search?"),
    sweeping("storage-of-nobody", 2, "--set sweep.storage=ftp://host/x", "s3://", "ftp://host/x"),
    sweeping("artifacts-without-bucket", 2, "--set sweep.artifacts=s3://", "a bucket or host"),
    sweeping("address-of-nobody", 4, f"--address {CLOSED}", CLOSED, "ray start --head"),
    sweeping("address-without-port", 2, "--address nowhere", "HOST:PORT", "ray start --head"),
    sweeping("address-of-a-client", 2, "--address ray://host:1", "HOST:PORT"),
    sweeping("address-beyond-ports", 4, "--address 127.0.0.1:99999", "ray start --head"),
    sweeping(
        "driven-twice", 4, f"--address {CLOSED}", "another one is at it", "status", spoil=driven
    ),
    Row("search-driven", ("search", "good.yaml"), 4, ("another one is at it", "status"), driven),
    sweeping("without-locks", 4, "--set name=other", "-o flock", "runs/other", spoil=without_locks),
    Row("search-without-locks", ("search", "good.yaml"), 4, ("-o flock", RUN), without_locks),
    Row("report-without-locks", ("report", RUN), 4, ("-o flock", RUN), without_locks),
    Row(
        "prepare-without-locks",
        ("prepare", "good.yaml", "--set", "stores=new"),
        4,
        ("-o flock", "new/lesion"),
        without_locks,
    ),
    sweeping("out-is-file", 2, "--out good.yaml", "good.yaml", "another folder"),
    sweeping("out-not-writable", 2, f"--out {NOWHERE}", NOWHERE, "another folder"),
    sweeping("name-too-long", 2, f"--set name={'a' * 300}", "too long"),
    sweeping(
        "config-broken",
        4,
        f"--address {CLOSED}",
        "runs/run/config.json",
        "delete this file",
        spoil=written(f"{RUN}/config.json", "{"),
    ),
    sweeping(
        "weights-missing", 2, "--set name=other --set backbones.0.weights=absent.pt", "absent.pt"
    ),
)

OTHER_NETWORK = f'backbones=[{{"name":"nnunet","folder":"{NNUNET}"}}]'
OTHER_WIDTH = 'backbones=[{"name":"basic_unet","features":"tiny","weights":"model"}]'

PLANS = (
    planning(
        "weights-missing",
        0,
        "--no-measure --set backbones.0.weights=absent.pt",
        "absent.pt is not there",
    ),
    planning(
        "reference-that-prunes",
        0,
        "--set arms.full.policy=js",
        "warning",
        "the arm full prunes",
    ),
    planning("network-of-others", 2, f"--set {OTHER_NETWORK}", "only the network has T1"),
    planning("model-of-other-settings", 2, f"--set {OTHER_WIDTH}", "features", "model.json"),
    searching("search-network-of-others", OTHER_NETWORK, 2, "only the network has T1"),
    sweeping("network-of-others", 2, f"--set {OTHER_NETWORK}", "only the network has T1"),
    preparing("prepare-network-of-others", 2, OTHER_NETWORK, "only the network has T1"),
    planning("unknown-key", 2, "--set serch.epochs=3", "did you mean search?"),
    Row("plan-missing", ("plan", "absent.yaml"), 2, ("check the path",)),
    planning(
        "more-cores-than-there-are", 2, "--set sweep.resources.search.cpus=1000", "1000", "less"
    ),
    planning("more-gpus-than-there-are", 2, "--set sweep.resources.retrain.gpus=99", "99", "less"),
    planning("gpu-where-there-is-none", 2, "--set device=cuda:99", "gpus", "device: cpu")
    if not torch.cuda.is_available()
    else planning("gpu-where-there-is-none", 2, "--set device=cuda:99", "cuda:99"),
    planning("traces-missing", 4, "--traces absent", *NO_SWEEP),
    planning("traces-of-data", 4, "--traces data", *NO_SWEEP),
    planning("nothing-to-simulate", 2, "--no-measure --simulate", "--traces RUN"),
    planning("no-speed", 2, "--traces runs/run --gpu-speed 0", "above 0"),
    planning("negative-startup", 2, "--traces runs/run --startup -1", "--startup"),
)

SYSTEM = (
    filling("phantom", "phantom", "acdc", "new", "--patients", "1", "--size", "tiny"),
    Row(
        "full-disk-prepare",
        ("prepare", "good.yaml", "--set", "stores=new"),
        3,
        ("must have room", "free some space"),
        lambda _: fill_up(3000),
    ),
    filling("search-config", "search", "good.yaml", "--set", "name=other"),
    filling(
        "search-result",
        "search",
        "good.yaml",
        "--set",
        "name=other",
        "--set",
        "search.epochs=3",
        room=30_000,
    ),
    filling("sweep", "sweep", "good.yaml", "--set", "name=other"),
    where_ray_cannot_start("long-tmpdir", "RAY_TMPDIR to a short path", TMPDIR=f"/tmp/{'x' * 105}"),
    where_ray_cannot_start("no-home", "set HOME", "RAY_AUTH_TOKEN", HOME="/dev/null/home"),
    filling("report", "report", RUN, room=3000),
    filling("export", "export", RUN, MODEL, "new", room=3000),
    filling("predict", "predict", "model", SOURCE, "new"),
    Row(
        "prepare-not-writable",
        ("prepare", "good.yaml", "--set", f"stores={NOWHERE}"),
        3,
        ("must be writable", "another folder"),
    ),
    Row("search-not-writable", ("search", "good.yaml", "--set", f"out={NOWHERE}"), 2, ("set out",)),
    Row("export-not-writable", ("export", RUN, MODEL, NOWHERE), 4, ("or name another one",)),
    Row("predict-not-writable", ("predict", "model", SOURCE, NOWHERE), 2, ("name another folder",)),
    Row("phantom-not-writable", ("phantom", "acdc", NOWHERE), 4, ("nowhere", "see to the path")),
    report(
        "page-is-folder", "report.html", "directory", spoil=folder_instead(f"{RUN}/report.html")
    ),
    Row(
        "export-poisoned",
        ("export", RUN, MODEL, "new"),
        4,
        ("best.safetensors", "delete"),
        everywhere("best.safetensors", poison),
    ),
    Row(
        "export-cut",
        ("export", RUN, MODEL, "new"),
        4,
        ("best.safetensors", "delete"),
        everywhere("best.safetensors", lambda path: cut(path, 100)),
    ),
    Row(
        "export-without-store",
        ("export", RUN, MODEL, "new"),
        3,
        ("distributed-iac prepare",),
        lambda here: shutil.rmtree(here / "stores"),
    ),
)

NEWER = ("99, written by a newer release", "upgrade")
BAD_VERSION = "is a whole number from 1 on"


def versioned(file: str, version: object, key: str = "format_version") -> Spoil:
    """Change the version in all JSON files of a name; the checksum in them, if any, is right."""

    def spoil(here: Path) -> None:
        for path in here.rglob(file):
            path.chmod(0o644)  # kept results are not to be written to
            content = {**json.loads(path.read_text()), key: version}
            if content.pop("checksum", None):
                content["checksum"] = content_key(content)
            path.write_text(json.dumps(content))

    return spoil


NNUNET = Path(__file__).parents[1] / "nets" / "data" / "nnunet_plain"

HELD = ("case2", "case3")
"""Cases that no network of nnU-Net's has seen."""


def trained(*held: str) -> Spoil:
    """A model of nnU-Net beside the data: its fold 0 was validated on these cases."""

    def spoil(here: Path) -> None:
        (here / "nnunet/fold_0/validation").mkdir(parents=True)
        shutil.copyfile(here / SOURCE / "dataset.json", here / "nnunet/dataset.json")
        plans = json.loads((NNUNET / "plans.json").read_text())
        one = {"normalization_schemes": ["ZScoreNormalization"], "use_mask_for_norm": [False]}
        plans["configurations"]["2d"] |= one
        (here / "nnunet/plans.json").write_text(json.dumps(plans))
        cases = [{"prediction_file": f"/x/{case}.nii.gz", "metrics": {}} for case in held]
        summary = json.dumps({"metric_per_case": cases})
        (here / "nnunet/fold_0/validation/summary.json").write_text(summary)
        (here / "split.json").write_text(json.dumps(SPLIT))

    return spoil


def edit_json(path: Path, edit: Callable[[dict[str, dict[str, object]]], object]) -> None:
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def newer_checkpoints(here: Path) -> None:
    for path in checkpoints(here):
        path.write_bytes(checkpoint_bytes({**read_checkpoint(path), "format_version": 99}))


VERSIONS = (
    status("run-newer", *NEWER, spoil=versioned("jobs.json", 99)),
    status("run-version-text", BAD_VERSION, "'1'", spoil=versioned("jobs.json", "1")),
    report("run-newer", *NEWER, spoil=versioned("jobs.json", 99)),
    report("result-newer", *NEWER, spoil=versioned("result.json", 99)),
    report("result-version-null", BAD_VERSION, "None", spoil=versioned("result.json", None)),
    sweeping("run-newer", 4, "", *NEWER, spoil=versioned("jobs.json", 99)),
    sweeping("result-newer", 4, "", *NEWER, spoil=versioned("result.json", 99)),
    sweeping(
        "setting-newer",
        4,
        "",
        "search.momentum_of_later",
        "upgrade",
        spoil=lambda here: edit_json(
            here / RUN / "config.json", lambda plain: plain["search"].update(momentum_of_later=1)
        ),
    ),
    Row("export-run-newer", ("export", RUN), 4, NEWER, versioned("jobs.json", 99)),
    Row("search-result-newer", ("search", "good.yaml"), 4, NEWER, versioned("result.json", 99)),
    Row("search-run-newer", ("search", "good.yaml"), 4, NEWER, versioned("jobs.json", 99)),
    Row("search-checkpoints-newer", INTERRUPTED, 4, NEWER, newer_checkpoints),
    preparing_again("newer", *NEWER, spoil=versioned("manifest.json", 99, "format")),
    preparing_again("version-zero", BAD_VERSION, spoil=versioned("manifest.json", 0, "format")),
    predicting("model-newer", 4, "upgrade", spoil=versioned("model.json", 99)),
    predicting("model-version-true", 4, BAD_VERSION, spoil=versioned("model.json", True)),
    predicting(
        "model-of-a-newer-preparation",
        4,
        "upgrade",
        spoil=versioned("model.json", 99, "preprocess_version"),
    ),
)


def folding(
    name: str, code: int, split: str, *said: str, settings: str = "", held: tuple[str, ...] = HELD
) -> Row:
    """A network that nnU-Net trained on some of the patients."""
    backbone = f"backbones=[{{name: nnunet, folder: nnunet{settings}}}]"
    command = ("plan", "good.yaml", "--no-measure", "--set", backbone)
    options = ("--set", f"data.0.split={split}", "--set", "stores=fresh")
    return Row(f"fold-{name}", (*command, *options), code, said, trained(*held))


FOLDS = (
    folding("followed", 0, "{}", "follows fold 0", "summary.json"),
    folding("seen", 2, "{file: split.json}", "1 of 2 were: case4", "seen_test: allow"),
    folding("all", 2, "{}", "fold all", "such as fold: 0", settings=", fold: all"),
    folding("allowed", 0, "{}", "seen_test: allow", settings=", fold: all, seen_test: allow"),
    folding("of-other-data", 0, "{file: split.json}", "nothing is known", held=("other",)),
    folding("unknown-answer", 2, "{}", "seen_test", settings=", seen_test: maybe"),
    *(
        Row(
            f"fold-{file.split('.')[0]}-key-twice",
            ("plan", "good.yaml", "--set", "backbones=[{name: nnunet, folder: nnunet}]"),
            2,
            (f"'{key}' is given twice", "copy the file"),
            lambda here, file=file, key=key: (
                trained()(here),
                again(here / "nnunet" / file, **{key: {}}),
            ),
        )
        for file, key in (("plans.json", "configurations"), ("dataset.json", "labels"))
    ),
    Row(
        "fold-summary-broken",
        ("plan", "good.yaml", "--set", "backbones=[{name: nnunet, folder: nnunet}]"),
        3,
        ("summary.json", "copy the file"),
        lambda here: (
            trained()(here),
            (here / "nnunet/fold_0/validation/summary.json").write_text("{"),
        ),
    ),
)

TABLES = {
    "settings": SETTINGS,
    "configuration files": TEXTS,
    "usage": USAGE,
    "raw data": DATA,
    "splits": SPLITS,
    "stores, runs, checkpoints, weights": STATE,
    "models": MODELS,
    "status and report": STANDING,
    "sweeps": SWEEPS,
    "plans": PLANS,
    "folds of nnU-Net": FOLDS,
    "disks and folders": SYSTEM,
    "versions": VERSIONS,
}
ROWS = tuple(row for table in TABLES.values() for row in table)


def write_source(root: Path) -> None:
    """A healthy raw data set of nnU-Net."""
    rng = np.random.default_rng(0)
    for folder in ("imagesTr", "labelsTr"):
        (root / folder).mkdir(parents=True)
    for number in range(PATIENTS):
        truth = np.zeros((20, 24, 3), np.uint8)
        truth[6:14, 8:16, 1:] = 1
        voxels = (truth * 40 + rng.normal(100, 10, truth.shape)).astype(np.float32)
        affine = np.diag([-1.0, -1.0, 5.0, 1.0])
        nib.save(nib.Nifti1Image(voxels, affine), root / f"imagesTr/case{number}_0000.nii.gz")
        nib.save(nib.Nifti1Image(truth, affine), root / f"labelsTr/case{number}.nii.gz")
    values = {
        "channel_names": {"0": "T2"},
        "labels": {"background": 0, "lesion": 1},
        "numTraining": PATIENTS,
        "file_ending": ".nii.gz",
    }
    (root / "dataset.json").write_text(json.dumps(values))


def run(arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> int:
    """Run the command line in this process; its exit code."""
    monkeypatch.setattr(sys, "argv", ["distributed-iac", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workplace in which everything works: data, store, runs, a model."""
    here = tmp_path_factory.mktemp("healthy")
    write_source(here / SOURCE)
    (here / "good.yaml").write_text(yaml.safe_dump(CONFIG))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        assert run(("check", SOURCE, "--workers", "1"), patch) == 0
        assert run(("prepare", "good.yaml"), patch) == 0
        assert run(("search", "good.yaml"), patch) == 0
        assert run(("export", "runs/run", MODEL, "model"), patch) == 0
        patch.setattr(StageProgress, "observe", interrupt)
        assert run(INTERRUPTED, patch) == 130
    return here


def interrupt(progress: StageProgress, job: str, values: dict[str, object], epochs: int) -> None:
    """Press Ctrl-C in the eleventh epoch: checkpoints are written every five."""
    del progress, job, epochs
    if values.get("epoch") == 11:
        raise KeyboardInterrupt


def copied(healthy: Path, here: Path) -> Path:
    """A workplace of its own."""
    shutil.copytree(healthy, here)
    for path in here.glob("runs/*/jobs.json"):  # says where results are kept: in the copy as well
        path.write_text(path.read_text().replace(str(healthy), str(here)))
    return here


def contents(here: Path) -> dict[str, bytes]:
    return {str(p.relative_to(here)): p.read_bytes() for p in here.rglob("*") if p.is_file()}


@pytest.fixture
def room() -> Iterator[None]:
    """Disks that a row filled up have room again, and variables are as they were."""
    before, variables = resource.getrlimit(resource.RLIMIT_FSIZE), dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(variables)
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("room")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_bad_input_is_refused_with_one_helpful_message(
    row: Row,
    healthy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    here = copied(healthy, tmp_path / "work")
    monkeypatch.chdir(here)
    held = row.spoil(here)
    before = contents(here)
    code = run(row.command, monkeypatch)
    del held
    shown = capsys.readouterr()
    message = shown.out + shown.err
    assert code == row.code, message
    assert "Traceback" not in message
    assert len(message) < 20_000
    flat = re.sub(r"\s+", " ", message)
    assert all(part in flat for part in row.said), message
    after = contents(here)
    changed = {name for name in before if before[name] != after.get(name)}
    assert {Path(name).name for name in changed} <= REWRITTEN, changed
    journals = [name for name in changed if name.endswith(".jsonl")]
    assert all(after[name].startswith(before[name]) for name in journals), "the past was rewritten"
    assert not (here / "poisoned").exists(), "a file of the user's was executed"


REWRITTEN = {"environment.json", "config.yaml", "config.json", "jobs.json", "journal.jsonl"}
"""Files that every start of a run writes anew or, the journal, adds to."""


@pytest.mark.parametrize(
    "spoil",
    [lambda path: cut(path, 0), lambda path: cut(path, 500), poison, poison_torch],
    ids=["empty", "cut", "poisoned", "poisoned-torch"],
)
def test_damaged_checkpoints_cost_epochs_and_are_told_once(
    spoil: Callable[[Path], object],
    healthy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    here = copied(healthy, tmp_path / "work")
    monkeypatch.chdir(here)
    for path in checkpoints(here):
        spoil(path)
    assert run(INTERRUPTED, monkeypatch) == 0
    shown = capsys.readouterr()
    assert "genotype" in shown.out
    assert shown.err.count("passed over a damaged checkpoint, a.pt") == 1
    assert "epoch 12/12" in shown.err
    assert not (here / "poisoned").exists(), "a file of the user's was executed"


def test_there_are_many_rows_and_each_has_its_own_name() -> None:
    names = [row.name for row in ROWS]
    assert len(names) == len(set(names)) >= 60
    assert all(row.said for row in ROWS)


def print_tables() -> None:
    """Print all rows: what is wrong, the command, the exit code, and what the message says."""
    for title, rows in TABLES.items():
        print(f"\n{title}\n{'=' * len(title)}")
        for row in rows:
            command = " ".join(row.command)
            said = ", ".join(repr(part) for part in row.said)
            print(f"{row.name}\n    distributed-iac {command[:120]}\n    {row.code}: {said}")


if __name__ == "__main__":
    print_tables()
