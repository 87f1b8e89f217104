"""The training loop of one network: resumable, time-bounded, with a moving average of the weights."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from PancreasSegLib.errors import CancelledError, RecipeError
from PancreasSegLib.networks import build_network, training_outputs
from PancreasSegLib.networks.instance_norm import keep_channels_last
from PancreasSegLib.progress import CancelToken, ProgressCallback, ProgressEvent
from PancreasSegLib.training.cache import PreparedCase
from PancreasSegLib.training.checkpoint import load_checkpoint, save_checkpoint
from PancreasSegLib.training.history import History
from PancreasSegLib.training.loss import DeepSupervisionLoss
from PancreasSegLib.training.patches import PatchSampler
from PancreasSegLib.training.recipe import OptimizerRecipe, StageRecipe
from PancreasSegLib.training.schedule import learning_rate, run_fraction
from PancreasSegLib.training.validation import validation_dice

_log = logging.getLogger(__name__)
_LOG_EVERY = 25


@dataclass(frozen=True)
class NetworkTask:
    """What one network is to learn.

    Attributes
    ----------
    name : str
        Shown in progress and logs, e.g. ``"segmenter-0"``.
    stage : StageRecipe
        The stage's recipe.
    labels : tuple of str
        Foreground classes in the order of the output channels from 1.
    organ : str
        The class that counts.
    seed : int
        Seed of the initial weights and of every patch.
    folder : Path
        Where checkpoint and CSV files go.
    initial_weights : Path or None
        Safetensors file to start from instead of random weights.
    """

    name: str
    stage: StageRecipe
    labels: tuple[str, ...]
    organ: str
    seed: int
    folder: Path
    initial_weights: Path | None = None


class NetworkTrainer:
    """Trains one network on prepared cases.

    Parameters
    ----------
    task : NetworkTask
        What to learn; RecipeError is raised if its initial weights do not fit.
    training, validation : list of PreparedCase
        Patients to learn from, and held-out patients (may be empty).
    device : torch.device
        Where to train.
    dtype : torch.dtype
        Autocast precision; float32 switches autocast off.
    """

    def __init__(
        self,
        task: NetworkTask,
        training: list[PreparedCase],
        validation: list[PreparedCase],
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.task, self.device, self.dtype = task, device, dtype
        self.validation = validation
        self.classes = len(task.labels) + 1
        self.organ = 1 + task.labels.index(task.organ)
        torch.manual_seed(task.seed)
        network = build_network(task.stage.network, **stage_arguments(task.stage, len(task.labels)))
        if task.initial_weights:
            _start_from(task.initial_weights, network)
        if task.stage.sampling.batch_size == 1:
            keep_channels_last(network)
        self.network = network.to(device).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.average = torch.optim.swa_utils.AveragedModel(
            self.network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(task.stage.optimizer.ema)
        )
        self.optimizer = _optimizer(self.network, task.stage.optimizer)
        self.scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)
        self.loss = DeepSupervisionLoss(task.stage.loss, self.classes, self.organ).to(device)
        self.sampler = PatchSampler(training, task.stage, self.organ, device, task.seed)
        self.step, self.elapsed = 0, 0.0
        self.stopped = False

    @property
    def checkpoint(self) -> Path:
        """The file that the run resumes from."""
        return self.task.folder / "checkpoint.pt"

    def run(
        self, *, resume: bool = False, progress: ProgressCallback | None = None, cancel: CancelToken | None = None
    ) -> nn.Module:
        """Train to the end of the schedule and return the averaged network in evaluation mode.

        Parameters
        ----------
        resume : bool
            Continue from the checkpoint when there is one.
        progress : callable, optional
            Told of every 25th step.
        cancel : CancelToken, optional
            Checked at every step; the checkpoint is written before leaving.

        Raises
        ------
        CancelledError
            If cancelled; ``resume=True`` goes on from there.
        RecipeError
            If the checkpoint cannot be read.
        """
        if resume and self.checkpoint.is_file():
            self._restore()
        losses = History(self.task.folder / "losses.csv", ["step", "seconds", "rate", "loss"], self.step)
        scores = History(self.task.folder / "validation.csv", ["step", "seconds", *self.task.labels], self.step)
        self._loop(losses, scores, progress, cancel)
        self._save()
        return self.average.module.eval()

    def _loop(
        self, losses: History, scores: History, progress: ProgressCallback | None, cancel: CancelToken | None
    ) -> None:
        stage = self.task.stage
        started = time.monotonic() - self.elapsed
        saved = time.monotonic()
        running = torch.zeros((), device=self.device)
        while (fraction := run_fraction(self.step, stage.steps, self.elapsed, stage.time_limit_minutes)) < 1:
            if self.stopped:
                break
            if cancel and cancel.cancelled:
                self._save()
                raise CancelledError(
                    f"Stopped at step {self.step} of {self.task.name}; its state was saved.",
                    "The same command with --resume goes on from there.",
                )
            running += self._optimise(fraction)
            self.step += 1
            self.elapsed = time.monotonic() - started
            if self.step % _LOG_EVERY == 0:
                value = float(running) / _LOG_EVERY
                running.zero_()
                losses.append(
                    step=self.step, seconds=self.elapsed, rate=self.optimizer.param_groups[0]["lr"], loss=value
                )
                self._report(progress, value)
            if self.validation and self.step % stage.validate_every == 0:
                self._validate(scores)
            if time.monotonic() - saved > 60 * stage.checkpoint_minutes:
                self._save()
                saved = time.monotonic()
        if self.validation:
            self._validate(scores)

    def _optimise(self, fraction: float) -> torch.Tensor:
        """Do one step at the rate that belongs to `fraction` of the run; return the detached loss."""
        self.network.train()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(fraction, self.task.stage.optimizer)
        image, label, read = self.sampler.batch(self.step)
        image = image.contiguous(memory_format=torch.channels_last_3d)
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            outputs = training_outputs(self.network(image))
        loss = self.loss(outputs, label, read)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        nn.utils.clip_grad_norm_(self.network.parameters(), self.task.stage.optimizer.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.average.update_parameters(self.network)
        return loss.detach()

    def _report(self, progress: ProgressCallback | None, loss: float) -> None:
        stage = self.task.stage
        fraction = run_fraction(self.step, stage.steps, self.elapsed, stage.time_limit_minutes)
        left = self.elapsed * (1 - fraction) / fraction if fraction > 0 else None
        if progress:
            progress(ProgressEvent(self.task.name, fraction, left, f"step {self.step}, loss {loss:.3f}"))

    def _validate(self, scores: History) -> None:
        dice = validation_dice(
            self.average.module, self.validation, self.task.stage, self.classes, self.device, self.dtype
        )
        means = mean_dice(dice, self.classes)
        scores.append(step=self.step, seconds=self.elapsed, **dict(zip(self.task.labels, means, strict=True)))
        _log.info("%s step %d: Dice %s %.3f", self.task.name, self.step, self.task.organ, means[self.organ - 1])

    def _save(self) -> None:
        save_checkpoint(self.checkpoint, self._state())

    def _restore(self) -> None:
        self._take(load_checkpoint(self.checkpoint, self.device))
        _log.info("%s goes on at step %d", self.task.name, self.step)

    def _state(self) -> dict[str, Any]:
        """Return all that a run needs to go on."""
        return {
            "step": self.step,
            "elapsed": self.elapsed,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
        }

    def _take(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.step, self.elapsed = int(state["step"]), float(state["elapsed"])


def mean_dice(dice: dict[str, list[float]], classes: int) -> list[float]:
    """Return the mean over the cases for each class from 1; NaN where no case was read for it."""
    means = []
    for index in range(classes - 1):
        known = [values[index] for values in dice.values() if not math.isnan(values[index])]
        means.append(sum(known) / len(known) if known else math.nan)
    return means


def stage_arguments(stage: StageRecipe, labels: int) -> dict[str, Any]:
    """Return the network's arguments with the channels that follow from the recipe."""
    channels = 2 if stage.hu_mask == "channel" else 1
    return {**stage.arguments, "in_channels": channels, "out_channels": labels + 1}


def _start_from(path: Path, network: nn.Module) -> None:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise RecipeError(
            f"initial_weights: {path} cannot start this network ({str(error).splitlines()[0]}).",
            "Give the network.safetensors of a run of the same architecture.",
        ) from error


def _optimizer(network: nn.Module, recipe: OptimizerRecipe) -> torch.optim.Optimizer:
    parameters = network.parameters()
    if recipe.name == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            nesterov=recipe.momentum > 0,
            weight_decay=recipe.weight_decay,
        )
    return torch.optim.AdamW(parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
