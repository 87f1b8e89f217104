"""What is shown and exported, the model list, packages, resources, help."""

import csv
import io
import subprocess
import sys

import pytest

from PancreasSegPanel.scene.measurement import Measurement, as_csv, as_text

M = Measurement(
    ct='CT, "Ü"',
    label="pancreas",
    volume_ml=71.26,
    mean_hu=81.4,
    sd_hu=30.0,
    extent_mm=(112.0, 66.4, 72.5),
    centre_lps=(1.0, 2.0, 3.0),
    confidence=0.812,
    seconds=3.24,
    model="default 1",
    device="cpu",
    notes=["Small."],
)
EMPTY = Measurement("other", "pancreas", 0.0, None, None, None, None, None, 1.0, "m", "cpu")


def test_a_measurement_survives_the_scene():
    assert Measurement.from_json(M.to_json()) == M
    assert Measurement.from_json(EMPTY.to_json()) == EMPTY
    for text in ("", "{", "[]", "{}", '{"ct": 1}', "null"):
        assert Measurement.from_json(text) is None


def test_csv_has_one_line_a_ct_in_full():
    rows = list(csv.DictReader(io.StringIO(as_csv([M, EMPTY]))))
    assert rows[0]["ct"] == 'CT, "Ü"'
    assert float(rows[0]["volume_ml"]) == 71.26
    assert rows[0]["confidence"] == "0.812"
    assert rows[0]["notes"] == "Small."
    assert rows[1]["mean_hu"] == ""


def test_the_copied_table_is_what_is_shown():
    lines = as_text([M, EMPTY]).splitlines()
    assert lines[0] == '\tCT, "Ü"\tother'
    assert lines[1] == "Volume (mL)\t71.3\t0.0"
    assert "Confidence\t0.81\t–" in lines


def test_progress_and_results_in_words():
    from PancreasSegLib.progress import ProgressEvent
    from PancreasSegPanel.messages import result_text, stage_text

    assert stage_text(ProgressEvent("segment", 0.5, 12.3)) == "Outlining the pancreas, about 12 s left"
    assert stage_text(ProgressEvent("propose", 0.0)) == "Looking for the abdomen…"
    assert stage_text(ProgressEvent("novel", 0.0, None, "New thing")) == "New thing…"
    assert result_text(M) == "Pancreas: 71.3 mL, confidence 0.81, in 3.2 s. Small."


def test_errors_become_one_sentence():
    from PancreasSegLib.errors import NoPancreasError
    from PancreasSegPanel.work.problem import problem_of, sentence_of

    own = NoPancreasError("None.", "Look.")
    assert problem_of(own) is own
    said = sentence_of(problem_of(ValueError("first line\nsecond line")))
    assert "\n" not in said and "second" not in said
    assert "memory" in problem_of(MemoryError()).message
    assert "'x.csv'" in problem_of(PermissionError(13, "Permission denied", "x.csv")).message


@pytest.fixture
def models(tmp_path, monkeypatch):
    monkeypatch.setenv("PANCREASSEG_MODELS", str(tmp_path / "Modelle ä"))
    return tmp_path


def test_the_model_list_names_the_default_with_its_score(models):
    from PancreasSegPanel.form.model_list import mean_dice, model_choices

    (default,) = model_choices()
    assert default.name == "default" and default.usable and not default.removable
    assert "Dice 0." in default.text
    assert "cross-validated" in default.details
    assert mean_dice({"own": {"dice": 0.5}}) == 0.5
    assert mean_dice({}) is None


def test_a_broken_package_is_listed_last_with_the_reason(models):
    from PancreasSegPanel.form.model_list import model_choices

    (models / "Modelle ä" / "broken").mkdir(parents=True)
    broken = model_choices()[-1]
    assert broken.name == "broken" and not broken.usable and broken.removable
    assert broken.details


def test_resources_are_found_in_both_layouts(tmp_path, project):
    from PancreasSegPanel.resources import resource

    assert resource("UI/PancreasSeg.ui") == project / "Resources" / "UI" / "PancreasSeg.ui"
    installed = tmp_path / "qt-scripted-modules"
    (installed / "Resources" / "UI").mkdir(parents=True)
    (installed / "Resources" / "UI" / "PancreasSeg.ui").touch()
    assert resource("UI/PancreasSeg.ui", installed).is_relative_to(installed)
    with pytest.raises(FileNotFoundError, match="incomplete"):
        resource("UI/none.ui", installed)


def test_the_sample_is_the_one_whose_checksum_the_demo_knows():
    from PancreasSegLib.cli import demo
    from PancreasSegPanel.setup import sample_data

    assert sample_data.SHA256 == demo._SHA256
    assert sample_data.URL == demo._URL


def test_importing_the_panel_imports_no_torch(project):
    free = "scene.measurement work.problem work.background batch.batch form.model_list"
    free += " messages form.about resources scene.patient_axes scene.ct_node logic work.segmentation_run"
    script = (
        f"import sys; sys.path[:0] = [{str(project)!r}, {str(project / 'PancreasSeg')!r}]\n"
        "i18n = sys.modules['slicer.i18n'] = type(sys)('i18n'); i18n.translate = lambda context, text: text\n"
        f"import importlib\nfor n in {free!r}.split(): importlib.import_module('PancreasSegPanel.' + n)\n"
        "print([m for m in ('torch', 'monai', 'scipy', 'skimage', 'SimpleITK', 'pydicom') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
