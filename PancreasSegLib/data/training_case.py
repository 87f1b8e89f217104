"""A corrected case: a CT, its mask, what the reader marked, and who it was."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.data.provenance import ACCEPTED, STATES
from PancreasSegLib.errors import DatasetError
from PancreasSegLib.io.hounsfield import as_hounsfield, without_invalid
from PancreasSegLib.io.image_file import MIN_SLICES
from PancreasSegLib.volume import Volume

_NAME_DIGITS = 12


@dataclass(frozen=True, eq=False)
class TrainingCase:
    """What is kept of a corrected case. The identifiers are hashed when it is saved, never written.

    Attributes
    ----------
    ct : Volume
        HU.
    mask : ndarray of uint8, shape (z, y, x)
        Label values on the CT's grid.
    labels : dict of str to int
        The labels that were read, with their values in `mask`; without background.
    marks : ndarray of uint8, shape (z, y, x), or None
        1 where the reader said organ, 2 where the reader said not organ.
    state : {"accepted", "rejected"}
        Whether it may be learnt from.
    reader : str
        Who read it.
    model, model_version : str
        What the mask began from; empty if it was drawn by hand.
    kind : str
        Where the CT came from: ``"dicom"``, ``"file"`` or ``"scene"``.
    series_uid, study_uid : str
        DICOM identifiers, of which only SHA-256 sums are kept.
    patient : str
        A code of the user's own that groups scans of one patient. Kept as it is: no name, no hospital number.
    licence : str
        Terms of the CT.
    """

    ct: Volume
    mask: NDArray[np.uint8]
    labels: dict[str, int] = field(default_factory=lambda: {"pancreas": 1})
    marks: NDArray[np.uint8] | None = None
    state: str = ACCEPTED
    reader: str = ""
    model: str = ""
    model_version: str = ""
    kind: str = "file"
    series_uid: str = ""
    study_uid: str = ""
    patient: str = ""
    licence: str = ""

    def checked(self) -> TrainingCase:
        """Return the case with the CT in the type in which it is stored.

        Raises
        ------
        DatasetError
            If mask or marks do not lie on the CT, hold other values than they may, or an accepted mask is empty.
        InvalidVoxelsError
            If the CT holds too many NaN or infinite voxels.
        """
        shape = self.ct.geometry.shape_zyx
        if min(shape) < MIN_SLICES:
            raise DatasetError(
                f"The CT has only {min(shape)} slices; {MIN_SLICES} are the least that can be learnt from."
            )
        if self.state not in STATES:
            raise DatasetError(f"A case is {' or '.join(STATES)}, not {self.state!r}.")
        if tuple(self.mask.shape) != shape:
            raise DatasetError(
                f"The mask of shape {tuple(self.mask.shape)} does not lie on the CT of shape {shape} (z, y, x)."
            )
        values = list(self.labels.values())
        if not values or len(set(values)) < len(values) or not all(0 < value < 256 for value in values):
            raise DatasetError(f"The labels {self.labels} need different values from 1 to 255.")
        unknown = set(np.unique(self.mask).tolist()) - {0, *values}
        if unknown:
            raise DatasetError(f"The mask holds the value {min(unknown)}, which no label has.")
        if self.state == ACCEPTED and not self.mask.any():
            raise DatasetError("The mask is empty.", "Reject the case, or outline the organ first.")
        if self.marks is not None and (tuple(self.marks.shape) != shape or int(self.marks.max(initial=0)) > 2):
            raise DatasetError("The marks do not lie on the CT, or hold other values than 0, 1 and 2.")
        voxels, _ = without_invalid(self.ct.voxels, "the CT")
        ct = Volume(as_hounsfield(voxels), self.ct.geometry, {})
        marks = None if self.marks is None else self.marks.astype(np.uint8, copy=False)
        return TrainingCase(
            **{**vars(self), "ct": ct, "mask": self.mask.astype(np.uint8, copy=False), "marks": marks}
        )


def content_sha256(ct: Volume) -> str:
    """Return what identifies a CT whatever file it came from: the SHA-256 of its voxels in canonical axes.

    Neither the order and flips of the axes nor the place in the room change it.

    Parameters
    ----------
    ct : Volume
        HU as they are stored.
    """
    canonical = ct.canonical()[0]
    digest = hashlib.sha256(repr((canonical.voxels.dtype.str, canonical.geometry.size_ijk)).encode())
    for part in canonical.voxels:  # slice by slice: turned axes are copied one slice at a time
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


def case_name(content: str) -> str:
    """Return the name of a case from its content's hash.

    Examples
    --------
    >>> case_name("0123456789abcdef")
    'case_0123456789ab'
    """
    return f"case_{content[:_NAME_DIGITS]}"


def identifier_sha256(identifier: str) -> str:
    """Return the SHA-256 of a DICOM identifier, empty for none.

    A UID is long and random enough that its hash cannot be turned back by trying; a patient's number is not, which
    is why none is asked for.
    """
    text = identifier.strip()
    return hashlib.sha256(text.encode()).hexdigest() if text else ""
