"""A place that computes, and the number format it computes in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Precision:
    """Number format of the activations; weights stay as loaded.

    Attributes
    ----------
    name : str
        ``"fp32"``, ``"bf16"`` or ``"fp16"``.
    """

    name: str

    @property
    def bytes(self) -> int:
        """Bytes of one value."""
        return 4 if self.name == "fp32" else 2


@dataclass(frozen=True)
class Device:
    """A place that computes, and the engine that runs networks there.

    Attributes
    ----------
    engine : str
        ``"openvino"`` or ``"torch"``.
    place : str
        ``"cpu"``, ``"cuda:0"``, ``"mps"`` or ``"intel:0"``, an Intel GPU by OpenVINO.

    Examples
    --------
    >>> str(Device("openvino", "cpu")), str(Device("torch", "cpu")), str(Device("torch", "cuda:1"))
    ('cpu', 'torch:cpu', 'cuda:1')
    """

    engine: str
    place: str

    @property
    def kind(self) -> str:
        """``"cpu"``, ``"cuda"``, ``"mps"`` or ``"intel"``."""
        return self.place.partition(":")[0]

    @property
    def on_cpu(self) -> bool:
        """Whether it is the CPU."""
        return self.kind == "cpu"

    def __str__(self) -> str:
        return "torch:cpu" if (self.engine, self.place) == ("torch", "cpu") else self.place
