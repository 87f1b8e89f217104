"""How good masks are, case by case and over a cohort, on the grid of the reference."""

from PancreasSegLib.evaluation.case_score import CaseScore, score_mask
from PancreasSegLib.evaluation.cohort import Cohort, write_cohort

__all__ = ["CaseScore", "Cohort", "score_mask", "write_cohort"]
