"""``pancreasseg doctor``: what is here, what is missing, and how to get it."""

from __future__ import annotations

import json
import platform
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from PancreasSegLib import __version__
from PancreasSegLib.cli.terminal import console
from PancreasSegLib.errors import PancreasSegError

REQUIRED = (
    "numpy",
    "scipy",
    "scikit-image",
    "SimpleITK",
    "torch",
    "monai",
    "safetensors",
    "pydicom",
    "matplotlib",
    "rich",
    "typer",
)
OPTIONAL = {
    "highdicom": ("DICOM SEG output", "dicomseg"),
    "pydantic": ("training", "train"),
    "pyyaml": ("training", "train"),
    "tensorboard": ("training curves", "train"),
    "einops": ("transformer networks", "train"),
}
"""Optional package: what it is for, and the extra of ours that brings it."""

CPU_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "bf16")


def command(
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Show versions, devices, memory, the default model and what is missing.

    Exit status 2 when something that `segment` needs is missing or broken.
    """
    findings = examine()
    if as_json:
        print(json.dumps(findings, indent=2))
    else:
        _show(findings)
    if findings["problems"]:
        raise PancreasSegError(
            f"Problems found: {len(findings['problems'])}.",
            "" if as_json else "See the list above.",
        )


def examine() -> dict[str, Any]:
    """Return everything that the command shows, JSON-ready; ``problems`` holds a sentence for each fault."""
    findings: dict[str, Any] = {
        "pancreasseg": __version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "system": platform.platform(),
        "packages": {name: _installed(name) for name in REQUIRED},
        "optional": {name: _installed(name) for name in OPTIONAL},
        "cpu": {},
        "devices": [],
        "models": [],
        "problems": [],
    }
    missing = [name for name, version in findings["packages"].items() if version is None]
    findings["problems"] += [f"The package {name} is missing: pip install {name}" for name in missing]
    if "torch" not in missing:
        _examine_torch(findings)
    if "safetensors" not in missing:
        _examine_models(findings)
    return findings


def _installed(name: str) -> str | None:
    import importlib.metadata

    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _machine() -> dict[str, Any]:
    """Return processor, threads that a run takes, free memory, and the instruction sets that speed networks up."""
    from PancreasSegLib.inference.device import cpu_name
    from PancreasSegLib.inference.memory import available_memory_mb
    from PancreasSegLib.inference.threads import default_threads

    info = Path("/proc/cpuinfo")
    words = set(info.read_text(encoding="utf-8", errors="replace").split()) if info.is_file() else set()
    return {
        "name": cpu_name(),
        "threads": default_threads(),
        "free_memory_gb": round(available_memory_mb() / 1024, 1),
        "instructions": [flag for flag in CPU_FLAGS if flag in words],
    }


def _examine_torch(findings: dict[str, Any]) -> None:
    """Add the processor and the devices; a torch that cannot be imported is a problem."""
    try:
        import torch
    except (ImportError, OSError) as error:
        findings["problems"].append(f"torch cannot be imported: {' '.join(str(error).split())}")
        return
    from PancreasSegLib.inference.device import available_devices, choose_precision, device_name

    findings["cpu"] = _machine()
    for device in available_devices():
        found: dict[str, Any] = {
            "device": str(device),
            "name": device_name(device),
            "precision": choose_precision(device).name,
        }
        if device.kind == "cuda":
            free, total = torch.cuda.mem_get_info(device.place)
            found |= {"free_gb": round(free / 2**30, 1), "total_gb": round(total / 2**30, 1)}
        findings["devices"].append(found)


def _examine_models(findings: dict[str, Any]) -> None:
    """Add the model packages, each verified; a broken or missing default is a problem."""
    from PancreasSegLib.models import packages_folder, scan_packages, verify_package

    findings["models_folder"] = str(packages_folder())
    for entry in scan_packages():
        error = entry.error
        if entry.package is not None:
            try:
                verify_package(entry.path)
            except PancreasSegError as broken:
                error = broken
        version = entry.package.version if entry.package is not None else None
        findings["models"].append(
            {
                "name": entry.name,
                "version": version,
                "path": str(entry.path),
                "verified": error is None,
                "error": str(error or ""),
            }
        )
        if error is not None:
            findings["problems"].append(f"The model {entry.name} is broken: {error}")
    if "default" not in [model["name"] for model in findings["models"]]:
        findings["problems"].append("The default model is missing: install PancreasSeg again.")


def _show(findings: dict[str, Any]) -> None:
    """Print the findings for a person."""
    from rich.table import Table

    table = Table(box=None, show_header=False)
    table.add_column(style="bold")
    table.add_column()
    table.add_row("PancreasSeg", f"{findings['pancreasseg']}, Python {findings['python']}, {findings['system']}")
    versions = [f"{name} {version}" for name, version in findings["packages"].items() if version]
    table.add_row("packages", ", ".join(versions))
    for name, version in findings["optional"].items():
        purpose, extra = OPTIONAL[name]
        table.add_row("optional", f"{name} {version}" if version else _how_to_get(name, purpose, extra))
    if cpu := findings["cpu"]:
        table.add_row("processor", f"{cpu['name']}, {cpu['threads']} threads, {' '.join(cpu['instructions'])}")
        table.add_row("free memory", f"{cpu['free_memory_gb']} GB")
    for device in findings["devices"]:
        memory = f", {device['free_gb']} of {device['total_gb']} GB free" if "free_gb" in device else ""
        table.add_row("device", f"{device['name']}, {device['precision']}{memory}")
    for model in findings["models"]:
        state = "verified" if model["verified"] else "BROKEN"
        table.add_row("model", f"{model['name']} {model['version'] or ''}, {state}, {model['path']}")
    table.add_row("own models", findings.get("models_folder", ""))
    for problem in findings["problems"]:
        table.add_row("PROBLEM", problem, style="red")
    console().print(table, soft_wrap=False)


def _how_to_get(name: str, purpose: str, extra: str) -> str:
    return f"{name} is not here; {purpose} needs it: pip install 'PancreasSegLib[{extra}]'"
