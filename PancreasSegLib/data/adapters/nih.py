"""NIH Pancreas-CT: 80 portal-venous CTs of healthy pancreases, DICOM or converted to NIfTI, labels apart."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from numpy.typing import NDArray

from PancreasSegLib.data.adapters.label_flip import FLIPS, find_flip, flipped
from PancreasSegLib.data.adapters.source_case import LabelMapCase, Remark
from PancreasSegLib.data.adapters.survey import LeftOut, SourceOptions, Survey
from PancreasSegLib.data.adapters.tree import checked_root, image_files, number_in, stem, subfolders, wrong_tree
from PancreasSegLib.errors import DatasetError
from PancreasSegLib.volume import Volume

_PATIENT = re.compile(r"^PANCREAS_(\d{4})$", re.IGNORECASE)
_LABEL = re.compile(r"^label_?(\d{4})\.nii(\.gz)?$", re.IGNORECASE)
_LABEL_FOLDER = "TCIA_pancreas_labels-02-05-2017"
_DEPTH = 4


@dataclass(frozen=True)
class NihCase(LabelMapCase):
    """A case whose label map runs as its converter pleased: the flip is found from the HU under the label.

    Attributes
    ----------
    flip : str, optional
        The flip, where the user has said it.
    """

    flip: str | None = None

    @property
    def settings(self) -> str:
        """The flip, where the user has said it."""
        return f"flip {self.flip}"

    def _placed(self, labels: Volume, ct: Volume) -> tuple[NDArray, tuple[Remark, ...], dict[str, str]]:
        """Lay the label map on the CT voxel by voxel, under the flip of its axes for which the HU speak."""
        if labels.geometry.size_ijk != ct.geometry.size_ijk:
            raise DatasetError(
                f"{self.label.name} has {labels.geometry.size_ijk} voxels and its CT {ct.geometry.size_ijk}.",
                "Download both again; slices may be missing.",
            )
        if self.flip is not None:
            fact = f"flip {self.flip}, as the user said"
            return flipped(labels.voxels, self.flip), (), {"label_flip": self.flip, "label_flip_evidence": fact}
        if not labels.voxels.any():
            return labels.voxels, (), {"label_flip": "none", "label_flip_evidence": "the label is empty"}
        evidence = find_flip(labels.voxels != 0, ct)
        placed = flipped(labels.voxels, evidence.flip)
        facts = {"label_flip": evidence.flip, "label_flip_evidence": evidence.sentence}
        if evidence.is_clear:
            return placed, (), facts
        sentence = f"How the label runs is not clear; look at the picture ({evidence.sentence})."
        return placed, (Remark("flip-unclear", sentence),), facts


class NihAdapter:
    """Finds the patients' folders (or converted files) and the label archive."""

    name = "nih"
    title = "NIH Pancreas-CT"
    expects = (
        "folders PANCREAS_0001 ... PANCREAS_0082 with DICOM series (or PANCREAS_0001.nii.gz ...), and the folder "
        f"{_LABEL_FOLDER} with label0001.nii.gz ..., beside them or named with --label-folder"
    )
    kin = (
        "Labelled again in AbdomenCT-1K (and so in the FLARE challenges) and in the multi-organ reference of "
        "Gibson et al. (zenodo 1169361)."
    )
    options = frozenset({"label_folder", "flip"})

    def survey(self, root: Path, options: SourceOptions) -> Survey:
        """List the patients who have a CT and a label."""
        root = checked_root(self, root)
        if options.flip is not None and options.flip not in FLIPS:
            raise DatasetError(f"{options.flip!r} is no flip.", f"One of {', '.join(FLIPS)}.")
        label_root = root if options.label_folder is None else checked_root(self, options.label_folder)
        labels = _labels(label_root)
        if not labels:
            raise wrong_tree(self, label_root, f"label0001.nii.gz in it or in {_LABEL_FOLDER}")
        scans = _scans(root, set(labels.values()))
        if not scans:
            raise wrong_tree(self, root, "folder PANCREAS_0001 and no converted CT such as PANCREAS_0001.nii.gz")
        cases, left_out = [], []
        for number in sorted(scans.keys() | labels.keys()):
            name = f"PANCREAS_{number:04d}"
            image, label = scans.get(number), labels.get(number)
            if image is None or (image.is_dir() and not _has_file(image)):
                left_out.append(_without_ct(name, image, label))
            elif label is None:
                left_out.append(LeftOut(name, "no-label", f"There is no label{number:04d}.nii.gz."))
            else:
                cases.append(NihCase(name, name, ("pancreas",), image, label, {"pancreas": (1,)}, options.flip))
        return Survey(
            self.title,
            "CC BY 3.0",
            "Roth et al., Data From Pancreas-CT, TCIA, 2016, doi:10.7937/K9/TCIA.2016.tNB1kqBU",
            ("pancreas",),
            tuple(cases),
            tuple(left_out),
            self.kin,
        )


def _without_ct(name: str, image: Path | None, label: Path | None) -> LeftOut:
    why = "The folder holds no file" if image is not None else "There is a label but no CT"
    known = name in ("PANCREAS_0025", "PANCREAS_0070")
    return LeftOut(name, "no-ct", why + ("; the archive withdrew this scan." if known else "."))


def _labels(root: Path) -> dict[int, Path]:
    """Return the label files by number, not descending into the patients' folders."""
    found: dict[int, Path] = {}
    for place, folders, names in os.walk(root):
        depth = len(Path(place).relative_to(root).parts)
        folders[:] = sorted(
            f for f in folders if not _PATIENT.match(f) and not f.startswith(".") and depth < _DEPTH
        )
        for name in sorted(names):
            if match := _LABEL.match(name):
                number, path = int(match[1]), Path(place, name)
                if number in found:
                    raise DatasetError(
                        f"There are two labels of one number: {found[number]} and {path}.", "Keep one of them."
                    )
                found[number] = path
    return found


def _scans(root: Path, labels: set[Path]) -> dict[int, Path]:
    """Return the patients' folders or converted files by number."""
    found: dict[int, Path] = {}
    folders = [root]
    for _ in range(_DEPTH):
        below: list[Path] = []
        for folder in folders:
            for path in image_files(folder):
                number = number_in(stem(path))
                if number is not None and path not in labels and not _LABEL.match(path.name):
                    found.setdefault(number, path)
            for inner in subfolders(folder):
                if match := _PATIENT.match(inner.name):
                    found[int(match[1])] = _converted(inner) or inner
                else:
                    below.append(inner)
        folders = below
    return found


def _converted(folder: Path) -> Path | None:
    """Return the one image file in a patient's folder, where somebody has converted it."""
    files = image_files(folder)
    return files[0] if len(files) == 1 else None


def _has_file(folder: Path) -> bool:
    return any(not name.startswith(".") and name != "LICENSE" for _, _, names in os.walk(folder) for name in names)


ADAPTER = NihAdapter()
