"""Only packages and exports of ours are replaced or removed; a user's folder never is."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import tiny_package as tiny

from PancreasSegLib.errors import OutputError, PancreasSegError
from PancreasSegLib.models import add_package, export_package, find_package, remove_package, update_package_card
from PancreasSegLib.models.exports.graph_export import export_graphs


def photos(place: Path) -> Path:
    place.mkdir(parents=True)
    (place / "photo.jpg").write_bytes(b"a picture")
    return place


def a_file(place: Path) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("a thesis")
    return place


def a_bundle_of_another(place: Path) -> Path:
    (place / "configs").mkdir(parents=True)
    (place / "models").mkdir()
    (place / "configs" / "metadata.json").write_text('{"version": "0.1"}')
    (place / "models" / "model.pt").write_bytes(b"months of training")
    return place


def a_package_with_a_thesis(place: Path) -> Path:
    tiny.written(place)
    (place / "models" / "thesis.docx").write_text("years of work")
    return place


def a_package_with_hidden_work(place: Path) -> Path:
    tiny.written(place)
    (place / ".git").mkdir()
    (place / ".git" / "config").write_text("history")
    return place


def a_link_to_photos(place: Path) -> Path:
    photos(place.with_name("photos"))
    place.symlink_to(place.with_name("photos"))
    return place


def photos_with_checksums(place: Path) -> Path:
    photos(place)
    (place / "SHA256SUMS").write_text(f"{'0' * 64}  photo.jpg\n")
    return place


FOREIGN = [
    photos,
    a_file,
    a_bundle_of_another,
    a_package_with_a_thesis,
    a_package_with_hidden_work,
    a_link_to_photos,
    photos_with_checksums,
]
WRITERS = {
    "export": lambda package, place: export_package(package, place, overwrite=True),
    "graphs": lambda package, place: export_graphs(package, place, "torchscript", overwrite=True),
    "write": lambda package, place: tiny.written(place, overwrite=True),
}


def content(place: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted([place, *place.rglob("*")]) if p.is_file()}


@pytest.mark.parametrize(
    ("writer", "make"), [*(("export", make) for make in FOREIGN), ("graphs", photos), ("write", photos)]
)
def test_force_replaces_nothing_foreign(folder, tmp_path, make, writer):
    place = make(tmp_path / "out" / "place")
    before = content(place.parent)
    with pytest.raises(OutputError):
        WRITERS[writer](find_package(folder), place)
    assert content(place.parent) == before


@pytest.mark.parametrize("writer", WRITERS)
def test_force_replaces_what_is_ours(folder, tmp_path, writer):
    place = tmp_path / "place"
    for _ in range(2):
        WRITERS[writer](find_package(folder), place)
    (place / ".DS_Store").write_bytes(b"litter")
    WRITERS[writer](find_package(folder), place)
    assert {path.name for path in tmp_path.iterdir()} == {"place", folder.name}


def test_force_replaces_no_foreign_zip(folder, tmp_path):
    foreign = tmp_path / "photos.zip"
    with zipfile.ZipFile(foreign, "w") as archive:
        archive.writestr("tiny/photo.jpg", b"a picture")
    mixed = tmp_path / "mixed.zip"
    export_package(find_package(folder), mixed)
    with zipfile.ZipFile(mixed, "a") as archive:
        archive.writestr("tiny/thesis.docx", b"years of work")
    plain = tmp_path / "plain.zip"
    plain.write_text("a thesis by a wrong name")
    for file in (foreign, mixed, plain):
        before = file.read_bytes()
        with pytest.raises(OutputError):
            export_package(find_package(folder), file, overwrite=True)
        assert file.read_bytes() == before
    own = tmp_path / "own.zip"
    for _ in range(2):
        export_package(find_package(folder), own, overwrite=own.exists())
    assert zipfile.is_zipfile(own)


@pytest.mark.parametrize("make", [photos, a_bundle_of_another, a_package_with_a_thesis], ids=lambda m: m.__name__)
def test_a_folder_among_the_models_that_is_no_package_is_not_removed(models_home, make):
    place = make(models_home / "mine")
    before = content(place)
    with pytest.raises(PancreasSegError):
        remove_package("mine")
    assert content(place) == before


def test_a_package_with_more_in_it_is_not_replaced_by_a_new_one(folder, models_home):
    package = add_package(folder)
    (package.path / "thesis.docx").write_text("years of work")
    with pytest.raises(PancreasSegError):
        add_package(folder, force=True)
    with pytest.raises(PancreasSegError):
        update_package_card(package.path, model_card="# new")
    assert (package.path / "thesis.docx").exists()
