"""Procedural families: seedable problems with exact answers and worked solutions."""

from factory.sources.families.chains import ASSIGNMENTS, MODULAR_CHAIN
from factory.sources.families.family import Family, Options, Params, Style
from factory.sources.families.scratch import Scratch

FAMILIES: dict[str, Family] = {family.name: family for family in (MODULAR_CHAIN, ASSIGNMENTS)}
"""Every family by its name."""

__all__ = ["FAMILIES", "Family", "Options", "Params", "Scratch", "Style"]
