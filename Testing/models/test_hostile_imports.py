"""Models of others that are broken or wicked: one sentence, nothing of theirs is run, nothing is left behind."""

from __future__ import annotations

import json
import sys
import zipfile

import pytest
import torch
from foreign_models import METADATA, ball, bundle_config, changed, moving_dynunet, write_bundle
from torch import nn

from PancreasSegLib.errors import ModelPackageError, UntrustedModelError
from PancreasSegLib.inference import Segmenter
from PancreasSegLib.models import add_package, build_stage_network, export_package, find_package
from PancreasSegLib.models.imports import import_model


class Trap:
    """Writes a file when unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (type(self.path).write_text, (self.path, "code was run"))


@pytest.fixture(autouse=True)
def nothing_left(models_home):
    """Refused models leave no package."""
    yield
    if models_home.is_dir():
        assert not [p.name for p in models_home.iterdir() if p.name.startswith(".")]


def proof_of(tmp_path):
    proof = tmp_path / "proof"
    return proof, f"$__import__('pathlib').Path({str(proof)!r}).write_text('code was run') and"


@pytest.mark.parametrize("place", ["pixdim", "network", "disabled", "roi", "reference"])
def test_expressions_that_matter_are_refused_and_not_run(tmp_path, place):
    proof, code = proof_of(tmp_path)
    config = bundle_config(numbers=f"{code} [4.0, 5.0, 6.0]")
    if place == "pixdim":
        config = changed(config, "Spacingd", pixdim=f"{code} [4.0, 5.0, 6.0]")
    elif place == "disabled":
        config = changed(config, "Spacingd", _disabled_=f"{code} False")
    elif place == "reference":
        config = changed(config, "Spacingd", pixdim="@numbers")
    elif place == "network":
        config["network_def"]["out_channels"] = f"{code} 3"
    else:
        config["inferer"]["roi_size"] = f"{code} [24, 16, 16]"
    bundle = write_bundle(tmp_path / "b", config)
    with pytest.raises(UntrustedModelError, match=r"an expression, which is code.*--trust"):
        import_model(bundle)
    assert not proof.exists()
    stage = import_model(bundle, trust=True).package.stages[0]
    assert stage.spacing_mm == (4.0, 5.0, 6.0)
    assert proof.exists()


def test_expressions_that_do_not_matter_are_not_run_even_when_trusted(tmp_path):
    proof, code = proof_of(tmp_path)
    config = bundle_config(imports=[f"{code} 1"], initialize=[f"{code} 1"], device=f"{code} 'cpu'")
    config = changed(config, "LoadImaged", reader=f"{code} None")
    for trust in (False, True):
        import_model(write_bundle(tmp_path / f"b{trust}", config), name=f"b{trust}", trust=trust)
    assert not proof.exists()


@pytest.mark.parametrize(
    "target", ["os.system", "subprocess.run", "monai.networks.nets.HoVerNet", "scripts.net.Net"]
)
def test_classes_that_are_not_known_are_code(tmp_path, target):
    bundle = write_bundle(tmp_path / "b", bundle_config(network_def={"_target_": target, "command": "true"}))
    with pytest.raises(UntrustedModelError, match=r"is none of MONAI's.*--trust"):
        import_model(bundle)


def test_a_nested_target_is_code(tmp_path):
    config = bundle_config()
    config["network_def"]["norm_name"] = {"_target_": "os.system", "command": "true"}
    with pytest.raises(ModelPackageError, match="--trust"):
        import_model(write_bundle(tmp_path / "b", config))


def test_a_class_of_the_bundles_own_is_traced_when_trusted(tmp_path):
    """Its code runs once, at the import; the package holds a program that needs it no longer."""
    config = bundle_config()
    config["network_def"]["_target_"] = "own_networks_of_a_test.Own"
    bundle = write_bundle(tmp_path / "b", config)
    code = "from monai.networks.nets import DynUNet\nclass Own(DynUNet):\n    pass\n"
    (bundle / "own_networks_of_a_test.py").write_text(code)
    path = list(sys.path)
    package = import_model(bundle, trust=True).package
    assert sys.path == path
    assert package.stages[0].network == "torchscript"
    del sys.modules["own_networks_of_a_test"]
    plain = import_model(write_bundle(tmp_path / "plain"), name="plain").package
    masks = [
        Segmenter.load(made, "cpu", threads=1, precision="fp32").segment(ball(), roi="none").mask
        for made in (package, plain)
    ]
    assert masks[1].any()
    assert (masks[0] == masks[1]).all()


def scripted(tmp_path):
    """A bundle with a TorchScript program and no state dict."""
    bundle = write_bundle(tmp_path / "scripted")
    (bundle / "models/model.pt").unlink()
    traced = torch.jit.trace(moving_dynunet(0.5), torch.zeros(1, 1, 24, 16, 16))
    torch.jit.save(traced, str(bundle / "models/model.ts"))
    return bundle


@pytest.mark.filterwarnings("ignore")
def test_a_program_runs_only_where_it_is_trusted(tmp_path, models_home, monkeypatch):
    bundle = scripted(tmp_path)
    with pytest.raises(UntrustedModelError, match=r"TorchScript program: it is code.*--trust"):
        import_model(bundle)
    package = import_model(bundle, trust=True, name="program").package
    assert Segmenter.load("program", "cpu", threads=1).segment(ball(), roi="none").mask.any()
    # the trust is the user's, not the package's: elsewhere the same package is refused
    export_package(package, tmp_path / "copy.zip")
    monkeypatch.setenv("PANCREASSEG_MODELS", str(tmp_path / "another user"))
    add_package(tmp_path / "copy.zip")
    with pytest.raises(UntrustedModelError, match="you have not agreed to run it"):
        Segmenter.load("program", "cpu")
    import_model(tmp_path / "copy.zip", trust=True, force=True)
    assert build_stage_network(find_package("program"), find_package("program").stages[0])


@pytest.mark.filterwarnings("ignore")
def test_a_program_that_was_changed_is_not_trusted(tmp_path, tiny):
    package = import_model(scripted(tmp_path), trust=True).package
    path = package.path / package.stages[0].weights[0]
    torch.jit.save(torch.jit.script(nn.Conv3d(1, 3, 1)), str(path))
    tiny.sums_again(package.path)
    with pytest.raises(UntrustedModelError, match="not agreed"):
        build_stage_network(package, package.stages[0])


def test_a_broken_list_of_trust_trusts_nothing(models_home):
    from PancreasSegLib.models.trust import is_trusted, trust

    trust("a" * 64, "first")
    assert is_trusted("a" * 64) and not is_trusted("b" * 64)
    for text in ("", "[]", '{"trusted": 3}', "{"):
        (models_home / "trusted.json").write_text(text)
        assert not is_trusted("a" * 64)


def test_weights_with_code_are_refused_even_when_trusted(tmp_path):
    """`--trust` is for what a bundle cannot say otherwise; weights can be said as data."""
    proof = tmp_path / "proof"
    bundle = write_bundle(tmp_path / "b", weights={"state_dict": Trap(proof)})
    for trust in (False, True):
        with pytest.raises(UntrustedModelError, match="would run code"):
            import_model(bundle, trust=trust)
    assert not proof.exists()


@pytest.mark.parametrize("name", ["../outside", "/outside", "C:\\outside", "a/../../outside"])
def test_a_zip_that_leads_outside(tmp_path, name):
    packed = tmp_path / "b.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("configs/inference.json", json.dumps(bundle_config()))
        archive.writestr(name, "surprise")
    with pytest.raises(ModelPackageError, match="outside its folder"):
        import_model(packed)
    assert not (tmp_path / "outside").exists()


def test_a_zip_that_would_fill_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr("PancreasSegLib.models.archive.MAX_PACKAGE_BYTES", 10**6)
    packed = tmp_path / "b.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("configs/inference.json", b" " * 2 * 10**6)
    with pytest.raises(ModelPackageError, match="too large"):
        import_model(packed)


def test_a_link_brings_nothing_into_the_package_that_could_be_secret(tmp_path):
    bundle = write_bundle(tmp_path / "b")
    secret = tmp_path / "secret"
    secret.write_text("a secret")
    (bundle / "LICENSE").unlink()
    (bundle / "LICENSE").symlink_to(secret)
    package = import_model(bundle).package
    assert "secret" not in (package.path / "LICENSE").read_text()


def test_references_that_multiply_are_stopped(tmp_path):
    levels = {f"a{i}": [f"@a{i + 1}"] * 10 for i in range(12)}
    config = changed(bundle_config(**levels, a12=1.0), "Spacingd", pixdim="@a0")
    with pytest.raises(ModelPackageError, match="refers to itself, or is nested too deeply"):
        import_model(write_bundle(tmp_path / "b", config))


@pytest.mark.parametrize(
    ("pixdim", "words"),
    [
        ("@nothing", "'nothing', which is not there"),
        ("@loop", "refers to itself"),
        ("%other.json::x", "another file"),
        ([1, 1], "pixdim is not three positive numbers"),
        ([0, 1, 1], "pixdim is not three positive numbers"),
        (["a", 1, 1], "pixdim is not three positive numbers"),
        ([float("nan"), 1, 1], "pixdim is not three positive numbers"),
    ],
)
def test_spacings_that_make_no_sense(tmp_path, pixdim, words):
    config = changed(bundle_config(loop="@loop"), "Spacingd", pixdim=pixdim)
    with pytest.raises(ModelPackageError, match=words):
        import_model(write_bundle(tmp_path / "b", config))


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ({"_target_": "ScaleIntensityd", "keys": "image", "minv": 1, "maxv": 1}, "a lower and a higher number"),
        ({"_target_": "HistogramNormalized", "keys": "image"}, "HistogramNormalized.*no translation"),
        ({"_target_": "scripts.own.Magic", "keys": "image"}, r"scripts\.own\.Magic.*no translation"),
        ({"_target_": "ScaleIntensityRanged", "keys": "image", "a_min": 5, "a_max": 5}, "upside down"),
        ({"_target_": "ScaleIntensityRanged", "keys": "image"}, "a_min"),
        ({"_target_": "NormalizeIntensityd", "keys": "image", "subtrahend": 1, "divisor": 0}, "division by zero"),
        ("nonsense", "no transform"),
    ],
)
def test_transforms_that_have_no_translation_are_named(tmp_path, before, words):
    config = bundle_config()
    config["preprocessing"]["transforms"].append(before)
    with pytest.raises(ModelPackageError, match=words):
        import_model(write_bundle(tmp_path / "b", config))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"inferer": {"_target_": "SliceInferer", "roi_size": [64, 64]}}, "SliceInferer cannot be taken over"),
        ({"inferer": {"_target_": "SlidingWindowInferer", "roi_size": [64, 64]}}, "not three positive numbers"),
        ({"inferer": {"_target_": "SlidingWindowInferer", "roi_size": [24, 16, 16], "overlap": 2}}, "overlap"),
        ({"network_def": None, "network": None}, "names no network"),
        ({"network_def": {"_target_": "UNet"}}, "cannot be built"),
        ({"postprocessing": [{"_target_": "LabelFilterd", "keys": "pred"}]}, "LabelFilterd"),
    ],
)
def test_other_parts_that_cannot_be_taken_over(tmp_path, fields, words):
    with pytest.raises(ModelPackageError, match=words):
        import_model(write_bundle(tmp_path / "b", bundle_config(**fields)))


def test_a_network_of_two_images(tmp_path):
    config = bundle_config()
    config["network_def"]["in_channels"] = 2
    with pytest.raises(ModelPackageError, match=r"takes 2 image\(s\)"):
        import_model(write_bundle(tmp_path / "b", config))


def test_weights_that_do_not_fit_or_are_not_there(tmp_path):
    state = moving_dynunet(0.5).state_dict()
    few = {name: value for name, value in state.items() if "output_block" not in name}
    with pytest.raises(ModelPackageError, match="lacks output_block"):
        import_model(write_bundle(tmp_path / "few", weights=few))
    bad = {**state, "output_block.conv.conv.bias": torch.full((3,), float("nan"))}
    with pytest.raises(ModelPackageError, match="NaN"):
        import_model(write_bundle(tmp_path / "bad", weights=bad))
    bundle = write_bundle(tmp_path / "none")
    (bundle / "models/model.pt").unlink()
    with pytest.raises(ModelPackageError, match="has no weights"):
        import_model(bundle)


def test_a_network_of_monstrous_size_allocates_nothing(tmp_path):
    config = bundle_config()
    config["network_def"]["filters"] = [10**7, 10**7, 10**7]
    with pytest.raises(ModelPackageError, match="too small for 10000000 channels"):
        import_model(write_bundle(tmp_path / "b", config))


@pytest.mark.parametrize("file", ["configs/inference.json", "configs/metadata.json"])
@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, None])
def test_configurations_that_cannot_be_read(tmp_path, file, text):
    bundle = write_bundle(tmp_path / "b")
    if text is None:
        with (bundle / file).open("wb") as stream:
            stream.truncate(9 << 20)  # a sparse file
    else:
        (bundle / file).write_text(text)
    with pytest.raises(ModelPackageError, match=r"cannot be read|not an object|larger than"):
        import_model(bundle)


@pytest.mark.parametrize(
    "metadata", [{}, {"name": 3, "version": [], "network_data_format": "x", "references": [1]}]
)
def test_metadata_without_what_one_expects(tmp_path, metadata):
    bundle = write_bundle(tmp_path / "b", metadata=metadata or {"changelog": {}})
    package = import_model(bundle, organs=["label_2"]).package
    assert package.labels == {"label_2": 1}
    assert METADATA["name"] != package.name == "b"


def test_what_is_no_model(tmp_path):
    with pytest.raises(ModelPackageError, match="no file or folder"):
        import_model(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelPackageError, match="no model that is known"):
        import_model(tmp_path / "empty")
    (tmp_path / "text.zip").write_text("no zip")
    with pytest.raises(ModelPackageError, match="not a zip"):
        import_model(tmp_path / "text.zip")
