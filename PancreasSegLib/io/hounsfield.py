"""Whether voxels are Hounsfield units, and the smallest type that holds them."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.errors import InvalidVoxelsError, NotACTError

_log = logging.getLogger(__name__)

AIR_HU = -1024
"""What invalid voxels become: the floor of the usual 12-bit CT scale."""

ASSUMED = "assumed-ct"
"""The code of the warning about an image that does not look like a CT and was read as one."""

_LEAST_SHIFTED = -150  # air in HU + 1024 lies near 24, its noise well above this
_INT16 = np.iinfo(np.int16)
_BODY_HU = -300  # above lung and air, below fat; also above the floor of clipped data only where there is tissue
_INVALID_LIMIT = 0.01
_ASSUME = "If it is a CT all the same, say so with --assume-ct (in Python: assume_ct=True)."


def as_hounsfield(voxels: NDArray) -> NDArray:
    """Return the voxels as int16 where all values are whole and fit, else as float32; slice by slice.

    Parameters
    ----------
    voxels : ndarray, shape (z, y, x)
        Finite numbers of any type.
    """
    if voxels.dtype in (np.int16, np.int8, np.uint8):
        return voxels.astype(np.int16, copy=False)
    result = np.empty(voxels.shape, dtype=np.int16)
    for part, out in zip(voxels, result, strict=True):
        if part.min() < _INT16.min or part.max() > _INT16.max:
            return voxels.astype(np.float32, copy=False)
        out[...] = part
        if voxels.dtype.kind == "f" and not np.array_equal(out, part):
            return voxels.astype(np.float32, copy=False)
    return result


def without_invalid(voxels: NDArray, what: str) -> tuple[NDArray, list[dict[str, str]]]:
    """Turn a few NaN or infinite voxels into air; refuse many inside the body.

    A voxel counts as inside the body when tissue lies on both sides of it along any axis, so padding around the
    scanner's field of view does not count, while a hole or a lost slice does.

    Parameters
    ----------
    voxels : ndarray, shape (z, y, x)
        HU.
    what : str
        Names the image in sentences.

    Returns
    -------
    voxels : ndarray
        The same array when all is finite, else a copy with air (-1024 HU) in the invalid places.
    warnings : list of dict
        ``{"code", "sentence"}`` for the report; empty when all is finite.

    Raises
    ------
    InvalidVoxelsError
        If more than 1 % of the body's voxels, or all voxels, are invalid.
    """
    if voxels.dtype.kind != "f":
        return voxels, []
    # A sum is finite unless something in it is not (or it overflows): one cheap pass for the usual case.
    with np.errstate(all="ignore"):
        if np.isfinite(voxels.sum(dtype=np.float64)):
            return voxels, []
        invalid = ~np.isfinite(voxels)
        tissue = np.where(invalid, False, voxels > _BODY_HU)
    count = int(invalid.sum())
    if count == 0:
        return voxels, []
    inside = _between(tissue) & invalid
    body = int(tissue.sum()) + int(inside.sum())
    fraction = float(inside.sum()) / body if body else 1.0
    if fraction > _INVALID_LIMIT:
        raise InvalidVoxelsError(
            f"{fraction:.1%} of the voxels inside the body in {what} are NaN or infinite.",
            "Export the scan again; at most 1 % may be invalid.",
        )
    sentence = f"{count} NaN or infinite voxels in {what} were taken as air ({AIR_HU} HU)."
    _log.warning(sentence)
    return np.where(invalid, voxels.dtype.type(AIR_HU), voxels), [{"code": "invalid-voxels", "sentence": sentence}]


def with_offset(voxels: NDArray, offset: float) -> NDArray:
    """Return HU with a number added to all of them, in int16 where they fit; padding stays at its lower end."""
    if not offset:
        return voxels
    shifted = voxels.astype(np.float32) + np.float32(offset)
    return as_hounsfield(np.maximum(shifted, _INT16.min, out=shifted))


def judged_ct(voxels: NDArray, what: str, *, assume_ct: bool) -> list[dict[str, str]]:
    """Check that voxels are HU; where the user says so against appearances, return a warning that says it, too.

    Raises
    ------
    NotACTError
        If they do not look like it, and `assume_ct` is off.
    """
    try:
        check_ct(voxels, what)
    except NotACTError as error:
        if not assume_ct:
            raise
        sentence = f"{error.message} It was read as a CT in HU all the same, because that was asked for."
        _log.info(sentence)
        return [{"code": ASSUMED, "sentence": sentence}]
    return []


def check_ct(voxels: NDArray, what: str) -> None:
    """Refuse an image whose values cannot be Hounsfield units: MR, a mask, a picture, a normalised image.

    A CT has soft tissue (-150 to 300 HU), values well below zero and few above 1500, and it shows one of: air near
    -1000, a floor at which many voxels were padded or clipped, or (cropped inside the body) mostly soft tissue.

    Parameters
    ----------
    voxels : ndarray, shape (z, y, x)
    what : str
        Names the image in the sentence.

    Raises
    ------
    NotACTError
        If the values are not those of a CT.
    """
    steps = tuple(
        slice(None, None, max(1, n // limit)) for n, limit in zip(voxels.shape, (64, 128, 128), strict=True)
    )
    sample = voxels[steps]
    low, high = float(sample.min()), float(sample.max())
    span = f"{low:g} to {high:g}"
    if high - low < 20:
        raise NotACTError(
            f"{what} holds no CT: its values are nearly all the same ({span}).", "Give another file."
        )
    if _looks_shifted(sample, low):
        raise NotACTError(
            f"{what} looks like HU + 1024: its values ({span}) have soft tissue near 1064 and air near 24, so the"
            " rescale intercept was lost.",
            "Give --hu-offset -1024 (in Python: hu_offset=-1024), or subtract 1024 first.",
        )
    if low > -50:
        raise NotACTError(
            f"{what} does not look like a CT in Hounsfield units: it has no air or fat, its values are {span}"
            " (an MR, a mask, or a CT whose rescale intercept was lost).",
            _ASSUME,
        )
    tissue = float(np.mean((sample >= -150) & (sample <= 300)))
    dark = float(np.mean(sample < -50))
    air = float(np.mean((sample >= -1100) & (sample <= -850)))
    floor = float(np.mean(sample <= low + 2))
    bright = float(np.mean(sample > 1500))  # metal and dense bone only
    is_ct = tissue >= 0.01 and dark >= 0.005 and bright < 0.1 and (max(air, floor) >= 0.005 or tissue >= 0.4)
    if not is_ct:
        raise NotACTError(
            f"{what} does not look like a CT in Hounsfield units: of its values ({span}) {tissue:.0%} are soft"
            f" tissue and {air:.0%} are air.",
            _ASSUME,
        )


def _looks_shifted(sample: NDArray, low: float) -> bool:
    """Whether tissue lies where HU + 1024 has it and nothing but padding lies below its air."""
    inside = sample[sample > low + 2] if low < _LEAST_SHIFTED else sample
    if not inside.size:
        return False
    below = float(np.mean(inside < _LEAST_SHIFTED))
    return below < 0.001 and float(np.mean((inside >= 850) & (inside <= 1350))) >= 0.1


def _between(tissue: NDArray[Any]) -> NDArray[np.bool_]:
    """Return the voxels with tissue on both sides along at least one axis."""
    inside = np.zeros(tissue.shape, dtype=bool)
    for axis in range(3):
        before = np.logical_or.accumulate(tissue, axis=axis)
        after = np.flip(np.logical_or.accumulate(np.flip(tissue, axis), axis=axis), axis)
        inside |= before & after
    return inside
