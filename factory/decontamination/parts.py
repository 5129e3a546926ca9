"""Hits whose text is another problem: much longer, with the same options only, of the opposite, or with a statement before.

They are `TEMPLATE`: reported, and dropped only if asked.
"""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import numpy.typing as npt
import polars as pl

from factory.decontamination import rules
from factory.decontamination.figures import (
    Figures,
    compare,
    compare_numerals,
    content_words,
    distinct_numerals,
    extents,
    has_words,
    read_answers,
    times_longer,
    tokens_of,
)
from factory.decontamination.hits import Hits
from factory.decontamination.rules import Thresholds
from factory.text.hashing import Bytes, Places
from factory.text.tokens import Tokens, text_bytes, tokenize_bytes

OPTIONS = (
    r"\n\s*(?=[\(\[]?A\s*[\)\].:])|(?:answer choices|options?)\s*:|\s(?=\(A\))|\s(?=a \) )|"
    r"(?=\$?\\(?:textbf|text|mathrm|mathbf)\{\s*\(A\))"
)
"""Where the options of a multiple-choice problem begin, in upper or lower case."""
_OPTIONS = re.compile(OPTIONS.encode(), re.IGNORECASE)
_ASKS = re.compile(
    r"\?|\b(?:find|what|which|how|who|determine|compute|evaluate|calculate|solve|simplify|express|prove|show|give)\b|"
    "[求问几]|多少|什么".encode(),
    re.IGNORECASE,
)
_OPPOSITES = (
    "exactly least, exactly most, least most, maximum minimum, largest smallest, greatest smallest, largest least, longest shortest, "
    "highest lowest, fewest most, odd even, increase decrease, sum product, area perimeter, area volume, inside outside, row column, "
    "最大 最小, 最多 最少, 至少 至多, 至少 恰好, 至多 恰好, 奇数 偶数, 增加 减少, 面积 周长"
)
"""Words one of which in the place of the other makes another problem."""
_STATED = re.compile("(?:[.!]|。)[\\s$]*$".encode())
"""The end of a sentence."""


def parts_only(
    raw: Bytes,
    bounds: Places,
    hits: Hits,
    longer: Places,
    golds: npt.NDArray[np.uint32],
    known: Figures,
    limits: Thresholds,
) -> Places:
    """The tiers of all hits, `TEMPLATE` where the text is another problem.

    Args:
        raw: the folded texts of a chunk.
        bounds: where each lies in them.
        hits: what was found in them.
        longer: the `NGRAM` hits in much longer texts.
        golds: keys of the texts' answers, 0 for none (`figures.Answers`).
        known: the problems.
        limits: the thresholds.
    """
    optioned = np.flatnonzero((hits.tier == rules.NGRAM) & known.optioned[hits.problem])
    one, other = golds[hits.row], known.answers[hits.problem]
    stated = ~np.isin(one, _no_answers()) & ~np.isin(other, _no_answers())
    reworded, contained = (
        np.flatnonzero((hits.tier == tier) & stated & (one != other))
        for tier in (rules.NGRAM, rules.CONTAINED)
    )
    tier = hits.tier.copy()
    for asked, decide in (
        (longer, _lacking),
        (optioned, _asks_something_else),
        (reworded, _opposite),
        (contained, _premised),
    ):
        if asked.size:
            tier[asked[decide(raw, bounds, hits.take(asked), known, limits)]] = rules.TEMPLATE
    return tier


@cache
def _no_answers() -> npt.NDArray[np.uint32]:
    """Keys of answers that cannot contradict others: none, and those that name an option."""
    return np.append(read_answers(pl.Series(list("ABCDE")), 5).keys, np.uint32(0))


@cache
def _opposites() -> npt.NDArray[np.uint16]:
    """Hashes of `_OPPOSITES` as content words, shape (pairs, 2)."""
    words = pl.Series(_OPPOSITES.replace(",", "").split())
    return content_words(tokenize_bytes(*text_bytes(words))).words.reshape(-1, 2)


