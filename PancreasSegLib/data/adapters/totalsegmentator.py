"""TotalSegmentator's dataset: about 1200 CTs with more than a hundred structures, a file each."""

from __future__ import annotations

from pathlib import Path

from PancreasSegLib.data.adapters.source_case import MaskFilesCase
from PancreasSegLib.data.adapters.survey import LeftOut, SourceOptions, Survey
from PancreasSegLib.data.adapters.tree import checked_root, image_files, stem, subfolders, wrong_tree

_MASKS = "segmentations"


class TotalSegmentatorAdapter:
    """Merges the masks of a scan to one label map; only those that are wanted are read."""

    name = "totalsegmentator"
    title = "TotalSegmentator's dataset"
    expects = "folders s0000 ... with ct.nii.gz and segmentations/*.nii.gz"
    options: frozenset[str] = frozenset()

    def survey(self, root: Path, options: SourceOptions) -> Survey:
        """List the scans."""
        root = checked_root(self, root)
        scans = _scans(root)
        inner = subfolders(root)
        if not scans and len(inner) == 1:
            scans = _scans(inner[0])
        cases, left_out, structures = [], [], dict[str, None]()
        for folder in scans:
            image = next((path for path in image_files(folder) if stem(path) == "ct"), None)
            masks = {stem(path): path for path in image_files(folder / _MASKS)}
            if image is None:
                mr = any(stem(path) == "mri" for path in image_files(folder))
                left_out.append(
                    LeftOut(folder.name, "mr" if mr else "no-ct", "MR." if mr else "There is no ct.nii.gz.")
                )
            elif not masks:
                left_out.append(LeftOut(folder.name, "no-label", f"{_MASKS} is missing or empty."))
            else:
                structures.update(dict.fromkeys(masks))
                cases.append(MaskFilesCase(folder.name, folder.name, tuple(masks), image, masks))
        if not cases:
            raise wrong_tree(self, root, "folder with ct.nii.gz and segmentations")
        return Survey(
            self.title,
            "CC BY 4.0",
            "Wasserthal et al., Radiology: Artificial Intelligence 2023, doi:10.5281/zenodo.6802613",
            tuple(sorted(structures)),
            tuple(cases),
            tuple(left_out),
        )


def _scans(root: Path) -> list[Path]:
    return [folder for folder in subfolders(root) if (folder / _MASKS).is_dir() or (folder / "ct.nii.gz").exists()]


ADAPTER = TotalSegmentatorAdapter()
