"""A measured package gets a new card and new scores, and nothing else of it changes."""

from __future__ import annotations

import json

import pytest

from PancreasSegLib.errors import ModelPackageError
from PancreasSegLib.models import load_package, read_checksums, update_package_card, verify_package


def test_card_and_scores_are_replaced_and_weights_stay(folder):
    before = read_checksums(folder)
    scores = {"dice": {"mean": 0.81, "cases": 18}, "on": "abdomen, by cross-validation"}
    package = update_package_card(folder, model_card="# Measured\n\n0.81 ± 0.05\n", scores=scores)
    verify_package(folder)
    assert package == load_package(folder)
    assert package.scores == scores
    assert (folder / "MODEL_CARD.md").read_text(encoding="utf-8") == "# Measured\n\n0.81 ± 0.05\n"
    assert json.loads((folder / "configs/metadata.json").read_text(encoding="utf-8"))["eval_metrics"] == scores
    changed = {name for name, digest in read_checksums(folder).items() if digest != before[name]}
    assert changed == {"MODEL_CARD.md", "configs/metadata.json"}
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]


def test_what_is_not_given_stays(folder):
    before = read_checksums(folder)
    update_package_card(folder, model_card="# Other\n")
    after = read_checksums(folder)
    assert after.pop("MODEL_CARD.md") != before.pop("MODEL_CARD.md")
    assert after == before


def test_damage_is_not_blessed(folder):
    weights = folder / "models/segmenter-0.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ModelPackageError, match="checksum"):
        update_package_card(folder, model_card="# Other\n")
    assert (folder / "MODEL_CARD.md").read_text() == "# Tiny\n"


@pytest.mark.parametrize("value", [float("nan"), object()])
def test_scores_that_are_no_json_change_nothing(folder, value):
    before = read_checksums(folder)
    with pytest.raises(ModelPackageError, match="JSON"):
        update_package_card(folder, scores={"dice": value})
    verify_package(folder)
    assert read_checksums(folder) == before
