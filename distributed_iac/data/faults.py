"""What can be wrong with a file of a case: what each fault means, how grave it is, what to do.

::

    fault = Fault("shape_mismatch", path, "label is (4, 4, 2), image is (4, 4, 3)")
    fault.of("patient001_frame01")                  # the contract's Problem, for lists
    raise FaultError(fault)                         # a SourceError, where the case must be refused

``check``, ``prepare``, ``predict`` and everything else that opens an image speak of it in these
words. Severities follow nnU-Net's ``verify_dataset_integrity`` where it has the check: other
shapes, other spacings, NaN and unexpected labels are errors. The rest is our choice and is argued
beside the entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from distributed_iac.data.contract import Problem, Severity
from distributed_iac.errors import SourceError


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
        # What is beyond would be left out unseen: slices, if a number in the header is wrong.
        "surplus_bytes": ProblemCode(
            "error",
            "the file holds more than the voxels that its header announces",
            "Correct dim, datatype or vox_offset in the header, or export the file again",
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
        # nnU-Net warns and pairs by index. Of its warnings nobody sees which are harmless: voxels
        # of different places are then learnt as one. Less than half a voxel is harmless, and where
        # a format's headers are known to be wrong they prove nothing: ``affine_ignored``.
        "affine_mismatch": ProblemCode(
            "error",
            "files of one case have the same grid at different places in the patient",
            "Resample the file onto the grid of the others, or correct the header that is wrong"
            " (`distributed-iac check --figures` shows label and image together)",
        ),
        "affine_ignored": ProblemCode(
            "warning",
            "files of one case differ in their place; voxels are paired by index nevertheless",
            "Look at the overlay (`distributed-iac check --figures`); if label and image fit, the"
            " header alone is wrong",
        ),
        "reoriented": ProblemCode(
            "warning",
            "a file is stored in another orientation than its case; it is turned, voxel for voxel",
            "Nothing, if the headers are right; look at the overlay"
            " (`distributed-iac check --figures`)",
        ),
        "axis_codes_differ": ProblemCode(
            "error",
            "slices are cut as stored, and the case is stored in other axes than the others",
            "Rewrite the case in the axes of the others, or correct its header",
        ),
        "orientation_unknown": ProblemCode(
            "warning",
            "the header says nowhere how the volume lies in the patient; axes are assumed",
            "Restore sform or qform from the original images",
        ),
        "transform_contradiction": ProblemCode(
            "warning",
            "sform and qform place the volume differently; sform is used",
            "Find out which one is right and make both say it",
        ),
        "spacing_contradiction": ProblemCode(
            "warning",
            "sform and pixdim give different voxel sizes; sform is used",
            "Find out which one is right and make both say it",
        ),
        "negative_spacing": ProblemCode(
            "warning",
            "pixdim is negative; its sign is ignored",
            "Store the voxel size as a positive number and directions in sform",
        ),
        "unit_converted": ProblemCode(
            "warning",
            "lengths are stored in another unit than mm and were converted",
            "Nothing, if the unit is right; otherwise correct xyzt_units",
        ),
        "undefined_field": ProblemCode(
            "warning",
            "a field of the header has a value without meaning; the usual one is assumed",
            "Find out what the field should say and correct it",
        ),
        "implausible_spacing": ProblemCode(
            "warning",
            "voxels have edges that no scanner makes",
            "Correct pixdim and sform, or the unit in xyzt_units",
        ),
        "unlike_spacing": ProblemCode(
            "warning",
            "voxels are many times larger or smaller than those of the other cases",
            "Correct pixdim and sform, or the unit in xyzt_units; if they are right, the case is"
            " resampled like any other",
        ),
        "sheared": ProblemCode(
            "warning",
            "the volume's axes are not perpendicular; slices are cut and measured as if they were",
            "Resample the volume onto a rectangular grid",
        ),
        "oblique": ProblemCode(
            "warning",
            "an axis lies midway between two directions of the body, so the nearest is a coin toss",
            "Rotate the volumes into one frame, or store them in one order of axes with headers"
            " that say so",
        ),
        "constant_image": ProblemCode(
            "warning",
            "every voxel of an image has the same value",
            "Export the image again from its origin",
        ),
        "faint_image": ProblemCode(
            "error",
            "intensities differ by less than the smallest deviation that a z-score divides by",
            "Multiply them by one factor for all images, or export them in a smaller unit",
        ),
        "identical_channels": ProblemCode(
            "warning",
            "two channels of a case hold the same voxels",
            "Give each channel its own image; where one was not taken, leave its channel out",
        ),
        # No scanner makes them; an implant in a CT of wide range may, and CT is clipped.
        "outlier_voxels": ProblemCode(
            "warning",
            "a few voxels lie so far out that they make the deviation a z-score divides by",
            "Replace them by the background value if they are a fill value; nothing, if they are"
            " meant and the intensities are clipped, as those of CT are",
        ),
        "nonfinite": ProblemCode(
            "error",
            "voxels are NaN, infinite, or beyond what 32-bit floats can square",
            "Replace them by the background value, or export the file again",
        ),
        "absent_label": ProblemCode(
            "warning",
            "no label map holds a value that the source declares",
            "Correct the declared labels, or the label maps: a class without voxels is not learned",
        ),
        "noninteger_labels": ProblemCode(
            "error",
            "label values lie between integers",
            "Export the mask again; if it was resampled, resample with nearest neighbour",
        ),
        # Masks that went through a resampling or a float format: 0.9999 and 1e-7.
        "rounded_labels": ProblemCode(
            "warning",
            "label values lie next to whole numbers and were rounded",
            "Store the mask as whole numbers",
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
            "Keep one of the two, or restore the images of the other; all cases of one person have"
            " one patient id",
        ),
    }
)
"""Every code of a file's fault. Readers add codes of their own for what names and folders show."""


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

    def of(self, case_id: str | None) -> Problem:
        """Return the contract's value, blamed on a case, or on the source."""
        kind = CODES[self.code]
        return Problem(
            code=self.code,
            severity=kind.severity,
            path=self.path,
            reason=self.reason,
            remedy=self.remedy or kind.remedy,
            case_id=case_id,
        )


class FaultError(SourceError):
    """A fault for which a case has to be refused.

    Args:
        fault: Of a file.
        retriable: Storage failed, and may answer if it is asked again.
    """

    def __init__(self, fault: Fault, retriable: bool = False) -> None:
        remedy = fault.remedy or CODES[fault.code].remedy
        super().__init__(fault.reason, where=fault.path, remedy=remedy, retriable=retriable)
        self.fault = fault

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the way back from a worker process."""
        return FaultError, (self.fault, self.retriable)


def refuse_errors(faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """Return the warnings among faults.

    Raises:
        FaultError: There is an error; the first is raised.
    """
    warnings = []
    for fault in faults:
        if CODES[fault.code].severity == "error":
            raise FaultError(fault)
        warnings.append(fault)
    return tuple(warnings)
