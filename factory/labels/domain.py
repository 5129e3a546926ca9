"""Domain of a problem by the words in it: the paper's domains and those that its problem sets need besides.

Rules first: every domain has cues; the domain with most cue hits wins, and a tie goes to the one named first.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import cache


class Domain(StrEnum):
    """What a problem is about (paper.md section 2: algebra, geometry, number theory, probability, calculus ...)."""

    GEOMETRY = "geometry"
    CALCULUS = "calculus"
    LINEAR_ALGEBRA = "linear_algebra"
    PROBABILITY = "probability"
    COMBINATORICS = "combinatorics"
    NUMBER_THEORY = "number_theory"
    STATISTICS = "statistics"
    LOGIC = "logic"
    ALGEBRA = "algebra"
    ARITHMETIC = "arithmetic"


CUES: dict[Domain, str] = {
    Domain.GEOMETRY: r"triangles?|circles?|angles?|polygons?|rectang\w+|squares? with|radius|radii|diameter|perimeter"
    r"|\\angle|\\triangle|perpendicular|parallel\w*|hexagons?|pentagons?|octagons?|quadrilateral|trapezoids?|rhombus"
    r"|tangent to|circumscri\w+|inscribed|spher\w+|cylind\w+|cones?|cubes?|prisms?|pyramids?|\\overline|vertex|vertices"
    r"|hypotenuse|degrees?|\^\\circ|area of|volume of|midpoint|ellipse|parabola|hyperbola|三角形|圆|面积|体积|周长|角",
    Domain.CALCULUS: r"derivatives?|differentiat\w+|integra(?:l|te|tion)\w*|\\int\b|\\lim\b|limits?|converges?|diverges?"
    r"|taylor|maclaurin|gradient|continuous|\\frac\{d|dy/dx|f'\(|\\partial|differential equation|导数|积分|极限",
    Domain.LINEAR_ALGEBRA: r"matri(?:x|ces)|determinants?|eigen\w+|vectors?|\\mathbf|pmatrix|linear transformation"
    r"|orthogonal|projection|\\times|linearly independent|vector space|矩阵|向量",
    Domain.PROBABILITY: r"probabilit\w+|expected (?:value|number)|random\w*|dice|die\b|coins?|\bodds\b|fair\b|概率",
    Domain.COMBINATORICS: r"how many (?:different |distinct )?(?:ways|arrangements|subsets|permutations|combinations)"
    r"|in how many|permut\w+|combinations?|committee|arrange\w*|binom|choose|subsets?|seated|排列|组合",
    Domain.NUMBER_THEORY: r"primes?|divis\w+|remainder|modulo|\\pmod|\\equiv|congruen\w+|gcd|lcm|greatest common"
    r"|least common|multiples?|digits?|base[ -]?\d|factors?|integer solutions|relatively prime|perfect squares?|质数|余数|整除",
    Domain.STATISTICS: r"mean\b|median|mode\b|averages?|standard deviation|variance|data set|histogram|平均",
    Domain.LOGIC: r"truth-teller|liars?|knights?|knaves?|logic\w*|puzzle|statements? (?:is|are) (?:true|false)",
    Domain.ALGEBRA: r"polynomials?|equations?|roots?|solve|simplify|factor the|expand|expression|quadratic|f\(x\)|functions?"
    r"|inequalit\w+|sequences?|arithmetic progression|geometric (?:series|progression|sequence)|logarithm|\\log|\\sqrt"
    r"|real numbers?|complex|\bx\^|方程|函数",
    Domain.ARITHMETIC: r"how (?:many|much)|total|each|costs?|dollars?|\$\d|per (?:hour|day|week|minute)|percent|\\%|%"
    r"|sold|bought|spends?|earns?|left|more than|as many|元|千克|多少",
}

_WEIGHT = {Domain.ALGEBRA: 0.7, Domain.ARITHMETIC: 0.4}
"""Words of algebra and arithmetic stand in problems of every domain, so they count for less."""


@cache
def _pattern(domain: Domain) -> re.Pattern[str]:
    return re.compile(f"(?:{CUES[domain]})", re.IGNORECASE)


def domain_scores(problem: str) -> dict[Domain, float]:
    """Weighted number of cue hits of every domain."""
    return {d: _WEIGHT.get(d, 1.0) * len(_pattern(d).findall(problem[:4_000])) for d in Domain}


def domain_of(problem: str) -> Domain | None:
    """The domain with the most cue hits, or None when the problem holds no cue."""
    scores = domain_scores(problem)
    best = max(scores, key=lambda d: scores[d])
    return best if scores[best] > 0 else None
