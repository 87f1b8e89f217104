"""``pancreasseg doctor``: what is here, what is missing, and how to get it."""

from __future__ import annotations

import json
import os
import platform
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from PancreasSegLib import __version__
from PancreasSegLib.cli.terminal import console, say
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
            f"{len(findings['problems'])} thing(s) must be mended before scans can be segmented.",
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
        "cpu": _cpu(),
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


def _cpu() -> dict[str, Any]:
    """Return name, cores that this process may use, memory and the instruction sets that speed networks up."""
    name, flags = platform.processor(), ""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        fields = dict(
            (part.strip() for part in line.split(":", 1)) for line in info.read_text().splitlines() if ":" in line
        )
        name, flags = fields.get("model name", name), fields.get("flags", fields.get("Features", ""))
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"name": name, "cores": usable, "flags": [flag for flag in CPU_FLAGS if flag in flags.split()]}


def _examine_torch(findings: dict[str, Any]) -> None:
    """Add the devices; a torch that cannot be imported is a problem."""
    try:
        import torch
    except (ImportError, OSError) as error:
        findings["problems"].append(f"torch cannot be imported: {' '.join(str(error).split())}")
        return
    findings["cpu"]["torch_capability"] = torch.backends.cpu.get_cpu_capability()
    findings["cpu"]["threads"] = torch.get_num_threads()
    findings["devices"].append({"name": "cpu", "usable": True})
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        free, total = torch.cuda.mem_get_info(index)
        device = torch.cuda.get_device_properties(index)
        findings["devices"].append(
            {
                "name": f"cuda:{index}",
                "description": device.name,
                "free_gb": round(free / 1e9, 1),
                "total_gb": round(total / 1e9, 1),
                "bf16": torch.cuda.is_bf16_supported(),
                "usable": True,
            }
        )
    if torch.backends.mps.is_available():
        findings["devices"].append({"name": "mps", "description": "Apple GPU", "usable": True})
