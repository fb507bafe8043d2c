"""Does our reading of nnU-Net's model folders give nnU-Net's own numbers?

Needs ``pip install nnunetv2`` in the same environment; our package does not. A tiny 2-D model is
written by nnU-Net's own trainer (real plans, real checkpoint, a real training log), read by
``distributed_iac.nets.nnunet``, and both networks are run on the same images::

    python -m benchmarks.nnunet_parity                          # prints the largest differences
    python -m benchmarks.nnunet_parity --write tests/nets/data  # renews the tests' recorded models

Hardware: any CPU. Time: some seconds. Expected: 0.0 everywhere.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.harness import options
from distributed_iac.config.backbone import NnUnetSettings
from distributed_iac.nets.build import build_backbone

KINDS = ("plain", "residual")
IN_CHANNELS, OUT_CHANNELS = 2, 4
FEATURES = [4, 6, 8, 8]
STRIDES = [[1, 1], [2, 2], [2, 1], [2, 2]]


def architecture(kind: str) -> dict[str, Any]:
    """Return the ``architecture`` of plans.json for a network of four small stages."""
    kwargs: dict[str, Any] = {
        "n_stages": len(FEATURES),
        "features_per_stage": FEATURES,
        "conv_op": "torch.nn.modules.conv.Conv2d",
        "kernel_sizes": [[3, 1], [3, 3], [3, 3], [3, 3]],
        "strides": STRIDES,
        "n_conv_per_stage_decoder": [2, 2, 2] if kind == "plain" else [1, 1, 1],
        "conv_bias": True,
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm2d",
        "norm_op_kwargs": {"eps": 1e-05, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }
    depths = "n_conv_per_stage" if kind == "plain" else "n_blocks_per_stage"
    kwargs[depths] = [2, 2, 2, 2] if kind == "plain" else [1, 2, 2, 1]
    name = "PlainConvUNet" if kind == "plain" else "ResidualEncoderUNet"
    return {
        "network_class_name": f"dynamic_network_architectures.architectures.unet.{name}",
        "arch_kwargs": kwargs,
        "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
    }


def plans(kind: str) -> dict[str, Any]:
    """Return plans.json with the keys that nnU-Net writes for a 2-D configuration."""
    resampling = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    configuration: dict[str, Any] = {
        "data_identifier": "nnUNetPlans_2d",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": [32, 20],
        "median_image_size_in_voxels": [30.0, 20.0],
        "spacing": [1.25, 1.5],
        "normalization_schemes": ["ZScoreNormalization"] * IN_CHANNELS,
        "use_mask_for_norm": [False] * IN_CHANNELS,
        "architecture": architecture(kind),
        "batch_dice": True,
    }
    for use in ("data", "seg", "probabilities"):
        configuration[f"resampling_fn_{use}"] = "resample_data_or_seg_to_shape"
        configuration[f"resampling_fn_{use}_kwargs"] = resampling
    return {
        "dataset_name": "Dataset900_Parity",
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": [8.0, 1.25, 1.5],
        "original_median_shape_after_transp": [9, 30, 20],
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [2, 0, 1],
        "transpose_backward": [1, 2, 0],
        "configurations": {"2d": configuration},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {},
    }


DATASET = {
    "channel_names": {"0": "T1", "1": "T2"},
    "labels": {"background": 0, "RV": 1, "MYO": 2, "LV": 3},
    "numTraining": 4,
    "file_ending": ".nii.gz",
}


def write_model(kind: str, results: Path) -> Path:
    """Let nnU-Net's trainer write a model folder; add what its network says to some images."""
    os.environ["nnUNet_results"] = str(results)  # noqa: SIM112
    from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans

    torch.manual_seed(0)
    given = copy.deepcopy(plans(kind)) | {"continue_training": False}
    with contextlib.redirect_stdout(io.StringIO()):
        trainer = nnUNetTrainer(given, "2d", 0, copy.deepcopy(DATASET), torch.device("cpu"))
    net = architecture(kind)
    trainer.network = get_network_from_plans(
        net["network_class_name"],
        net["arch_kwargs"],
        net["_kw_requires_import"],
        IN_CHANNELS,
        OUT_CHANNELS,
        deep_supervision=True,
    )
    with torch.no_grad():  # away from initial zeros and ones, which would hide mistakes
        for parameter in trainer.network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    trainer.optimizer, trainer.lr_scheduler = trainer.configure_optimizers()
    trainer.logger.log("mean_fg_dice", np.nanmean([0.5, 0.6]), 0)
    trainer.logger.log("train_losses", np.float32(0.25), 0)
    trainer._best_ema = trainer.logger.get_value("ema_fg_dice", step=-1)
    folder = Path(trainer.output_folder_base)
    (folder / "fold_0").mkdir(parents=True, exist_ok=True)
    trainer.save_checkpoint(str(folder / "fold_0" / "checkpoint_final.pth"))
    (folder / "plans.json").write_text(json.dumps(plans(kind), indent=1) + "\n")
    (folder / "dataset.json").write_text(json.dumps(DATASET, indent=1) + "\n")
    images = torch.randn(2, IN_CHANNELS, 32, 20)
    with torch.no_grad():
        outputs = trainer.network.eval()(images)
    arrays = {f"output_{scale}": output.numpy() for scale, output in enumerate(outputs)}
    np.savez_compressed(folder / "reference.npz", images=images.numpy(), **arrays)
    return folder


def differences(folder: Path) -> list[float]:
    """Return the largest difference at every supervised scale, finest first."""
    backbone = build_backbone(NnUnetSettings(folder=folder), IN_CHANNELS, OUT_CHANNELS).eval()
    reference = np.load(folder / "reference.npz")
    with torch.no_grad():
        ours = backbone.training_outputs(torch.from_numpy(reference["images"]))
    return [
        float(np.abs(output.numpy() - reference[f"output_{scale}"]).max())
        for scale, output in enumerate(ours)
    ]


def record(source: Path, target: Path) -> None:
    """Copy what the tests need of a model folder."""
    names = ("plans.json", "dataset.json", "reference.npz", "fold_0/checkpoint_final.pth")
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes((source / name).read_bytes())


def main() -> int:
    """Compare both kinds of network; exit 1 if any number differs by more than 1e-5."""
    parser = options(__doc__)
    parser.add_argument("--write", type=Path, help="folder to record the tiny models in")
    given = parser.parse_args()
    largest = 0.0
    with tempfile.TemporaryDirectory() as scratch:
        for kind in KINDS:
            folder = write_model(kind, Path(scratch) / kind)
            found = differences(folder)
            largest = max(largest, *found)
            print(f"{kind:9s} largest difference per scale: {found}")
            if given.write is not None:
                record(folder, given.write / f"nnunet_{kind}")
    return int(largest > 1e-5)


if __name__ == "__main__":
    sys.exit(main())
