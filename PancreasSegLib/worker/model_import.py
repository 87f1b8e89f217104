"""The worker's import of models: in a process of its own, as reading one needs PyTorch and much memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from PancreasSegLib.errors import UndecidedModelError
from PancreasSegLib.packages import require
from PancreasSegLib.progress import ProgressCallback, ProgressEvent
from PancreasSegLib.worker.parameters import Params, value_of

_FETCHING = 0.9
"""Share of the work that is fetching, where a model is fetched."""


def import_model(params: Params, report: ProgressCallback, check: Callable[[], None]) -> dict[str, Any]:
    """Import a model and say what it became, or what the user must choose first.

    Parameters
    ----------
    params : dict
        See `PancreasSegLib.worker.WorkerClient.import_model`.
    report : callable
        Takes progress.
    check : callable
        Raises if the request was cancelled.

    Raises
    ------
    PancreasSegError
        As `PancreasSegLib.models.imports.import_model` and
        `PancreasSegLib.models.catalogue.get_model` say.
    """
    from PancreasSegLib.models import imports

    public = value_of(params, "public", str, "")
    try:
        if public:
            may = {name: value_of(params, name, bool, False) for name in ("force", "trust")}
            found = _fetched(public, report, check, **may)
        else:
            report(ProgressEvent("import", 0.0, None, "importing the model"))
            found = imports.import_model(
                value_of(params, "source", str),
                organs=[str(name) for name in value_of(params, "organs", list, [])],
                training=value_of(params, "training", str, ""),
                trust=value_of(params, "trust", bool, False),
                force=value_of(params, "force", bool, False),
            )
    except UndecidedModelError as error:
        return {"what": error.what, "names": list(error.names), "sentence": error.message}
    package = found.package
    return {"name": package.name, "kind": found.kind, "labels": list(package.labels), "notes": found.notes}


def _fetched(name: str, report: ProgressCallback, check: Callable[[], None], *, force: bool, trust: bool) -> Any:
    """Fetch a model of the catalogue and import it."""
    from PancreasSegLib.models.catalogue import get_model, public_model

    require("torch", "The import of a model")
    start = time.monotonic()

    def on_fraction(share: float) -> None:
        check()
        left = (time.monotonic() - start) * (1.0 / share - 1.0) if share else None
        report(ProgressEvent("fetch", _FETCHING * share, left, "fetching the model"))

    return get_model(public_model(name), force=force, trust=trust, on_fraction=on_fraction)
