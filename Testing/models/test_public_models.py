"""Models that lie on this computer, and models that are fetched from a server on it."""

from __future__ import annotations

import functools
import hashlib
import http.server
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from foreign_models import bundle_config, write_bundle
from nnunet_models import write_nnunet

from PancreasSegLib.cli.app import run
from PancreasSegLib.errors import ModelPackageError, UntrustedModelError
from PancreasSegLib.models import find_package
from PancreasSegLib.models.catalogue import find_models, get_model, public_model, public_models
from PancreasSegLib.models.catalogue.public_model import PublicModel
from PancreasSegLib.models.imports import import_model


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder, in which other programs keep nothing yet."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    for name in ("TOTALSEG_WEIGHTS_PATH", "TOTALSEG_HOME_DIR", "nnUNet_results", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    return folder


def test_nothing_is_found_where_there_is_nothing(home, capsys):
    assert find_models() == []
    assert run(["models", "find"]) == 0
    assert "No model" in capsys.readouterr().out


def test_the_usual_folders_of_each_program(home, tmp_path, monkeypatch, models_home):
    write_nnunet(home / ".totalsegmentator/nnunet/results")
    write_bundle(home / ".cache/torch/hub/bundle/finder")
    write_nnunet(tmp_path / "theirs")
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "theirs"))
    found = find_models()
    assert sorted(model.place for model in found) == ["MONAI", "TotalSegmentator", "nnU-Net"]
    assert all(model.finds_pancreas for model in found)
    for number, model in enumerate(found):
        assert import_model(model.path, name=f"found{number}").package.labels == {"pancreas": 1}


def test_a_folder_named_twice_is_listed_once(home, tmp_path, monkeypatch):
    write_nnunet(tmp_path / "weights")
    (tmp_path / "link").symlink_to(tmp_path / "weights")
    monkeypatch.setenv("TOTALSEG_WEIGHTS_PATH", str(tmp_path / "weights"))
    monkeypatch.setenv("nnUNet_results", str(tmp_path / "link"))
    assert len(find_models()) == 1


def test_a_broken_model_hides_no_other(home, capsys):
    place = home / ".totalsegmentator/nnunet/results"
    write_nnunet(place)
    broken = place / "Dataset001_Broken/nnUNetTrainer__nnUNetPlans__3d_fullres"
    (broken / "fold_0").mkdir(parents=True)
    (broken / "plans.json").write_text("{")
    assert [model.labels for model in find_models()] == [("pancreas", "cancer"), ()]
    assert run(["models", "find"]) == 0
    assert "Dataset007_Pancreas" in capsys.readouterr().out


def test_the_catalogue_says_what_a_user_must_know():
    names = [model.name for model in public_models()]
    assert len(set(names)) == len(names) > 4
    for model in public_models():
        assert model.url.startswith("https://") and model.url.endswith(model.file)
        assert model.by_hand or model.file.endswith(".zip")
        assert model.licence and model.finds and model.citation
        assert len(model.checksum) in (0, 40, 64)
        assert not {"multi_organ", "vista3d"} & {model.name}
    with pytest.raises(ModelPackageError, match="Did you mean totalsegmentator-3mm"):
        public_model("totalsegmentator3mm")


@pytest.fixture
def published(tmp_path):
    """A zip as TotalSegmentator publishes it, on a server, and its entry in the catalogue."""
    folder = tmp_path / "server"
    write_nnunet(tmp_path / "packed")
    packed = Path(shutil.make_archive(str(folder / "Dataset007"), "zip", tmp_path / "packed"))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    handler.log_message = lambda *_: None
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    size = (folder / "Dataset007.zip").stat().st_size
    yield (
        PublicModel(
            "organs",
            "Organs",
            "pancreas",
            f"http://127.0.0.1:{server.server_port}/Dataset007.zip",
            "Dataset007.zip",
            "Apache-2.0",
            "nobody",
            "",
            size,
        ),
        packed,
    )
    server.shutdown()
    server.server_close()


def test_a_public_model_is_fetched_and_imported(published, models_home):
    model, packed = published
    fractions = []
    imported = get_model(model, on_fraction=fractions.append)
    assert find_package("organs").labels == {"pancreas": 1}
    assert fractions[-1] == 1.0
    digest = hashlib.sha256(packed.read_bytes()).hexdigest()
    assert any(digest in note for note in imported.notes)
    assert not list(models_home.rglob("*.zip"))


def test_another_file_at_the_same_address_is_refused(published, models_home, tmp_path):
    model, packed = published
    get_model(model)
    write_nnunet(tmp_path / "other", residual=True)
    other = Path(shutil.make_archive(str(packed.with_suffix("")), "zip", tmp_path / "other"))
    changed = replace(model, bytes=0)
    with pytest.raises(ModelPackageError, match="gave before"):
        get_model(changed, file=other, force=True)


def test_a_file_that_was_fetched_by_other_means(published, models_home, tmp_path):
    model, packed = published
    assert get_model(model, file=packed).package.name == "organs"
    (tmp_path / "wrong.zip").write_bytes(b"PK")
    with pytest.raises(ModelPackageError, match="size or checksum differs"):
        get_model(model, file=tmp_path / "wrong.zip", force=True)


def test_a_model_that_is_fetched_by_hand_says_where(models_home, tmp_path, capsys):
    assert run(["models", "get", "panorama-baseline", "--yes"]) == 2
    told = capsys.readouterr().err
    assert "https://zenodo.org/records/11160381" in told and "--file ZIP" in told
    trainers = (
        "nnUNetTrainer__nnUNetPlans__3d_fullres",
        "nnUNetTrainer_Loss_CE_checkpoints__nnUNetPlans__3d_fullres",
    )
    for trainer in trainers:
        write_nnunet(tmp_path / trainer, trainer=trainer)
        shutil.copytree(tmp_path / trainer, tmp_path / "packed", dirs_exist_ok=True)
    packed = shutil.make_archive(str(tmp_path / "weights"), "zip", tmp_path / "packed")
    assert run(["models", "get", "panorama-baseline", "--yes", "--file", packed]) == 0
    assert "Loss_CE" in find_package("panorama-baseline").recipe["model"]


def test_a_programs_code_runs_only_with_trust(published, models_home, tmp_path):
    """Its zip stays, so that agreeing later fetches nothing again."""
    model, packed = published
    config = bundle_config()
    config["inferer"]["roi_size"] = "$[24, 16, int(__import__('math').sqrt(256))]"
    write_bundle(tmp_path / "code", config)
    shutil.make_archive(str(packed.with_suffix("")), "zip", tmp_path / "code")
    model = replace(model, bytes=packed.stat().st_size)
    with pytest.raises(UntrustedModelError):
        get_model(model)
    packed.unlink()
    assert get_model(model, trust=True).package.name == "organs"


def test_nothing_is_fetched_without_consent(models_home, capsys):
    assert run(["models", "get", "totalsegmentator-organs"]) == 130
    told = capsys.readouterr()
    assert "Apache-2.0" in told.out and "234 MB" in told.out
    assert "nobody was there to agree" in told.err
    assert not models_home.exists()
