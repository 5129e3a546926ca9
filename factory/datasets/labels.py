"""Domain and level of problems: the source's own labels, then a judge's, then those of rules and a classifier."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import polars as pl

from factory.datasets.classifier import READ, shipped
from factory.datasets.other_subject import is_other_subject
from factory.datasets.repetition import loop_score
from schemas import AnswerKind, Level


class Domain(StrEnum):
    """What a problem is about: the paper's domains (algebra, geometry, number theory, probability, calculus ...).

    `other` is every subject but mathematics. A source's own label may be any text.
    """

    ALGEBRA = "algebra"
    ARITHMETIC = "arithmetic"
    CALCULUS = "calculus"
    COMBINATORICS = "combinatorics"
    GEOMETRY = "geometry"
    LINEAR_ALGEBRA = "linear_algebra"
    LOGIC = "logic"
    NUMBER_THEORY = "number_theory"
    OTHER = "other"
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

_CUES = {domain: re.compile(cues, re.IGNORECASE) for domain, cues in CUES.items()}


def cues_of(problem: str) -> dict[Domain, int]:
    """How often the cues of every domain stand in a problem; domains without a hit are left out."""
    hits = {domain: len(pattern.findall(problem[:READ])) for domain, pattern in _CUES.items()}
    return {domain: count for domain, count in hits.items() if count}


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
"""Notions by the level at which they are first taught, most advanced first.

Below college the classifier decides, so few words are listed, except for Chinese, of which the labelled sets hold
little beyond elementary school.
"""

_NOTIONS = {level: re.compile(cues, re.IGNORECASE) for level, cues in NOTIONS.items()}


def notion_level(problem: str) -> Level | None:
    """The level of the most advanced notion that the problem names, or None."""
    return next((level for level, pattern in _NOTIONS.items() if pattern.search(problem[:READ])), None)


CUE_WEIGHT = 0.75
"""Nats that the first cues of a domain add to the classifier's score; later hits count for less."""


def domain_of(problem: str) -> Domain:
    """`other` for science and computing, else the domain with the best sum of classifier score and cue bonus."""
    if is_other_subject(problem):
        return Domain.OTHER
    classifier = shipped("domain")
    cues = cues_of(problem)
    bonus = [CUE_WEIGHT * min(cues.get(Domain(name), 0), 3) for name in classifier.classes]
    return Domain(classifier.classes[int((classifier.scores(problem) + bonus).argmax())])


def level_of(problem: str) -> Level:
    """The level of a mathematics problem: the classifier's, but at least that of the most advanced notion named."""
    classifier = shipped("level")
    guess = Level(classifier.classes[int(classifier.scores(problem).argmax())])
    notion = notion_level(problem)
    order = list(Level)
    return guess if notion is None else max(guess, notion, key=order.index)


RULES = "rules"
SOURCE = "source"
OWN = "own"
"""Labelled by a function of the user's own."""
SUBJECT = ("subject", "topic", "category", "field")
"""Fields of a source's own metadata that name a subject, in the order in which they are read."""
_SUBJECTS = {
    "prealgebra": Domain.ALGEBRA,
    "intermediate_algebra": Domain.ALGEBRA,
    "counting_and_probability": Domain.PROBABILITY,
    "maths": None,
    "math": None,
    "mathematics": None,
    "reasoning": None,
}
"""Names of subjects that mean a domain of ours; None says too little, so the rules decide."""
_OTHER_SUBJECT = re.compile(
    r"chem|physic|biolog|astronom|medic|anatom|engineer|computer|program|coding|\bcode|scien|econom|histor|law|psycholog"
    r"|philosoph|geograph|literature|security"
)
"""In a source's own label: not mathematics, so that the level rules do not apply."""


def source_subject() -> pl.Expr:
    """The subject that the source's metadata (JSON) states, or null; `subject`, `topic`, `category` or `field`."""
    found = [pl.col("metadata").str.json_path_match(f"$.{name}") for name in SUBJECT]
    return pl.coalesce(found).alias("subject")


def as_domain(subject: str | None) -> str | None:
    """A subject as a domain label: `Number Theory` is `number_theory`, `college_chemistry` stays; None when useless."""
    name = re.sub(r"[^a-z0-9]+", "_", (subject or "").lower().replace("&", "and")).strip("_")
    if not name or len(name) > 40:
        return None
    known = _SUBJECTS.get(name, name)
    return str(known) if known else None


def label_problems(
    problems: pl.DataFrame,
    judged: pl.DataFrame | None = None,
    judge: str = "",
    own: Mapping[str, Mapping[str, str | None]] = MappingProxyType({}),
) -> pl.DataFrame:
    """Domain and level of every problem: the user's own, the source's, the judge's, then those of rules and classifier.

    Args:
        problems: columns `problem_id`, `problem`, `domain`, `level`, and where they are there `subject`
            (`source_subject`) and `answer_kind`; one row per problem.
        judged: `problem_id`, `domain`, `level` from `factory.datasets.label_judge`; nulls where it gave none.
        judge: the judge's preset.
        own: `domain` and `level` by problem, of a function of the user's own.

    Returns:
        `problem_id`, `domain`, `level` and `label_source`. Only the level may be null: for another subject than
        mathematics, when neither source nor judge gives one.
    """
    said = {row["problem_id"]: row for row in judged.iter_rows(named=True)} if judged is not None else {}
    rows = []
    for row in problems.iter_rows(named=True):
        verdict = said.get(row["problem_id"], {})
        mine = own.get(row["problem_id"], {})
        domain = mine.get("domain") or row["domain"] or as_domain(row.get("subject"))
        level = mine.get("level") or row["level"]
        asked = {"domain": domain, "level": level}
        wanted = [name for name, value in asked.items() if value is None]
        from_judge = [name for name in wanted if verdict.get(name) is not None]
        source = SOURCE if not wanted else judge if from_judge == wanted else RULES
        source = OWN if any(mine.values()) else source
        domain, level = domain or verdict.get("domain"), level or verdict.get("level")
        guess = _guess(row, domain, level)
        rows.append((row["problem_id"], domain or guess[0], level or guess[1], source))
    names = ("problem_id", "domain", "level", "label_source")
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")


def _guess(row: dict[str, Any], domain: str | None, level: str | None) -> tuple[str, str | None]:
    """What the rules say; a level only for mathematics."""
    problem = row["problem"]
    found = domain or str(Domain.OTHER if row.get("answer_kind") == AnswerKind.CODE else domain_of(problem))
    ours = found in set(Domain) - {Domain.OTHER}
    is_maths = ours or not (
        found == Domain.OTHER or _OTHER_SUBJECT.search(found) or is_other_subject(problem)
    )
    return found, level or (level_of(problem).value if is_maths else None)


def unlabelled(problems: pl.DataFrame) -> pl.DataFrame:
    """Problems whose source gives no domain or no level."""
    return problems.filter(pl.col("domain").is_null() | pl.col("level").is_null())


def measure_repetition(rows: pl.DataFrame, limit: float) -> pl.DataFrame:
    """Add `loop_score` of reasoning and answer together, and `repetitive` where it is above `limit`."""
    texts = zip(rows["reasoning"], rows["content"], strict=True)
    scores = [loop_score(f"{reasoning or ''}\n{content or ''}") for reasoning, content in texts]
    return rows.with_columns(
        pl.Series("loop_score", scores, dtype=pl.Float64),
        pl.Series("repetitive", [score > limit for score in scores], dtype=pl.Boolean),
    )
