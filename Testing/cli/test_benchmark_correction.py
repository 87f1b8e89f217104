"""``pancreasseg benchmark-correction``: whole runs on generated scans, the files, the words, the exit status."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
import SimpleITK as sitk
from bright_model import make_abdomen

from PancreasSegLib.cli import benchmark_correction
from PancreasSegLib.cli.app import run
from PancreasSegLib.evaluation.correction_method import methods_named
from PancreasSegLib.inference import Segmenter
from PancreasSegLib.io import read_labels, write_mask, write_volume
from PancreasSegLib.volume import Volume


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    """Two generated patients whose reference is larger than what is bright; and masks with a piece missing."""
    root = tmp_path_factory.mktemp("dataset")
    entries = []
    for name, shift in (("one", 0), ("two", 1)):
        ct, organ = make_abdomen()
        hu = ct.voxels.copy()
        hu[20 + shift :][organ[20 + shift :]] = 75  # the model does not take this for the organ
        write_volume(root / f"imagesTr/{name}.nii.gz", Volume(hu, ct.geometry))
        write_mask(root / f"labelsTr/{name}.nii.gz", organ.astype(np.uint8) * 2, ct.geometry)
        mask = organ.copy()
        mask[:, :, 48 + shift :] = False
        write_mask(root / f"masks/{name}.nii.gz", mask.astype(np.uint8), ct.geometry)
        entries.append({"image": f"imagesTr/{name}.nii.gz", "label": f"labelsTr/{name}.nii.gz"})
    content = {"name": "generated", "labels": {"background": 0, "pancreas": 2}, "training": entries}
    (root / "dataset.json").write_text(json.dumps(content))
    return root


@pytest.fixture
def benchmark(dataset, tmp_path, monkeypatch, capfd):
    """Run the command in an empty folder; return status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object, data: object = dataset) -> tuple[int, str, str]:
        status = run(["benchmark-correction", str(data), *map(str, arguments)])
        out, err = capfd.readouterr()
        return status, out, err

    return call


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_masks_from_files(benchmark, dataset, tmp_path):
    status, out, err = benchmark("--masks", dataset / "masks", "--corrections", 2, "-o", "out")
    assert status == 0, err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "stroke.csv",
        "stroke.json",
        "stroke.png",
    ]
    rows = rows_of(tmp_path / "out/stroke.csv")
    names = [method.name for method in methods_named([])]
    assert [(row["case"], row["method"], row["correction"]) for row in rows] == [
        (name, method, str(number)) for name in ("one", "two") for method in names for number in range(3)
    ]
    mask, truth = (read_labels(dataset / f / "one.nii.gz").voxels > 0 for f in ("masks", "labelsTr"))
    expected = 2 * (mask & truth).sum() / (mask.sum() + truth.sum())
    assert float(rows[0]["dice"]) == pytest.approx(expected, abs=1e-5)
    assert rows[0]["seconds"] == "" and float(rows[1]["seconds"]) > 0

    def refuse(word):
        raise AssertionError(f"{word} is no JSON")

    content = json.loads((tmp_path / "out/stroke.json").read_text(), parse_constant=refuse)
    assert content["about"]["user"]["tool"] == "stroke"
    assert content["about"]["source"] == {"masks": "masks"}
    assert content["about"]["machine"]["cores"] >= 1
    assert content["groups"]["all"] == ["one", "two"]
    curve = content["methods"]["paint"]["groups"]["all"]["curves"]["dice"]
    finals = [float(row["dice"]) for row in rows if row["method"] == "paint" and row["correction"] == "2"]
    assert curve[2]["median"] == pytest.approx(np.median(finals), abs=1e-5)
    assert str(dataset) not in json.dumps(content)
    width, height = sitk.ReadImage(str(tmp_path / "out/stroke.png")).GetSize()
    assert width > 600 and height > 400
    assert "refine" in out and "to 0.85" in out and "95 % s" in out


