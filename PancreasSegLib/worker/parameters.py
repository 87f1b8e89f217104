"""The parameters of a request, checked."""

from __future__ import annotations

from typing import Any

from PancreasSegLib.volume import Box
from PancreasSegLib.worker.protocol import INVALID_PARAMS, ProtocolError

Params = dict[str, Any]

_REQUIRED: Any = object()


def value_of(params: Params, name: str, kind: type | tuple[type, ...], default: Any = _REQUIRED) -> Any:
    """Return a parameter of the right type.

    Parameters
    ----------
    params : dict
    name : str
    kind : type or tuple of types
        What it may be; a boolean is no number.
    default : object, optional
        For a parameter that is not there; without it, that is an error.

    Raises
    ------
    ProtocolError
        If it is missing or of another type.
    """
    value = params.get(name, default)
    if value is _REQUIRED:
        raise ProtocolError(INVALID_PARAMS, f"The parameter {name!r} is missing.")
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if value is default:
        return value
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        names = " or ".join(k.__name__ for k in kinds)
        shown = repr(value) if len(repr(value)) < 200 else f"{repr(value)[:200]}…"
        raise ProtocolError(INVALID_PARAMS, f"The parameter {name!r} is {shown}, not of the type {names}.")
    return value


def box_of(value: Any, name: str) -> Box:
    """Return a box from its JSON form.

    Raises
    ------
    ProtocolError
        If it is none.
    """
    try:
        return Box.from_json(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise ProtocolError(
            INVALID_PARAMS, f"The parameter {name!r} is a box, [[i0, i1], [j0, j1], [k0, k1]]."
        ) from error


def roi_of(params: Params) -> Any:
    """Return the region: a word, or a box.

    Raises
    ------
    ProtocolError
        If it is neither.
    """
    value = params.get("roi", "auto")
    if isinstance(value, str):
        return value
    try:
        return box_of(value, "roi")
    except ProtocolError as error:
        raise ProtocolError(
            INVALID_PARAMS, "The parameter 'roi' is 'auto', 'none' or [[i0, i1], [j0, j1], [k0, k1]]."
        ) from error
