"""School level of a problem by the curriculum: the most advanced notion that it names decides."""

from __future__ import annotations

import re

from schemas import Level

NOTIONS: dict[Level, str] = {
    Level.GRADUATE: r"manifold|homolog\w+|cohomolog\w+|banach|hilbert space|sobolev|lebesgue|measurable|galois|sheaf"
    r"|functor|category theory|riemannian|lie (?:group|algebra)|noetherian|spectral sequence|stochastic integral"
    r"|brownian|martingale|compact operator|weak convergence|algebraic variety|topological space|homeomorph\w+",
    Level.COLLEGE: r"\\int\b|integrals?\b|derivatives?|differential equations?|\\partial|eigen\w+|matri(?:x|ces)"
    r"|determinants?|vector space|taylor|maclaurin|converges?|diverges?|laplace|fourier|isomorph\w+|abelian"
    r"|cyclic group|subgroup|ring\b(?= (?:of|with|homo))|\\iint|\\oint|\\nabla|jacobian|linear transformation|rank of"
    r"|random variable|probability density|hypothesis test|\\lim\b|contour|residue|phase space|null space|basis for",
    Level.HIGH_SCHOOL: r"\\log|logarithm\w*|\\sin|\\cos|\\tan|sine|cosine|quadratic|polynomial|complex numbers?|\\sqrt"
    r"|f\(x\)|functions?|\\binom|permutation|combinations?|arithmetic sequence|geometric sequence|ellipse|parabola"
    r"|hyperbola|asymptote|modulo|\\pmod|\\equiv|inscribed|circumscri\w+|vectors?|probability|relatively prime|roots? of"
    r"|inequality|real numbers?|integers? \$|\\sum|\\prod|\\lfloor|\\triangle|altitude|tetrahedron|divisors?|tangent",
    Level.MIDDLE: r"equations?|solve for|simplify|exponent|\^\{?\d|ratio|percent\w*|\\%|prime|integers?|negative|slope"
    r"|coordinates?|triangle|circle|angle|area|radius|circumference|volume|mean\b|median|average|factor\w*|multiple"
    r"|least common|greatest common|square root|\\frac|expression|variable|方程|三角形|平均|百分",
}
"""Notions by the level at which school first names them, most advanced first."""

_PATTERNS = {level: re.compile(f"(?:{cues})", re.IGNORECASE) for level, cues in NOTIONS.items()}


def level_of(problem: str) -> Level:
    """The level of the most advanced notion named; elementary when none is."""
    text = problem[:4_000]
    for level, pattern in _PATTERNS.items():
        if pattern.search(text):
            return level
    return Level.ELEMENTARY
