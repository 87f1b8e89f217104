"""Evaluations made for the tests of reports."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from PancreasSegLib.data import Case
from PancreasSegLib.evaluation import CaseScore, Cohort
from PancreasSegLib.evaluation.folder_source import FolderSource
from PancreasSegLib.evaluation.label_choice import LabelChoice
from PancreasSegLib.evaluation.run import EvaluationRun
from PancreasSegLib.evaluation.summary import Evaluation
from PancreasSegLib.evaluation.temperature import TEMPERATURES
from PancreasSegLib.evaluation.traits import Traits
from PancreasSegLib.io import write_mask, write_volume
from PancreasSegLib.volume import Geometry, Volume

GRID = Geometry((40, 36, 24), (1.5, 1.5, 2.5), (-30.0, -27.0, 0.0))


def evaluated(
    models: dict[str, list[float]], *, label="pancreas", case="case {}", lost: int | None = None
) -> Evaluation:
    """An evaluation with these Dice values; the case `lost` of the first model has no mask."""
    cohorts = {}
    for number, (name, dices) in enumerate(models.items()):
        scores = []
        for n, dice in enumerate(dices):
            empty = number == 0 and n == lost
            scores.append(
                CaseScore(
                    case.format(n),
                    0.0 if empty else dice,
                    nsd_1mm=dice / 2,
                    nsd_2mm=dice * 0.8,
                    nsd_3mm=dice * 0.9,
                    nsd_5mm=dice,
                    hd95_mm=float("inf") if empty else 30 * (1 - dice),
                    volume_ml=0.0 if empty else 70.0 + 3 * n,
                    reference_ml=75.0 + 2 * n,
                    confidence=0.5 + dice / 2,
                    error="No <b>pancreas</b> was found." if empty else "",
                    label=label,
                    traits=Traits(1.0 + 2 * (n % 2), 0.8, 80.0 + n, 20.0 - n, ""),
                    confidence_curve=tuple(min(1.0, (0.5 + dice / 2) / t**0.2) for t in TEMPERATURES),
                )
            )
        cohorts[name] = Cohort(tuple(scores), {"kind": "model", "packages": []})
    return Evaluation(cohorts, {"dataset": "boxes & <balls>", "grid": "their own grid"}, resamples=200)


def run_with_boxes(folder: Path) -> tuple[Evaluation, EvaluationRun]:
    """Two folders of masks of four boxes, one mask of which is empty; and their evaluation."""
    rng = np.random.default_rng(0)
    organ = np.zeros(GRID.shape_zyx, np.uint8)
    organ[6:18, 10:26, 8:30] = 1
    hu = np.where(organ, 90, -60) + rng.normal(0, 8, organ.shape)
    cases, labels = [], {"pancreas": 1}
    for n, name in enumerate(("north", "east", "south", "west")):
        image, label = folder / f"{name}.nii.gz", folder / f"{name}_label.nii.gz"
        spacing = (1.5, 1.5, 1.0 if n % 2 else 2.5)
        grid = Geometry(GRID.size_ijk, spacing, GRID.origin_lps)
        write_volume(image, Volume(hu.astype(np.int16), grid))
        write_mask(label, organ, grid)
        cases.append(Case(name, image, label))
        write_mask(folder / "first" / f"{name}.nii.gz", np.roll(organ, n, axis=2) * (n != 3), grid)
        write_mask(folder / "second" / f"{name}.nii.gz", np.roll(organ, 2, axis=1), grid)
        (folder / "first" / f"{name}.json").write_text(
            '{"organs": {"pancreas": {"confidence_expected_dice": %.2f}}}' % (0.95 - 0.1 * n)
        )
    sources = [FolderSource(name, folder / name, labels) for name in ("first", "second")]
    run = EvaluationRun(
        sources,
        {source.name: cases for source in sources},
        LabelChoice.parse(["pancreas"], labels),
        folder / "out",
    )
    evaluation = Evaluation(
        run.score(), {"dataset": "boxes & <balls>"}, ("One file was resampled.",), resamples=200
    )
    return evaluation, run
