"""The shape of the project: its top level, what an import brings along, which way dependencies point."""

from __future__ import annotations

import ast
import graphlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOP_LEVEL = {
    "CHANGELOG.md",  # this and CITATION.cff are looked for here by people and tools
    "CITATION.cff",
    "CMakeLists.txt",
    "README.md",
    "mkdocs.yml",
    "pyproject.toml",
    "LICENSE",
    "PancreasSeg",
    "PancreasSegLib",
    "Resources",
    "Testing",
}
LIBRARY = Path(__file__).resolve().parents[1] / "PancreasSegLib"
MODULES = sorted(LIBRARY.rglob("*.py"))
HEAVY = ("torch", "monai", "SimpleITK", "skimage", "scipy", "matplotlib", "pydicom", "highdicom")


def tracked(project: Path) -> list[str]:
    """Return the committed files; without git or a checkout of one's own there is nothing to look at."""
    if shutil.which("git") is None:
        pytest.skip("git is not here")
    command = ["git", "-C", project, "ls-files", "-z"]
    listing = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    if listing.returncode:
        pytest.skip(f"not a git checkout: {listing.stderr.strip()}")
    return [name for name in listing.stdout.split("\0") if name]


def test_top_level_holds_only_what_the_design_names(project):
    entries = {name.split("/")[0] for name in tracked(project)}
    assert {entry for entry in entries if not entry.startswith(".")} <= TOP_LEVEL
    assert {"CMakeLists.txt", "README.md", "pyproject.toml", "LICENSE", "PancreasSegLib"} <= entries


def test_the_version_that_is_cited_is_the_librarys(project):
    from PancreasSegLib import __version__

    assert f"version: {__version__}\n" in (project / "CITATION.cff").read_text("utf-8")
    assert f"({__version__})" in (project / "CHANGELOG.md").read_text("utf-8")


def test_no_scan_and_no_large_file_is_committed(project):
    names = tracked(project)
    scans = (".nii", ".nii.gz", ".nrrd", ".mha", ".mhd", ".dcm", ".npy", ".npz")
    assert not [name for name in names if name.endswith(scans)]
    large = {name: (project / name).stat().st_size for name in names if (project / name).is_file()}
    assert not {name: size for name, size in large.items() if size > 16 * 2**20}


def imported_by(code: str) -> set[str]:
    """Return the modules loaded after running `code` in a new interpreter."""
    script = f"import sys\n{code}\nprint(*sys.modules, file=sys.stderr)"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8", check=True)
    return set(answer.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        (
            "import PancreasSegLib.errors, PancreasSegLib.progress, PancreasSegLib.io",
            {"typer", "rich"},
        ),
        ("from PancreasSegLib.cli.app import run; run(['segment', '--help'])", {"numpy", "pydantic"}),
    ],
)
def test_an_import_and_a_help_page_bring_nothing_heavy(code, unwanted):
    """How long they take is in ``Testing/benchmarks/imports.py``."""
    assert not imported_by(code) & {*HEAVY, *unwanted}


def test_a_command_imports_itself_alone_and_a_sentence_in_a_log_no_rich():
    code = "from PancreasSegLib.cli.app import run; run(['segment', 'no-such.nii'])"
    loaded = imported_by(code)
    assert "PancreasSegLib.cli.segment" in loaded
    assert not loaded & {"rich", "pydantic", "PancreasSegLib.cli.train", "PancreasSegLib.cli.evaluate"}


def test_no_circle_between_rooms_or_files():
    files = {".".join(path.relative_to(LIBRARY.parent).with_suffix("").parts): path for path in MODULES}
    files = {name.removesuffix(".__init__"): path for name, path in files.items()}
    between_files: dict[str, set[str]] = {name: set() for name in files}
    between_rooms: dict[str, set[str]] = {}
    for name, path in files.items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom):
                used = {f"{node.module}.{alias.name}" for alias in node.names} & files.keys() or {node.module}
            else:
                used = {alias.name for alias in node.names} if isinstance(node, ast.Import) else set()
            used &= files.keys()
            between_files[name] |= used - {name}
            room, others = name.split(".")[1:2], {part for one in used for part in one.split(".")[1:2]}
            if room:
                between_rooms.setdefault(room[0], set()).update(others - {room[0]})
    for graph in (between_files, between_rooms):
        graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def imports_of(path: Path) -> set[str]:
    """Return the names of the modules that a file imports anywhere."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def test_library_knows_nothing_of_the_application():
    roots = {path.name: {name.split(".")[0] for name in imports_of(path)} for path in MODULES}
    assert not {name for name, of in roots.items() if of & {"qt", "slicer", "vtk", "ctk", "PancreasSeg"}}


@pytest.mark.parametrize(
    ("room", "forbidden"),
    [
        ("volume", ("io", "roi", "networks", "models", "inference", "cli", "training")),
        # Which of two equal DICOM series is read may depend on the aorta's HU, which only `roi` can find.
        ("io", ("networks", "models", "inference", "cli", "training")),
        ("roi", ("io", "networks", "models", "inference", "cli", "training")),
        ("networks", ("io", "data", "inference", "cli", "training", "roi")),
        ("inference", ("io", "cli", "training", "data")),
        ("metrics", ("training", "cli", "inference")),
        ("refine", ("io", "networks", "models", "inference", "cli", "training", "data", "evaluation")),
        ("phantom", ("networks", "models", "inference", "cli", "training")),
    ],
)
def test_rooms_keep_to_what_they_know(room, forbidden):
    unwanted = {f"PancreasSegLib.{name}" for name in forbidden}
    found = {}
    for path in (LIBRARY / room).rglob("*.py"):
        names = {".".join(name.split(".")[:2]) for name in imports_of(path)}
        if names & unwanted:
            found[path.name] = names & unwanted
    assert not found


def test_only_the_command_line_prints():
    found = []
    for path in MODULES:
        nodes = ast.walk(ast.parse(path.read_text("utf-8")))
        calls = [node.func for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
        if path.relative_to(LIBRARY).parts[0] != "cli" and "print" in {call.id for call in calls}:
            found.append(path.name)
    assert not found


def test_every_module_says_what_it_is():
    assert [p.name for p in MODULES if not ast.get_docstring(ast.parse(p.read_text("utf-8")))] == []


def test_version_is_the_same_everywhere():
    from importlib.metadata import version

    import PancreasSegLib

    assert version("PancreasSegLib") == PancreasSegLib.__version__


def test_setup_scripts_are_valid_and_executable(project):
    for name in ("setup", "segment", "test", "run"):
        script = project / ".ci" / name
        subprocess.run(["bash", "-n", script], check=True)
        assert os.access(script, os.X_OK)
