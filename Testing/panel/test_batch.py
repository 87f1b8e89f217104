"""The batch: one after the other, errors stay where they belong, what is done is skipped."""

import time
from pathlib import Path

import numpy as np
import pytest
from body_phantom import body
from fake_worker import BOX, blob, reply

from PancreasSegLib.errors import CancelledError, NoPancreasError
from PancreasSegPanel.batch.batch import Batch, State
from PancreasSegPanel.batch.folder_task import OUTPUT_FOLDER, SUMMARY, FolderTask, plan_folder
from PancreasSegPanel.batch.scene_task import LoadedTask, loaded_cts, segmentation_of
from PancreasSegPanel.work.segmentation_run import Job


class SlowTask:
    """Answers when the test says so."""

    def __init__(self, name, done=False):
        self.name, self._done, self.told, self.cancelled = name, done, None, False

    def finished_before(self):
        return self._done

    def measured_before(self):
        return None

    def start(self, on_progress, on_done):
        self.progress, self.told = on_progress, on_done

    def cancel(self):
        self.cancelled = True
        self.told(None, CancelledError())


def states(batch):
    return [line.state for line in batch.lines]


def test_one_after_the_other_and_the_finished_are_skipped():
    tasks = [SlowTask("a"), SlowTask("b", done=True), SlowTask("c")]
    ended = []
    batch = Batch(tasks, lambda: None, ended.append)
    batch.start()
    assert states(batch) == [State.RUNNING, State.WAITING, State.WAITING]
    tasks[0].progress(0.4)
    assert batch.lines[0].fraction == 0.4
    tasks[0].told(None, None)
    assert states(batch) == [State.DONE, State.SKIPPED, State.RUNNING]
    tasks[2].told(None, NoPancreasError("A head."))
    assert states(batch) == [State.DONE, State.SKIPPED, State.EMPTY]
    assert batch.lines[2].remark == "A head."
    assert ended == [batch]
    assert batch.summary() == "Batch of 3: 1 done, 1 done before, 1 no pancreas."


def test_a_task_that_cannot_start_does_not_stop_the_rest():
    class Broken(SlowTask):
        def start(self, on_progress, on_done):
            raise OSError(5, "broken", "x.nii")

    tasks = [Broken("a"), SlowTask("b")]
    batch = Batch(tasks, lambda: None, lambda batch: None)
    batch.start()
    assert states(batch) == [State.FAILED, State.RUNNING]


def test_stopping_gives_up_the_running_one_and_keeps_the_rest():
    tasks = [SlowTask("a"), SlowTask("b"), SlowTask("c")]
    ended = []
    batch = Batch(tasks, lambda: None, ended.append)
    batch.start()
    tasks[0].told(None, None)
    batch.cancel()
    assert tasks[1].cancelled and tasks[2].told is None
    assert states(batch) == [State.DONE, State.STOPPED, State.STOPPED]
    assert ended == [batch]
    tasks[1].told(None, None)  # late
    assert states(batch)[1] is State.STOPPED


def test_loaded_cts_are_those_that_look_like_one(scene, logic, client, add_ct, axial):
    from PancreasSegLib.volume import Volume
    from PancreasSegPanel.scene.volume_node import add_volume

    first, second = add_ct(axial, "first"), add_ct(axial, "second")
    add_volume(scene, Volume(np.full(axial.shape_zyx, 7, np.int16), axial), "flat")
    logic.start(Job(first, confidence_map=True))
    client.answer(reply(client.last.scan))
    logic.poll()
    assert loaded_cts(scene) == [first, second]
    assert segmentation_of(scene, first) is not None
    assert segmentation_of(scene, second) is None


def test_the_batch_over_loaded_cts_goes_on_where_it_was(scene, logic, client, add_ct, axial):
    cts = [add_ct(axial, name) for name in ("a", "b")]

    def run():
        tasks = [LoadedTask(logic, scene, Job(ct)) for ct in loaded_cts(scene)]
        batch = Batch(tasks, lambda: None, lambda batch: None)
        batch.start()
        return batch

    batch = run()
    client.answer(reply(client.last.scan))
    logic.poll()
    assert states(batch) == [State.DONE, State.RUNNING]
    batch.cancel()
    assert states(batch) == [State.DONE, State.STOPPED]
    batch = run()
    assert states(batch) == [State.SKIPPED, State.RUNNING]
    client.answer(reply(client.last.scan))
    logic.poll()
    assert states(batch) == [State.SKIPPED, State.DONE]
    assert all(segmentation_of(scene, ct) is not None for ct in cts)


