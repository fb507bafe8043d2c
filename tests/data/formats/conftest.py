"""Small source trees in the exact layouts of the published data sets."""

from __future__ import annotations

import functools
import gzip
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
RAS = np.diag([1.0, 1.0, 1.0, 1.0])
IPL = np.array([[0, 0, -0.78, 0], [0, -0.78, 0, 0], [-3.0, 0, 0, 0], [0, 0, 0, 1]])


AMOS_ORGANS = (
    "background;spleen;right kidney;left kidney;gall bladder;esophagus;liver;stomach;arota;"
    "postcava;pancreas;right adrenal gland;left adrenal gland;duodenum;bladder;prostate/uterus"
)
AMOS_LABELS = {str(number): name for number, name in enumerate(AMOS_ORGANS.split(";"))}


@functools.cache
def nifti_bytes(
    shape: tuple[int, ...],
    spacing: tuple[float, ...],
    orientation: str,
    dtype: str,
    values: tuple[int, ...],
) -> bytes:
    """A NIfTI file whose first voxels are ``values`` and whose other voxels are 0."""
    affine = {"LPS": LPS, "RAS": RAS}.get(orientation, IPL).copy()
    if orientation in ("LPS", "RAS"):
        affine = affine @ np.diag([*spacing[:3], 1.0])
    array = np.zeros(shape, dtype)
    array.reshape(-1)[: len(values)] = values
    image = nib.Nifti1Image(array, affine)
    if orientation == "IPL":
        image.set_qform(None, code=0)
        image.set_sform(affine, code=2)
    content: bytes = image.to_bytes()
    return content


