"""An owner of a correction, as the panel is one, on grids of several kinds."""

from __future__ import annotations

import numpy as np
from worker_processes import method_of_the_worker, oblique

from PancreasSegLib.refine import Correction, Mark
from PancreasSegLib.volume import Box, Geometry, Volume
from PancreasSegLib.worker import CorrectionChange, CorrectionState, Scan

GRIDS = {
    "plain": Geometry((70, 60, 40), (2.0, 2.0, 3.0), (-50.0, 20.0, 400.0)),
    "left-handed": Geometry((70, 60, 40), (2.0, 2.0, 3.0), (5.0, 6.0, 7.0), (1, 0, 0, 0, -1, 0, 0, 0, 1)),
    "oblique": oblique(left_handed=False),
}


class Owner:
    """Has the whole state, as the panel does, and a twin in this process to compare with."""

    def __init__(self, client, grid: Geometry, name: str = "owner", *, probability: bool = True) -> None:
        rng = np.random.default_rng(1)
        self.client, self.name, self.grid = client, name, grid
        hu = rng.normal(-80, 10, grid.shape_zyx).astype(np.int16)
        k, j, i = (n // 3 for n in grid.shape_zyx)
        hu[k : 2 * k, j : 2 * j, i : 2 * i] = rng.normal(90, 10, (k, j, i))
        self.scan = Scan(hu, grid, f"scan of {name}")
        self.box = Box((i, j, k), (i + i // 2, 2 * j, 2 * k))
        mask = np.ones(self.box.size_ijk[::-1], np.uint8)
        crop = Volume(np.full(self.box.size_ijk[::-1], 0.6, np.float16), self.box.geometry(grid))
        crop = crop if probability else None
        self.state = CorrectionState(self.box, mask, np.zeros_like(mask), crop)
        self.twin = Correction(Volume(hu, grid), self.whole()[0], crop, propagation=method_of_the_worker())

    def whole(self):
        return self.state.within(Box.whole(self.grid))

    def stroke(self, share: float, include: bool = True) -> Mark:
        """A stroke across the bright block, at a share of its length."""
        i, j, k = self.grid.size_ijk
        x = i / 3 * (1 + share)
        line = self.grid.index_to_lps([[x, j * 0.42, k / 2], [x, j * 0.58, k / 2]])
        return Mark.stroke(line, self.grid, include=include, radius_mm=3.0)

    def ask(self, *marks: Mark):
        return self.client.refine(self.scan, self.name, self.state, marks)

    def take(self, request) -> CorrectionChange:
        change = self.client.wait(request)
        self.state = self.state.changed(change)
        return change

    def add(self, *marks: Mark) -> CorrectionChange:
        change = self.take(self.ask(*marks))
        self.twin.add(marks)
        self.check()
        return change

    def return_to(self, state: CorrectionState) -> None:
        """Undo here; the worker is not told."""
        self.state, self.twin.probability = state, state.probability
        self.twin.put(Box.whole(self.grid), *self.whole())

    def check(self) -> None:
        mask, marks = self.whole()
        np.testing.assert_array_equal(mask > 0, self.twin.mask)
        np.testing.assert_array_equal(marks, self.twin.marks)
