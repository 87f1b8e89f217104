"""The scores of one label of one case."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from PancreasSegLib.evaluation.traits import Traits
from PancreasSegLib.metrics import compare
from PancreasSegLib.volume import Geometry

_NAN = float("nan")


@dataclass(frozen=True)
class CaseScore:
    """How one predicted mask compares with its reference, on the reference's grid.

    Attributes
    ----------
    case : str
        The scan.
    dice, iou, precision, recall : float
        Overlap; both empty is 1, one empty is 0.
    nsd_1mm, nsd_2mm, nsd_3mm, nsd_5mm : float
        Normalised surface Dice at that tolerance; both empty is 1, one empty is 0.
    hd95_mm, assd_mm : float
        95 % Hausdorff and average symmetric surface distance in mm; both empty is 0, infinite when one is empty.
    volume_ml, reference_ml : float
        Volumes in mL.
    confidence : float
        Expected Dice as the run reported it, NaN if it reported none.
    seconds : float
        Time of the prediction.
    error : str
        Why there is no mask, else empty; such a case counts with Dice 0.
    label : str
        What was compared.
    patient : str
        What scans of one patient share.
    traits : Traits
        Spacing, density and phase.
    confidence_curve : tuple of float
        Expected Dice by temperature, see `PancreasSegLib.evaluation.temperature`; empty where not known.
    """

    case: str
    dice: float
    nsd_1mm: float
    nsd_2mm: float
    nsd_3mm: float
    nsd_5mm: float
    hd95_mm: float
    volume_ml: float
    reference_ml: float
    confidence: float = _NAN
    seconds: float = _NAN
    error: str = ""
    iou: float = _NAN
    precision: float = _NAN
    recall: float = _NAN
    assd_mm: float = _NAN
    label: str = "pancreas"
    patient: str = ""
    traits: Traits = field(default_factory=Traits)
    confidence_curve: tuple[float, ...] = ()

    @property
    def volume_error_ml(self) -> float:
        """Predicted minus reference volume in mL."""
        return self.volume_ml - self.reference_ml

    @property
    def outcome(self) -> str:
        """``"compared"``, or which mask was empty: ``"both empty"``, ``"missed"`` or ``"invented"``."""
        if self.volume_ml > 0 and self.reference_ml > 0:
            return "compared"
        if self.reference_ml > 0:
            return "missed"
        return "invented" if self.volume_ml > 0 else "both empty"

    def row(self) -> dict[str, Any]:
        """Return it flat, the traits among the rest, without the curve."""
        found = asdict(self)
        traits = found.pop("traits")
        del found["confidence_curve"]
        return found | {"volume_error_ml": self.volume_error_ml} | traits

    def to_json(self) -> dict[str, Any]:
        """Return the row and the curve; None for what is no finite number."""
        found = self.row() | {"confidence_curve": list(self.confidence_curve)}
        return {name: _plain(value) for name, value in found.items()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> CaseScore:
        """Rebuild from `to_json`, also from that of an older version, which knew fewer measures.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it is not one.
        """
        known: dict[str, Any] = {"case": str(content["case"])}
        for item in fields(cls):
            if item.name in ("case", "traits", "confidence_curve") or item.name not in content:
                continue
            value = content[item.name]
            if item.type == "float":
                known[item.name] = _number(item.name, value)
            else:
                known[item.name] = str(value)
        traits = {item.name: content[item.name] for item in fields(Traits) if item.name in content}
        as_known: dict[str, Any] = {
            name: value if isinstance(value, str) else _number(name, value) for name, value in traits.items()
        }
        known["traits"] = Traits(**as_known)
        known["confidence_curve"] = tuple(float(value) for value in content.get("confidence_curve") or ())
        return cls(**known)


def score_mask(
    case: str,
    mask: NDArray,
    reference: NDArray,
    geometry: Geometry,
    *,
    confidence: float = _NAN,
    seconds: float = _NAN,
    error: str = "",
    label: str = "pancreas",
    patient: str = "",
    traits: Traits | None = None,
    confidence_curve: tuple[float, ...] = (),
) -> CaseScore:
    """Compare a binary mask with its reference.

    Parameters
    ----------
    case : str
        The scan.
    mask, reference : ndarray of bool, shape (z, y, x)
        Masks on `geometry`.
    geometry : Geometry
        Their common grid.
    confidence, seconds, error, label, patient, traits, confidence_curve
        Carried into the result.

    Examples
    --------
    >>> import numpy as np
    >>> cube = np.zeros((9, 9, 9), bool); cube[3:6, 3:6, 3:6] = True
    >>> score_mask("cube", cube, cube, Geometry((9, 9, 9), (1.0, 1.0, 1.0))).dice
    1.0
    """
    found = compare(np.asarray(mask, dtype=bool), np.asarray(reference, dtype=bool), geometry.spacing_mm)
    measured = {item.name: found[item.name] for item in fields(CaseScore) if item.name in found}
    return CaseScore(
        case,
        **measured,
        confidence=confidence,
        seconds=seconds,
        error=error,
        label=label,
        patient=patient,
        traits=traits or Traits(),
        confidence_curve=confidence_curve,
    )


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _number(name: str, value: Any) -> float:
    """Return a number that JSON had no word for: distances were infinite, all else is not known."""
    if value is None:
        return float("inf") if name in ("hd95_mm", "assd_mm") else _NAN
    return float(value)
