"""Write masks and other volumes on the grid they belong to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import GeometryError, OutputError, PancreasSegError
from PancreasSegLib.io.atomic import atomic_path, check_writable
from PancreasSegLib.io.formats import NIFTI, WRITABLE_MASKS, WRITABLE_VOLUMES, extension_of
from PancreasSegLib.io.input_files import inputs_of
from PancreasSegLib.io.itk_image import array_of, image_of, quiet_stderr, simple_itk
from PancreasSegLib.io.nifti_file import read_header, read_voxels, write_nifti
from PancreasSegLib.io.nifti_header import NiftiHeader
from PancreasSegLib.volume import Geometry, Volume


def write_mask(
    path: str | Path,
    mask: NDArray,
    geometry: Geometry,
    *,
    labels: dict[str, int] | None = None,
    source: Volume | None = None,
) -> None:
    """Write a mask on its own grid, in the format that the extension names; whole or not at all.

    Parameters
    ----------
    path : str or Path
        ``.nii.gz``, ``.nii``, ``.nrrd``, ``.mha``: a label map. ``.seg.nrrd``: a segmentation of 3D Slicer with
        name, colour and SNOMED CT terminology. ``.dcm``: a DICOM segmentation, where the CT was DICOM.
    mask : ndarray, shape (z, y, x)
        Label values 0 to 255, or bool.
    geometry : Geometry
        The grid of the mask, which is the CT's.
    labels : dict, optional
        Name to value; ``{"pancreas": 1}`` if omitted.
    source : Volume, optional
        The CT as `read_volume` gave it: a DICOM segmentation refers to its slices, a NIfTI mask keeps the
        q-form, s-form and codes of a NIfTI file, and its file is never overwritten.

    Raises
    ------
    OutputError
        If the extension is unknown, the file cannot be written, or a DICOM segmentation was asked for a CT that
        was not DICOM.
    GeometryError
        If the mask's shape is not that of the grid.
    MissingPackageError
        If a DICOM segmentation was asked and highdicom is not installed.

    Examples
    --------
    >>> import tempfile
    >>> geometry = Geometry((16, 12, 10), (0.8, 0.8, 2.5), (-90.0, -120.0, 40.0))
    >>> mask = np.zeros(geometry.shape_zyx, np.uint8)
    >>> mask[4:6, 3:8, 5:11] = 1
    >>> path = Path(tempfile.mkdtemp()) / "case_pancreas.seg.nrrd"
    >>> write_mask(path, mask, geometry)
    >>> path.exists()
    True
    """
    values = np.asarray(mask)
    if values.dtype != np.uint8:
        if values.size and (values.min() < 0 or values.max() > 255):
            raise OutputError("A mask holds label values from 0 to 255.", "Renumber the labels.")
        values = values.astype(np.uint8)
    if tuple(values.shape) != geometry.shape_zyx:
        raise GeometryError(
            f"A mask of shape {tuple(values.shape)} (z, y, x) does not fit a grid of {geometry.size_ijk} voxels."
        )
    labels = labels or {"pancreas": 1}
    check_writable(path, WRITABLE_MASKS, inputs=[] if source is None else inputs_of(source))
    extension = extension_of(path)
    if extension == ".dcm":
        from PancreasSegLib.io.dicom_seg import write_dicom_seg

        write_dicom_seg(Path(path), values, geometry, labels, source)
    elif extension == ".seg.nrrd":
        from PancreasSegLib.io.seg_nrrd import segmentation_fields

        _write_image(path, values, geometry, segmentation_fields(values, geometry, labels))
    elif extension in NIFTI:
        _write_nifti(path, values, geometry, _forms(source, geometry))
    else:
        _write_image(path, values, geometry)


def check_mask_output(path: str | Path, ct: Volume) -> None:
    """Refuse, before a long run, a mask file that the CT does not allow.

    Raises
    ------
    OutputError
        If a DICOM segmentation is wanted and the CT was not DICOM, or its headers allow none.
    MissingPackageError
        If highdicom is not installed.
    """
    if extension_of(path) == ".dcm":
        from PancreasSegLib.io.dicom_seg import check_dicom_seg

        check_dicom_seg(Path(path), ct)


def write_volume(path: str | Path, volume: Volume) -> None:
    """Write voxels of any type on their grid: a probability crop, a box, a tissue map, a CT.

    Parameters
    ----------
    path : str or Path
        ``.nii.gz``, ``.nii``, ``.nrrd`` or ``.mha``.
    volume : Volume
        float16 becomes float32 and bool becomes uint8, which these formats know.

    Raises
    ------
    OutputError
        If the extension is unknown or the file cannot be written.
    """
    check_writable(path, WRITABLE_VOLUMES)
    voxels = volume.voxels
    if voxels.dtype == np.float16:
        voxels = voxels.astype(np.float32)
    elif voxels.dtype == bool:
        voxels = voxels.astype(np.uint8)
    if extension_of(path) in NIFTI:
        _write_nifti(path, voxels, volume.geometry)
    else:
        _write_image(path, voxels, volume.geometry)


def _forms(source: Volume | None, geometry: Geometry) -> NiftiHeader | None:
    """Return the header of a CT that was read from NIfTI, where its forms are sound and state the mask's grid."""
    if source is None or f".{source.source.get('format', '')}" not in NIFTI:
        return None
    try:
        header = read_header(Path(source.source["path"]))
        sound = header.has_sform or header.sform_code <= 0
        return header if sound and header.grid("the CT")[0].matches(geometry) else None
    except (OSError, PancreasSegError):  # it is gone, or another by now
        return None


def _write_nifti(path: str | Path, array: NDArray, geometry: Geometry, forms: NiftiHeader | None = None) -> None:
    """Write to a temporary name, see that all of it is there, and rename."""
    with atomic_path(path) as temporary:
        try:
            write_nifti(temporary, array, geometry, forms)
            _check_written(temporary, array)
        except (OSError, PancreasSegError) as error:
            raise _not_whole(path) from error


def _write_image(
    path: str | Path, array: NDArray, geometry: Geometry, fields: dict[str, str] | None = None
) -> None:
    """Write with ITK to a temporary name, see that all of it is there, and rename."""
    sitk = simple_itk()
    image = image_of(array, geometry)
    for key, text in (fields or {}).items():
        image.SetMetaData(key, text)
    with atomic_path(path) as temporary:
        try:
            with quiet_stderr():
                sitk.WriteImage(image, str(temporary), useCompression=True)
                _check_written(temporary, array)
        except (RuntimeError, OSError, PancreasSegError) as error:
            raise _not_whole(path) from error


def _not_whole(path: str | Path) -> OutputError:
    return OutputError(
        f"{str(path)!r} could not be written whole; the disk may be full.",
        "Free some space or write to another disk.",
    )


def _check_written(temporary: Path, array: NDArray) -> None:
    """Refuse a file that a full disk cut short, which ITK reports for some formats only."""
    if extension_of(temporary) in NIFTI:
        stored = read_voxels(temporary, read_header(temporary))
    else:
        stored = array_of(simple_itk().ReadImage(str(temporary)))
    if not np.array_equal(stored, array, equal_nan=array.dtype.kind == "f"):
        raise OSError("what was written differs from what is on the disk")