@pytest.fixture
def folder(tmp_path, axial) -> Path:
    """Two scans of the same name in two formats, one in a subfolder, a broken one."""
    from PancreasSegLib.io import write_volume

    folder = tmp_path / "Aufnahmen für Übung"
    (folder / "Müller").mkdir(parents=True)
    for name in ("a.nii.gz", "a.nrrd", "Müller/b.mha"):
        write_volume(folder / name, body(axial))
    (folder / "z.nii.gz").write_bytes(b"no image")
    return folder


def tasks_of(logic, folder):
    summary = folder / OUTPUT_FOLDER / SUMMARY
    return [FolderTask(logic.jobs, *entry, summary, "default", "auto") for entry in plan_folder(folder)]


def pump(logic, client, batch):
    """Answer the worker's requests until the batch is done."""
    answered = set()
    end = time.monotonic() + 30
    while not batch.done and time.monotonic() < end:
        logic.poll()
        for request in client.requests:
            if id(request) not in answered:
                answered.add(id(request))
                client.answer(reply(request.scan), request)
        time.sleep(0.005)
    assert batch.done


def test_a_folder_is_segmented_beside_the_scene_and_resumed(scene, logic, client, folder, axial):
    import SimpleITK as sitk

    nodes = scene.GetNumberOfNodes()
    tasks = tasks_of(logic, folder)
    assert [task.name for task in tasks] == ["Müller/b.mha", "a.nii.gz", "a.nrrd", "z.nii.gz"]
    batch = Batch(tasks, lambda: None, lambda batch: None)
    batch.start()
    pump(logic, client, batch)
    assert states(batch) == [State.DONE, State.DONE, State.DONE, State.FAILED]
    assert scene.GetNumberOfNodes() == nodes
    out = folder / OUTPUT_FOLDER
    masks = sorted(p.relative_to(out).as_posix() for p in out.rglob("*.seg.nrrd"))
    assert masks == ["Müller/b_pancreas.seg.nrrd", "a.nii.gz_pancreas.seg.nrrd", "a.nrrd_pancreas.seg.nrrd"]
    image = sitk.ReadImage(str(out / masks[0]))
    assert np.allclose(image.GetOrigin(), axial.origin_lps) and image.GetSize() == axial.size_ijk
    assert np.array_equal(sitk.GetArrayFromImage(image)[BOX.slices_zyx], blob(axial, BOX))
    summary = (out / SUMMARY).read_text("utf-8").splitlines()
    assert len(summary) == 4 and summary[0].startswith("ct,label,volume_ml")
    assert len(set(client.released)) == 3  # the worker keeps no scan of the folder

    (out / masks[0]).unlink()
    asked = len(client.requests)
    again = Batch(tasks_of(logic, folder), lambda: None, lambda batch: None)
    again.start()
    pump(logic, client, again)
    assert sorted(state.value for state in states(again)) == ["done", "done before", "done before", "failed"]
    assert len(client.requests) == asked + 1
    assert len((out / SUMMARY).read_text("utf-8").splitlines()) == 4


def test_what_the_reader_noted_reaches_the_results(scene, logic, client, folder, axial):
    """A CT whose header names a spacing of 1 mm beside its s-form."""
    from PancreasSegLib.io import write_volume

    for path in [*folder.rglob("*.n*"), *folder.rglob("*.mha")]:
        path.unlink()
    write_volume(folder / "ct.nii", body(axial))
    header = bytearray((folder / "ct.nii").read_bytes())
    header[80:92] = np.array([1, 1, 1], "<f4").tobytes()  # pixdim
    (folder / "ct.nii").write_bytes(header)
    batch = Batch(tasks_of(logic, folder), lambda: None, lambda batch: None)
    batch.start()
    pump(logic, client, batch)
    assert states(batch) == [State.DONE]
    summary = (folder / OUTPUT_FOLDER / SUMMARY).read_text("utf-8")
    assert "states its spacing twice" in summary


def test_stopping_a_folder_leaves_no_half_mask(scene, logic, client, folder):
    batch = Batch(tasks_of(logic, folder), lambda: None, lambda batch: None)
    batch.start()
    end = time.monotonic() + 30
    while not client.requests and time.monotonic() < end:
        logic.poll()
        time.sleep(0.005)
    batch.cancel()
    assert batch.done
    logic.poll()
    assert client.last.cancelled
    assert not list((folder / OUTPUT_FOLDER).rglob("*.nrrd")) if (folder / OUTPUT_FOLDER).exists() else True


def test_a_folder_without_scans_gets_a_sentence(tmp_path):
    from PancreasSegLib.errors import UnreadableFileError

    with pytest.raises(UnreadableFileError, match="holds no scan"):
        plan_folder(tmp_path)
