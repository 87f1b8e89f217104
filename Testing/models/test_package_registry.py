"""The models folder: adding, finding, listing, removing, exporting; zips that want to get out of it."""

from __future__ import annotations

import stat
import zipfile

import pytest
import torch

from PancreasSegLib.errors import ModelPackageError, OutputError
from PancreasSegLib.models import (
    add_package,
    export_package,
    find_package,
    list_packages,
    load_package,
    packages_folder,
    registry,
    remove_package,
    scan_packages,
    verify_package,
)


@pytest.fixture(autouse=True)
def no_built_in(monkeypatch, tmp_path):
    """These tests have a default package only where they make one."""
    monkeypatch.setattr(registry, "default_folder", lambda: tmp_path / "library" / "default")
    return tmp_path / "library" / "default"


def zipped(folder, path, top="tiny/", **extra):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            archive.write(file, top + file.relative_to(folder).as_posix())
        for name, content in extra.get("members", {}).items():
            archive.writestr(name, content)
    return path


def leftovers(home):
    return [p.name for p in home.iterdir() if p.name.startswith(".")] if home.exists() else []


def test_the_users_folder_is_chosen_by_variable_or_platform(models_home, monkeypatch):
    assert packages_folder() == models_home
    monkeypatch.delenv("PANCREASSEG_MODELS")
    assert packages_folder().parts[-2:] == ("PancreasSeg", "models")


def test_a_folder_is_added_found_listed_and_removed(folder, models_home):
    assert list_packages() == []
    (folder / ".DS_Store").write_bytes(b"litter")
    package = add_package(folder)
    assert package.path == models_home / "tiny"
    assert find_package("tiny") == package
    assert find_package(package.path) == find_package(str(package.path)) == package
    assert list_packages() == [package]
    assert not (package.path / ".DS_Store").exists()
    assert remove_package("tiny") == package.path
    assert not package.path.exists()
    assert list_packages() == []
    assert leftovers(models_home) == []


@pytest.mark.parametrize("top", ["", "tiny/", "a folder/"])
def test_a_zip_is_added(folder, models_home, tmp_path, top):
    extra = {"__MACOSX/._x": "litter", "notes beside the package.txt": "ignored"} if top else {}
    package = add_package(zipped(folder, tmp_path / "tiny.zip", top, members=extra))
    assert package == find_package("tiny")
    verify_package(package.path)
    assert leftovers(models_home) == []


def test_nothing_is_replaced_without_force(folder, models_home, tiny):
    add_package(folder)
    tiny.change_metadata(folder, lambda m: m.update(version="2"))
    with pytest.raises(ModelPackageError, match="--force"):
        add_package(folder)
    assert find_package("tiny").version == "1.2.0"
    assert add_package(folder, force=True).version == "2"
    assert leftovers(models_home) == []


def test_the_name_of_the_built_in_package_is_taken(folder, models_home, tiny):
    tiny.change_metadata(folder, lambda m: m["pancreasseg"].update(name="default"))
    with pytest.raises(ModelPackageError, match="built-in"):
        add_package(folder)
    assert list_packages() == []


def test_the_built_in_package(tiny, models_home, no_built_in, folder):
    with pytest.raises(ModelPackageError, match="no model package"):
        find_package()
    tiny.written(no_built_in, tiny.package(name="default"))
    add_package(folder)
    assert [p.name for p in list_packages()] == ["default", "tiny"]
    assert find_package().path == find_package("default").path == no_built_in
    with pytest.raises(ModelPackageError, match="stays"):
        remove_package("default")


def test_a_broken_package_is_shown_with_the_reason_and_can_be_removed(folder, models_home, caplog):
    package = add_package(folder)
    (package.path / "configs/metadata.json").write_text("{}")
    (entry,) = scan_packages()
    assert entry.package is None
    assert "checksum" in str(entry.error)
    assert list_packages() == []
    assert "tiny" in caplog.text
    remove_package("tiny")
    assert scan_packages() == []


def test_names_that_are_not_there(folder, models_home, tmp_path):
    add_package(folder)
    with pytest.raises(ModelPackageError, match=r"Did you mean tiny\?"):
        find_package("tinny")
    for name in ("", ".", "..", "../tiny"):
        with pytest.raises(ModelPackageError):
            find_package(name)
    with pytest.raises(ModelPackageError, match="models add"):
        find_package(zipped(folder, tmp_path / "tiny.zip"))
    for name in ("nothing", "..", ""):
        with pytest.raises(ModelPackageError):
            remove_package(name)
    assert find_package("tiny")


