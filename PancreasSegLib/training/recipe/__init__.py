"""A training recipe: everything that decides a run, typed, in one YAML file."""

from PancreasSegLib.training.recipe.augmentation import AugmentationRecipe
from PancreasSegLib.training.recipe.data import DataRecipe, FileSplit, FoldSplit, HoldoutSplit
from PancreasSegLib.training.recipe.file import apply_override, find_recipe, load_recipe, read_recipe, set_field
from PancreasSegLib.training.recipe.loss import LossRecipe
from PancreasSegLib.training.recipe.monitor import MonitorRecipe
from PancreasSegLib.training.recipe.optimizer import EarlyStoppingRecipe, OptimizerRecipe, PlateauRecipe
from PancreasSegLib.training.recipe.part import IndexTriple, Triple
from PancreasSegLib.training.recipe.problem import problems
from PancreasSegLib.training.recipe.refiner import RefinerRecipe
from PancreasSegLib.training.recipe.stage import RegionRecipe, SamplingRecipe, StageRecipe
from PancreasSegLib.training.recipe.whole import SCHEMA_VERSION, Recipe, recipe_schema

__all__ = [
    "SCHEMA_VERSION",
    "AugmentationRecipe",
    "DataRecipe",
    "EarlyStoppingRecipe",
    "FileSplit",
    "FoldSplit",
    "HoldoutSplit",
    "IndexTriple",
    "LossRecipe",
    "MonitorRecipe",
    "OptimizerRecipe",
    "PlateauRecipe",
    "Recipe",
    "RefinerRecipe",
    "RegionRecipe",
    "SamplingRecipe",
    "StageRecipe",
    "Triple",
    "apply_override",
    "find_recipe",
    "load_recipe",
    "problems",
    "read_recipe",
    "recipe_schema",
    "set_field",
]
