"""Learning a patient in the worker: what the library gives, a probability that is sent once, cancel and death."""

from __future__ import annotations

import os
import signal
import sys

import numpy as np
import pytest
from correction_owner import GRIDS, Owner
from worker_processes import wait_until

from PancreasSegLib.errors import CancelledError, MarkError, ModelPackageError, TooLittleMarkedError, WorkerError
from PancreasSegLib.refine import Mark
from PancreasSegLib.worker import CorrectionState

ENDLESS = """
from PancreasSegLib.adaptation import patient_learner
from PancreasSegLib.adaptation.settings import LearningSettings
patient_learner.LearningSettings = lambda: LearningSettings(steps=1_000_000)
"""


def learn(owner: Owner, model: str, **options):
    return owner.client.learn(owner.scan, owner.name, owner.state, model, "cpu", **options)


def confirmed_slice(owner: Owner) -> Mark:
    """The middle slice of the block, confirmed: enough to learn from."""
    axis = int(np.argmax(owner.grid.spacing_mm))
    middle = (owner.box.lower_ijk[axis] + owner.box.upper_ijk[axis]) // 2
    return Mark.of_slice(owner.whole()[0], owner.grid, axis=axis, index=middle)


def learnt_here(owner: Owner, model: str):
    """Let the twin in this process learn, too."""
    from PancreasSegLib.adaptation import PatientLearner
    from PancreasSegLib.inference import Segmenter

    twin = owner.twin
    probability = PatientLearner(Segmenter.load(model, "cpu")).learn(twin.ct, twin.mask, twin.marks)
    twin.outline_anew(probability)
    return probability


def test_it_gives_what_the_library_gives_and_strokes_go_on_from_it(client, bright, monkeypatch):
    import PancreasSegLib.worker.correction_exchange as exchange

    sent: list[str] = []
    write = exchange.write_probability
    monkeypatch.setattr(exchange, "write_probability", lambda *a: sent.append("probability") or write(*a))
    owner = Owner(client, GRIDS["oblique"], "learning")
    owner.add(owner.stroke(0.8), confirmed_slice(owner))
    change = owner.take(learn(owner, bright))
    expected = learnt_here(owner, bright)
    owner.check()
    assert change.probability is not None and owner.state.probability is change.probability
    assert change.probability.geometry == expected.geometry and change.seconds > 0
    np.testing.assert_array_equal(change.probability.voxels, expected.voxels)
    owner.add(owner.stroke(0.9))  # carried by the learnt probability, here and there
    assert sent == ["probability"]  # the first one; the learnt one came from there
    folder = client.log_path.parent
    assert not [p.name for p in folder.iterdir() if p.name.startswith(("ask-", "reply-"))]


def test_undone_it_goes_on_from_the_former_probability(client, bright):
    owner = Owner(client, GRIDS["plain"], "learnt and undone")
    owner.add(confirmed_slice(owner))
    before = owner.state
    owner.take(learn(owner, bright))
    learnt_here(owner, bright)
    owner.return_to(before)
    owner.add(owner.stroke(0.9))


def test_progress_names_the_stages_and_never_falls(client, bright):
    events = []
    owner = Owner(client, GRIDS["plain"], "progress")
    owner.add(confirmed_slice(owner))
    client.wait(learn(owner, bright, on_progress=events.append))
    fractions = [event.fraction for event in events]
    assert {"learn", "segment"} <= {event.stage for event in events}
    assert fractions == sorted(fractions) and events[-1].message == "done"


def test_refusals_are_the_librarys_and_the_correction_lives_on(client, bright):
    owner = Owner(client, GRIDS["plain"], "refused")
    with pytest.raises(TooLittleMarkedError, match="Too little is marked"):
        client.wait(learn(owner, bright))
    state, owner.state = owner.state, CorrectionState.empty()
    with pytest.raises(MarkError, match="Too little is marked"):
        client.wait(learn(owner, bright))
    owner.state = state
    owner.add(Mark.point(owner.grid.index_to_lps(owner.box.lower_ijk), owner.grid, include=True))
    with pytest.raises(MarkError, match="Too little is marked"):
        client.wait(learn(owner, bright))
    owner.add(confirmed_slice(owner))
    with pytest.raises(ModelPackageError, match="does not segment the spleen"):
        client.wait(learn(owner, bright, label="spleen"))
    with pytest.raises(ModelPackageError):
        client.wait(learn(owner, "no such model"))
    owner.add(owner.stroke(0.9))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="ends processes by POSIX signals")
def test_cancelled_and_killed_under_way_nothing_is_lost(workers, launcher, bright):
    client = workers(launcher(ENDLESS))
    owner = Owner(client, GRIDS["plain"])
    owner.add(confirmed_slice(owner))
    pid = workers.note(client)
    events = []
    request = learn(owner, bright, on_progress=events.append)
    assert wait_until(
        lambda: client.poll() or len([e for e in events if e.stage == "learn"]) > 2
    )  # all is imported
    client.cancel(request)
    with pytest.raises(CancelledError):
        client.wait(request)
    owner.add(owner.stroke(0.9))
    assert client.worker_pid == pid  # it stopped by itself
    events.clear()
    request = learn(owner, bright, on_progress=events.append)
    assert wait_until(lambda: client.poll() or (events and events[-1].stage == "learn"))
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(WorkerError, match="stopped unexpectedly"):
        client.wait(request)
    owner.add(owner.stroke(0.7))
    assert workers.note(client) != pid
