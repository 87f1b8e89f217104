"""Datasets as cases: an MSD-style folder, its labels, and patient-wise splits."""

from PancreasSegLib.data.dataset import Case, Dataset, read_dataset
from PancreasSegLib.data.splits import patient_folds

__all__ = ["Case", "Dataset", "patient_folds", "read_dataset"]