def _around(raw: Bytes, bounds: Places, hits: Hits, limits: Thresholds) -> Tokens:
    """The tokens of the matched spans and a little before and behind."""
    first = np.maximum(hits.first - limits.inside_margin, bounds[hits.row])
    return tokens_of(raw, first, np.minimum(hits.last + limits.inside_margin, bounds[hits.row + 1]))


def _lacking(
    raw: Bytes, bounds: Places, hits: Hits, known: Figures, limits: Thresholds
) -> npt.NDArray[np.bool_]:
    """Much longer texts with too few of a problem's words, n-grams or numerals in one place."""
    row, problem, tokens = hits.row, hits.problem, _around(raw, bounds, hits, limits)
    compared = compare(content_words(tokens), known.content, np.arange(row.size), problem)
    numbers = compare_numerals(distinct_numerals(tokens), known.numerals, problem)
    kinds = np.searchsorted(limits.inside_least, compared.words, side="right")
    times = times_longer(raw, bounds, row, known.content, problem)
    steps = np.array([limits.inside_coverage, limits.far_coverage, limits.farthest_coverage])
    needed = steps[np.searchsorted([limits.far, limits.farthest], times), kinds]
    part = (hits.score < needed) | (compared.words > 0) & (compared.contained < limits.inside_words)
    part |= numbers.contained < limits.inside_numerals
    part |= (compared.words < limits.least_words) & (numbers.jaccard < limits.formula_numerals)
    response = extents(raw, bounds, row) >= limits.response
    return part & (~response | (compared.words < limits.inside_least[0]))


def _asks_something_else(
    raw: Bytes, bounds: Places, hits: Hits, known: Figures, limits: Thresholds
) -> npt.NDArray[np.bool_]:
    """Texts that have the words of a multiple-choice problem among their options only: many questions have the same ones."""
    begins, ends = bounds[hits.row], bounds[hits.row + 1]
    found = [_OPTIONS.search(raw[a:b].tobytes()) for a, b in zip(begins.tolist(), ends.tolist(), strict=True)]
    cuts = begins + np.array([match.start() if match else 0 for match in found])
    every = np.arange(hits.row.size)
    whole = compare(content_words(tokens_of(raw, begins, ends)), known.content, every, hits.problem)
    stem = compare(content_words(tokens_of(raw, begins, cuts)), known.content, every, hits.problem)
    outside = 1 - (whole.contained - stem.contained)
    enough = np.where(outside < 0.5, limits.option_few, limits.option_words)
    asked = (cuts > begins) & whole.same_language & (whole.words >= limits.least_words)
    asked &= extents(raw, bounds, hits.row) < limits.response
    return asked & (stem.contained < enough * outside)


def _opposite(
    raw: Bytes, bounds: Places, hits: Hits, known: Figures, limits: Thresholds
) -> npt.NDArray[np.bool_]:
    """Texts with one word of a pair of opposites, and not the other, where the problem has the other; the golds contradict."""
    every, pairs = np.arange(hits.row.size), _opposites()
    ours = has_words(content_words(_around(raw, bounds, hits, limits)), every, pairs)
    theirs = has_words(known.content, hits.problem, pairs)
    exchanged = (ours != theirs).all(axis=2) & (ours.sum(axis=2) == 1) & (theirs.sum(axis=2) == 1)
    return np.asarray(exchanged.any(axis=1))


def _premised(
    raw: Bytes, bounds: Places, hits: Hits, known: Figures, limits: Thresholds
) -> npt.NDArray[np.bool_]:
    """Texts that state something with numerals before the problem, and nothing that is asked; the golds contradict."""
    begins = bounds[hits.row]
    before = [raw[a:b].tobytes() for a, b in zip(begins.tolist(), hits.first.tolist(), strict=True)]
    stated = np.array([bool(_STATED.search(text)) and not _ASKS.search(text) for text in before])
    tokens = tokens_of(raw, begins, hits.first)
    words, numerals = content_words(tokens), distinct_numerals(tokens)
    return stated & (np.diff(words.offsets) >= limits.premise_words) & (np.diff(numerals.offsets) > 0)
