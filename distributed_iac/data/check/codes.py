"""Problem codes of the voxel checks: what each means, how grave it is, what to do.

::

    fault = Fault("shape_mismatch", path, "label is (4, 4, 2), image is (4, 4, 3)")
    fault.of("patient001_frame01")                  # the contract's Problem

Severities follow nnU-Net's ``verify_dataset_integrity`` where it has the check: other shapes,
other spacings, NaN and unexpected labels are errors, another affine is a warning. The rest is our
choice and is argued beside the entry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from distributed_iac.data.contract import Problem, Severity


@dataclass(frozen=True)
class ProblemCode:
    """One kind of problem.

    Args:
        severity: ``error`` where the case cannot be used as it is, ``warning`` where it can.
        meaning: What is wrong, for tables of codes.
        remedy: What the user can do, as one sentence without a final full stop.
    """

    severity: Severity
    meaning: str
    remedy: str


CODES: Mapping[str, ProblemCode] = MappingProxyType(
    {
        "missing_image": ProblemCode(
            "error", "an image file is not there", "Download or copy the file to this path"
        ),
        "missing_channel": ProblemCode(
            "error",
            "one channel of a case is not there",
            "Download or copy the channel's file to this path",
        ),
        "missing_label": ProblemCode(
            "error",
            "the label file of a labelled case is not there",
            "Download or copy the label file to this path",
        ),
        "unreadable": ProblemCode(
            "error",
            "the file is not a NIfTI image, or its bytes are damaged",
            "Download the file again and compare its checksum with the publisher's",
        ),
        "truncated": ProblemCode(
            "error",
            "the file ends before its last voxel",
            "Download the file again; the transfer was interrupted",
        ),
        "zero_size": ProblemCode(
            "error", "the image has no voxels", "Export the image again from its origin"
        ),
        # No length, area or distance can be computed, and a guess of 1 mm would not be noticed.
        "invalid_geometry": ProblemCode(
            "error",
            "the header's voxel size or affine is impossible",
            "Restore pixdim and sform from the original images",
        ),
        "channel_count": ProblemCode(
            "error",
            "the file holds another number of channels than the format promises",
            "Store one scalar volume a file, or the promised channels on the fourth axis",
        ),
        "shape_mismatch": ProblemCode(
            "error",
            "files of one case have different numbers of voxels along an axis",
            "Resample the file onto the grid of the others, or export the case again",
        ),
        "spacing_mismatch": ProblemCode(
            "error",
            "files of one case have the same shape and different voxel sizes",
            "Find out which header is right and correct the other",
        ),
        "affine_mismatch": ProblemCode(
            "warning",
            "files of one case have the same grid at different places in the patient",
            "Look at the overlay (--figures); if label and image fit, the header alone is wrong"
            " and voxels are paired by index",
        ),
        "nonfinite": ProblemCode(
            "error",
            "voxels are NaN, infinite or beyond 32-bit floats",
            "Replace them by the background value, or export the file again",
        ),
        "noninteger_labels": ProblemCode(
            "error",
            "label values lie between integers",
            "Export the mask again; if it was resampled, resample with nearest neighbour",
        ),
        "unexpected_labels": ProblemCode(
            "error",
            "label values that the format does not define",
            "Check the release and its label convention, and map or remove the values",
        ),
        # A mask without foreground can be trained on and scored: nnU-Net passes it in silence.
        # In four data sets that contain an organ or tumour by design it is worth a look.
        "empty_mask": ProblemCode(
            "warning",
            "the label file has no foreground at all",
            "Make sure that the case has nothing to segment; otherwise restore its mask",
        ),
        # At least one of the two has the wrong image: an ED frame is no ES frame.
        "duplicate_case": ProblemCode(
            "error",
            "a case occurs twice under one patient",
            "Keep one of the two cases, or restore the image of the other",
        ),
        # Under another patient it can stand on both sides of a split and leak the test set.
        "duplicate_patient": ProblemCode(
            "error",
            "a case occurs again under another patient",
            "Keep one of the two, or give both the same patient id, so that no split parts them",
        ),
    }
)
"""Every code that a voxel check can raise. Readers add codes of their own for what names and
folders show."""


@dataclass(frozen=True)
class Fault:
    """A problem before it is known which case it belongs to.

    Args:
        code: A key of :data:`CODES`.
        path: File that is wrong.
        reason: What is wrong, with the numbers that show it.
        remedy: Replaces the code's usual remedy where the cause is known better.
    """

    code: str
    path: Path
    reason: str
    remedy: str | None = None

    def of(self, case_id: str) -> Problem:
        """Return the contract's value, blamed on a case."""
        kind = CODES[self.code]
        return Problem(
            code=self.code,
            severity=kind.severity,
            path=self.path,
            reason=self.reason,
            remedy=self.remedy or kind.remedy,
            case_id=case_id,
        )