def test_predictions_are_kept_and_not_made_again(benchmark, bright, tmp_path, monkeypatch):
    arguments = ("--model", bright, "--device", "cpu", "--threads", 1, "--corrections", 1, "-o", "out")
    status, _, err = benchmark(*arguments, "--method", "paint")
    assert status == 0, err
    assert "not trained on these patients" in err
    kept = tmp_path / "out/predictions"
    assert sorted(path.name for path in kept.iterdir()) == sorted(
        f"{name}{end}" for name in ("one", "two") for end in (".json", ".nii.gz", "_probability.nii.gz")
    )
    first = rows_of(tmp_path / "out/stroke.csv")
    assert 0.3 < float(first[0]["dice"]) < 0.95

    def fail(*_, **__):
        raise AssertionError("predicted again")

    with monkeypatch.context() as patch:
        patch.setattr(Segmenter, "load", fail)
        status, _, err = benchmark(*arguments, "--method", "paint", "--tool", "point")
        assert status == 0, err
    assert rows_of(tmp_path / "out/point.csv")[0]["dice"] == first[0]["dice"]
    assert (tmp_path / "out/stroke.csv").exists()
    (kept / "two.nii.gz").unlink()
    status, _, err = benchmark(*arguments, "--method", "paint")
    assert status == 0, err
    assert (kept / "two.nii.gz").exists()


def test_another_model_predicts_again(benchmark, bright, tmp_path):
    arguments = ("--device", "cpu", "--threads", 1, "--corrections", 1, "-o", "out", "--method", "paint")
    status, _, err = benchmark("--model", bright, *arguments, "--cases", "one")
    assert status == 0, err
    kept = tmp_path / "out/predictions/one.json"
    record = json.loads(kept.read_text())
    about = json.loads((tmp_path / "out/stroke.json").read_text())["about"]
    assert about["predictions"]["one"]["model"] == "bright"
    assert about["predictions"]["one"]["weights"] == record["key"]["weights"]
    assert record["key"]["weights"] and record["model"] == "bright"
    record["key"]["weights"] = {"models/segmenter.safetensors": "0" * 64}
    kept.write_text(json.dumps(record))
    status, _, err = benchmark("--model", bright, *arguments, "--cases", "one")
    assert status == 0, err
    assert set(json.loads(kept.read_text())["key"]["weights"].values()) != {"0" * 64}


def test_a_scan_that_the_model_refuses_starts_from_an_empty_mask(benchmark, bright, dataset, nothing, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(dataset, data)
    shutil.copy(nothing, data / "imagesTr/two.nii.gz")
    status, _, err = benchmark(
        *(
            "--model",
            bright,
            "--device",
            "cpu",
            "--threads",
            1,
            "--corrections",
            1,
            "--method",
            "paint",
            "-o",
            "out",
        ),
        data=data,
    )
    assert status == 0, err
    assert "two starts from an empty mask" in err
    rows = rows_of(tmp_path / "out/stroke.csv")
    assert [float(row["dice"]) for row in rows if row["case"] == "two" and row["correction"] == "0"] == [0.0]
    summary = json.loads((tmp_path / "out/stroke.json").read_text())
    assert summary["groups"]["below 0.6"] == ["two"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "Nothing says where the masks come from"),
        (("--masks", "absent"), "There is no folder absent"),
        (("--model", "a", "--folds", "b"), "exclude each other"),
        (("--masks", "MASKS", "--method", "magic"), "no correction method magic"),
        (("--masks", "MASKS", "--tool", "lasso"), "no tool 'lasso'"),
        (("--masks", "MASKS", "--views", "oblique"), "no views 'oblique'"),
        (("--masks", "MASKS", "--cases", "one,three"), "no case three"),
        (("--masks", "MASKS", "--cases", ","), "no case"),
        (("--masks", "MASKS", "--organ", "spleen"), "no label spleen"),
        (("--masks", "MASKS", "--corrections", "0"), "--corrections"),
        (("--folds", "."), "no folds in"),
        (("--model", "no-such-model"), "no-such-model"),
    ],
)
def test_mistakes_get_a_sentence_and_leave_nothing(benchmark, dataset, tmp_path, arguments, sentence):
    given = [dataset / "masks" if argument == "MASKS" else argument for argument in arguments]
    status, out, err = benchmark(*given)
    assert status == 2
    assert out == ""
    assert sentence in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_case_without_a_mask_is_named(benchmark, tmp_path):
    (tmp_path / "empty").mkdir()
    status, _, err = benchmark("--masks", "empty", "-o", "out")
    assert status == 2
    assert "There is no mask of one in empty" in err
    assert not (tmp_path / "out").exists()


def test_cancelling_keeps_the_older_figures(benchmark, dataset, tmp_path, monkeypatch):
    arguments = ("--masks", dataset / "masks", "--corrections", 1, "--method", "paint", "-o", "out")
    assert benchmark(*arguments)[0] == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(benchmark_correction, "_line", interrupt)
    status, _, err = benchmark(*arguments, "--method", "refine")
    assert status == 130
    assert "Cancelled; no figures were written" in err
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
