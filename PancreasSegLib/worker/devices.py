"""Where a model can run, as a person chooses it."""

from __future__ import annotations

from PancreasSegLib.inference.device import Device, available_devices, choose_device, cpu_name
from PancreasSegLib.inference.engine import ENGINES, engine_of
from PancreasSegLib.inference.memory import available_memory_mb
from PancreasSegLib.inference.threads import default_threads


def list_devices() -> list[dict[str, str]]:
    """List the devices that a model can run on.

    Returns
    -------
    list of dict
        ``name``, what `device` takes (``auto`` first), and ``label``, a line for a person with the free memory.
    """
    found = [{"name": str(device), "label": _label(device)} for device in available_devices()]
    automatic = str(choose_device("auto"))
    best = next((d for d in found if d["name"] == automatic), found[-1])
    return [{"name": "auto", "label": f"Automatic ({best['label']})"}, *found]


def _label(device: Device) -> str:
    engine = engine_of(device.engine)
    if not device.on_cpu:
        return engine.label(device.place)
    threads = default_threads()
    cores = f"{threads} cores" if threads > 1 else "1 core"
    free = f"{available_memory_mb() / 1024:.1f} GB free"
    return f"CPU by {ENGINES[device.engine]}, {cores} of {cpu_name()}, {free}"
