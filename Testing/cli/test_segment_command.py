"""``pancreasseg segment`` on one scan: the files, the words, the exit status."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from bright_model import make_abdomen
from hostile import snapshot

from PancreasSegLib.cli.app import run
from PancreasSegLib.io import read_labels, read_volume, write_volume
from PancreasSegLib.models.checksums import write_checksums
from PancreasSegLib.volume import Geometry, Volume


@pytest.fixture
def segment(bright, tmp_path, monkeypatch, capfd):
    """Run `segment` with the bright model in an empty folder; return status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object, model: object = bright) -> tuple[int, str, str]:
        status = run(["segment", *map(str, arguments), "--model", str(model), "--device", "cpu", "--threads", "1"])
        out, err = capfd.readouterr()
        return status, out, err

    return call


def test_mask_lies_on_the_ct_and_marks_the_organ(segment, abdomen, tmp_path):
    status, out, err = segment(abdomen, "-o", "m.nii.gz")
    assert status == 0, err
    mask, ct = read_labels(tmp_path / "m.nii.gz"), read_volume(abdomen)
    truth = make_abdomen()[1]
    assert mask.geometry == ct.geometry
    assert 2 * (mask.voxels.astype(bool) & truth).sum() / (mask.voxels.astype(bool).sum() + truth.sum()) > 0.95
    assert out.splitlines()[0].startswith("pancreas: 9")
    assert "HU" in out
    assert "m.nii.gz written in" in out
    assert "Forecast:" in err
    assert "Traceback" not in err


def test_everything_at_once(segment, abdomen, tmp_path):
    names = ["m.seg.nrrd", "new/r.json", "p.png", "prob.nii.gz"]
    options = ["-o", "--report", "--picture", "--save-probability"]
    status, _, err = segment(abdomen, *(word for pair in zip(options, names, strict=True) for word in pair))
    assert status == 0, err
    assert sorted(snapshot(tmp_path)) == sorted([*names, "new"])
    report = json.loads((tmp_path / "new" / "r.json").read_text("utf-8"))
    assert Path(report["output"]) == tmp_path / "m.seg.nrrd"
    assert report["organs"]["pancreas"]["volume_ml"] == pytest.approx(92, abs=5)
    assert {"read", "load"} <= set(report["timings_s"])
    probability = read_volume(tmp_path / "prob.nii.gz", assume_ct=True).voxels
    assert probability.min() >= 0
    assert 0.9 < probability.max() <= 1
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_what_the_reader_repaired_is_told(segment, tmp_path):
    ct = make_abdomen()[0]
    voxels = ct.voxels.astype(np.float32)
    voxels[:, :2] = np.nan  # padding outside the body
    write_volume(tmp_path / "ct.nrrd", Volume(voxels, ct.geometry))
    status, _, err = segment("ct.nrrd", "-o", "m.nii.gz", "--report", "r.json")
    assert status == 0, err
    (warning,) = json.loads((tmp_path / "r.json").read_text("utf-8"))["warnings"]
    assert f"Note: {warning['sentence']}" in err


def test_names_that_nobody_gave(segment, abdomen, tmp_path):
    assert segment(abdomen, "--picture", "auto")[0] == 0
    assert sorted(snapshot(tmp_path)) == ["abdomen_pancreas.nii.gz", "abdomen_pancreas.png"]
    (tmp_path / "there").mkdir()
    assert segment(abdomen, "-o", "there")[0] == 0
    assert (tmp_path / "there" / "abdomen_pancreas.nii.gz").exists()


def test_quiet_is_silent_and_a_second_run_gives_the_same_bytes(segment, abdomen, tmp_path):
    assert segment(abdomen, "-o", "m.nii.gz", "--quiet") == (0, "", "")
    first = (tmp_path / "m.nii.gz").read_bytes()
    assert segment(abdomen, "-o", "m.nii.gz", "-q") == (0, "", "")
    assert (tmp_path / "m.nii.gz").read_bytes() == first


def test_no_pancreas_is_status_3_and_no_file(segment, nothing, tmp_path):
    status, out, err = segment(nothing, "-o", "m.nii.gz", "--report", "r.json", "--quiet")
    assert status == 3
    assert out == ""
    assert err.count("\n") == 1
    assert snapshot(tmp_path) == {}


def test_no_pancreas_with_allow_empty_writes_an_empty_mask(segment, nothing, tmp_path):
    status, _, err = segment(
        nothing, "-o", "m.nii.gz", "--report", "r.json", "--picture", "p.png", "--allow-empty"
    )
    assert status == 3, err
    assert sorted(snapshot(tmp_path)) == ["m.nii.gz", "p.png", "r.json"]
    assert not read_labels(tmp_path / "m.nii.gz").voxels.any()
    assert json.loads((tmp_path / "r.json").read_text())["warnings"][0]["code"] == "no-pancreas"


