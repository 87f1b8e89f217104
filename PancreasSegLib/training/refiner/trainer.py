"""The loop in which a refiner network learns from simulated readers."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from PancreasSegLib.adaptation.loss import weighted_loss
from PancreasSegLib.networks import build_network
from PancreasSegLib.networks.instance_norm import keep_channels_last
from PancreasSegLib.progress import CancelToken, ProgressCallback, ProgressEvent
from PancreasSegLib.refine.evidence import CHANNELS
from PancreasSegLib.training.checkpoint import load_checkpoint, save_checkpoint
from PancreasSegLib.training.history import History
from PancreasSegLib.training.optimizer import build_optimizer
from PancreasSegLib.training.recipe import RefinerRecipe
from PancreasSegLib.training.refiner.case import CasePool, RefinerCase
from PancreasSegLib.training.refiner.session import Lesson, Session
from PancreasSegLib.training.schedule import learning_rate, run_fraction

_log = logging.getLogger(__name__)
_LOG_EVERY = 25


def refiner_arguments(recipe: RefinerRecipe) -> dict[str, Any]:
    """Return the network's arguments with the channels that follow from what a refiner does."""
    return {**recipe.arguments, "in_channels": CHANNELS, "out_channels": 1}


class RefinerTrainer:
    """Trains a refiner; its score is added to the weight-free one, so that it begins as good as that.

    Each session goes on from what the network made of the last mark, so that it learns from its own mistakes
    (Ross et al., AISTATS 2011, arXiv:1011.0686). After a resume, weights go on and sessions begin anew.

    Parameters
    ----------
    cases : sequence of RefinerCase
        Patients to learn from.
    recipe : RefinerRecipe
        Network, schedule and readers.
    folder : Path
        Where checkpoint and ``losses.csv`` go.
    device : torch.device
        Where to train.
    dtype : torch.dtype
        Autocast precision; float32 switches autocast off.
    seed : int
        Seed of the weights and of every session.
    """

    def __init__(
        self,
        cases: Sequence[RefinerCase],
        recipe: RefinerRecipe,
        folder: Path,
        device: torch.device,
        dtype: torch.dtype,
        seed: int = 0,
    ) -> None:
        self.pool, self.recipe, self.folder = CasePool(tuple(cases), recipe.morph_share), recipe, folder
        self.device, self.dtype, self.seed = device, dtype, seed
        torch.manual_seed(seed)
        network = build_network(recipe.network, **refiner_arguments(recipe))
        _start_silent(network)
        if recipe.batch_size == 1:
            keep_channels_last(network)
        self.network = network.to(device).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.average = torch.optim.swa_utils.AveragedModel(
            self.network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(recipe.optimizer.ema)
        )
        self.optimizer = build_optimizer(self.network, recipe.optimizer)
        self.step, self.elapsed = 0, 0.0

    @property
    def checkpoint(self) -> Path:
        """The file that the run resumes from."""
        return self.folder / "checkpoint.pt"

    def run(
        self, *, resume: bool = False, progress: ProgressCallback | None = None, cancel: CancelToken | None = None
    ) -> nn.Module:
        """Train to the end of the schedule and return the averaged network in evaluation mode.

        Raises
        ------
        CancelledError
            If cancelled; the checkpoint is written first.
        RecipeError
            If the checkpoint cannot be read.
        """
        if resume and self.checkpoint.is_file():
            self._restore()
        losses = History(self.folder / "losses.csv", ["step", "seconds", "rate", "loss"], self.step)
        rng = np.random.default_rng([self.seed, self.step])
        sessions = [self._session(rng) for _ in range(self.recipe.batch_size)]
        started, saved, total = time.monotonic() - self.elapsed, time.monotonic(), 0.0
        while (fraction := self._fraction()) < 1:
            if cancel and cancel.cancelled:
                self._save()
                cancel.check()
            total += self._optimise(sessions, rng, fraction)
            self.step += 1
            self.elapsed = time.monotonic() - started
            if self.step % _LOG_EVERY == 0:
                rate = self.optimizer.param_groups[0]["lr"]
                losses.append(step=self.step, seconds=self.elapsed, rate=rate, loss=total / _LOG_EVERY)
                self._report(progress, total / _LOG_EVERY)
                total = 0.0
            if time.monotonic() - saved > 60 * self.recipe.checkpoint_minutes:
                self._save()
                saved = time.monotonic()
        self._save()
        return self.average.module.eval()

    def _fraction(self) -> float:
        return run_fraction(self.step, self.recipe.steps, self.elapsed, self.recipe.time_limit_minutes)

    def _session(self, rng: np.random.Generator) -> Session:
        return Session(self.pool.choose(rng), self.recipe, rng)

    def _lessons(self, sessions: list[Session], rng: np.random.Generator) -> list[Lesson]:
        """Return the next lesson of every session; a session that is over gives way to a new one."""
        lessons = []
        for number in range(len(sessions)):
            while (lesson := sessions[number].lesson()) is None:
                sessions[number] = self._session(rng)
            lessons.append(lesson)
        return lessons

    def _optimise(self, sessions: list[Session], rng: np.random.Generator, fraction: float) -> float:
        """Do one step, let the sessions go on from its answers, and return the loss."""
        self.network.train()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(fraction, self.recipe.optimizer)
        lessons = self._lessons(sessions, rng)
        turned = _Turn.draw(rng)
        images, score, reference, weight = (
            turned.apply(torch.from_numpy(np.stack([getattr(lesson, name) for lesson in lessons])).to(self.device))
            for name in ("images", "score", "reference", "weight")
        )
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            answer = refiner_scores(self.network, images)
        logits = score + answer
        loss = weighted_loss(logits, reference, weight)
        loss.backward()
        if self.recipe.optimizer.clip_norm:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.optimizer.clip_norm)
        self.optimizer.step()
        self.average.update_parameters(self.network)
        found = turned.undo(torch.sigmoid(logits.detach())).cpu().numpy()
        for session, probability in zip(sessions, found, strict=True):
            session.take(probability)
        return float(loss.detach())

    def _report(self, progress: ProgressCallback | None, loss: float) -> None:
        fraction = self._fraction()
        left = self.elapsed * (1 - fraction) / fraction if fraction > 0 else None
        if progress:
            progress(ProgressEvent("refiner", fraction, left, f"step {self.step}, loss {loss:.3f}"))

    def _save(self) -> None:
        state = {
            "step": self.step,
            "elapsed": self.elapsed,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        save_checkpoint(self.checkpoint, state)

    def _restore(self) -> None:
        state = load_checkpoint(self.checkpoint, self.device)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.elapsed = int(state["step"]), float(state["elapsed"])
        _log.info("the refiner goes on at step %d", self.step)


def refiner_scores(network: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Return the scores (n, z, y, x) of a refiner network for images (n, 11, z, y, x), at their resolution."""
    out = network(images.contiguous(memory_format=torch.channels_last_3d))
    scores = (out[0] if isinstance(out, (list, tuple)) else out).float()
    if scores.shape[2:] != images.shape[2:]:
        scores = F.interpolate(scores, size=images.shape[2:], mode="trilinear")
    return scores[:, 0]


class _Turn:
    """Mirrors along the axes, and x exchanged with y: what a mark means does not depend on the view."""

    def __init__(self, mirrored: tuple[int, ...], exchanged: bool) -> None:
        self._mirrored, self._exchanged = mirrored, exchanged

    @classmethod
    def draw(cls, rng: np.random.Generator) -> _Turn:
        return cls(tuple(axis for axis in (-3, -2, -1) if rng.random() < 0.5), bool(rng.random() < 0.5))

    def apply(self, tensor: torch.Tensor) -> torch.Tensor:
        tensor = tensor.flip(self._mirrored) if self._mirrored else tensor
        return tensor.transpose(-1, -2) if self._exchanged else tensor

    def undo(self, tensor: torch.Tensor) -> torch.Tensor:
        tensor = tensor.transpose(-1, -2) if self._exchanged else tensor
        return tensor.flip(self._mirrored) if self._mirrored else tensor


def _start_silent(network: nn.Module) -> None:
    """Let the last layer begin at zero, so that the first answer is that of the weight-free evidence."""
    last = [module for module in network.modules() if isinstance(module, nn.Conv3d)][-1]
    if last.out_channels == 1:
        nn.init.zeros_(last.weight)
        if last.bias is not None:
            nn.init.zeros_(last.bias)
