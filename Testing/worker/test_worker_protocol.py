"""The worker's own side: what it answers to lines that no client of ours would send."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from worker_processes import PROJECT

from PancreasSegLib.errors import NoPancreasError, PancreasSegError
from PancreasSegLib.volume import Geometry
from PancreasSegLib.worker import PROTOCOL_VERSION
from PancreasSegLib.worker.arrays import (
    array_reference,
    content_hash,
    read_volume_array,
    remove_arrays,
    write_array,
)
from PancreasSegLib.worker.protocol import LONGEST_LINE, error_data, error_from, plain


class RawWorker:
    """A worker that is spoken to line by line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = (folder / "worker.log").open("wb")
        environment = os.environ | {"PYTHONPATH": str(PROJECT)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "PancreasSegLib.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            env=environment,
        )

    def send(self, line: bytes | str | dict) -> None:
        if isinstance(line, dict):
            line = json.dumps({"jsonrpc": "2.0", **line})
        self.process.stdin.write(line.encode() if isinstance(line, str) else line)
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()

    def read(self) -> dict:
        while not (line := self.process.stdout.readline()).strip():
            assert line, "the worker ended"
        message = json.loads(line)
        assert message["jsonrpc"] == "2.0"
        return message

    def ask(self, line: bytes | str | dict) -> dict:
        self.send(line)
        while (message := self.read()).get("method") == "progress":
            assert set(message["params"]) == {"request", "stage", "fraction", "seconds_left", "message"}
        return message

    def hello(self) -> dict:
        params = {"protocol": PROTOCOL_VERSION, "folder": str(self.folder)}
        return self.ask({"id": 0, "method": "hello", "params": params})["result"]

    def end(self) -> None:
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()
        self.log.close()


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    worker = RawWorker(tmp_path_factory.mktemp("raw"))
    first = worker.ask({"id": 5, "method": "propose_roi", "params": {"volume": "x"}})
    assert "hello" in first["error"]["message"]
    assert worker.hello()["protocol"] == PROTOCOL_VERSION
    yield worker
    worker.end()


