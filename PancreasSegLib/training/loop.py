"""The training loop of one network: resumable, bounded, watched on held-out cases, in one process or many."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from PancreasSegLib.errors import CancelledError
from PancreasSegLib.networks import build_network, training_outputs
from PancreasSegLib.networks.instance_norm import keep_channels_last
from PancreasSegLib.progress import CancelToken, ProgressCallback, ProgressEvent
from PancreasSegLib.training.checkpoint import fitting, load_checkpoint, save_checkpoint
from PancreasSegLib.training.clock import RunClock
from PancreasSegLib.training.determinism import seed_step
from PancreasSegLib.training.distributed import in_order, same_start
from PancreasSegLib.training.loss import DeepSupervisionLoss
from PancreasSegLib.training.mean_loss import MeanLoss
from PancreasSegLib.training.network_task import LoopSettings, NetworkTask
from PancreasSegLib.training.observer import (
    Ending,
    NetworkRun,
    NetworkView,
    Observers,
    RunSummary,
    ValidationScores,
)
from PancreasSegLib.training.optimizer import build_optimizer
from PancreasSegLib.training.pace import Pace
from PancreasSegLib.training.patches import PatchSampler
from PancreasSegLib.training.prediction import predicted_array
from PancreasSegLib.training.prepared import PreparedCase, StoredCase
from PancreasSegLib.training.record import CsvRecord
from PancreasSegLib.training.schedule import learning_rate, run_fraction
from PancreasSegLib.training.stage_network import stage_arguments, start_from
from PancreasSegLib.training.validation import mean_dice, validation_dice
from PancreasSegLib.training.watch import RunWatch

_log = logging.getLogger(__name__)

__all__ = ["LoopSettings", "NetworkTask", "NetworkTrainer"]

AnyCase = PreparedCase | StoredCase


class NetworkTrainer:
    """Trains one network on prepared cases.

    Parameters
    ----------
    task : NetworkTask
        What to learn; RecipeError is raised if its initial weights do not fit.
    training, validation : list of PreparedCase or StoredCase
        Patients to learn from, and held-out patients (may be empty).
    device : torch.device
        Where to train.
    dtype : torch.dtype
        Autocast precision; float32 switches autocast off.
    settings : LoopSettings, optional
        Processes, observers, memory.
    """

    def __init__(
        self,
        task: NetworkTask,
        training: Sequence[AnyCase],
        validation: Sequence[AnyCase],
        device: torch.device,
        dtype: torch.dtype,
        settings: LoopSettings | None = None,
    ) -> None:
        self.task, self.device, self.dtype = task, device, dtype
        self.settings = settings or LoopSettings()
        self.world = self.settings.world
        self.observers = Observers((CsvRecord(), *self.settings.observers) if self.world.first else ())
        self.training, self.validation = training, validation
        self.classes = len(task.labels) + 1
        self.organ = 1 + task.labels.index(task.organ)
        stage = task.stage
        self._parts = self.world.share(stage.sampling.batch_size, stage.sampling.accumulate)
        self.layout = torch.channels_last if stage.spatial_dims == 2 else torch.channels_last_3d
        self.network = self._built()
        self.average = (
            torch.optim.swa_utils.AveragedModel(
                self.network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(stage.optimizer.ema)
            )
            if stage.optimizer.ema
            else None
        )
        self.optimizer = build_optimizer(self.network, stage.optimizer)
        self.scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)
        self.loss = DeepSupervisionLoss(stage.loss, self.classes, self.organ).to(device)
        self.sampler = PatchSampler(
            training, stage, self.organ, device, task.seed, self.settings.memory_gb, task.labels
        )
        self.step, self.elapsed = 0, 0.0
        self.watch = RunWatch(stage)
        self._since_told, self._since_look = MeanLoss(device), MeanLoss(device)
        self._norm: torch.Tensor | None = None
        self._pace = Pace()

    def _built(self) -> nn.Module:
        task = self.task
        torch.manual_seed(task.seed)
        network = build_network(task.stage.network, **stage_arguments(task.stage, len(task.labels)))
        if task.initial_weights:
            start = task.initial_weights
            self.world.from_first(lambda: start_from(start, network))
        if len(self._parts[0]) == 1:
            keep_channels_last(network)
        network = network.to(self.device).to(memory_format=self.layout)  # type: ignore[call-overload]
        same_start(network, self.world)
        return network

    @property
    def checkpoint(self) -> Path:
        """The file that the run resumes from."""
        return self.task.folder / "checkpoint.pt"

    @property
    def learnt(self) -> nn.Module:
        """The network that is validated and kept: the moving average, or the network where there is none."""
        return self.network if self.average is None else self.average.module

    @property
    def fraction(self) -> float:
        """How much of the run is done."""
        stage = self.task.stage
        return run_fraction(self.step, stage.total_steps, self.elapsed, stage.time_limit_minutes)

    def run(
        self, *, resume: bool = False, progress: ProgressCallback | None = None, cancel: CancelToken | None = None
    ) -> nn.Module:
        """Train to the end of the schedule and return the network that is kept, in evaluation mode.

        Parameters
        ----------
        resume : bool
            Continue from the checkpoint when there is one.
        progress : callable, optional
            Told of every ``log_every`` steps.
        cancel : CancelToken, optional
            Checked at every step; the checkpoint is written before leaving.

        Raises
        ------
        CancelledError
            If cancelled; ``resume=True`` goes on from there.
        RecipeError
            If the checkpoint cannot be read, or is of another network.
        """
        if resume and self.world.from_first(self.checkpoint.is_file):
            self._restore()
        self._pace = Pace()
        self.observers.started(self._about())
        self._look_at_start()
        self._loop(progress if self.world.first else None, cancel)
        self._save()
        kept = self.watch.kept
        if kept is not None:
            self.learnt.load_state_dict(kept)
        self.observers.finished(self._summary(self._ending()))
        return self.learnt.eval()

    def _look_at_start(self) -> None:
        """Look at the held-out cases before the first step, where a run begins from something good."""

    def _loop(self, progress: ProgressCallback | None, cancel: CancelToken | None) -> None:
        stage = self.task.stage
        clock = RunClock(stage.clock, self.elapsed)
        saved = time.monotonic()
        while True:
            cancelled, self.elapsed = self.world.agree(bool(cancel and cancel.cancelled), self.elapsed)
            if self.fraction >= 1 or self.watch.stopped:
                break
            if cancelled:
                self._leave()
            loss = self._optimise(self.fraction)
            self._since_told.add(loss)
            self._since_look.add(loss)
            self.step += 1
            self._pace.stepped()
            self.elapsed = clock.elapsed()
            if self.step % self.settings.log_every == 0:
                self._tell(progress)
            with self._pace.aside():
                if self.step % stage.validate_every == 0:
                    self._look()
                if self.step % stage.epoch_steps == 0 and self.world.first:
                    self.observers.epoch_ended(self.step, self._view())
                if time.monotonic() - saved > 60 * stage.checkpoint_minutes:
                    self._save()
                    saved = time.monotonic()
        if self._since_told.steps:
            self._tell(progress)
        self._look()
        if self.step % stage.epoch_steps and self.world.first:
            self.observers.epoch_ended(self.step, self._view())

    def _optimise(self, fraction: float) -> torch.Tensor:
        """Do one step at the rate that belongs to `fraction` of the run; return the detached loss."""
        self.network.train()
        recipe = self.task.stage.optimizer
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(fraction, recipe, self.watch.reductions)
        self.optimizer.zero_grad(set_to_none=True)
        seed_step(self.task.seed, self.step, self.world.rank)
        losses = [self._part(numbers) for numbers in self._parts]
        self.world.sum_gradients(self.network)
        self.scaler.unscale_(self.optimizer)
        if recipe.clip_norm:
            self._norm = nn.utils.clip_grad_norm_(self.network.parameters(), recipe.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.world.mean_buffers(self.network)
        if self.average is not None:
            self.average.update_parameters(self.network)
        return torch.stack(losses).sum() if len(losses) > 1 else losses[0]

    def _part(self, numbers: Sequence[int]) -> torch.Tensor:
        """Add the gradients of a part of the batch; the loss is that of all processes' samples together."""
        with self._pace.patches():
            image, label, read = self.sampler.batch(self.step, numbers)
        image = image.contiguous(memory_format=self.layout)
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            outputs = training_outputs(self.network(image))
        if self.world.size > 1:
            outputs = [self.world.gathered(output) for output in outputs]
            label = self.world.gathered(label.to(torch.uint8)).long()
            first = numbers[0] - self.world.rank * len(numbers)
            read = self.sampler.read_in(self.step, range(first, first + len(label)))
        loss = self.loss(outputs, label, read) / len(self._parts)
        self.scaler.scale(loss).backward()
        return loss.detach()

    def _tell(self, progress: ProgressCallback | None) -> None:
        """Tell of the steps since the last time."""
        loss = self._since_told.taken()
        fraction = self.fraction
        fields = {
            "loss": loss,
            "rate": float(self.optimizer.param_groups[0]["lr"]),
            "seconds": self.elapsed,
            "fraction": fraction,
            **self._pace.taken(),
        }
        if self._norm is not None:
            fields["grad_norm"] = float(self._norm)
        self.observers.stepped(self.step, fields)
        left = self.elapsed * (1 - fraction) / fraction if fraction > 0 else None
        if progress:
            progress(ProgressEvent(self.task.name, fraction, left, f"step {self.step}, loss {loss:.3f}"))

    def _look(self) -> None:
        """Look at the held-out cases, once a step, and let the run judge itself by them."""
        if self.watch.looked_at == self.step:
            return
        self.watch.looked_at = self.step
        task = self.task
        dice = self._dice() if self.validation else {}
        means = mean_dice(dice, self.classes)
        best = self._judge(dice, means)
        if not self.validation:
            return
        scores = ValidationScores(
            self.step,
            self.elapsed,
            {case: dict(zip(task.labels, values, strict=True)) for case, values in dice.items()},
            dict(zip(task.labels, means, strict=True)),
            self.watch.last,
            best,
        )
        self.observers.validated(self.step, scores)
        _log.info("%s step %d: Dice %s %.3f", task.name, self.step, task.organ, means[self.organ - 1])

    def _dice(self) -> dict[str, list[float]]:
        """Return the Dice of every held-out case; each process looks at its share of them."""
        own = self.validation[self.world.rank :: self.world.size]
        scores = validation_dice(self.learnt, own, self.task.stage, self.classes, self.device, self.dtype)
        return in_order(self.world.all_of(scores), [case.name for case in self.validation])

    def _judge(self, dice: dict[str, list[float]], means: list[float]) -> bool:
        """Decide by the scores whether the state is the best so far, the rate falls, the run ends."""
        if self.validation:
            return self.watch.judge(self.watch.score(means, self.organ), self.step, self._weights)
        return self.watch.judge(-self._since_look.taken(), self.step)

    def _weights(self) -> dict[str, torch.Tensor]:
        return {key: value.detach().clone() for key, value in self.learnt.state_dict().items()}

    def _leave(self) -> None:
        self._save()
        self.observers.finished(self._summary("cancelled"))
        raise CancelledError(
            f"Stopped at step {self.step} of {self.task.name}; its state was saved.",
            "The same command with --resume goes on from there.",
        )

    def _ending(self) -> Ending:
        if self.watch.stopped:
            return "early stopping"
        return "steps" if self.step >= self.task.stage.total_steps else "time"

    def _about(self) -> NetworkRun:
        task = self.task
        return NetworkRun(
            task.name,
            task.folder,
            task.stage,
            task.labels,
            task.organ,
            tuple(case.name for case in self.training),
            tuple(case.name for case in self.validation),
            str(self.device),
            str(self.dtype).removeprefix("torch."),
            sum(parameter.numel() for parameter in self.network.parameters()),
            self.step,
            self.world.size,
        )

    def _view(self) -> NetworkView:
        def predict(case: AnyCase) -> NDArray[np.uint8]:
            return predicted_array(self.learnt, case.load(), self.task.stage, self.device, self.dtype)

        return NetworkView(self.task.labels, tuple(self.validation or self.training), predict)

    def _summary(self, ending: Ending) -> RunSummary:
        kept = self.watch.kept_step if self.watch.kept is not None else self.step
        return RunSummary(self.step, self.elapsed, ending, kept, self.watch.best)

    def _save(self) -> None:
        if self.world.first:
            save_checkpoint(self.checkpoint, self._state())

    def _restore(self) -> None:
        state = self.world.state_from_first(lambda: load_checkpoint(self.checkpoint, self.device), self.device)
        with fitting(self.checkpoint):
            self._take(state)
        _log.info("%s goes on at step %d", self.task.name, self.step)

    def _state(self) -> dict[str, Any]:
        """Return all that a run needs to go on."""
        return {
            "step": self.step,
            "elapsed": self.elapsed,
            "network": self.network.state_dict(),
            "average": {} if self.average is None else self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "losses": [self._since_told.state(), self._since_look.state()],
            "watch": self.watch.state(),
        }

    def _take(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.step, self.elapsed = int(state["step"]), float(state["elapsed"])
        if "watch" in state:  # checkpoints of version 1 lack it
            for mean, values in zip((self._since_told, self._since_look), state["losses"], strict=True):
                mean.take(values)
            self.watch.take(state["watch"])
