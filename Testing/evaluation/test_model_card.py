"""Model cards and scores from the files of the measurements."""

from __future__ import annotations

import json
import shutil

import pytest
from score_cases import score

from PancreasSegLib.cli.app import run
from PancreasSegLib.errors import DatasetError
from PancreasSegLib.evaluation import Cohort, write_cohort
from PancreasSegLib.evaluation.model_card import BLOCKS, with_blocks
from PancreasSegLib.evaluation.score_file import read_score_file
from PancreasSegLib.evaluation.summary import Evaluation, write_evaluation
from PancreasSegLib.models import load_package, verify_package
from PancreasSegLib.models.registry import default_folder


def cohort(**about):
    scores = tuple(score(f"case_{n}", d, confidence=d + 0.03) for n, d in enumerate((0.62, 0.75, 0.8, 0.88)))
    return Cohort(
        scores, {"recipe": "mine", "dataset": "boxes", "folds": [["case_0"]], "in_plane_mm": None} | about
    )


@pytest.fixture
def files(tmp_path):
    write_cohort(tmp_path / "own", cohort())
    write_cohort(tmp_path / "fine", cohort(in_plane_mm=0.75))
    curve = [{"median": 0.7 + 0.01 * n} for n in range(11)]
    method = {
        "groups": {"all": {"curves": {"dice": curve}}, "worst third": {"curves": {"dice": curve[:4]}}},
        "harm": {"worse": 2, "corrections": 40, "largest_loss": 0.012},
        "latency_s": {"median": 0.123, "p95": 0.2},
    }
    content = {"about": {}, "groups": {"all": ["a", "b"], "worst third": ["a"]}, "methods": {"refine": method}}
    (tmp_path / "stroke.json").write_text(json.dumps(content))
    return tmp_path


@pytest.fixture
def package(tmp_path):
    return shutil.copytree(default_folder(), tmp_path / "package")


def card_of(package):
    return (package / "MODEL_CARD.md").read_text("utf-8")


def block(card, name):
    return card.split(f"<!-- measured: {name} -->")[1].split("<!-- measured: end -->")[0]


def test_the_command_writes_card_scores_and_checksums(files, package, capsys):
    arguments = ["models", "card", str(package), "--scores", f"the CT's own grid={files / 'own'}"]
    arguments += [
        "--scores",
        f"finer={files / 'fine' / 'summary.json'}",
        "--correction",
        str(files / "stroke.json"),
    ]
    assert run(arguments) == 0
    verify_package(package)
    card = card_of(package)
    assert "| the CT's own grid | 0.762 |" in block(card, "summary")
    assert "| 0.775 (0.620 to 0.880) |" in block(card, "summary")
    assert "0.75 mm in-plane" in block(card, "summary")
    assert "| case_3 | 0.880 |" in block(card, "cases")
    assert "bias +0.030" in block(card, "confidence")
    assert "AUROC 1.00 for a Dice below 0.7 (1 of 4)" in block(card, "confidence")
    assert "| all (2), strokes | 0.700 | 0.710 | 0.730 | 0.750 | 0.800 | 2 of 40, at most 0.012" in block(
        card, "correction"
    )
    assert "| worst third (1), strokes | 0.700 | 0.710 | 0.730 | - | - |" in block(card, "correction")
    scores = load_package(package).scores
    assert scores["cross_validation"]["summary"]["dice"]["mean"] == pytest.approx(0.7625)
    assert scores["cross_validation_finer"]["command"] == "pancreasseg cross-validate mine --in-plane 0.75"
    assert scores["correction"]["all"] == [0.7, 0.71, 0.73, 0.75, 0.8]
    metadata = json.loads((package / "configs/metadata.json").read_text("utf-8"))
    assert metadata["eval_metrics"] == metadata["pancreasseg"]["scores"] == scores
    assert run([*arguments, "--check"]) == 0
    assert "says what these files say" in capsys.readouterr().out


def test_once_more_changes_nothing_and_other_figures_replace_the_old(files, package):
    arguments = ["models", "card", str(package), "--scores", str(files / "own")]
    assert run(arguments) == 0
    first = card_of(package)
    assert run(arguments) == 0
    assert card_of(package) == first
    write_cohort(files / "own", Cohort(cohort().scores[:2], cohort().about))
    assert run([*arguments, "--check"]) == 2
    assert card_of(package) == first
    assert run(arguments) == 0
    assert "case_3" not in card_of(package)
    assert card_of(package).count("<!-- measured: cases -->") == 1


