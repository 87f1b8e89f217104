"""Where a model can run, as a person chooses it."""

from __future__ import annotations

from PancreasSegLib.errors import DeviceError


def list_devices() -> list[dict[str, str]]:
    """List the devices that a model can run on.

    Returns
    -------
    list of dict
        ``name``, what `device` takes (``auto`` first), and ``label``, a line for a person with the free memory.
    """
    import torch

    from PancreasSegLib.inference.device import choose_device

    found = []
    names = [f"cuda:{n}" for n in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    names += ["mps"] if torch.backends.mps.is_available() else []
    for name in names:
        try:
            found.append({"name": name, "label": _label(choose_device(name))})
        except DeviceError:  # there, but of no use to this torch: choose_device has logged why
            continue
    found.append({"name": "cpu", "label": _label(torch.device("cpu"))})
    best = next((d for d in found if d["name"] == _automatic()), found[-1])
    return [{"name": "auto", "label": f"Automatic ({best['label']})"}, *found]


def _automatic() -> str:
    from PancreasSegLib.inference.device import choose_device

    return str(choose_device("auto"))


def _label(device: object) -> str:
    import torch

    from PancreasSegLib.inference.device import cpu_name
    from PancreasSegLib.inference.memory import available_memory_mb
    from PancreasSegLib.inference.threads import default_threads

    assert isinstance(device, torch.device)
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return f"{torch.cuda.get_device_name(device)}, {free / 2**30:.1f} GB free"
    if device.type == "mps":
        return "Apple GPU"
    threads = default_threads()
    cores = f"{threads} cores" if threads > 1 else "1 core"
    return f"CPU, {cores} of {cpu_name()}, {available_memory_mb() / 1024:.1f} GB free"
