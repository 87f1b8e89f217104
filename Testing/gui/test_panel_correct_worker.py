"""The Correct section with the real worker: strokes by mouse, a worker that is killed, thirty strokes."""

from __future__ import annotations

import gc
import os
import signal

import numpy as np
import psutil
import pytest
from reader import FOUND, GRID, ORGAN, Reader, found_mask, inside

pytest_plugins = ["panel_in_host"]  # its fixtures


class WorkerReader(Reader):
    """Corrects with the real worker."""

    def start_with_half(self):
        """Load the CT and a segment of half of the organ that no model made."""
        import slicer

        from PancreasSegPanel.scene.oriented_image import oriented_image
        from PancreasSegPanel.scene.patient_axes import ras_from_geometry

        self.start(segment=False)
        node = self.host.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Of another program")
        node.CreateDefaultDisplayNodes()
        node.SetReferenceImageGeometryParameterFromVolumeNode(self.slices.ct)
        segment = slicer.vtkSegment()
        segment.SetName("Organ")
        image = oriented_image(found_mask(), FOUND.lower_ijk, ras_from_geometry(GRID))
        segment.AddRepresentation("Binary labelmap", image)
        node.GetSegmentation().AddSegment(segment, "Organ")
        self.host.set_node("outputSegmentationSelector", node)
        self.host.find("correctCollapsibleButton").collapsed = False
        self.host.process_events()
        self.look_at(self.edge())

    def let_correct(self):
        self.wait(lambda: not self.session.busy)
        self.host.process_events()


@pytest.fixture
def reader(person):
    reader = WorkerReader(person.host)
    reader.files = person.files
    return reader


def line(reader, row=31, start=36, end=46):
    return reader.way((start, row, 19), (end, row, 19))


@pytest.mark.slow
def test_strokes_correct_a_segment_of_another_program_and_undo_is_exact(reader, host):
    reader.start_with_half()
    before = reader.now()
    reader.take("include")
    reader.draw("Red", line(reader))
    after = reader.now()
    assert after[reader.marked("Include")].all()
    missing = inside(GRID, ORGAN) & ~before
    assert np.count_nonzero(after & missing) > np.count_nonzero(reader.marked("Include")), reader.told
    reader.take("exclude")
    reader.draw("Yellow", reader.slices.line("Yellow", (0, -12), (0, -6)))
    assert not reader.now()[reader.marked("Exclude")].any()
    host.click("undoCorrectionButton")
    assert (reader.now() == after).all()
    host.click("undoCorrectionButton")
    assert (reader.now() == before).all()


def test_a_result_of_the_model_is_corrected_in_one_flow(person, host):
    from bright_model import make_abdomen
    from slices import Slices

    from PancreasSegPanel.scene.volume_node import add_volume

    reader = WorkerReader(host)
    ct, _ = make_abdomen()
    node = add_volume(host.scene, ct, "CT")
    reader.open()
    reader.geometry = ct.geometry
    host.widget.logic.getParameterNode().model = "bright"
    host.process_events()
    reader.segment_and_wait()
    reader.slices = Slices(host, node)
    host.click("jumpButton")
    before = reader.now("Pancreas")
    reader.take("exclude")
    reader.draw("Red", reader.slices.line("Red", (-8, 0), (8, 0)))
    assert not reader.now()[reader.marked("Exclude")].any()
    assert (before & ~reader.now()).any(), reader.told
    host.click("nextDoubtButton")
    assert host.find("doubtLabel").text
    host.click("undoCorrectionButton")
    assert (reader.now() == before).all()


@pytest.mark.slow
def test_a_worker_killed_during_a_correction_loses_no_stroke(reader):
    reader.start_with_half()
    reader.take("include")
    reader.draw("Red", line(reader, 27))
    first = reader.marked("Include")
    pid = reader.logic.jobs.client.worker_pid
    os.kill(pid, signal.SIGSTOP)  # it has the stroke and does not answer
    reader.host.mouse.drag("Red", line(reader, 31))
    reader.host.mouse.drag("Red", line(reader, 35))
    os.kill(pid, signal.SIGKILL)
    reader.let_correct()
    assert reader.session.error is None, reader.told
    assert reader.logic.jobs.client.worker_pid != pid
    drawn = reader.marked("Include")
    for row in (31, 35):
        sure, _ = reader.under("Red", line(reader, row), 2.5)
        assert drawn[sure].all()
    assert drawn[first].all() and reader.now()[drawn].all()


@pytest.mark.slow
def test_thirty_strokes_do_not_grow_memory(reader):
    reader.start_with_half()
    reader.take("include")
    reader.draw("Red", line(reader))  # the worker is warm
    here = psutil.Process()
    worker = psutil.Process(reader.logic.jobs.client.worker_pid)

    def sizes():
        gc.collect()
        return np.array([here.memory_info().rss, worker.memory_info().rss]) / 2**20

    at_ten = None
    for number in range(30):
        row = 25 + number % 12
        tool = "include" if number % 3 else "exclude"
        reader.take(tool)
        reader.draw("Red", line(reader, row, *((36, 46) if tool == "include" else (20, 24))))
        if number == 9:
            at_ten = sizes()
    grown = sizes() - at_ten
    assert (grown < 25).all(), f"MB grown over twenty strokes, panel and worker: {grown}"
    left = [path for path in reader.files.rglob("*") if path.is_file() and path.suffix == ".npy"]
    assert len(left) < 12, left
