"""``pancreasseg doctor``: what is here, what is missing, and how to get it."""

from __future__ import annotations

import json
import math
import platform
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from PancreasSegLib._version import __version__
from PancreasSegLib.cli.terminal import console
from PancreasSegLib.errors import PancreasSegError
from PancreasSegLib.packages import COMMAND_LINE, EXTRAS, WORKER

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
        "packages": {package.distribution: package.version for package in (*WORKER, *COMMAND_LINE)},
        "extras": {name: _extra(name) for name in EXTRAS},
        "cpu": {},
        "devices": [],
        "models": [],
        "problems": [],
    }
    lacking = [package for package in (*WORKER, *COMMAND_LINE) if not package.will_do]
    for package in lacking:
        state = "missing" if package.version is None else "too old"
        findings["problems"].append(
            f"The package {package.distribution} is {state}: pip install '{package.requirement}'"
        )
    if not lacking:
        findings["cpu"] = _machine()
        _examine_devices(findings)
    _examine_models(findings)
    return findings


def _extra(name: str) -> dict[str, Any]:
    """Return what an extra has brought and what it would bring."""
    extra = EXTRAS[name]
    return {
        "purpose": extra.purpose,
        "packages": {package.distribution: package.version for package in extra.packages},
        "missing": [package.distribution for package in extra.missing()],
    }


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


def _examine_devices(findings: dict[str, Any]) -> None:
    """Add the devices with engine, precision and its reason; an engine that does not start is a problem."""
    from PancreasSegLib.inference.device import (
        available_devices,
        choose_device,
        choose_precision,
        device_name,
        engine_name,
        has_gpu_driver,
    )
    from PancreasSegLib.inference.engine import engine_of

    try:
        devices, automatic = available_devices(), choose_device("auto")
    except (PancreasSegError, ImportError, OSError) as error:
        findings["problems"].append(f"Networks cannot be run: {' '.join(str(error).split())}")
        return
    findings["automatic"] = str(automatic)
    for device in devices:
        precision = choose_precision(device).name
        found: dict[str, Any] = {
            "device": str(device),
            "name": device_name(device),
            "engine": engine_name(device),
            "precision": precision,
            "why": _reason(device.on_cpu, precision, findings["cpu"]["instructions"]),
        }
        free = engine_of(device.engine).free_memory_mb(device.place)
        if not device.on_cpu and math.isfinite(free):
            found["free_gb"] = round(free / 1024, 1)
        findings["devices"].append(found)
    if has_gpu_driver() and EXTRAS["torch"].missing():
        findings["advice"] = f"A GPU's driver is here; PyTorch lets models run on it. {EXTRAS['torch'].command}"


def _reason(on_cpu: bool, precision: str, instructions: list[str]) -> str:
    """Say why a precision is taken."""
    if not on_cpu:
        return "the fastest that this GPU computes exactly enough"
    if precision == "bf16":
        units = [flag for flag in ("amx_bf16", "avx512_bf16", "bf16") if flag in instructions]
        return f"this processor multiplies bf16 in hardware ({', '.join(units)})"
    return "this processor would have to imitate bf16, which is slower"


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
    for name, extra in findings["extras"].items():
        here = ", ".join(f"{package} {version}" for package, version in extra["packages"].items() if version)
        lacking = f"lacks {', '.join(extra['missing'])} (for {extra['purpose']}): pip install '.[{name}]'"
        table.add_row(f"extra {name}", lacking if extra["missing"] else here)
    if cpu := findings["cpu"]:
        table.add_row("processor", f"{cpu['name']}, {cpu['threads']} threads, {' '.join(cpu['instructions'])}")
        table.add_row("free memory", f"{cpu['free_memory_gb']} GB")
    for device in findings["devices"]:
        memory = f", {device['free_gb']} GB free" if "free_gb" in device else ""
        chosen = "device (auto)" if device["device"] == findings["automatic"] else "device"
        table.add_row(chosen, f"{device['name']}, {device['precision']}: {device['why']}{memory}")
    if "advice" in findings:
        table.add_row("advice", findings["advice"])
    for model in findings["models"]:
        state = "verified" if model["verified"] else "BROKEN"
        table.add_row("model", f"{model['name']} {model['version'] or ''}, {state}, {model['path']}")
    table.add_row("own models", findings.get("models_folder", ""))
    for problem in findings["problems"]:
        table.add_row("PROBLEM", problem, style="red")
    console().print(table, soft_wrap=False)
