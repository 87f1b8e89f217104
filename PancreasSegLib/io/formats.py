"""The file formats, by the extension of the name."""

from __future__ import annotations

from pathlib import Path

NIFTI = (".nii.gz", ".nii", ".hdr", ".img")
NRRD = (".nrrd", ".nhdr", ".seg.nrrd")

READABLE_IMAGES = (*NIFTI, ".nrrd", ".nhdr", ".mha", ".mhd")
"""Image files that `read_volume` reads (DICOM and zip are told by their content)."""

WRITABLE_MASKS = (".nii.gz", ".nii", ".seg.nrrd", ".nrrd", ".mha", ".dcm")
"""Extensions that `write_mask` knows; each is one file, so that it can be replaced in one step."""

WRITABLE_VOLUMES = (".nii.gz", ".nii", ".nrrd", ".mha")
"""Extensions that `write_volume` knows."""

_TWO_PART = (".nii.gz", ".seg.nrrd")


def extension_of(path: str | Path) -> str:
    """Return the extension in lower case, two-part ones whole.

    Examples
    --------
    >>> extension_of("scan.A.NII.gz"), extension_of("m.seg.nrrd"), extension_of("IM0001")
    ('.nii.gz', '.seg.nrrd', '')
    """
    name = Path(path).name.lower()
    return next((ext for ext in _TWO_PART if name.endswith(ext)), Path(name).suffix)
