"""Scalars and previews for TensorBoard."""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from PancreasSegLib.errors import MissingPackageError
from PancreasSegLib.packages import EXTRAS
from PancreasSegLib.training.observer import NetworkRun, NetworkView, RunSummary, ValidationScores

TENSORBOARD_FOLDER = "tensorboard"


class TensorBoard:
    """Writes event files into ``tensorboard/`` of each network: ``tensorboard --logdir .runs`` shows all runs.

    A resumed run goes on in a new file, and TensorBoard leaves out what lies past the step that it went on from.

    Raises
    ------
    MissingPackageError
        If TensorBoard is not installed.
    """

    def __init__(self) -> None:
        if find_spec("tensorboard") is None:
            raise MissingPackageError(
                "monitor.tensorboard is on, but TensorBoard is not installed.",
                f"{EXTRAS['train'].command} Or leave it out: metrics.png shows the same curves.",
            )
        self._writer: Any = None

    def started(self, run: NetworkRun) -> None:
        """Open a file of events."""
        from torch.utils.tensorboard import SummaryWriter

        self._run = run
        purge = run.step + 1 if run.step else None
        self._writer = SummaryWriter(str(run.folder / TENSORBOARD_FOLDER), purge_step=purge, flush_secs=30)
        facts = {
            "network": run.stage.network,
            "parameters": f"{run.parameters:,}",
            "device": f"{run.device}, {run.precision}",
            "patch (x, y, z)": run.stage.patch_ijk,
            "spacing (mm)": run.stage.spacing_mm,
            "batch": run.stage.sampling.batch_size,
            "training": f"{len(run.training)} cases",
            "held out": ", ".join(run.validation) or "nobody",
        }
        table = "| | |\n|---|---|\n" + "\n".join(f"| {name} | {value} |" for name, value in facts.items())
        self._writer.add_text("run", table, run.step)

    def stepped(self, step: int, fields: dict[str, float]) -> None:
        """Write loss, rate and the rest as scalars."""
        names = {"loss": "loss/training", "rate": "schedule/learning rate", "grad_norm": "schedule/gradient norm"}
        names |= {"seconds_per_step": "speed/seconds a step", "data_share": "speed/share of data"}
        for field, name in names.items():
            value = fields.get(field, math.nan)
            if math.isfinite(value):
                self._writer.add_scalar(name, value, step)

    def validated(self, step: int, scores: ValidationScores) -> None:
        """Write the Dice of each label, and the organ's of each case."""
        for label, value in scores.means.items():
            if not math.isnan(value):
                self._writer.add_scalar(f"Dice/{label}", value, step)
        for case, by_label in scores.dice.items():
            value = by_label.get(self._run.organ, math.nan)
            if not math.isnan(value):
                self._writer.add_scalar(f"Dice of {self._run.organ} by case/{case}", value, step)
        self._writer.flush()

    def epoch_ended(self, step: int, network_view: NetworkView) -> None:
        """Nothing: pictures come by `pictured`."""

    def pictured(self, step: int, picture: Path) -> None:
        """Show a preview."""
        if self._writer is None:
            return
        import numpy as np
        from PIL import Image

        with Image.open(picture) as image:
            self._writer.add_image("preview", np.asarray(image.convert("RGB")), step, dataformats="HWC")
        self._writer.flush()

    def finished(self, summary: RunSummary) -> None:
        """Close the file."""
        if math.isfinite(summary.best):
            self._writer.add_scalar("Dice/best", summary.best, summary.kept_step)
        self._writer.close()
        self._writer = None
