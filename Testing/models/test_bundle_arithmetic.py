"""Expressions of bundles that are mere arithmetic are worked out; nothing else is run."""

from __future__ import annotations

import pytest
from foreign_models import bundle_config, changed, write_bundle

from PancreasSegLib.errors import ModelPackageError
from PancreasSegLib.models.imports import import_model
from PancreasSegLib.models.imports.bundle_arithmetic import NotPlainError, worked_out

VALUES = {"size": [96, 96, 96], "high": True, "names": {"a": 1, "b": 0}, "a::b": 2, "first": [1], "second": [2, 3]}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("len(@size)", 3),
        ("len(@names) + @a#b", 4),
        ("[1.5, 1.5, 1.5] if @high else [3.0, 3.0, 3.0]", [1.5, 1.5, 1.5]),
        ("@first + @second", [1, 2, 3]),
        ("-(4 - 6) * 3 / 2", 3.0),
        ("'model' + '.pt'", "model.pt"),
    ],
)
def test_numbers_lists_and_choices(expression, value):
    assert worked_out(expression, VALUES.__getitem__) == value


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('true')",
        "@size.__class__",
        "[0] * 10**12",
        "[0] * 1000000000000",
        "2 ** 9999999",
        "print(1)",
        "(lambda: 1)()",
        "[x for x in @size]",
        "unknown",
        "f'{1}'",
        "1 /",
        "1" + " + 1" * 1000,
    ],
)
def test_anything_else_is_left_alone(expression):
    with pytest.raises(NotPlainError):
        worked_out(expression, VALUES.__getitem__)


def test_a_spacing_that_is_a_choice(models_home, tmp_path):
    config = changed(
        bundle_config(highres=True), "Spacingd", pixdim="$[4.0, 5.0, 6.0] if @highres else [8.0, 8.0, 8.0]"
    )
    assert import_model(write_bundle(tmp_path / "b", config)).package.stages[0].spacing_mm == (4.0, 5.0, 6.0)


def test_a_model_of_clicks_is_named_as_such(models_home, tmp_path):
    config = bundle_config()
    config["preprocessing"]["transforms"].append({"_target_": "AddGuidanceSignalDeepEditd", "keys": "image"})
    with pytest.raises(ModelPackageError, match="a reader's clicks"):
        import_model(write_bundle(tmp_path / "b", config))


def test_normalisations_that_measure_each_scan(models_home, tmp_path):
    config = changed(bundle_config(), "ScaleIntensityRanged")
    config["preprocessing"]["transforms"] += [
        {"_target_": "NormalizeIntensityd", "keys": "image", "nonzero": True},
        {"_target_": "ScaleIntensityd", "keys": "image", "minv": -1.0, "maxv": 1.0},
    ]
    config["inferer"] |= {"mode": "gaussian", "padding_mode": "replicate"}
    original = import_model(write_bundle(tmp_path / "b", config)).package.stages[0].original
    assert original.intensity == (
        {"step": "zscore", "nonzero": True},
        {"step": "range", "low": -1.0, "high": 1.0},
    )
    assert (original.blending, original.padding, original.restores) == ("gaussian", "edge", "probabilities")
