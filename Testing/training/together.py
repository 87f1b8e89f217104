"""One of several processes that train together; run by test_together.py.

Arguments: file of the rendezvous, number of this process, how many there are, recipe, then overrides. With
``--stop N`` the process is cancelled after N steps. What the process met is written to ``problem-<rank>.txt``
beside the rendezvous.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from small_networks import StopsAfter

from PancreasSegLib.errors import PancreasSegError
from PancreasSegLib.training.recipe import load_recipe
from PancreasSegLib.training.run import train_networks


class Told:
    """Writes what an observer is told, one line an event."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def _line(self, what: str) -> None:
        with self._path.open("a") as file:
            file.write(what + "\n")

    def started(self, run) -> None:
        self._line(f"started {run.processes}")

    def stepped(self, step, fields) -> None:
        self._line(f"stepped {step}")

    def validated(self, step, scores) -> None:
        self._line(f"validated {step} {sorted(scores.dice)}")

    def epoch_ended(self, step, network_view) -> None:
        pass

    def finished(self, summary) -> None:
        self._line(f"finished {summary.ending}")


def main(rendezvous: str, rank: str, size: str, recipe: str, *words: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=int(rank), world_size=int(size))
    overrides = [word for word in words if "=" in word]
    stop = int(words[words.index("--stop") + 1]) if "--stop" in words else 10**9
    folder = Path(rendezvous).parent
    try:
        train_networks(
            load_recipe(recipe, overrides),
            resume="--resume" in words,
            cancel=StopsAfter(stop),
            observers=[Told(folder / f"told-{rank}.txt")],
        )
    except PancreasSegError as error:
        (folder / f"problem-{rank}.txt").write_text(f"{type(error).__name__}: {error}")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
