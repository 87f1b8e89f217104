"""Datasets as cases: an MSD-style folder, its labels, patient-wise splits, and the saving of corrected cases."""

from PancreasSegLib.data.dataset import Case, Dataset, read_dataset
from PancreasSegLib.data.provenance import ACCEPTED, REJECTED, CaseRecord, read_provenance
from PancreasSegLib.data.splits import Split, patient_folds, read_split, write_split
from PancreasSegLib.data.training_case import TrainingCase
from PancreasSegLib.data.training_folder import SavedCase, check_folder, count_cases, save_training_case

__all__ = [
    "ACCEPTED",
    "REJECTED",
    "Case",
    "CaseRecord",
    "Dataset",
    "SavedCase",
    "Split",
    "TrainingCase",
    "check_folder",
    "count_cases",
    "patient_folds",
    "read_dataset",
    "read_provenance",
    "read_split",
    "save_training_case",
    "write_split",
]
