"""3D-IRCADb-01: 20 CTs with livers, tumours and whatever else was outlined; DICOM a patient and a structure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PancreasSegLib.data.adapters.dicom_mask import read_dicom_mask
from PancreasSegLib.data.adapters.source_case import LabelReading, MaskFilesCase
from PancreasSegLib.data.adapters.survey import LeftOut, SourceOptions, Survey
from PancreasSegLib.data.adapters.tree import checked_root, entries, number_in, subfolders, wrong_tree
from PancreasSegLib.volume import Volume

_IMAGES, _MASKS = "PATIENT_DICOM", "MASKS_DICOM"


@dataclass(frozen=True)
class IrcadbCase(MaskFilesCase):
    """A patient with a folder of DICOM images for each structure."""

    def read_labels(self, ct: Volume) -> LabelReading:
        """Give the masks, each laid on the slices of the CT when it is asked for."""
        return LabelReading(lambda structure: read_dicom_mask(self.masks[structure], ct))


class IrcadbAdapter:
    """Finds the patients' folders; who lacks a structure is not read for it."""

    name = "ircadb"
    title = "3D-IRCADb-01"
    expects = (
        "folders 3Dircadb1.1 ... 3Dircadb1.20, each with PATIENT_DICOM/image_* and MASKS_DICOM/<structure>/image_*"
    )
    kin = "All 20 patients are in LiTS (training cases 28 to 47), and so in Task03_Liver of the Decathlon (msd)."
    options: frozenset[str] = frozenset()

    def survey(self, root: Path, options: SourceOptions) -> Survey:
        """List the patients whose CT and masks are unpacked."""
        root = checked_root(self, root)
        folders = [root] if (root / _IMAGES).is_dir() else subfolders(root)
        if len(folders) == 1 and not (folders[0] / _IMAGES).is_dir():
            folders = subfolders(folders[0])
        named = [folder for folder in folders if folder.name.lower().startswith("3dircadb1")]
        patients = named or [folder for folder in folders if (folder / _IMAGES).is_dir()]
        if not patients:
            raise wrong_tree(self, root, "folder 3Dircadb1.N and no PATIENT_DICOM")
        cases: list[IrcadbCase] = []
        left_out: list[LeftOut] = []
        for folder in sorted(patients, key=lambda f: (number_in(f.name) or 0, f.name)):
            found = _case(folder)
            if isinstance(found, IrcadbCase):
                cases.append(found)
            else:
                left_out.append(found)
        if not cases:
            raise wrong_tree(self, root, f"patient with both {_IMAGES} and {_MASKS} ({left_out[0].sentence})")
        structures = sorted({name for case in cases for name in case.structures})
        return Survey(
            self.title,
            "CC BY-NC-ND",
            "Soler et al., 3D image reconstruction for comparison of algorithm database, IRCAD, 2010",
            tuple(structures),
            tuple(cases),
            tuple(left_out),
            self.kin,
        )


def _case(folder: Path) -> IrcadbCase | LeftOut:
    name = folder.name
    for part in (_IMAGES, _MASKS):
        if not (folder / part).is_dir():
            packed = (folder / f"{part}.zip").is_file()
            why = f"{part}.zip is not unpacked." if packed else f"There is no folder {part}."
            return LeftOut(name, "not-unpacked" if packed else "no-ct" if part == _IMAGES else "no-label", why)
    masks = {place.name: place for place in subfolders(folder / _MASKS) if entries(place)}
    if not entries(folder / _IMAGES) or not masks:
        empty = _MASKS if entries(folder / _IMAGES) else _IMAGES
        return LeftOut(name, "no-label" if empty == _MASKS else "no-ct", f"{empty} is empty.")
    return IrcadbCase(name, name, tuple(masks), folder / _IMAGES, masks)


ADAPTER = IrcadbAdapter()
