"""Procedural families: seedable problems with exact answers and worked solutions. `docs/families.md` shows each."""

from factory.sources.families.advanced import CALCULUS, DETERMINANT, PERMUTATION_ORDER
from factory.sources.families.chains import ASSIGNMENTS, MODULAR_CHAIN
from factory.sources.families.choices import CHOICES
from factory.sources.families.counting import COUNTING
from factory.sources.families.divisors import CONGRUENCES, GCD_LCM
from factory.sources.families.equations import LINEAR_EQUATION, LINEAR_SYSTEM
from factory.sources.families.family import Answer, Family, Options, Params, Style
from factory.sources.families.geometry import GEOMETRY
from factory.sources.families.powers import POWER_MOD, UNIT_ORDER
from factory.sources.families.probability import PROBABILITY, WAITING_TIME
from factory.sources.families.programs import PROGRAMS
from factory.sources.families.quadratics import QUADRATIC
from factory.sources.families.quantities import ELAPSED_TIME, QUANTITY_GRAPH
from factory.sources.families.ratios import FRACTIONS, PERCENT_CHANGE
from factory.sources.families.scratch import Scratch
from factory.sources.families.search import COUNTDOWN, SUBSET_SUM
from factory.sources.families.sequences import BASE_CONVERSION, SEQUENCE

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        MODULAR_CHAIN,
        ASSIGNMENTS,
        QUANTITY_GRAPH,
        ELAPSED_TIME,
        FRACTIONS,
        PERCENT_CHANGE,
        LINEAR_EQUATION,
        LINEAR_SYSTEM,
        QUADRATIC,
        SEQUENCE,
        GCD_LCM,
        BASE_CONVERSION,
        CONGRUENCES,
        POWER_MOD,
        COUNTING,
        PROBABILITY,
        GEOMETRY,
        COUNTDOWN,
        SUBSET_SUM,
        CALCULUS,
        DETERMINANT,
        PERMUTATION_ORDER,
        UNIT_ORDER,
        WAITING_TIME,
    )
}
"""The families of mathematics by their names: what `procedural:all` draws from."""

EVERY_FAMILY = FAMILIES | {family.name: family for family in (PROGRAMS, *CHOICES)}
"""With those of other domains."""

__all__ = ["EVERY_FAMILY", "FAMILIES", "Answer", "Family", "Options", "Params", "Scratch", "Style"]
