"""Datasets as others have published them, one adapter a file; a new file here is a new format.

An adapter's file defines ``ADAPTER``, an object with the attributes of `DatasetAdapter`.
"""

from __future__ import annotations

import difflib
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from PancreasSegLib.data.adapters.source_case import LabelReading, Remark, SourceCase
from PancreasSegLib.data.adapters.survey import DatasetAdapter, LeftOut, SourceOptions, Survey
from PancreasSegLib.errors import DatasetError

__all__ = [
    "DatasetAdapter",
    "LabelReading",
    "LeftOut",
    "Remark",
    "SourceCase",
    "SourceOptions",
    "Survey",
    "all_adapters",
    "find_adapter",
    "survey",
]


def all_adapters() -> dict[str, DatasetAdapter]:
    """Return the adapters by name, sorted.

    Examples
    --------
    >>> {"nih", "msd", "folder"} <= set(all_adapters())
    True
    """
    modules = (import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__))
    found: list[DatasetAdapter] = [module.ADAPTER for module in modules if hasattr(module, "ADAPTER")]
    return {adapter.name: adapter for adapter in sorted(found, key=lambda adapter: adapter.name)}


def find_adapter(name: str) -> DatasetAdapter:
    """Return the adapter of a format.

    Raises
    ------
    DatasetError
        If there is none of that name.
    """
    adapters = all_adapters()
    if name in adapters:
        return adapters[name]
    near = difflib.get_close_matches(name.lower(), adapters, 1)
    raise DatasetError(
        f"There is no dataset format {name!r}{f'; perhaps {near[0]!r}' if near else ''}.",
        f"The formats are {', '.join(adapters)}.",
    )


def survey(name: str, root: str | Path, options: SourceOptions | None = None) -> Survey:
    """List the cases of a downloaded dataset; no image is read.

    Parameters
    ----------
    name : str
        The format, one of `all_adapters`.
    root : str or Path
        Its folder (for ``folder`` a CSV file, too).
    options : SourceOptions, optional

    Returns
    -------
    Survey

    Raises
    ------
    DatasetError
        If the format is unknown, the folder is not what it expects, or an option is not for it.
    """
    adapter = find_adapter(name)
    options = options or SourceOptions()
    if foreign := options.given - adapter.options:
        heeded = f"{name} heeds {', '.join(sorted(adapter.options))}" if adapter.options else f"{name} heeds none"
        raise DatasetError(f"{name} has no use for {', '.join(sorted(foreign))}.", f"Leave it out; {heeded}.")
    return adapter.survey(Path(root).expanduser(), options)
