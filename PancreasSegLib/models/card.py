"""A new model card and new scores for a package that is there, as when it was measured once more."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PancreasSegLib.models.checksums import SUMS_FILE, read_checksums, verify_package, write_checksums
from PancreasSegLib.models.metadata import METADATA_FILE, load_package
from PancreasSegLib.models.ownership import refuse_foreign_folder
from PancreasSegLib.models.package import ModelPackage
from PancreasSegLib.storage.replacement import new_folder

CARD_FILE = "MODEL_CARD.md"


def update_package_card(
    folder: Path | str, *, model_card: str | None = None, scores: Mapping[str, Any] | None = None
) -> ModelPackage:
    r"""Replace a package's model card, its scores, or both; weights and everything else stay as they are.

    The package is written anew beside and renamed, so that a crash leaves the old one.

    Parameters
    ----------
    folder : Path or str
        The package's folder.
    model_card : str, optional
        ``MODEL_CARD.md``, Markdown.
    scores : mapping, optional
        Measured figures and on what they were measured, plain JSON; also written as MONAI's ``eval_metrics``.

    Returns
    -------
    ModelPackage
        Read back from the folder.

    Raises
    ------
    ModelPackageError
        If the package is damaged (its checksums would bless the damage), or the scores are no JSON.
    OutputError
        If it cannot be written.

    Examples
    --------
    >>> update_package_card("models/mine", model_card="# Mine\n", scores={"dice": 0.81})  # doctest: +SKIP
    """
    folder = Path(folder)
    load_package(folder)
    verify_package(folder)
    with new_folder(folder, True, refuse_foreign_folder) as part:
        for name in (*read_checksums(folder), SUMS_FILE):
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, part / name)
        if model_card is not None:
            (part / CARD_FILE).write_text(model_card, encoding="utf-8", newline="\n")
        if scores is not None:
            _replace_scores(part / METADATA_FILE, dict(scores))
        write_checksums(part)
        load_package(part)
    return load_package(folder)


def _replace_scores(path: Path, scores: dict[str, Any]) -> None:
    from PancreasSegLib.models.write import write_json

    metadata = json.loads(path.read_text(encoding="utf-8"))
    metadata["eval_metrics"] = metadata["pancreasseg"]["scores"] = scores
    write_json(path, metadata)
