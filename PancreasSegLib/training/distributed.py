"""Several processes that train one network, on one machine or many, started by ``torchrun``.

Each process computes its share of every batch. The scores of all are brought together before the loss, so that it
is that of the whole batch (a Dice over a batch is not the mean of the Dice of its parts), and the gradients are
summed; so the result is that of one process, but for rounding. Only the first process writes.

Small agreements (cancel, time, scores) go over gloo on the CPU, so that no GPU has to wait for them.
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import nn

from PancreasSegLib.errors import DeviceError, PancreasSegError, RecipeError

_log = logging.getLogger(__name__)
_PATIENCE = timedelta(hours=6)  # the others wait while the first prepares cases or makes pictures

Result = TypeVar("Result")


class World:
    """The processes of a run, seen from one of them.

    Parameters
    ----------
    rank, size : int
        Number of this process and how many there are.
    control : process group, optional
        For agreements, on the CPU; None where there is one process.
    """

    def __init__(self, rank: int = 0, size: int = 1, control: Any = None) -> None:
        self.rank, self.size, self._control = rank, size, control

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def share(self, count: int, parts: int = 1) -> list[list[int]]:
        """Return which samples of a batch this process computes, part by part.

        Parameters
        ----------
        count : int
            Samples of the batch, over all processes.
        parts : int
            Parts that are computed one after the other.

        Raises
        ------
        RecipeError
            If the batch cannot be cut into equal shares.
        """
        each, rest = divmod(count, parts * self.size)
        if rest or not each:
            raise RecipeError(
                f"sampling.batch_size: a batch of {count} cannot be shared by {self.size} processes"
                f"{f' in {parts} parts' if parts > 1 else ''}.",
                f"Give a multiple of {parts * self.size}.",
            )
        starts = [(part * self.size + self.rank) * each for part in range(parts)]
        return [list(range(start, start + each)) for start in starts]

    def agree(self, cancelled: bool, elapsed: float) -> tuple[bool, float]:
        """Return whether any process was cancelled, and the longest time; the same in all."""
        if self.size == 1:
            return cancelled, elapsed
        both = torch.tensor([float(cancelled), elapsed], dtype=torch.float64)
        dist.all_reduce(both, dist.ReduceOp.MAX, group=self._control)
        return bool(both[0]), float(both[1])

    def gathered(self, tensor: torch.Tensor) -> torch.Tensor:
        """Put the tensors of all processes together along the first axis; gradients flow into the own part."""
        if self.size == 1:
            return tensor
        own = tensor.detach().contiguous()
        parts = [torch.empty_like(own) for _ in range(self.size)]
        dist.all_gather(parts, own)
        return torch.cat([*parts[: self.rank], tensor, *parts[self.rank + 1 :]])

    def all_of(self, value: Result) -> list[Result]:
        """Return what every process has, in the order of their numbers."""
        if self.size == 1:
            return [value]
        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, value, group=self._control)
        return found

    def sum_gradients(self, network: nn.Module) -> None:
        """Add up the gradients of all processes, in one message."""
        if self.size == 1:
            return
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        dist.all_reduce(flat)
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def mean_buffers(self, network: nn.Module) -> None:
        """Let running statistics (of batch normalisation) be the mean over all processes."""
        if self.size == 1:
            return
        for buffer in network.buffers():
            if buffer.is_floating_point():
                dist.all_reduce(buffer)
                buffer /= self.size

    def from_first(self, work: Callable[[], Result]) -> Result:
        """Let the first process do something and give the result, or the error, to all.

        Raises
        ------
        PancreasSegError
            What the first process raised.
        """
        if self.size == 1:
            return work()
        message: list[Any] = [None, None]
        if self.first:
            try:
                message[0] = work()
            except PancreasSegError as error:
                message[1] = error
        dist.broadcast_object_list(message, src=0, group=self._control)
        if message[1] is not None:
            raise message[1]
        return message[0]

    def state_from_first(self, load: Callable[[], dict[str, Any]], device: torch.device) -> dict[str, Any]:
        """Return the state that the first process reads, as data only; other machines need not see its files."""
        if self.size == 1:
            return load()

        def packed() -> bytes:
            stream = io.BytesIO()
            torch.save(load(), stream)
            return stream.getvalue()

        return torch.load(io.BytesIO(self.from_first(packed)), map_location=device, weights_only=True)

    def in_turn(self, work: Callable[[], Result]) -> Result:
        """Do something in one process after the other, so that they find what the first has made.

        Raises
        ------
        PancreasSegError
            What any process raised.
        """
        result: Any = None
        for rank in range(self.size):
            problem = None
            if rank == self.rank:
                try:
                    result = work()
                except PancreasSegError as error:
                    if self.size == 1:
                        raise
                    problem = error
            for found in self.all_of(problem):
                if found is not None:
                    raise found
        return result


ALONE = World()
"""One process."""


def several_processes() -> bool:
    """Whether ``torchrun`` started this process beside others."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 or (dist.is_available() and dist.is_initialized())


def is_first_process() -> bool:
    """Whether this process is alone, or the one of its run that writes and speaks."""
    return int(os.environ.get("RANK", "0")) == 0


def local_rank() -> int:
    """Return the number of this process on its machine, which is that of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


@contextmanager
def joined_world(device: torch.device) -> Iterator[World]:
    """Join the processes that ``torchrun`` started; without it there is one.

    Parameters
    ----------
    device : torch.device
        Where this process trains: NCCL carries the gradients of GPUs, gloo those of CPUs.

    Raises
    ------
    DeviceError
        If the device cannot be used by several processes.
    """
    if not several_processes():
        yield ALONE
        return
    if device.type == "mps":
        raise DeviceError("Several processes cannot share an Apple GPU.", "Use device=cpu, or one process.")
    ours = not dist.is_initialized()
    if ours:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        control = dist.new_group(backend="gloo", timeout=_PATIENCE)
        world = World(dist.get_rank(), dist.get_world_size(), control)
        with _quiet(not world.first):
            _log.info("%d processes train together", world.size)
            yield world
    finally:
        if ours:
            dist.destroy_process_group()


@contextmanager
def _quiet(hushed: bool) -> Iterator[None]:
    """Let only warnings through where another process says the rest."""
    logger = logging.getLogger("PancreasSegLib")
    before = logger.level
    if hushed:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)


def same_start(network: nn.Module, world: World) -> None:
    """Give every process the weights of the first."""
    if world.size > 1:
        for tensor in network.state_dict().values():
            dist.broadcast(tensor, src=0)


def in_order(items: Sequence[dict[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """Merge what the processes found, in the order of `names`."""
    merged = {name: value for part in items for name, value in part.items()}
    return {name: merged[name] for name in names if name in merged}
