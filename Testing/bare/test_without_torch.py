"""What ``pip install .`` alone can do: segment, correct, measure, and say what else is needed for the rest."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.bare

_MOST_MB = 900
_HEAVY = ("torch", "monai", "skimage", "nvidia", "triton", "pydantic", "yaml")

_CORRECT = """
import json, sys, pathlib
import numpy as np
from PancreasSegLib.io import read_volume, write_mask
from PancreasSegLib.refine import Mark
from PancreasSegLib.volume import Box
from PancreasSegLib.worker import CorrectionState, Scan, WorkerClient

ct = read_volume(sys.argv[1])
client, scan = WorkerClient(), Scan(ct.voxels, ct.geometry, key="the CT")
devices = client.wait(client.devices())
found = client.wait(client.segment(scan))
box = found.box_ijk.grown(20.0, ct.geometry)
mask = np.zeros(ct.geometry.shape_zyx, np.uint8)
mask[found.box_ijk.slices_zyx] = found.mask
state = CorrectionState(box, mask[box.slices_zyx], 0 * mask[box.slices_zyx])
middle = np.argwhere(mask)[len(np.argwhere(mask)) // 2][::-1]
ends = ct.geometry.index_to_lps(np.array([middle, middle + [6, 0, 0]]))
stroke = Mark.stroke(ends, ct.geometry, include=False, radius_mm=4)
change = client.wait(client.refine(scan, "a correction", state, [stroke]))
maps = pathlib.Path(f"/proc/{client.worker_pid}/maps")
modules = maps.read_text() if maps.exists() else ""
client.close()
print(json.dumps({
    "devices": devices, "changed": change.added_ml + change.removed_ml, "torch": "torch" in modules,
    "here": "torch" in sys.modules,
}))
"""


def test_the_installation_is_small_and_brings_no_torch(run):
    script = (
        "import importlib.util, pathlib, sysconfig, json\n"
        f"there = [name for name in {_HEAVY!r} if importlib.util.find_spec(name)]\n"
        "files = [p for p in pathlib.Path(sysconfig.get_path('purelib')).rglob('*') if p.is_file()]\n"
        "files = [p for p in files if p.parts[-2:-1] != ('__pycache__',) and 'pip' not in p.parts]\n"
        "print(json.dumps([there, sum(p.stat().st_size for p in files) / 1e6]))"
    )
    there, megabytes = json.loads(run("-c", script).stdout)
    assert there == []
    assert megabytes < _MOST_MB


def test_a_phantom_is_segmented_and_drawn(demo, run):
    report = json.loads((demo / "phantom_pancreas.json").read_text(encoding="utf-8"))
    assert report["provenance"]["device"].startswith("cpu (") and "OpenVINO" in report["provenance"]["device"]
    assert (demo / "phantom_pancreas.png").stat().st_size > 20_000
    truth, mask = demo / "phantom_true_pancreas.nii.gz", demo / "phantom_pancreas.nii.gz"
    script = (
        "import sys; from PancreasSegLib.io import read_labels; from PancreasSegLib.metrics import dice\n"
        "print(dice(*(read_labels(path).voxels > 0 for path in sys.argv[1:])))"
    )
    assert float(run("-c", script, truth, mask).stdout) > 0.5


def test_the_worker_segments_and_corrects(demo, run):
    ct = demo / "phantom.nii.gz"
    done = run("-c", _CORRECT, ct)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert "OpenVINO" in said["devices"][0]["label"]
    assert said["changed"] > 0
    assert not said["torch"] and not said["here"]


def test_masks_are_evaluated(demo, run, tmp_path):
    ct = demo / "phantom.nii.gz"
    added = run("data", "add", tmp_path / "cases", ct, demo / "phantom_true_pancreas.nii.gz")
    assert added.returncode == 0, added.stderr
    assert "accepted" in run("data", "list", tmp_path / "cases").stdout
    done = run("evaluate", tmp_path / "cases", "--model", "default", "--output", tmp_path / "report")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "report" / "report.html").is_file()


@pytest.mark.parametrize(
    "command",
    ["models list", "models show default", "models verify default", "networks", "networks dynunet", "--help"],
)
def test_what_needs_no_torch_works(command, run):
    done = run(*command.split())
    assert done.returncode == 0, done.stderr


def test_the_doctor_names_the_engine_and_what_each_extra_would_bring(run):
    done = run("doctor", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["problems"] == []
    (cpu,) = [device for device in found["devices"] if device["device"] == "cpu"]
    assert cpu["engine"].startswith("OpenVINO") and cpu["precision"] in ("bf16", "fp32") and cpu["why"]
    assert set(found["extras"]) == {"torch", "train", "dicomseg", "cohort", "export"}
    assert "torch" in found["extras"]["torch"]["missing"]


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        ("train default", "train"),
        ("compare default", "train"),
        ("cross-validate default", "train"),
        ("train-refiner default", "train"),
        ("benchmark-correction somewhere", "train"),
        ("runs", "train"),
        ("models import {folder}", "torch"),
        ("models export default somewhere --format onnx", "torch"),
        ("segment {ct} --device torch:cpu", "torch"),
    ],
)
def test_what_needs_more_says_in_a_sentence_what(command, extra, run, demo):
    ct = demo / "phantom.nii.gz"
    done = run(*command.format(ct=ct, folder=demo).split())
    assert done.returncode == 2
    assert f"'.[{extra}]'" in done.stderr
    assert done.stderr.strip().count("\n") == 0 and "Traceback" not in done.stderr
