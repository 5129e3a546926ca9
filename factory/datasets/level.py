"""School level by the curriculum: a problem is at least of the level at which its most advanced notion is taught.

The list is short where words say less than the way a problem is put: below college the classifier decides, but for
Chinese, of which the labelled sets hold little beyond elementary school.
"""

from __future__ import annotations

import re

from schemas import Level

NOTIONS: dict[Level, str] = {
    Level.GRADUATE: r"manifold|homolog(?:y|ies)\b|cohomolog\w+|\bbanach|hilbert space|sobolev|lebesgue|borel|galois"
    r"|\bsheaf|\bfunctors?\b|riemannian|lie (?:group|algebra)|noetherian|spectral sequence|stochastic integral"
    r"|brownian|martingale|compact operator|weak(?:ly)? converge|algebraic variety|topological space|homeomorph\w+"
    r"|fundamental group|measurable",
    Level.COLLEGE: r"\\i{0,2}int(?![a-z])|\bintegrals?\b|differential equation|\\partial|eigen\w+|vector space|taylor series"
    r"|maclaurin|laplace|fourier|isomorph\w+|abelian|cyclic group|subgroup|\\oint|\\nabla|jacobian"
    r"|linear transformation|\brank of|probability density|hypothesis test|\bresidue|null ?space|linearly independent"
    r"|homomorphism|(?:anti)?derivatives?\b|differentiable|differentiate|\\lim(?![a-z])|\by'|y\^\{?\\prime|dy/dx|\\frac\{d ?y\}"
    r"|power series|radius of convergence|vector field|\bflux\b|\bcurl\b|tangent plane|line integral|subspace|concave"
    r"|inflection|critical points?|initial[- ]value problem|random variable|normally distributed|confidence interval"
    r"|null hypothesis|poisson|markov|(?:con|di)verges?\b|cauchy|riemann|newton's method|entropy|hamiltonian",
    Level.HIGH_SCHOOL: r"对数|三角函数|正弦|余弦|数列|椭圆|抛物线|双曲线|向量|复数",
    Level.MIDDLE: r"方程|函数|负数|因式|不等式|全等|相似三角形|绝对值|平方根|代数式|有理数|相反数|直角坐标",
}
"""Notions by the level at which they are first taught, most advanced first."""

PATTERNS = {level: re.compile(cues, re.IGNORECASE) for level, cues in NOTIONS.items()}
READ = 4_000


def notion_level(problem: str) -> Level | None:
    """The level of the most advanced notion that the problem names, or None."""
    for level, pattern in PATTERNS.items():
        if pattern.search(problem[:READ]):
            return level
    return None
