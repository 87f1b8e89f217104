"""Models of other programs that lie on this computer already."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PancreasSegLib.errors import PancreasSegError
from PancreasSegLib.models.imports.auto3dseg import find_auto3dseg, label_names
from PancreasSegLib.models.imports.bundle_config import INFERENCE_FILES, read_config
from PancreasSegLib.models.imports.nnunet_folder import find_trainings
from PancreasSegLib.models.imports.organs import usual_organs
from PancreasSegLib.models.metadata import METADATA_FILE

_MOST_FOLDERS = 500


@dataclass(frozen=True)
class FoundModel:
    """A model of another program.

    Attributes
    ----------
    path : Path
        What `PancreasSegLib.models.imports.import_model` takes.
    kind : str
        ``"nnU-Net v2 model"``, ``"MONAI bundle"`` or ``"Auto3DSeg model"``.
    name : str
        As its folder says.
    labels : tuple of str
        What it finds; empty where that is not told.
    place : str
        Whose folder it lies in.
    """

    path: Path
    kind: str
    name: str
    labels: tuple[str, ...]
    place: str

    @property
    def finds_pancreas(self) -> bool:
        """Whether it finds the pancreas, as far as its labels tell."""
        return "pancreas" in usual_organs(self.labels) if self.labels else False


def usual_places() -> dict[Path, str]:
    """Return the folders where other programs keep their models, there or not, and whose they are."""
    home, environment = Path.home(), os.environ
    places: dict[Path, str] = {}
    if environment.get("TOTALSEG_WEIGHTS_PATH"):
        places[Path(environment["TOTALSEG_WEIGHTS_PATH"])] = "TotalSegmentator"
    if environment.get("TOTALSEG_HOME_DIR"):
        places[Path(environment["TOTALSEG_HOME_DIR"]) / "nnunet/results"] = "TotalSegmentator"
    places[home / ".totalsegmentator/nnunet/results"] = "TotalSegmentator"
    if environment.get("nnUNet_results"):
        places[Path(environment["nnUNet_results"])] = "nnU-Net"
    places[home / ".MONAIAuto3DSeg/models"] = "MONAIAuto3DSeg"
    torch_home = (
        environment.get("TORCH_HOME") or Path(environment.get("XDG_CACHE_HOME") or home / ".cache") / "torch"
    )
    places[Path(torch_home) / "hub/bundle"] = "MONAI"
    return places


def find_models() -> list[FoundModel]:
    """Look where other programs keep their models; those with a pancreas come first."""
    found: dict[Path, FoundModel] = {}
    for folder, place in usual_places().items():
        try:
            for model in (*_trainings(folder, place), *_bundles(folder, place)):
                found.setdefault(model.path.resolve(), model)
        except OSError:  # not there, or not ours to read
            continue
    return sorted(found.values(), key=lambda model: (not model.finds_pancreas, model.name))


def _trainings(folder: Path, place: str) -> Iterator[FoundModel]:
    for training in find_trainings(folder) if folder.is_dir() else []:
        try:
            labels = read_config(training, "dataset.json").get("labels")
        except PancreasSegError:
            labels = None
        names = [str(name) for name in labels if name not in ("background", "ignore")] if labels else []
        about = f"{training.parent.name}/{training.name}" if training != folder else training.name
        yield FoundModel(training, "nnU-Net v2 model", about, tuple(names), place)


def _bundles(folder: Path, place: str) -> Iterator[FoundModel]:
    inside = [p for p in sorted(folder.iterdir())[:_MOST_FOLDERS] if p.is_dir()] if folder.is_dir() else []
    for bundle in (folder, *inside):
        if find_auto3dseg(bundle) == bundle:
            yield FoundModel(bundle, "Auto3DSeg model", bundle.name, label_names(bundle), place)
            continue
        if not any((bundle / name).is_file() for name in INFERENCE_FILES):
            continue
        try:
            names = _channel_names(bundle)
        except PancreasSegError:
            names = ()
        yield FoundModel(bundle, "MONAI bundle", bundle.name, names, place)


def _channel_names(bundle: Path) -> tuple[str, ...]:
    found: Any = read_config(bundle, METADATA_FILE)
    for name in ("network_data_format", "outputs", "pred", "channel_def"):
        found = found.get(name) if isinstance(found, dict) else {}
    names = found.values() if isinstance(found, dict) else ()
    return tuple(str(name) for name in names if str(name).casefold() != "background")
