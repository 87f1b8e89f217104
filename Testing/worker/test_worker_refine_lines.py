"""What the worker answers to corrections that no client of ours would send."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest
from test_worker_protocol import RawWorker

from PancreasSegLib.refine import EXCLUDED, INCLUDED, Mark
from PancreasSegLib.volume import Box, Geometry
from PancreasSegLib.worker.arrays import array_reference
from PancreasSegLib.worker.correction_files import write_part

GRID = Geometry((20, 18, 16), (2.0, 2.0, 3.0), (-10.0, 5.0, 100.0))
_ids = count(100)
MIDDLE = GRID.index_to_lps((10, 9, 8)).tolist()
BOX = Box((5, 5, 5), (9, 8, 7))
FLAT = Box((5, 5, 5), (9, 8, 6))


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    worker = RawWorker(tmp_path_factory.mktemp("raw"))
    assert "refine" in worker.hello()["methods"]
    hu = np.full(GRID.shape_zyx, 40, np.int16)
    np.save(worker.folder / "ct.npy", hu)
    params = {"hash": "ct", "array": array_reference("ct.npy", GRID)}
    assert "result" in worker.ask({"id": "ct", "method": "set_volume", "params": params})
    yield worker
    worker.end()


def refine(raw, **params):
    params = {"volume": "ct", "session": "s", **params}
    return raw.ask({"id": next(_ids), "method": "refine", "params": params})


def opened(raw, **params):
    return refine(raw, open={"box_ijk": None}, **params)


def save(raw, voxels, name="bad.npy"):
    np.save(raw.folder / name, voxels)
    return name


def point(**changes):
    return {"kind": "point", "include": True, "points_lps": [MIDDLE], **changes}


def scribble(**changes):
    return {"kind": "scribble", "include": True, "points_lps": [MIDDLE], "radius_mm": 3, **changes}


def array(raw, voxels=None, box=BOX, grid=None, **changes):
    voxels = np.ones(box.size_ijk[::-1], np.uint8) if voxels is None else voxels
    reference = array_reference(save(raw, voxels, "mark.npy"), grid or box.geometry(GRID))
    return {"kind": "region", "include": True, "box_ijk": box.to_json(), "array": reference, **changes}


def test_marks_in_mm_and_as_arrays(raw):
    part = write_part(raw.folder, "state", GRID, BOX, np.ones(BOX.size_ijk[::-1]), None)
    first = refine(raw, open=part, marks=[array(raw), scribble(normal_lps=[0, 0, 1], include=False), point()])
    result = first["result"]
    assert (result["session"], result["revision"]) == ("s", 1) and result["seconds"] >= 0
    assert result["added_ml"] >= 0 and Box.from_json(result["box_ijk"]).size_ijk == tuple(
        np.load(raw.folder / result["mask"]["npy"]).shape[::-1]
    )
    assert set(np.unique(np.load(raw.folder / result["marks"]["npy"]))) <= {0, 1, 2}
    edit = write_part(raw.folder, "edit", GRID, BOX, np.zeros(BOX.size_ijk[::-1]), None)
    second = refine(raw, revision=1, edits=[edit])["result"]  # without marks, what differs is truth
    assert second["revision"] == 2 and second["box_ijk"] is None
    third = refine(raw, revision=2, marks=[scribble(radius_mm=6)])["result"]
    whole, drawn = np.zeros(GRID.shape_zyx, bool), np.zeros(GRID.shape_zyx, bool)
    whole[Box.from_json(third["box_ijk"]).slices_zyx] = np.load(raw.folder / third["mask"]["npy"])
    mark = Mark.stroke([MIDDLE], GRID, include=True, radius_mm=6)
    drawn[mark.box.slices_zyx] = mark.voxels
    assert whole[drawn].all() and not (whole & ~drawn)[BOX.slices_zyx].any()


def test_a_slice_that_is_right_says_all_about_its_box(raw):
    voxels = np.zeros(FLAT.size_ijk[::-1], np.uint8)
    voxels[0, 1, 1] = 1
    result = opened(raw, marks=[array(raw, voxels, FLAT, kind="slice")])["result"]
    marks = np.load(raw.folder / result["marks"]["npy"])
    inner = FLAT.slices_in(Box.from_json(result["box_ijk"]))
    assert np.array_equal(marks[inner], np.where(voxels, INCLUDED, EXCLUDED))


def test_a_revision_that_is_not_held(raw):
    assert opened(raw)["result"]["revision"] == 1
    for params in ({"revision": 0}, {"revision": 7}, {"revision": 1, "session": "other"}):
        error = refine(raw, **params)["error"]
        assert error["data"]["code"] == "correction-lost" and error["data"]["hint"]
    error = refine(raw, revision=1)["error"]  # whoever asked wrongly opens it again
    assert error["data"]["code"] == "correction-lost"


def test_a_refused_mark_forgets_the_correction(raw):
    opened(raw)
    assert refine(raw, revision=1, marks=[scribble(radius_mm=-1)])["error"]["data"]["code"] == "mark"
    assert refine(raw, revision=1)["error"]["data"]["code"] == "correction-lost"


def test_release_of_session_and_volume(raw):
    opened(raw)

    def release(session):
        return raw.ask({"id": next(_ids), "method": "release", "params": {"session": session}})

    assert release("s")["result"] == {"released": True} and release("s")["result"] == {"released": False}
    assert release(3)["error"]["code"] == -32602


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"session": 3}, "'session'"),
        ({"session": None}, "'session'"),
        ({"volume": "none"}, "does not hold the volume"),
        ({"open": 3}, "'open'"),
        ({"open": [], "revision": 1}, "'open'"),
        ({"open": {"box_ijk": [[0, 1]]}}, "'box_ijk'"),
        ({"open": {"box_ijk": "all", "mask": None}}, "'box_ijk'"),
        ({"open": {"box_ijk": [[0, 10**400], [0, 1], [0, 1]]}}, "box"),
        ({"open": {"box_ijk": [[0, 1], [0, 1], [0, 1]]}}, "no reference"),
        ({"open": {"box_ijk": [[0, 999], [0, 1], [0, 1]], "mask": {}}}, "does not lie"),
        ({"open": {"box_ijk": [[-1, 2], [0, 1], [0, 1]], "mask": {}}}, "does not lie"),
        ({"open": {"box_ijk": [[2, 1], [0, 1], [0, 1]], "mask": {}}}, "does not lie"),
        ({"open": {"probability": {"npy": "../x.npy"}}}, "no name"),
        ({"revision": "1"}, "'revision'"),
        ({"revision": True}, "'revision'"),
        ({}, "'revision' is missing"),
    ],
    ids=str,
)
def test_states_that_cannot_be_taken(raw, params, sentence):
    error = refine(raw, **params)["error"]
    assert sentence in error["message"] and error["message"].endswith(".") and len(error["message"]) < 600


@pytest.mark.parametrize(
    ("marks", "sentence"),
    [
        ("scribble", "'marks'"),
        ([3], "'marks'"),
        ([{}], "'kind' is missing"),
        ([scribble(kind="line")], "cannot be a 'line'"),
        ([point(kind=3)], "'kind'"),
        ([point(include=1)], "'include'"),
        ([point(points_lps=[])], "positions"),
        ([point(points_lps=[MIDDLE, MIDDLE])], "one position"),
        ([point(points_lps="here")], "'points_lps'"),
        ([point(points_lps=[[1, 2]])], "positions"),
        ([point(points_lps=[[1, 2, "x"]])], "positions"),
        ([point(points_lps=[[1, 2, None]])], "positions"),
        ([point(points_lps=[[[1, 2, 3]]])], "positions"),
        ([point(points_lps=[[1e308, 1e308, 1e308]])], "far outside"),
        ([point(points_lps=[[900, 0, 0]])], "outside the CT"),
        ([scribble(points_lps=[MIDDLE, [1e12, 0, 0]])], "far outside"),
        ([scribble(points_lps=[MIDDLE, [5000, 0, 0]] * 50)], "too long"),
        ([scribble(radius_mm=0)], "0 mm"),
        ([scribble(radius_mm=1e9)], "1e+09 mm"),
        ([scribble(radius_mm="3")], "'radius_mm'"),
        ([scribble(radius_mm=None)], "'radius_mm'"),
        ([scribble(normal_lps=[0, 0, 0])], "direction"),
        ([scribble(normal_lps=[1, 2])], "direction"),
        ([scribble(normal_lps=["up", 0, 0])], "direction"),
        ([scribble(kind="slice")], "array of its voxels"),
        ([scribble()] * 1001, "too many"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_marks_that_cannot_be_taken(raw, marks, sentence):
    error = opened(raw, marks=marks)["error"]
    assert sentence in error["message"] and error["message"].endswith(".")
    assert opened(raw, marks=[point()])["result"]["box_ijk"]  # and it goes on


SLICES = ("thick slice", "slice that excludes")


@pytest.mark.parametrize(
    "name", ["shape", "grid", "floats", "empty", "outside", "no file", "objects", "no array", *SLICES]
)
def test_arrays_of_marks_that_cannot_be_taken(raw, name):
    mark = {
        "shape": lambda: array(raw, np.ones((2, 2, 2))),
        "grid": lambda: array(raw, grid=Geometry(BOX.size_ijk, (1.0, 1.0, 1.0))),
        "floats": lambda: array(raw, np.full(BOX.size_ijk[::-1], np.nan)),
        "empty": lambda: array(raw, np.zeros(BOX.size_ijk[::-1], np.uint8)),
        "outside": lambda: array(raw, box=Box((15, 5, 5), (25, 8, 7))),
        "no file": lambda: {**array(raw), "array": array_reference("none.npy", BOX.geometry(GRID))},
        "objects": lambda: array(raw, np.full(BOX.size_ijk[::-1], None, object)),
        "no array": lambda: {**array(raw), "array": None},
        "thick slice": lambda: array(raw, kind="slice"),
        "slice that excludes": lambda: array(raw, box=FLAT, kind="slice", include=False),
    }[name]()
    error = opened(raw, marks=[mark])["error"]
    assert error["message"] and error["data"]["code"] in ("mark", "worker", "geometry")


@pytest.mark.parametrize("voxels", [np.nan, 1.5, -0.1])
def test_a_probability_is_between_0_and_1(raw, voxels):
    name = save(raw, np.full(BOX.size_ijk[::-1], voxels, np.float32))
    reference = array_reference(name, BOX.geometry(GRID))
    error = refine(raw, open={"probability": reference})["error"]
    assert "from 0 to 1" in error["message"]


def test_marks_of_the_future_are_refused(raw):
    part = write_part(raw.folder, "state", GRID, BOX, np.ones(BOX.size_ijk[::-1]), np.full(BOX.size_ijk[::-1], 7))
    assert "0, 1 and 2" in refine(raw, open=part)["error"]["message"]
