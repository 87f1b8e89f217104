"""AMOS22: 300 CTs (and 60 MR scans, which are left out) with 15 abdominal organs."""

from __future__ import annotations

from pathlib import Path

from PancreasSegLib.data.adapters.source_case import LabelMapCase
from PancreasSegLib.data.adapters.survey import LeftOut, SourceOptions, Survey
from PancreasSegLib.data.adapters.tree import checked_root, image_files, inner_root, number_in, stem, wrong_tree

ORGANS = (
    "spleen", "right kidney", "left kidney", "gallbladder", "oesophagus", "liver", "stomach", "aorta",
    "inferior vena cava", "pancreas", "right adrenal gland", "left adrenal gland", "duodenum", "bladder",
    "prostate or uterus",
)  # fmt: skip
FIRST_MR = 500
"""CT and MR lie in the same folders; scans numbered from here on are MR."""


class Amos22Adapter:
    """Pairs images and labels of training and validation, and leaves MR out."""

    name = "amos22"
    title = "AMOS22"
    expects = (
        "folders imagesTr and labelsTr (amos_0001.nii.gz ...), and imagesVa and labelsVa where they are there"
    )
    kin = "In the test and unlabelled sets of later FLARE challenges."
    options: frozenset[str] = frozenset()

    def survey(self, root: Path, options: SourceOptions) -> Survey:
        """List the labelled CTs."""
        root = checked_root(self, root)
        folder = inner_root(root, ("imagesTr", "labelsTr"), ("amos22",))
        if folder is None:
            raise wrong_tree(self, root, "pair of folders imagesTr and labelsTr")
        values = {organ: (value,) for value, organ in enumerate(ORGANS, 1)}
        cases, left_out = [], []
        for part in ("Tr", "Va"):
            labels = {path.name: path for path in image_files(folder / f"labels{part}")}
            for image in image_files(folder / f"images{part}"):
                name, number = stem(image), number_in(stem(image))
                if not name.lower().startswith("amos") or number is None:
                    continue
                if number >= FIRST_MR:
                    left_out.append(LeftOut(name, "mr", f"MR (its number is {FIRST_MR} or more)."))
                elif image.name not in labels:
                    left_out.append(LeftOut(name, "no-label", "There is an image but no label."))
                else:
                    cases.append(LabelMapCase(name, name, ORGANS, image, labels[image.name], values))
        if not cases:
            why = "CT, only MR" if left_out else "image amos_0001.nii.gz"
            raise wrong_tree(self, folder, f"labelled {why}")
        return Survey(
            self.title,
            "CC BY 4.0 (check the terms of your copy)",
            "Ji et al., AMOS, NeurIPS 2022, doi:10.5281/zenodo.7262581",
            ORGANS,
            tuple(sorted(cases, key=lambda case: case.name)),
            tuple(left_out),
            self.kin,
        )


ADAPTER = Amos22Adapter()