def test_a_wrong_checksum_is_not_added(folder, models_home, tmp_path):
    (folder / "MODEL_CARD.md").write_text("another")
    for source in (folder, zipped(folder, tmp_path / "tiny.zip")):
        with pytest.raises(ModelPackageError, match=r"MODEL_CARD\.md.*checksum"):
            add_package(source)
    assert list_packages() == []
    assert leftovers(models_home) == []


@pytest.mark.parametrize("name", ["../evil", "tiny/../../evil", "/evil", "tiny\\..\\evil", "C:evil"])
def test_a_zip_that_writes_outside_its_folder(folder, models_home, tmp_path, name):
    source = zipped(folder, tmp_path / "tiny.zip", members={name: "evil"})
    # zipfile cleans names while writing on some systems: make sure that the wicked one is in there
    content = source.read_bytes()
    assert name.replace("\\", "/").encode() in content.replace(b"\\", b"/")
    with pytest.raises(ModelPackageError, match="outside its folder"):
        add_package(source)
    assert not list(tmp_path.rglob("evil"))
    assert leftovers(models_home) == []


def test_a_zip_with_a_link(folder, models_home, tmp_path):
    source = zipped(folder, tmp_path / "tiny.zip")
    link = zipfile.ZipInfo("tiny/models/link.safetensors")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(source, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(ModelPackageError, match="link"):
        add_package(source)


def test_zips_that_are_none(models_home, tmp_path, folder):
    for content in (b"", b"PK\x03\x04 not really", b"text"):
        (tmp_path / "x.zip").write_bytes(content)
        with pytest.raises(ModelPackageError, match="not a zip"):
            add_package(tmp_path / "x.zip")
    whole = zipped(folder, tmp_path / "tiny.zip").read_bytes()
    (tmp_path / "x.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelPackageError, match="not a zip"):
        add_package(tmp_path / "x.zip")
    damaged = bytearray(whole)
    damaged[len(whole) // 3] ^= 0xFF
    (tmp_path / "x.zip").write_bytes(damaged)
    with pytest.raises(ModelPackageError):
        add_package(tmp_path / "x.zip")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    with pytest.raises(ModelPackageError, match=r"metadata\.json"):
        add_package(tmp_path / "empty.zip")
    with pytest.raises(ModelPackageError, match="no file or folder"):
        add_package(tmp_path / "nowhere.zip")
    assert leftovers(models_home) == []


def test_a_zip_bomb(folder, models_home, tmp_path, monkeypatch):
    monkeypatch.setattr("PancreasSegLib.models.transfer.MAX_PACKAGE_BYTES", 10**6)
    monkeypatch.setattr("PancreasSegLib.models.archive.MAX_PACKAGE_BYTES", 10**6)
    source = tmp_path / "bomb.zip"
    with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("configs/metadata.json", b" " * 2_000_000)
    assert source.stat().st_size < 10_000
    with pytest.raises(ModelPackageError, match="too large"):
        add_package(source)


def test_no_room_on_the_disk(folder, models_home, tmp_path, monkeypatch):
    import shutil
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(100, 100, 0))
    with pytest.raises(OutputError, match="Make room"):
        add_package(zipped(folder, tmp_path / "tiny.zip"))
    assert leftovers(models_home) == []


@pytest.mark.parametrize("kind", ["out.zip", "out"])
def test_an_export_can_be_added_elsewhere(folder, models_home, tmp_path, kind):
    package = load_package(folder)
    destination = export_package(package, tmp_path / "there" / kind)
    assert destination == tmp_path / "there" / kind
    assert [p.name for p in destination.parent.iterdir()] == [kind]
    added = add_package(destination)
    assert added.stages == package.stages
    with pytest.raises(OutputError, match="there already"):
        export_package(package, destination)
    export_package(package, destination, overwrite=True)


def test_an_export_with_a_torch_checkpoint(folder, models_home, tmp_path):
    from PancreasSegLib.models import load_weights

    package = load_package(folder)
    out = export_package(package, tmp_path / "out", for_monai=True)
    verify_package(out)
    state = torch.load(out / "models" / "model.pt", weights_only=True)
    ours = load_weights(package, package.stages[0])
    assert state.keys() == ours.keys()
    assert all(v.dtype == torch.float32 for v in state.values() if v.is_floating_point())
    assert not (folder / "models" / "model.pt").exists()


def test_a_damaged_package_is_not_exported(folder, tmp_path):
    package = load_package(folder)
    (folder / "LICENSE").write_text("changed")
    with pytest.raises(ModelPackageError, match="checksum"):
        export_package(package, tmp_path / "out.zip")
    assert not (tmp_path / "out.zip").exists()
