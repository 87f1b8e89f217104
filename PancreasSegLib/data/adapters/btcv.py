"""BTCV (Beyond the Cranial Vault): 30 portal-venous CTs with 13 abdominal organs."""

from __future__ import annotations

from pathlib import Path

from PancreasSegLib.data.adapters.source_case import LabelMapCase
from PancreasSegLib.data.adapters.survey import LeftOut, SourceOptions, Survey
from PancreasSegLib.data.adapters.tree import checked_root, image_files, inner_root, number_in, stem, wrong_tree

ORGANS = (
    "spleen", "right kidney", "left kidney", "gallbladder", "oesophagus", "liver", "stomach", "aorta",
    "inferior vena cava", "portal and splenic vein", "pancreas", "right adrenal gland", "left adrenal gland",
)  # fmt: skip


class BtcvAdapter:
    """Pairs ``img/img0001.nii.gz`` with ``label/label0001.nii.gz``."""

    name = "btcv"
    title = "BTCV"
    expects = "folders img (img0001.nii.gz ...) and label (label0001.nii.gz ...), as in RawData/Training"
    kin = (
        "Labelled again in the multi-organ reference of Gibson et al. (zenodo 1169361); many copies go round "
        "under other names (Synapse, TransUNet's data)."
    )
    options: frozenset[str] = frozenset()

    def survey(self, root: Path, options: SourceOptions) -> Survey:
        """List the labelled cases."""
        root = checked_root(self, root)
        folder = inner_root(root, ("img", "label"), ("Training", "RawData/Training", "Abdomen/RawData/Training"))
        if folder is None:
            raise wrong_tree(self, root, "pair of folders img and label")
        images = {number_in(stem(path)): path for path in image_files(folder / "img")}
        labels = {number_in(stem(path)): path for path in image_files(folder / "label")}
        values = {organ: (value,) for value, organ in enumerate(ORGANS, 1)}
        cases = tuple(
            LabelMapCase(f"btcv_{n:04d}", f"btcv_{n:04d}", ORGANS, images[n], labels[n], values)
            for n in sorted(number for number in images.keys() & labels.keys() if number is not None)
        )
        if not cases:
            raise wrong_tree(self, folder, "image img0001.nii.gz with a label label0001.nii.gz")
        left_out = [
            LeftOut(stem(path), "no-label" if found is images else "no-ct", "Its partner is not there.")
            for found, others in ((images, labels), (labels, images))
            for number, path in found.items()
            if number not in others
        ]
        return Survey(
            self.title,
            "terms of Synapse syn3193805: research use, not to be passed on",
            "Landman et al., MICCAI Multi-Atlas Labeling Beyond the Cranial Vault, 2015, doi:10.7303/syn3193805",
            ORGANS,
            cases,
            tuple(sorted(left_out, key=lambda case: case.name)),
            self.kin,
        )


ADAPTER = BtcvAdapter()
