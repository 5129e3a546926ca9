"""Domains, and the cues in a problem's words that point at one."""

from __future__ import annotations

import re
from enum import StrEnum


class Domain(StrEnum):
    """What a problem is about: the paper's domains (algebra, geometry, number theory, probability, calculus ...)."""

    ALGEBRA = "algebra"
    ARITHMETIC = "arithmetic"
    CALCULUS = "calculus"
    COMBINATORICS = "combinatorics"
    GEOMETRY = "geometry"
    LINEAR_ALGEBRA = "linear_algebra"
    LOGIC = "logic"
    NUMBER_THEORY = "number_theory"
    PROBABILITY = "probability"
    STATISTICS = "statistics"
    TRIGONOMETRY = "trigonometry"


CUES: dict[Domain, str] = {
    Domain.CALCULUS: r"\bderivatives?\b|differentia(?:ble|te)|\bintegra(?:l|te|tion)\b|\\i{0,2}int(?![a-z])|\\lim(?![a-z])|taylor|maclaurin"
    r"|differential equation|\\partial|导数|积分|极限",
    Domain.LINEAR_ALGEBRA: r"\bmatri(?:x|ces)\b|determinants?\b|eigen\w+|[pbv]matrix|linear transformation|vector space"
    r"|\\mathbf|矩阵|向量",
    Domain.PROBABILITY: r"probabilit\w+|expected (?:value|number)|at random|\bdice\b|fair (?:coin|die)|概率",
    Domain.COMBINATORICS: r"how many (?:\w+ )?(?:ways|arrangements|subsets|permutations)|in how many|permutation|committee"
    r"|\\binom|排列|组合",
    Domain.TRIGONOMETRY: r"\\(?:arc)?(?:sin|cos|tan|cot|sec|csc)\b|trigonometric",
    Domain.NUMBER_THEORY: r"\bprimes?\b|divisible|divisors?\b|remainder|\\pmod|\\equiv|congruen\w+|\bgcd\b|\blcm\b"
    r"|greatest common|least common|relatively prime|质数|余数|整除",
    Domain.STATISTICS: r"standard deviation|\bvariance\b|data set|histogram|\bmedian\b|中位数",
    Domain.GEOMETRY: r"triangle|circle|polygon|rectangle|radius|perimeter|\\angle|hexagon|quadrilateral|trapezoid|inscribed"
    r"|三角形|圆|面积|周长",
}
"""Words that seldom stand in a problem of another domain."""

PATTERNS = {domain: re.compile(cues, re.IGNORECASE) for domain, cues in CUES.items()}
READ = 4_000
"""Characters of a problem that are looked at."""


def cues_of(problem: str) -> dict[Domain, int]:
    """How often the cues of every domain stand in a problem; domains without a hit are left out."""
    hits = {domain: len(pattern.findall(problem[:READ])) for domain, pattern in PATTERNS.items()}
    return {domain: count for domain, count in hits.items() if count}
