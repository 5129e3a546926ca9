"""A recipe: one YAML file that says everything about a run. Unknown keys are errors."""

from factory.config.load import load_recipe, save_recipe
from factory.config.recipe import Recipe

__all__ = ["Recipe", "load_recipe", "save_recipe"]
