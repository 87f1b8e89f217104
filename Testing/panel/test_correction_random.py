"""Whatever is done in whatever order, the session knows the segment to the voxel, and undo leads back."""

from __future__ import annotations

import random

import numpy as np
import pytest
from strokes import edit_elsewhere, marked, now, paint, whole

from PancreasSegLib.refine import Mark
from PancreasSegLib.volume import Box
from PancreasSegPanel.scene.mark_map import ERASED, PAINTED, plain

STEPS = 30
VALUES = {"Include": 1, "Exclude": 2, "Painted": PAINTED, "Erased": ERASED}


class User:
    """Someone who tries everything."""

    def __init__(self, seed, session, logic, client) -> None:
        self.random, self.session, self.logic, self.client = random.Random(seed), session, logic, client
        self.told: list[str] = []

    def stroke(self) -> Mark:
        grid, rnd = self.session.geometry, self.random
        centre = grid.index_to_lps([rnd.uniform(4, n - 4) for n in grid.size_ijk])
        kind = rnd.choice(["scribble", "scribble", "point", "region"])
        return Mark.stroke([centre], grid, include=rnd.random() < 0.5, radius_mm=rnd.uniform(1, 10), kind=kind)

    def act(self) -> None:
        actions = [self.add, self.add, self.answer, self.answer, self.undo, self.redo, self.paint, self.edit]
        actions += [self.preview, self.accept, self.reject, self.hold, self.apply, self.smooth, self.clear]
        actions += [self.learn, self.cancel]
        action = self.random.choice(actions)
        self.told.append(action.__name__)
        action()

    def add(self):
        self.session.add([self.stroke() for _ in range(self.random.choice([1, 1, 2]))])

    def answer(self):
        """The worker answers one request, or all."""
        while self.session.busy:
            if not self.client.last.done:
                self.client.correct() if self.client.last.method == "refine" else self.client.teach()
            self.logic.turn()
            if self.random.random() < 0.5:
                return

    def edit(self):
        mark = self.stroke()
        voxels = whole(mark, self.session.geometry)
        edit_elsewhere(self.session, now(self.session) | voxels if mark.include else now(self.session) & ~voxels)

    def hold(self):
        self.session.auto_update = not self.session.auto_update

    def preview(self):
        self.session.preview = not self.session.preview

    def undo(self):
        self.session.undo()

    def redo(self):
        self.session.redo()

    def paint(self):
        paint(self.session, self.stroke())

    def accept(self):
        self.session.accept()

    def reject(self):
        self.session.reject()

    def apply(self):
        self.session.apply()

    def smooth(self):
        self.session.smooth(2.0)

    def learn(self):
        if self.session.learning.possible:
            self.session.learn()

    def cancel(self):
        self.session.cancel_learning()

    def clear(self):
        if self.random.random() < 0.2:
            self.session.clear_marks()

    def check(self) -> None:
        """What is seen is what the session would give to the worker."""
        session = self.session
        session.notice()
        grid, shown = session.geometry, np.zeros(session.geometry.shape_zyx, np.uint8)
        if session.marks_volume() is not None:
            marks = session.marks_volume()
            lower = np.round(grid.lps_to_index(marks.geometry.origin_lps)).astype(int)
            shown[Box(tuple(lower), tuple(lower + marks.geometry.size_ijk)).slices_zyx] = marks.voxels
        seen = sum(marked(session, name) * plain(np.uint8(value)) for name, value in VALUES.items())
        assert np.array_equal(seen, shown), self.told
        assert session.error is None or "Nothing is marked" in str(session.error), self.told


SEEDS = [*range(3), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 30))]


@pytest.mark.parametrize("seed", SEEDS)
def test_everything_in_any_order(start, logic, client, axial, seed):
    session = start(axial)
    first = now(session)
    user = User(seed, session, logic, client)
    for _ in range(STEPS):
        user.act()
        if user.random.random() < 0.3:
            user.check()
    session.apply()
    while session.busy:
        user.answer()
    session.reject()
    session.auto_update, last = True, now(session)
    session.add([user.stroke()])  # the worker is given what the user sees
    mask, _ = client.last.options["state"].within(Box.whole(axial))
    assert np.array_equal(mask > 0, last), user.told
    session.undo()
    learnt = session._segment.state.probability
    while session.undo():
        pass
    assert np.array_equal(now(session), first), user.told
    assert session._segment.state.probability is None
    while session.can_redo and not session.busy:
        session.redo()
    assert np.array_equal(now(session), last), user.told
    assert session._segment.state.probability is learnt
