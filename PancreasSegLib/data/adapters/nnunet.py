"""nnU-Net's raw format, both versions: ``DatasetXXX_Name`` and ``TaskXXX_Name``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PancreasSegLib.data.adapters.msd import read_json
from PancreasSegLib.data.adapters.source_case import LabelMapCase
from PancreasSegLib.data.adapters.survey import LeftOut, SourceOptions, Survey
from PancreasSegLib.data.adapters.tree import checked_root, image_files, inner_root, stem, wrong_tree
from PancreasSegLib.data.dataset import DATASET_FILE
from PancreasSegLib.errors import DatasetError

_IGNORE = "ignore"


class NnunetAdapter:
    """Takes the one CT channel of each case; regions (labels of several values) are understood."""

    name = "nnunet"
    title = "an nnU-Net raw dataset"
    expects = "DatasetXXX_Name with dataset.json, imagesTr (CASE_0000.nii.gz ...) and labelsTr (CASE.nii.gz ...)"
    options: frozenset[str] = frozenset()

    def survey(self, root: Path, options: SourceOptions) -> Survey:
        """List the training cases."""
        root = checked_root(self, root)
        folder = inner_root(root, (DATASET_FILE, "imagesTr", "labelsTr"))
        if folder is None:
            missing = next((p for p in (DATASET_FILE, "imagesTr", "labelsTr") if not (root / p).exists()), "")
            raise wrong_tree(self, root, missing)
        content = read_json(folder / DATASET_FILE)
        values = _values(content, folder)
        channel = _ct_channel(content, folder)
        images, labels = _listed(content, folder, channel) or (
            {
                stem(path).removesuffix(channel): path
                for path in image_files(folder / "imagesTr")
                if stem(path).endswith(channel)
            },
            {stem(path): path for path in image_files(folder / "labelsTr")},
        )
        if not images.keys() & labels.keys():
            raise wrong_tree(self, folder, f"image CASE{channel}.nii.gz with a label CASE.nii.gz")
        structures = tuple(values)
        cases = tuple(
            LabelMapCase(name, name, structures, images[name], labels[name], values)
            for name in sorted(images.keys() & labels.keys())
        )
        left_out = [
            LeftOut(name, "no-label" if name in images else "no-ct", "Its partner is not there.")
            for name in sorted(images.keys() ^ labels.keys())
        ]
        licence = str(content.get("licence", content.get("license", "")))
        title = str(content.get("name", folder.name))
        return Survey(title, licence, str(content.get("reference", "")), structures, cases, tuple(left_out))


def _listed(
    content: Mapping[str, Any], folder: Path, channel: str
) -> tuple[dict[str, Path], dict[str, Path]] | None:
    """Return images and labels by case of a description that lists them under "dataset", wherever they are."""
    listed = content.get("dataset")
    if not isinstance(listed, dict) or not listed:
        return None
    images, labels = {}, {}
    try:
        for name, entry in listed.items():
            paths = [folder / text.replace("\\", "/") for text in entry["images"]]
            images[name] = next((path for path in paths if stem(path).endswith(channel)), paths[0])
            labels[name] = folder / entry["label"].replace("\\", "/")
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise DatasetError(f"The cases in {folder / DATASET_FILE} are not understood: {error!r}.") from error
    return images, labels


def _values(content: Mapping[str, Any], folder: Path) -> dict[str, tuple[int, ...]]:
    """Return the values of each label or region, background left out."""
    raw = content.get("labels")
    named: dict[str, tuple[int, ...]]
    try:
        assert isinstance(raw, dict)
        if raw and all(str(key).isdigit() for key in raw):
            named = {str(name): (int(value),) for value, name in raw.items()}
        else:
            named = {
                str(name): tuple(int(v) for v in value) if isinstance(value, (list, tuple)) else (int(value),)
                for name, value in raw.items()
            }
    except (AssertionError, TypeError, ValueError) as error:
        raise DatasetError(f"The labels in {folder / DATASET_FILE} are not understood: {raw!r}.") from error
    if _IGNORE in named:
        raise DatasetError(
            f"{folder.name} has an ignore label, and voxels that nobody has read cannot be kept apart here.",
            "Give a dataset that was read throughout.",
        )
    return {name: value for name, value in named.items() if value != (0,)}


def _ct_channel(content: Mapping[str, Any], folder: Path) -> str:
    """Return the ending of the CT's files, such as ``_0000``."""
    channels = content.get("channel_names", content.get("modality", {"0": "CT"}))
    names = {int(number): str(name) for number, name in dict(channels).items()}
    cts = [number for number, name in names.items() if name.strip().upper().startswith("CT")]
    if len(cts) != 1:
        listed = ", ".join(names.values())
        raise DatasetError(
            f"{folder.name} has {'no' if not cts else 'several'} CT channel{'s' if cts else ''} ({listed}).",
            'Its dataset.json names the channels; one has to be "CT".',
        )
    return f"_{cts[0]:04d}"


ADAPTER = NnunetAdapter()