def test_a_new_text_keeps_its_own_words(files, package, tmp_path):
    old = "<!-- measured: cases -->\nold\n<!-- measured: end -->"
    text = f"# Mine\n\n## Measured\n\nBefore.\n\n{old}\n\nAfter.\n\n## Limits\n\nMany.\n"
    (tmp_path / "card.md").write_text(text, encoding="utf-8")
    assert (
        run(["models", "card", str(package), "--text", str(tmp_path / "card.md"), "--scores", str(files / "own")])
        == 0
    )
    card = card_of(package)
    places = [
        card.index(part) for part in ("Before.", "| case_0", "After.", "measured: summary", "## Limits", "Many.")
    ]
    assert places == sorted(places)
    assert "old" not in card


def test_what_does_not_come_from_here_stays(files, package):
    from PancreasSegLib.models import update_package_card

    update_package_card(package, scores={"finetuning": {"dice": 0.9}, "cross_validation_other": {"dice": 1}})
    assert run(["models", "card", str(package), "--scores", str(files / "own")]) == 0
    assert set(load_package(package).scores) == {"finetuning", "cross_validation"}


def test_an_evaluation_of_several_models_needs_a_name(files, tmp_path):
    models = {
        "old": Cohort(cohort().scores[:3], {"kind": "model"}),
        "new": Cohort(cohort().scores, {"kind": "model"}),
    }
    write_evaluation(
        tmp_path / "both", Evaluation(models, {"dataset": "boxes", "in_plane_mm": None}, resamples=200)
    )
    with pytest.raises(
        DatasetError, match=r"holds the models old, new, and one is wanted\. Name one with --model"
    ):
        read_score_file(tmp_path / "both")
    found = read_score_file(tmp_path / "both", model="new")
    assert len(found.cohort.scores) == 4
    assert not found.unseen  # nothing says that the model never saw the patients
    assert read_score_file(files / "own").unseen


def test_an_older_file_with_fewer_measures_is_read(tmp_path):
    old = {
        name: value
        for name, value in cohort().scores[0].to_json().items()
        if name not in ("iou", "assd_mm", "label")
    }
    (tmp_path / "summary.json").write_text(json.dumps({"about": {"dataset": "d"}, "summary": {}, "cases": [old]}))
    found = read_score_file(tmp_path)
    assert found.cohort.scores[0].dice == 0.62
    assert found.summary.measures["iou"]["cases"] == 0


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"about": {}, "cases": []}', '{"about": {}, "cases": [{"case": 1}]}', "{nonsense"]
)
def test_what_is_no_score_file_is_refused(tmp_path, content):
    (tmp_path / "summary.json").write_text(content)
    with pytest.raises(DatasetError):
        read_score_file(tmp_path)


def test_what_cannot_be_written_leaves_the_package_as_it_was(files, package, tmp_path, capsys):
    before = card_of(package)
    assert run(["models", "card", str(package)]) == 2
    assert run(["models", "card", str(package), "--scores", str(tmp_path / "nowhere")]) == 2
    assert run(["models", "card", str(package), "--correction", str(files / "own" / "summary.json")]) == 2
    assert "no result of benchmark-correction" in capsys.readouterr().err
    (package / "MODEL_CARD.md").write_text("# Edited by hand\n")
    assert run(["models", "card", str(package), "--scores", str(files / "own")]) == 2
    assert "checksum differs" in capsys.readouterr().err
    assert card_of(package) == "# Edited by hand\n" != before


def test_broken_blocks_are_refused():
    begin, end = "<!-- measured: cases -->", "<!-- measured: end -->"
    for card in (
        f"{begin}\nno end\n",
        f"{begin}\n{end}\n{begin}\n{end}\n",
        f"{begin}\n<!-- measured: summary -->\n{end}\n",
    ):
        with pytest.raises(DatasetError, match="twice or has no end"):
            with_blocks(card, {"cases": "x"})
    assert set(BLOCKS) == {"summary", "cases", "confidence", "correction"}