@pytest.mark.parametrize(
    ("line", "code", "sentence"),
    [
        ("no JSON", -32700, "not JSON"),
        (b"\xff\xfe{}", -32700, "not JSON"),
        ("[" * 100_000, -32700, "not JSON"),
        ("[]", -32600, "JSON-RPC 2.0"),
        ('{"id": 1, "method": "devices"}', -32600, "JSON-RPC 2.0"),
        ({"id": 1}, -32600, "method"),
        ({"id": {}, "method": "devices"}, -32600, "id"),
        ({"id": 1, "method": "devices", "params": [1]}, -32602, "by name"),
        ({"id": 1, "method": "repaint", "params": {}}, -32601, "'repaint'"),
        ({"id": 1, "method": "propose_roi"}, -32602, "'volume' is missing"),
        ({"id": 1, "method": "propose_roi", "params": {"volume": 3}}, -32602, "not of the type str"),
        ({"id": 1, "method": "propose_roi", "params": {"volume": "x"}}, -32000, "does not hold"),
        ({"id": 1, "method": "set_volume", "params": {"hash": "x"}}, -32000, "does not hold"),
        ({"id": 1, "method": "hello", "params": {"protocol": 2, "folder": "/"}}, -32000, "version 2"),
        ({"id": 1, "method": "hello", "params": {"protocol": 0, "folder": "/"}}, -32602, "version 0"),
        ({"id": 1, "method": "hello", "params": {"protocol": 1, "folder": "/nowhere"}}, -32000, "not there"),
        ("x" * (LONGEST_LINE + 10), -32600, "longer than"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_line_that_cannot_be_obeyed_gets_a_sentence(raw, line, code, sentence):
    error = raw.ask(line)["error"]
    assert error["code"] == code and sentence in error["message"] and error["message"].endswith(".")
    assert error["data"]["code"] and "hint" in error["data"]
    assert "cpu" in str(raw.ask({"id": "next", "method": "devices", "params": {}})["result"])


def test_notifications_that_mean_nothing_are_ignored(raw):
    for line in (
        {"method": "cancel", "params": {"request": [1]}},
        {"method": "cancel", "params": {"request": "never asked"}},
        {"method": "cancel"},
        {"method": "unheard of", "params": {}},
        "",
    ):
        raw.send(line)
    assert raw.ask({"id": 1, "method": "release", "params": {"volume": "x"}})["result"] == {"released": False}


@pytest.mark.parametrize(
    "reference",
    [
        None,
        {},
        {"npy": 3},
        {"npy": "../scan.npy", "geometry": {}},
        {"npy": "/etc/passwd", "geometry": {}},
        {"npy": "none.npy", "geometry": {}},
        {"npy": "text.npy", "geometry": {}},
        {"npy": "objects.npy", "geometry": {}},
        {"npy": "good.npy", "geometry": {"size_ijk": [1, 2]}},
        {"npy": "good.npy", "geometry": Geometry((5, 5, 5), (1, 1, 1)).to_json()},
    ],
    ids=str,
)
def test_arrays_that_cannot_be_taken(raw, reference):
    (raw.folder / "text.npy").write_text("text")
    np.save(raw.folder / "objects.npy", np.array([[[{}]]], dtype=object), allow_pickle=True)
    np.save(raw.folder / "good.npy", np.zeros((2, 3, 4)))
    error = raw.ask({"id": 1, "method": "set_volume", "params": {"hash": "h", "array": reference}})["error"]
    assert error["message"] and error["data"]["code"] in ("worker", "geometry")


def test_a_known_volume_is_not_read_again(raw):
    geometry = Geometry((4, 3, 2), (1.0, 1.0, 1.0))
    np.save(raw.folder / "known.npy", np.zeros((2, 3, 4), np.int16))
    params = {"hash": "k", "array": array_reference("known.npy", geometry)}
    assert raw.ask({"id": 1, "method": "set_volume", "params": params})["result"] == {
        "volume": "k",
        "known": False,
    }
    assert raw.ask({"id": 2, "method": "set_volume", "params": {"hash": "k"}})["result"]["known"] is True
    assert raw.ask({"id": 3, "method": "release", "params": {"volume": "k"}})["result"] == {"released": True}
    assert "error" in raw.ask({"id": 4, "method": "set_volume", "params": {"hash": "k"}})


def test_cancel_of_a_request_that_waits(raw):
    raw.send({"id": "first", "method": "devices", "params": {}})
    raw.send({"id": "second", "method": "load_model", "params": {}})
    raw.send({"method": "cancel", "params": {"request": "second"}})
    answers = {}
    while len(answers) < 2:
        message = raw.read()
        if "id" in message:
            answers[message["id"]] = message
    assert answers["first"]["result"]
    assert answers["second"]["error"]["code"] == -32800
    assert answers["second"]["error"]["data"]["code"] == "cancelled"


def test_shutdown(tmp_path):
    worker = RawWorker(tmp_path)
    worker.hello()
    assert worker.ask({"id": 1, "method": "shutdown"})["result"] is None
    assert worker.process.wait(30) == 0
    worker.end()


def test_errors_travel_as_what_they_are():
    error = NoPancreasError("None.", "Look elsewhere.")
    back = error_from({"code": -32000, "message": error.message, "data": error_data(error)})
    assert type(back) is NoPancreasError and (back.message, back.hint) == ("None.", "Look elsewhere.")
    for odd in ({}, {"data": 3}, {"data": {"code": "of the future"}, "message": None}):
        assert type(error_from(odd)) is PancreasSegError and error_from(odd).message


def test_plain_values():
    value = {1: (np.float32(0.5), float("inf")), "a": np.arange(3), "b": Path("x"), "c": {True}}
    assert json.loads(json.dumps(plain(value), allow_nan=False)) == {
        "1": [0.5, None],
        "a": [0, 1, 2],
        "b": "x",
        "c": [True],
    }


def test_arrays_there_and_back(tmp_path):
    voxels = np.random.default_rng(0).integers(-1000, 2000, (5, 6, 7)).astype(">i2")[::-1, :, ::2]
    geometry = Geometry((4, 6, 5), (1.0, 2.0, 3.0))
    shares: list[float] = []
    write_array(tmp_path / "reply-a.npy", voxels, shares.append)
    assert shares == sorted(shares) and shares[-1] == 1.0
    reference = array_reference("reply-a.npy", geometry)
    for mapped in (True, False):
        back = read_volume_array(tmp_path, reference, mapped=mapped)
        np.testing.assert_array_equal(back.voxels, voxels)
        assert back.voxels.flags.writeable is not mapped
    remove_arrays(tmp_path, {"mask": reference, "more": [{"npy": "../conftest.npy"}]})
    assert not list(tmp_path.iterdir())


def test_the_hash_tells_contents_apart():
    geometry = Geometry((4, 3, 2), (1.0, 1.0, 1.0))
    voxels = np.arange(24, dtype=np.int16).reshape(2, 3, 4)

    def name(voxels, geometry=geometry):
        return content_hash(voxels, geometry, lambda share: None)

    assert name(voxels) == name(np.asfortranarray(voxels)) == name(voxels.astype(">i2"))
    other = Geometry((4, 3, 2), (1.0, 1.0, 1.5))
    assert len({name(voxels), name(voxels + 1), name(voxels.astype(np.int32)), name(voxels, other)}) == 4


def test_a_long_scan_is_handed_over_in_a_few_calls(tmp_path):
    voxels, geometry = np.ones((400, 256, 256), np.int16), Geometry((256, 256, 400), (1.0, 1.0, 1.0))
    hashed: list[float] = []
    written: list[float] = []
    content_hash(voxels, geometry, hashed.append)
    write_array(tmp_path / "a.npy", voxels, written.append)
    assert 1 < len(hashed) == len(written) < 8  # a thread may have to wait for the interpreter after each
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), voxels)


def test_a_full_disk_leaves_nothing(tmp_path):
    def full(share):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_array(tmp_path / "a.npy", np.zeros((2, 3, 4)), full)
    assert not list(tmp_path.iterdir())
