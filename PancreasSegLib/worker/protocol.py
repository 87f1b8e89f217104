"""The lines between client and worker: JSON-RPC 2.0, one object a line.

=============  ==================================================  ================================================
method         parameters                                          result
=============  ==================================================  ================================================
hello          protocol, folder                                    protocol, version, pid, methods
load_model     model, device                                       model, version, device, precision, threads, ...
set_volume     hash, array (left out when the hash is known)       volume, known
forecast       volume, model, device, roi                          fields of ``Forecast`` and its sentence
propose_roi    volume                                              ``RoiProposal.to_json()``
segment        volume, model, device, roi, allow_empty,            mask, box_ijk, geometry, labels, statistics,
               probability                                         warnings, timings, provenance, roi, probability
refine         volume, session, revision or open, edits, marks     session, revision, box_ijk, mask, marks,
                                                                   added_ml, removed_ml, seconds
learn          as refine without marks; model, device, label       as refine; probability
devices                                                            list of name and label
release        volume or session                                   released
shutdown                                                           none; the process ends after the answer
=============  ==================================================  ================================================

``refine`` works on a correction that the worker holds at a ``revision``, or takes ``open``, the whole state:
``{"box_ijk", "mask", "marks", "probability"}``, where the last two may be left out. ``edits`` are parts of the
state that its owner changed since: with ``marks`` they are set as they are, without them what differs is truth.
Then ``marks`` are added together: ``{"kind": "scribble|point|region|slice", "include": bool}`` with
``points_lps``, ``radius_mm`` and perhaps ``normal_lps``, or with ``box_ijk`` and an ``array`` of nonzero voxels. A
confirmed slice is always an array, includes, and may be all zero: what is zero in its box, one voxel thick, is
no organ. The answer holds what changed, inside one box; none without marks. A worker that does not hold the
correction at that revision refuses with the code ``correction-lost``, and its owner opens it again.

``learn`` lets a copy of the model learn the patient from all marks of a correction, and outlines the organ anew;
its ``probability`` takes the place of the correction's. ``label`` may be left out.

``cancel {request}`` is a notification to the worker, ``progress {request, stage, fraction, seconds_left,
message}`` one from it. An array is ``{"npy": file name in the folder, "geometry": {...}}``. An error's ``data``
holds the code and hint of a `PancreasSegError`, and the path of the log.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, BinaryIO

import numpy as np

from PancreasSegLib.errors import PancreasSegError

PROTOCOL_VERSION = 1

LONGEST_LINE = 1 << 22
"""Bytes; a longer line is skipped as a whole, so that nothing can fill the memory."""

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
FAILED = -32000
CANCELLED = -32800


class ProtocolError(Exception):
    """A message that cannot be obeyed as it is.

    Parameters
    ----------
    rpc_code : int
        JSON-RPC's number.
    message : str
        One sentence.
    """

    def __init__(self, rpc_code: int, message: str) -> None:
        super().__init__(message)
        self.rpc_code, self.message = rpc_code, message


def request_line(number: int, method: str, params: dict[str, Any]) -> bytes:
    """Return a request as a line."""
    return _line({"id": number, "method": method, "params": params})


def notification_line(method: str, params: dict[str, Any]) -> bytes:
    """Return a notification as a line."""
    return _line({"method": method, "params": params})


def result_line(number: Any, result: Any) -> bytes:
    """Return an answer as a line."""
    return _line({"id": number, "result": result})


def error_line(number: Any, rpc_code: int, message: str, data: dict[str, Any] | None = None) -> bytes:
    """Return a refusal as a line."""
    error: dict[str, Any] = {"code": rpc_code, "message": message}
    if data is not None:
        error["data"] = data
    return _line({"id": number, "error": error})


def _line(content: dict[str, Any]) -> bytes:
    # Escaped to ASCII, so that file names that are no valid UTF-8 survive.
    return json.dumps({"jsonrpc": "2.0", **plain(content)}, allow_nan=False).encode("ascii") + b"\n"


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it: lists for tuples and arrays, null for NaN and infinities.

    Examples
    --------
    >>> plain({"a": (1, float("nan")), 2: np.float32(0.5)})
    {'a': [1, None], '2': 0.5}
    """
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, PurePath):
        return str(value)
    return value if value is None or isinstance(value, (str, int)) else str(value)


def lines(stream: BinaryIO, longest: int = LONGEST_LINE) -> Iterator[bytes | None]:
    """Yield the lines of a stream until it ends; None for one that was too long and was skipped."""
    while line := stream.readline(longest):
        if len(line) < longest or line.endswith(b"\n"):
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(longest)
        yield None


def parse(line: bytes | None) -> dict[str, Any]:
    """Return the message of a line.

    Raises
    ------
    ProtocolError
        If it is no JSON-RPC 2.0 object.
    """
    if line is None:
        raise ProtocolError(INVALID_REQUEST, f"The line is longer than {LONGEST_LINE >> 20} MB.")
    try:
        message = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ProtocolError(PARSE_ERROR, f"The line is not JSON: {error}.") from error
    if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
        raise ProtocolError(INVALID_REQUEST, "The line is not one JSON-RPC 2.0 object.")
    return message


def error_data(error: PancreasSegError, log: str = "") -> dict[str, Any]:
    """Return what the client needs to raise the same error."""
    return {"code": error.code, "hint": error.hint, "log": log}


def error_from(answer: dict[str, Any]) -> PancreasSegError:
    """Return the error that a JSON-RPC error object tells of, of the same class as in the worker."""
    data = answer.get("data")
    data = data if isinstance(data, dict) else {}
    kind = _classes().get(str(data.get("code")), PancreasSegError)
    return kind(str(answer.get("message") or "The worker refused without a reason."), str(data.get("hint") or ""))


def _classes() -> dict[str, type[PancreasSegError]]:
    found: dict[str, type[PancreasSegError]] = {}
    todo: list[type[PancreasSegError]] = [PancreasSegError]
    while todo:
        kind = todo.pop()
        found[kind.code] = kind
        todo.extend(kind.__subclasses__())
    return found
