"""How good masks are, case by case and over a cohort, on the grid of the reference.

A source of masks (`ModelSource`, `FolderSource`) is scored by an `EvaluationRun`, which
gives a `Cohort` of `CaseScore`; an `Evaluation` says what follows from one or several of
them. They live in ``model_source``, ``folder_source``, ``run`` and ``summary``, and are imported from there, as
only some of them need torch.
"""

from PancreasSegLib.evaluation.case_score import CaseScore, score_mask
from PancreasSegLib.evaluation.cohort import Cohort, write_cohort

__all__ = ["CaseScore", "Cohort", "score_mask", "write_cohort"]
