"""Where the numbers lie in a safetensors file, found without PyTorch.

The format: eight bytes with the length of a header, the header in JSON, then the numbers of all tensors in a row;
https://huggingface.co/docs/safetensors.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from PancreasSegLib.errors import ModelPackageError

_LONGEST_HEADER = 100 << 20
_BYTES = {"F16": 2, "BF16": 2, "F32": 4, "F64": 8, "I8": 1, "U8": 1, "BOOL": 1, "I16": 2, "I32": 4, "I64": 8}
_EXPONENT = {2: np.uint16(0x7C00), 4: np.uint32(0x7F800000)}  # all ones in what is infinite or not a number


@dataclass(frozen=True)
class TensorPlace:
    """A tensor in a file.

    Attributes
    ----------
    dtype : str
        As the format names it, ``"F16"`` for instance.
    shape : tuple of int
        Its sizes.
    offset, length : int
        Its first byte, counted from the beginning of the file, and its bytes.
    """

    dtype: str
    shape: tuple[int, ...]
    offset: int
    length: int


def tensor_places(path: Path) -> dict[str, TensorPlace]:
    """Read which tensors a file holds.

    Raises
    ------
    ModelPackageError
        If it is no safetensors file.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > min(_LONGEST_HEADER, path.stat().st_size):
                raise ValueError("its header is longer than the file")
            header = json.loads(file.read(length))
        return _checked(header, 8 + length, path.stat().st_size)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ModelPackageError(f"{path} is not a safetensors file: {error}.") from error


def _checked(header: dict[str, dict], first: int, size: int) -> dict[str, TensorPlace]:
    found = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = (int(n) for n in entry["data_offsets"])
        place = TensorPlace(entry["dtype"], tuple(int(n) for n in entry["shape"]), first + begin, end - begin)
        if begin < 0 or first + end > size or any(n < 0 for n in place.shape):
            raise ValueError(f"{name} lies outside of it")
        if _BYTES[place.dtype] * math.prod(place.shape) != place.length:
            raise ValueError(f"{name} has another size than its shape says")
        found[name] = place
    return found


def check_finite_file(path: Path) -> None:
    """Refuse weights that are not numbers.

    Raises
    ------
    ModelPackageError
        If the file is no safetensors file, or any value in it is NaN or infinite; the sentence names the tensor.
    """
    content = np.memmap(path, dtype=np.uint8, mode="r")
    for name, place in tensor_places(path).items():
        if place.dtype not in ("F16", "F32") or not place.length:
            continue
        width = _BYTES[place.dtype]
        bits = content[place.offset : place.offset + place.length].view(f"<u{width}")
        if int((bits & _EXPONENT[width]).max()) == _EXPONENT[width]:
            raise ModelPackageError(f"{path} holds NaN or infinite values in {name}.", "The training went wrong.")
