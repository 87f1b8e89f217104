"""A model that learns one patient from the marks of a reader."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from PancreasSegLib.adaptation.lesson import Lesson
from PancreasSegLib.adaptation.loss import lesson_loss, organ_log_odds
from PancreasSegLib.adaptation.settings import LearningSettings, enough
from PancreasSegLib.errors import MarkError, ModelPackageError, OutOfMemoryError, TooLittleMarkedError
from PancreasSegLib.inference.cascade import Cascade
from PancreasSegLib.inference.engine.torch_cost import leaf_modules
from PancreasSegLib.inference.engine.torch_engine import TorchMember
from PancreasSegLib.inference.forecast import expected_seconds
from PancreasSegLib.inference.prediction import is_out_of_memory, plan_stage, window_budget
from PancreasSegLib.inference.preparation import network_input
from PancreasSegLib.inference.stage_grid import stage_grid
from PancreasSegLib.inference.stage_network import StageNetwork
from PancreasSegLib.inference.tracker import Tracker
from PancreasSegLib.networks.imported import TORCHSCRIPT
from PancreasSegLib.progress import CancelToken, ProgressCallback
from PancreasSegLib.refine.work_grid import WorkGrid
from PancreasSegLib.volume import AxisMap, Box, Geometry, Volume

if TYPE_CHECKING:
    from PancreasSegLib.inference import Segmenter

_log = logging.getLogger(__name__)

_STEP_COST = 3.0  # of a step against a pass that only predicts
_WHOLE = 1.5
"""A lesson of up to so many patches is shown as a whole, a larger one in windows of a patch."""
_WARM_UP, _POWER = 3, 0.9
_CLIP_NORM = 5.0
_BRIGHTNESS_SD = 0.05


class PatientLearner:
    """Trains a copy of a model's segmenter on the marks of one patient.

    The model stays as it is. The same CT, mask and marks give the same probability on the same device.

    Parameters
    ----------
    segmenter : Segmenter
        The model, loaded.
    label : str, optional
        The organ that was marked, by its name in the model; the model's main organ by default.
    settings : LearningSettings, optional
        How it learns.

    Raises
    ------
    ModelPackageError
        If the model has no such label, or its segmenter cannot be trained here.

    Examples
    --------
    >>> from PancreasSegLib import Segmenter, read_volume                                    # doctest: +SKIP
    >>> from PancreasSegLib.refine import Correction, Mark                                   # doctest: +SKIP
    >>> segmenter, ct = Segmenter.load("default"), read_volume("ct.nii.gz")                  # doctest: +SKIP
    >>> result = segmenter.segment(ct)                                                       # doctest: +SKIP
    >>> correction = Correction(ct, result.mask == 1, result.probability["pancreas"])        # doctest: +SKIP
    >>> correction.add([Mark.of_slice(mended, ct.geometry, axis=2, index=40)])               # doctest: +SKIP
    >>> learner = PatientLearner(segmenter)                                                  # doctest: +SKIP
    >>> probability = learner.learn(ct, correction.mask, correction.marks)                   # doctest: +SKIP
    >>> correction.outline_anew(probability)                                                 # doctest: +SKIP
    """

    def __init__(
        self, segmenter: Segmenter, label: str | None = None, settings: LearningSettings | None = None
    ) -> None:
        self.segmenter, self.settings = segmenter, settings or LearningSettings()
        package = segmenter.package
        self.label = label or package.organ
        network = segmenter.networks["segmenter"]
        if self.label not in package.labels or self.label not in network.stage.labels:
            raise ModelPackageError(
                f"The model {package.name} does not segment the {self.label}.",
                f"It knows: {', '.join(package.labels)}. Choose another model.",
            )
        if network.stage.network == TORCHSCRIPT or network.stage.spatial_dims != 3:
            raise ModelPackageError(
                f"The model {package.name} cannot learn a patient: its network is frozen, or sees single slices.",
                "Choose another model, for instance the default one.",
            )

    def learn(
        self,
        ct: Volume,
        mask: NDArray,
        marks: NDArray[np.uint8],
        *,
        progress: ProgressCallback | None = None,
        cancel: CancelToken | None = None,
    ) -> Volume:
        """Learn the patient and return the foreground probability that the model gives then.

        Parameters
        ----------
        ct : Volume
            CT in HU, on any grid.
        mask : ndarray, shape (z, y, x)
            The organ as it is outlined now, nonzero inside, on the CT's grid; may be empty.
        marks : ndarray of uint8, shape (z, y, x)
            0 none, 1 included, 2 excluded.
        progress : callable, optional
            Told of the stages ``learn`` and ``segment``.
        cancel : CancelToken, optional
            Obeyed at every layer of a network.

        Returns
        -------
        Volume
            Float16, 0 to 1, on a grid of its own around mask and marks.

        Raises
        ------
        TooLittleMarkedError
            If there are too few marks.
        MarkError
            If an array does not fit the CT.
        OutOfMemoryError
            If the memory of the device does not suffice.
        CancelledError
            If cancelled.
        """
        self._check(ct.geometry, mask, marks)
        box = _around(ct.geometry, mask, marks, self.settings.margin_mm)
        with self.segmenter.in_use(), _memory_of(self.segmenter.device):
            network = self.segmenter.trainable()
            tracker = Tracker(self._expected(network, ct.geometry, box), progress, cancel)
            cascade = Cascade(
                self.segmenter.package,
                {"segmenter": network},
                ct,
                self.segmenter.settings,
                tracker,
                self.segmenter.threads,
                self.segmenter.pace,
            )
            grid = stage_grid(box, cascade.ct.geometry, network.stage)
            image = network_input(cascade.ct, grid, network.stage)
            lesson = Lesson.of(image, WorkGrid(AxisMap.to_canonical(ct.geometry), grid), mask, marks)
            with tracker.stage("learn", "learning this patient from the marks"):
                learnt = _Course(network, lesson, network.stage.labels[self.label], self.settings, tracker).held()
            cascade.networks = {"segmenter": learnt}
            found = cascade.probability_in(box)
            tracker.finish()
        _log.info("learnt the %s of a patient in %.1f s", self.label, tracker.timings["total"])
        return found[self.label]

    def _check(self, ct: Geometry, mask: NDArray, marks: NDArray[np.uint8]) -> None:
        if tuple(mask.shape) != ct.shape_zyx or tuple(marks.shape) != ct.shape_zyx:
            raise MarkError("Mask and marks do not lie on this CT.", "Open the CT that was marked.")
        if not enough(np.count_nonzero(marks) * ct.voxel_volume_ml, self.settings):
            raise TooLittleMarkedError

    def _expected(self, network: StageNetwork, ct: Geometry, box: Box) -> dict[str, float]:
        """Return the seconds that learning and the passes after it should take."""
        segmenter = self.segmenter
        grid = stage_grid(box, AxisMap.to_canonical(ct).target, network.stage)
        tiling = plan_stage(network, grid.shape_zyx, segmenter.settings, window_budget(network, segmenter.threads))
        one = segmenter.pace * expected_seconds(network, tiling, segmenter.threads)
        passes = 1 + len(segmenter.settings.extra_scales)
        return {"learn": _STEP_COST * self.settings.steps * one, "segment": passes * one}


class _Course:
    """The steps of all members of a stage on one lesson."""

    def __init__(
        self, network: StageNetwork, lesson: Lesson, channel: int, settings: LearningSettings, tracker: Tracker
    ) -> None:
        self.network, self.lesson, self.channel = network, lesson, channel
        self.settings, self.tracker = settings, tracker
        self._done = 0

    def held(self) -> StageNetwork:
        """Return the stage with every member taught."""
        taught = []
        for member in self.network.members:
            assert isinstance(member, TorchMember)
            self.layout = member.layout
            taught.append(member.changed(self._teach))
        return StageNetwork(self.network.stage, taught, self.network.device, self.network.precision)

    def _teach(self, member: nn.Module) -> None:
        settings = self.settings
        rng = np.random.default_rng(0)
        optimizer = torch.optim.AdamW(member.parameters(), lr=settings.learning_rate, weight_decay=0.0)
        member.requires_grad_(True)  # in evaluation mode: statistics of batches stay, nothing is dropped
        average = AveragedModel(member, multi_avg_fn=get_ema_multi_avg_fn(settings.average))
        hooks = [leaf.register_forward_hook(self._heeding) for leaf in leaf_modules(member)]
        for step in range(settings.steps):
            self.tracker.done(self._done / (settings.steps * len(self.network.members)))
            rate = settings.learning_rate * min(1.0, (step + 1) / _WARM_UP) * (1 - step / settings.steps) ** _POWER
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad(set_to_none=True)
            self._loss(member, self._shown(step, rng), rng).backward()
            nn.utils.clip_grad_norm_(member.parameters(), _CLIP_NORM)
            optimizer.step()
            average.update_parameters(member)
            self._done += 1
        for hook in hooks:
            hook.remove()
        member.load_state_dict(average.module.state_dict())
        member.requires_grad_(False)

    def _heeding(self, layer: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        """Let a cancelled run end at this layer, on the way there or back: a step may take seconds."""
        self.tracker.check()
        if output.requires_grad:
            output.register_hook(lambda gradient: self.tracker.check())

    def _shown(self, step: int, rng: np.random.Generator) -> Lesson:
        """Return the lesson of a step: every other one is moved."""
        stage, lesson = self.network.stage, self.lesson
        x, y, z = stage.patch_ijk
        if stage.keeps_patch or lesson.voxels > _WHOLE * x * y * z:
            lesson = lesson.window((z, y, x), rng)
        return lesson.moved(rng, self.settings.movement) if step % 2 else lesson

    def _loss(self, member: nn.Module, lesson: Lesson, rng: np.random.Generator) -> torch.Tensor:
        planes = torch.from_numpy(lesson.on(self.network.axes)).to(self.network.device.place)[None]
        channels = lesson.channels
        image = planes[:, :channels] * float(np.exp(rng.normal(0, _BRIGHTNESS_SD)))
        image = image + float(rng.normal(0, _BRIGHTNESS_SD))
        with self._autocast():
            scores = member(image.contiguous(memory_format=self.layout))
        scores = scores.float()
        if scores.shape[2:] != image.shape[2:]:
            scores = F.interpolate(scores, size=image.shape[2:], mode="trilinear")
        logits = organ_log_odds(scores, self.channel, self.network.stage.activation)
        return lesson_loss(logits, planes[:, channels:], self.settings.belief_weight)

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Return bf16 where it is fast; fp16 would need its gradients scaled."""
        if self.network.precision.name != "bf16":
            return contextlib.nullcontext()
        return torch.autocast(self.network.device.kind, dtype=torch.bfloat16)


@contextlib.contextmanager
def _memory_of(device: str) -> Iterator[None]:
    """Say in a sentence that memory ran out inside the block."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemoryError(
            f"The memory of {device} does not suffice to learn this patient.",
            "Choose the CPU as the device, or close other programs.",
        ) from error


def _around(ct: Geometry, mask: NDArray, marks: NDArray[np.uint8], margin_mm: float) -> Box:
    """Return the canonical box around mask and marks."""
    box = Box.of_mask((np.asarray(mask) != 0) | (marks != 0))
    assert box is not None
    axes = AxisMap.to_canonical(ct)
    return axes.apply_box(box).grown(margin_mm, axes.target)
