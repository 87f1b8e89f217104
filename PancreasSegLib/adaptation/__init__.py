"""Let a model learn one patient from what a reader marked, and outline the organ anew.

A network that learnt from other patients errs where this one differs from them. A few confirmed slices show
it the organ of this very patient: a copy of the segmenter is trained on them, and on all else that was marked, for
some seconds (as BIFSeg does, Wang et al., TMI 2018, doi:10.1109/TMI.2018.2791721). The model stays as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PancreasSegLib.adaptation.patient_learner import PatientLearner

__all__ = ["PatientLearner"]


def __getattr__(name: str) -> Any:
    """Import a public name on first use: torch is not loaded before."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from PancreasSegLib.adaptation.patient_learner import PatientLearner

    return PatientLearner
