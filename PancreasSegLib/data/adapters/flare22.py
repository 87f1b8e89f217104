"""FLARE22: 50 labelled CTs with 13 abdominal organs."""

from __future__ import annotations

from pathlib import Path

from PancreasSegLib.data.adapters.source_case import LabelMapCase
from PancreasSegLib.data.adapters.survey import LeftOut, SourceOptions, Survey
from PancreasSegLib.data.adapters.tree import checked_root, image_files, inner_root, stem, wrong_tree

ORGANS = (
    "liver", "right kidney", "spleen", "pancreas", "aorta", "inferior vena cava", "right adrenal gland",
    "left adrenal gland", "gallbladder", "oesophagus", "stomach", "duodenum", "left kidney",
)  # fmt: skip
_CHANNEL = "_0000"


class Flare22Adapter:
    """Pairs ``images/NAME_0000.nii.gz`` with ``labels/NAME.nii.gz``; unlabelled images are left out."""

    name = "flare22"
    title = "FLARE22"
    expects = "folders images (FLARE22_Tr_0001_0000.nii.gz ...) and labels (FLARE22_Tr_0001.nii.gz ...)"
    kin = "The labelled cases are patients of Task07_Pancreas of the Decathlon (msd)."
    options: frozenset[str] = frozenset()

    def survey(self, root: Path, options: SourceOptions) -> Survey:
        """List the labelled cases."""
        root = checked_root(self, root)
        folder = inner_root(
            root, ("images", "labels"), ("FLARE22_LabeledCase50", "Training/FLARE22_LabeledCase50")
        )
        if folder is None:
            raise wrong_tree(self, root, "pair of folders images and labels")
        images = {stem(path).removesuffix(_CHANNEL): path for path in image_files(folder / "images")}
        labels = {stem(path): path for path in image_files(folder / "labels")}
        if not images.keys() & labels.keys():
            raise wrong_tree(self, folder, "image NAME_0000.nii.gz with a label NAME.nii.gz")
        values = {organ: (value,) for value, organ in enumerate(ORGANS, 1)}
        cases, left_out = [], []
        for name in sorted(images.keys() | labels.keys()):
            if name not in images:
                left_out.append(LeftOut(name, "no-ct", "There is a label but no image."))
            elif name not in labels:
                left_out.append(LeftOut(name, "no-label", "There is an image but no label."))
            else:
                cases.append(LabelMapCase(name, name, ORGANS, images[name], labels[name], values))
        return Survey(
            self.title,
            "see flare22.grand-challenge.org (non-commercial research)",
            "Ma et al., FLARE 2022 challenge, flare22.grand-challenge.org",
            ORGANS,
            tuple(cases),
            tuple(left_out),
            self.kin,
        )


ADAPTER = Flare22Adapter()
