"""The command: models, files and folds against references, what it writes and what it refuses."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from bright_model import make_abdomen

from PancreasSegLib.cli.app import run
from PancreasSegLib.io import read_labels, write_mask, write_volume


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Two abdomens with a pancreas, the second read for the liver too, and one in which the model finds none."""
    root = tmp_path_factory.mktemp("dataset")
    entries = []
    for name in ("one", "two", "three"):
        ct, organ = make_abdomen(pancreas=name != "three")
        if name == "three":
            organ = make_abdomen()[1]
        labels = organ.astype(np.uint8) * 2
        labels[:4, 30:34, 40:44] = 1
        write_volume(root / "imagesTr" / f"{name}.nii.gz", ct)
        write_mask(root / "labelsTr" / f"{name}.nii.gz", labels, ct.geometry)
        entries.append({"image": f"imagesTr/{name}.nii.gz", "label": f"labelsTr/{name}.nii.gz"})
    content = {
        "name": "ellipses",
        "labels": {"0": "background", "1": "duct", "2": "pancreas"},
        "training": entries,
    }
    (root / "dataset.json").write_text(json.dumps(content))
    return root


@pytest.fixture
def masks(dataset, tmp_path):
    for path in (dataset / "labelsTr").iterdir():
        read = read_labels(path)
        write_mask(tmp_path / "masks" / path.name, np.roll(read.voxels, 1, axis=0), read.geometry)
    return tmp_path / "masks"


def rows_of(folder):
    with (folder / "cases.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_model_against_files(dataset, bright, masks, tmp_path, capsys):
    out = tmp_path / "out"
    command = [
        "evaluate",
        str(dataset),
        "--model",
        f"ours={bright}",
        "--predictions",
        f"theirs={masks}",
        "-o",
        str(out),
    ]
    command += ["--pictures", "1", "--bootstrap", "200", "--device", "cpu", "--threads", "1"]
    assert run(command) == 0
    said = capsys.readouterr()
    assert "pancreas: means" in said.out
    assert "theirs - ours" in said.out
    assert "not trained on these patients" in said.err
    rows = {(row["model"], row["case"]): row for row in rows_of(out)}
    assert len(rows) == 6
    assert float(rows["ours", "one"]["dice"]) > 0.9
    assert float(rows["ours", "three"]["dice"]) == 0
    assert rows["ours", "three"]["error"]
    assert rows["ours", "three"]["hd95_mm"] == "inf"
    assert float(rows["ours", "one"]["confidence"]) > 0.5
    assert rows["theirs", "one"]["confidence"] == "nan"
    summary = json.loads((out / "summary.json").read_text())
    assert summary["models"]["ours"]["packages"][0]["name"] == "bright"
    assert summary["about"]["labels"] == ["pancreas"]
    page = (out / "report.html").read_text("utf-8")
    assert page.count("data:image/jpeg") == 4
    assert run([*command, "--resume", "--quiet", "--pictures", "0"]) == 0
    again = {(row["model"], row["case"]): row for row in rows_of(out)}
    assert again == rows
    assert "data:image" not in (out / "report.html").read_text("utf-8")


def test_all_labels_of_files_and_chosen_cases(dataset, masks, tmp_path, capsys):
    out = tmp_path / "out"
    command = ["evaluate", str(dataset), "-p", str(masks), "-o", str(out), "--pictures", "0", "--bootstrap", "200"]
    assert run([*command, "--case", "two, one"]) == 0
    assert [(row["case"], row["label"]) for row in rows_of(out)] == [
        ("one", "duct"),
        ("one", "pancreas"),
        ("two", "duct"),
        ("two", "pancreas"),
    ]
    said = capsys.readouterr().out
    assert "masks: means" in said
    assert all(f"\n {label}" in said for label in ("duct", "pancreas"))
    assert "Means of every label" in (out / "report.html").read_text("utf-8")
    assert run([*command, "--label", "pancreas", "--case", "three"]) == 0
    assert [(row["model"], row["case"]) for row in rows_of(out)] == [("masks", "three")]


def test_labels_can_be_merged(dataset, masks, tmp_path):
    out = tmp_path / "out"
    command = ["evaluate", str(dataset), "-p", str(masks), "-o", str(out), "--pictures", "0", "--bootstrap", "200"]
    assert run([*command, "--case", "one", "--label", "pancreas=pancreas+duct"]) == 0
    (row,) = rows_of(out)
    read = read_labels(dataset / "labelsTr" / "one.nii.gz")
    assert float(row["reference_ml"]) == pytest.approx(
        (read.voxels > 0).sum() * read.geometry.voxel_volume_ml, rel=1e-4
    )
    assert float(row["volume_ml"]) == pytest.approx(float(row["reference_ml"]), rel=0.01)
    assert run([*command, "--label", "organ=pancreas+tumour"]) == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--case", "four"], "has no case four"),
        (["--label", "liver"], "has no label liver"),
        (["--predictions", "nowhere"], "no folder of predictions"),
        (["--folds", "nowhere"], "nowhere"),
        (["--model", "nowhere"], "nowhere"),
        (["--missing", "guess", "-p", "MASKS"], "cannot be treated as 'guess'"),
        (["--value", "pancreas", "-p", "MASKS"], "not a label and its value"),
        (["--label", "duct", "--model", "BRIGHT"], "does not predict the duct"),
    ],
)
def test_what_is_refused_with_a_sentence(dataset, bright, masks, tmp_path, capsys, arguments, sentence):
    places = {"MASKS": str(masks), "BRIGHT": str(bright)}
    given = [places.get(argument, argument) for argument in arguments]
    if not {"--predictions", "-p", "--folds", "--model"} & set(given):
        given += ["-p", str(masks)]
    assert run(["evaluate", str(dataset), *given, "-o", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert "Traceback" not in said
    assert not (tmp_path / "out" / "summary.json").exists()


def test_names_of_models_are_kept_apart(dataset, masks, tmp_path):
    import shutil

    other = shutil.copytree(masks, tmp_path / "elsewhere" / "masks")
    out = tmp_path / "out"
    command = ["evaluate", str(dataset), "-p", str(masks), "-p", str(other), "-p", f"a/b:c={other}"]
    assert run([*command, "-o", str(out), "--label", "pancreas", "--pictures", "0", "--bootstrap", "200"]) == 0
    assert list(dict.fromkeys(row["model"] for row in rows_of(out))) == ["masks", "masks-2", "a-b-c"]


def test_an_interrupted_run_keeps_what_is_done(dataset, masks, tmp_path, monkeypatch, capsys):
    from PancreasSegLib.evaluation import folder_source

    real = folder_source.FolderSource.predict
    asked = []

    def predict(self, case, *rest):
        asked.append(case.name)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return real(self, case, *rest)

    monkeypatch.setattr(folder_source.FolderSource, "predict", predict)
    out = tmp_path / "out"
    command = ["evaluate", str(dataset), "-p", str(masks), "-o", str(out), "--pictures", "0", "--bootstrap", "200"]
    assert run(command) == 130
    assert "--resume" in capsys.readouterr().err
    assert not (out / "summary.json").exists()
    assert run([*command, "--resume"]) == 0
    assert sorted(asked) == ["one", "three", "three", "two"]