def test_region_is_in_the_files_own_axes(segment, abdomen, tmp_path):
    size = read_volume(abdomen).geometry.size_ijk
    half = f"0:{size[0] // 2},0:{size[1]},0:{size[2]}"
    assert segment(abdomen, "-o", "m.nii.gz", "--roi", half)[0] == 0
    marked = np.flatnonzero(read_labels(tmp_path / "m.nii.gz").voxels.any((0, 1)))
    assert marked.max() == size[0] // 2 - 1
    status, _, err = segment(abdomen, "-o", "n.nii.gz", "--roi", "900:990,0:9,0:9", "-q")
    assert status == 2
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "name", ["поджелудочная железа 膵臓 é.nii.gz", "x" * 200 + ".nii.gz", "sp ace [red] %s.nii.gz"]
)
def test_unusual_names_of_input_and_output(segment, abdomen, tmp_path, name):
    folder = tmp_path / ("d" * 120) / ("é" * 60)
    folder.mkdir(parents=True)
    shutil.copy(abdomen, folder / name)
    status, out, err = segment(folder / name, "-o", folder / f"m{name[1:]}", "--quiet")
    assert (status, out, err) == (0, "", "")
    assert read_labels(folder / f"m{name[1:]}").voxels.any()


def test_flipped_and_permuted_axes(segment, tmp_path):
    ct, truth = make_abdomen(geometry=Geometry((40, 90, 70), (5, 4, 4), (9, 8, 7), (0, -1, 0, 0, 0, 1, -1, 0, 0)))
    write_volume(tmp_path / "ct.nrrd", ct)
    assert segment("ct.nrrd", "-o", "m.mha", "-q")[0] == 0
    mask = read_labels(tmp_path / "m.mha")
    assert mask.voxels.shape == truth.shape
    assert np.allclose(mask.geometry.matrix, ct.geometry.matrix)
    assert mask.voxels.astype(bool)[truth].mean() > 0.9


@pytest.mark.parametrize(
    ("device", "part"), [("cuda:99", "cuda:99"), ("tpu", "unknown"), ("cpu:x", "unknown"), ("mps", "mps")]
)
def test_device_that_is_not_there(abdomen, bright, tmp_path, capfd, device, part):
    arguments = [str(abdomen), "-o", str(tmp_path / "m.nii.gz"), "--model", str(bright), "--device", device, "-q"]
    status = run(["segment", *arguments])
    err = capfd.readouterr().err
    assert (status, err.count("\n")) == (2, 1), err
    assert part in err
    assert snapshot(tmp_path) == {}


class TestModels:
    """Packages that must not be run."""

    @pytest.fixture
    def copy(self, bright, tmp_path) -> Path:
        return Path(shutil.copytree(bright, tmp_path / "copy"))

    def refused(self, segment, abdomen, model: object, tmp_path: Path) -> str:
        before = snapshot(tmp_path)
        status, out, err = segment(abdomen, "-o", "m.nii.gz", model=model)
        assert (status, out, err.count("\n")) == (2, "", 1), err
        assert snapshot(tmp_path) == before
        return err

    def test_wrong_checksum(self, segment, abdomen, copy, tmp_path):
        weights = copy / "models" / "segmenter.safetensors"
        content = bytearray(weights.read_bytes())
        content[-1] ^= 1
        weights.write_bytes(content)
        assert "segmenter.safetensors" in self.refused(segment, abdomen, copy, tmp_path)

    def test_pickle_with_code(self, segment, abdomen, copy, tmp_path):
        class Code:
            def __reduce__(self):
                return Path.touch, (tmp_path / "was run",)

        metadata = copy / "configs" / "metadata.json"
        metadata.write_text(metadata.read_text().replace("segmenter.safetensors", "segmenter.pt"))
        (copy / "models" / "segmenter.safetensors").unlink()
        (copy / "models" / "segmenter.pt").write_bytes(pickle.dumps({"weight": Code()}))
        write_checksums(copy)
        self.refused(segment, abdomen, copy, tmp_path)
        assert not (tmp_path / "was run").exists()

    @pytest.mark.parametrize("model", ["no-such-model", "./nowhere", ""])
    def test_missing(self, segment, abdomen, tmp_path, model):
        self.refused(segment, abdomen, model, tmp_path)


def test_a_scan_that_looks_like_no_ct_is_read_when_the_user_insists(segment, abdomen, tmp_path):
    ct = read_volume(abdomen)
    shifted = tmp_path / "shifted.nii.gz"
    write_volume(shifted, Volume(ct.voxels.astype(np.int16) + 1024, ct.geometry))
    status, _, err = segment(shifted, "-o", "m.nii.gz")
    assert status == 2
    assert "--hu-offset -1024" in err
    status, _, err = segment(shifted, "-o", "m.nii.gz", "--assume-ct", "--allow-empty", "--roi", "none")
    assert status in (0, 3), err  # what the model makes of wrong HU is its own affair
    assert (tmp_path / "m.nii.gz").is_file()