def write_nifti(
    path: Path,
    shape: tuple[int, ...] = (8, 6, 4),
    spacing: tuple[float, ...] = (1.0, 1.0, 1.0),
    orientation: str = "LPS",
    dtype: str = "int16",
    values: tuple[int, ...] = (),
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = nifti_bytes(shape, spacing, orientation, dtype, values)
    path.write_bytes(
        gzip.compress(content, compresslevel=1, mtime=0) if path.name.endswith(".gz") else content
    )
    return path


def write_text(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


class Trees:
    """Builds source trees; every method returns the data root."""

    nifti = staticmethod(write_nifti)
    text = staticmethod(write_text)

    def json(self, path: Path, content: object) -> Path:
        return write_text(path, json.dumps(content))

    def acdc_patient(
        self, folder: Path, frames: tuple[int, int], group: str = "DCM", newline: str = "\n"
    ) -> Path:
        name = folder.name
        lines = [f"ED: {frames[0]}", f"ES: {frames[1]}", f"Group: {group}", "Height: 184.0"]
        write_text(folder / "Info.cfg", newline.join([*lines, "NbFrame: 30", "Weight: 95.0"]))
        write_text(folder / "MANDATORY_CITATION.md", "cite")
        spacing = (1.5625, 1.5625, 10.0)
        write_nifti(folder / f"{name}_4d.nii.gz", (8, 6, 4, 2), spacing)
        for frame in frames:
            stem = f"{name}_frame{frame:02d}"
            write_nifti(folder / f"{stem}.nii.gz", spacing=spacing)
            write_nifti(
                folder / f"{stem}_gt.nii.gz", spacing=spacing, dtype="uint8", values=(1, 2, 3)
            )
        return folder

    def acdc(self, root: Path) -> Path:
        write_text(root / "MANDATORY_CITATION.md", "cite")
        self.acdc_patient(root / "training/patient001", (1, 12))
        self.acdc_patient(root / "training/patient090", (4, 11), "MINF", newline="\r\n")
        self.acdc_patient(root / "testing/patient101", (1, 14), "NOR")
        return root

    def brats_case(
        self, folder: Path, ending: str = ".nii.gz", values: tuple[int, ...] | None = (1, 2, 4)
    ) -> Path:
        """One case in the naming of its folder; no label file where ``values`` is None."""
        dashed = folder.name.startswith("BraTS-GLI")
        parts = ("-t1n", "-t1c", "-t2w", "-t2f") if dashed else ("_t1", "_t1ce", "_t2", "_flair")
        for part in parts:
            write_nifti(folder / f"{folder.name}{part}{ending}")
        if values is not None:
            seg = "-seg" if dashed else "_seg"
            write_nifti(folder / f"{folder.name}{seg}{ending}", dtype="uint8", values=values)
        return folder

    def brats(self, root: Path, release: str) -> Path:
        if release == "2018":
            self.brats_case(root / "HGG/Brats18_2013_2_1")
            self.brats_case(root / "LGG/Brats18_TCIA09_141_1", values=(1, 2))
        elif release == "2019":
            self.brats_case(root / "HGG/BraTS19_2013_0_1")
            self.brats_case(root / "LGG/BraTS19_TMC_09043_1")
        elif release == "2020":
            self.brats_case(root / "BraTS20_Training_001", ".nii")
            odd = self.brats_case(root / "BraTS20_Training_355", ".nii", None)
            write_nifti(odd / "W39_1998.09.19_Segm.nii", dtype="uint8", values=(1, 2, 4))
            write_text(root / "name_mapping.csv", "Grade,BraTS_2020_subject_ID\n")
            write_text(root / "survival_info.csv", "Brats20ID,Age\n")
        elif release == "2021":
            self.brats_case(root / "BraTS2021_00000")
            self.brats_case(root / "BraTS2021_00002")
        elif release == "2023-GLI":
            self.brats_case(root / "BraTS-GLI-00000-000", values=(1, 2, 3))
            self.brats_case(root / "BraTS-GLI-00017-001", values=(1, 2, 3))
        else:
            self.brats_case(root / "BraTS-GLI-00005-100", values=(1, 2, 3, 4))
            self.brats_case(root / "BraTS-GLI-00005-101", values=(1, 2, 3))
        return root

    def kits_case(
        self, folder: Path, label: str = "segmentation", shape: tuple[int, ...] = (4, 8, 8)
    ) -> Path:
        write_nifti(folder / "imaging.nii.gz", shape, orientation="IPL", dtype="float64")
        if label:
            write_nifti(
                folder / f"{label}.nii.gz", shape, orientation="IPL", dtype="uint8", values=(1, 2)
            )
        return folder

    def kits(self, root: Path, release: str) -> Path:
        if release == "2019":
            self.kits_case(root / "case_00000")
            self.kits_case(root / "case_00001")
            self.kits_case(root / "case_00210", label="")
            write_text(root / "kits.json", "[]")
        elif release == "2021":
            for name in ("case_00000", "case_00299"):
                case = self.kits_case(root / name, "aggregated_MAJ_seg")
                for other in ("aggregated_AND_seg", "aggregated_OR_seg"):
                    write_nifti(case / f"{other}.nii.gz", (4, 8, 8), orientation="IPL")
                write_text(case / "raw/kidney/00/delineation1/1.json", "{}")
            write_text(root / "kits.json", "[]")
        else:
            self.kits_case(root / "case_00000")
            self.kits_case(root / "case_00160", shape=(4, 8, 12))
            self.kits_case(root / "case_00400")
            write_nifti(root / "case_00000/instances/kidney_instance-1_annotation-1.nii.gz")
            write_text(root / "kits23.json", "[]")
        return root

    def amos(self, root: Path, flavour: str = "zenodo") -> Path:
        def pair(part: str, number: int, orientation: str) -> dict[str, str]:
            name = f"amos_{number:04d}.nii.gz"
            write_nifti(root / f"images{part}/{name}", orientation=orientation)
            values = (1, 8, 15) if number <= 500 else (1, 8)
            write_nifti(
                root / f"labels{part}/{name}", orientation=orientation, dtype="uint8", values=values
            )
            return {"image": f"./images{part}/{name}", "label": f"./labels{part}/{name}"}

        training = [pair("Tr", 1, "LPS"), pair("Tr", 507, "RAS")]
        validation = [pair("Va", 8, "RAS")]
        write_nifti(root / "imagesTs/amos_0002.nii.gz")
        test = "./imagesTs/amos_0002.nii.gz"
        meta: dict[str, Any] = {
            "name": "AMOS",
            "licence": "CC-BY-SA 4.0",
            "modality": {"0": "CT"},
            "labels": AMOS_LABELS,
            "numTraining": 2,
        }
        if flavour == "zenodo":
            lists = {"training": training, "validation": validation, "test": [{"image": test}]}
            self.json(root / "dataset.json", {**meta, **lists})
        else:
            everything = {**meta, "training": [*training, *validation], "test": [test]}
            ct_only = {**meta, "training": [training[0], *validation], "test": [test]}
            self.json(root / "task1_dataset.json", ct_only)
            self.json(root / "task2_dataset.json", everything)
        write_text(root / "readme.md", "id numbers less than 500 belong to CT")
        return root

    def nnunet(
        self,
        root: Path,
        meta: Mapping[str, object] | None = None,
        cases: Iterable[str] = ("case_a", "case_b"),
        channels: int = 1,
        test_cases: Iterable[str] = ("case_t",),
    ) -> Path:
        cases = tuple(cases)
        for part, names in (("Tr", cases), ("Ts", tuple(test_cases))):
            for name in names:
                for channel in range(channels):
                    write_nifti(root / f"images{part}/{name}_{channel:04d}.nii.gz")
        for name in cases:
            write_nifti(root / f"labelsTr/{name}.nii.gz", dtype="uint8", values=(1, 2))
        default = {
            "channel_names": {str(channel): f"mod {channel}" for channel in range(channels)},
            "labels": {"background": 0, "liver": 1, "tumour": 2},
            "numTraining": len(cases),
            "file_ending": ".nii.gz",
        }
        self.json(root / "dataset.json", {**default, **(meta or {})})
        return root

    def nnunet_regions(self, root: Path) -> Path:
        labels = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3, "ignore": 4}
        names = {"0": "T1", "1": "T1ce", "2": "T2", "3": "FLAIR"}
        meta = {"labels": labels, "regions_class_order": [1, 2, 3], "channel_names": names}
        return self.nnunet(root, meta, channels=4)

    def nnunet_v1(self, root: Path) -> Path:
        self.nnunet(root, cases=("la_003", "la_004"))
        pairs = [
            {"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"}
            for name in ("la_003", "la_004")
        ]
        meta = {
            "modality": {"0": "CT"},
            "labels": {"0": "background", "1": "a", "2": "b"},
            "numTraining": 2,
            "training": pairs,
            "test": [],
        }
        self.json(root / "dataset.json", meta)
        return root

    def nnunet_mapped(self, root: Path) -> Path:
        self.nnunet(root)
        dataset = {
            "first": {
                "images": ["imagesTr/case_a_0000.nii.gz"],
                "label": "labelsTr/case_a.nii.gz",
            },
            "second": {
                "images": [str(root / "imagesTr/case_b_0000.nii.gz")],
                "label": str(root / "labelsTr/case_b.nii.gz"),
            },
        }
        meta = json.loads((root / "dataset.json").read_text())
        self.json(root / "dataset.json", {**meta, "dataset": dataset})
        return root

    def msd(
        self,
        root: Path,
        cases: Iterable[str] = ("spleen_2", "spleen_3"),
        modality: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Path:
        modality = modality or {"0": "CT"}
        shape = (8, 6, 4) if len(modality) == 1 else (8, 6, 4, len(modality))
        training = []
        for name in cases:
            write_nifti(root / f"imagesTr/{name}.nii.gz", shape)
            write_text(root / f"imagesTr/._{name}.nii.gz", "macOS")
            write_nifti(root / f"labelsTr/{name}.nii.gz", dtype="uint8", values=(1,))
            training.append(
                {"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"}
            )
        write_nifti(root / "imagesTs/other_1.nii.gz", shape)
        meta = {
            "name": root.name,
            "licence": "CC-BY-SA 4.0",
            "modality": modality,
            "labels": labels or {"0": "background", "1": "spleen"},
            "numTraining": len(training),
            "numTest": 1,
            "training": training,
            "test": ["./imagesTs/other_1.nii.gz"],
        }
        self.json(root / "dataset.json", meta)
        return root

    def msd_brain(self, root: Path) -> Path:
        labels = {"0": "background", "1": "edema", "2": "non-enhancing tumor"}
        return self.msd(
            root,
            ("BRATS_001", "BRATS_002"),
            {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"},
            {**labels, "3": "enhancing tumour"},
        )

    def build(self, variant: str, parent: Path) -> Path:
        """Build a variant below ``parent`` under the folder name it is published with."""
        folder, builder = self.variants()[variant]
        return builder(parent / folder)

    def variants(self) -> dict[str, tuple[str, Callable[[Path], Path]]]:
        """Every layout that a reader knows: reader name first, then what it is a variant of."""
        of = functools.partial
        return {
            "acdc": ("database", self.acdc),
            "brats-2018": ("MICCAI_BraTS_2018_Data_Training", of(self.brats, release="2018")),
            "brats-2019": ("MICCAI_BraTS_2019_Data_Training", of(self.brats, release="2019")),
            "brats-2020": ("MICCAI_BraTS2020_TrainingData", of(self.brats, release="2020")),
            "brats-2021": ("BraTS2021_TrainingData", of(self.brats, release="2021")),
            "brats-2023-GLI": ("BraTS2023-GLI", of(self.brats, release="2023-GLI")),
            "brats-2024-GLI": ("training_data1_v2", of(self.brats, release="2024-GLI")),
            "kits-2019": ("data", of(self.kits, release="2019")),
            "kits-2021": ("data", of(self.kits, release="2021")),
            "kits-2023": ("dataset", of(self.kits, release="2023")),
            "amos": ("amos22", self.amos),
            "amos-tasks": ("AMOS22", of(self.amos, flavour="tasks")),
            "nnunet_raw": ("Dataset003_Liver", self.nnunet),
            "nnunet_raw-regions": ("Dataset137_BraTS2021", self.nnunet_regions),
            "nnunet_raw-v1": ("Task002_Heart", self.nnunet_v1),
            "nnunet_raw-map": ("Dataset987_Mapped", self.nnunet_mapped),
            "msd": ("Task09_Spleen", self.msd),
            "msd-brain": ("Task01_BrainTumour", self.msd_brain),
        }


TREES = Trees()


@pytest.fixture(scope="session")
def trees() -> Trees:
    return TREES


@pytest.fixture(params=sorted(TREES.variants()))
def variant(request: pytest.FixtureRequest) -> str:
    """Name of one layout; the reader that must claim it is the part before the first dash."""
    return str(request.param)
