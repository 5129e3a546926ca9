"""What numbers and words decide: texts with a benchmark problem's numerals and answer are the problem, whatever the wording.

A paraphrase keeps all numerals, number words included; a translation keeps those in digits, in their order. Both keep the
answer. Few digits and a small answer stand in many problems, so the less the numbers tell, the more words must agree.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from factory.decontamination import rules
from factory.decontamination.features import (
    ONE,
    SALT,
    SHORTEST_WORD,
    Stream,
    numerals,
    short_form,
    stem_hashes,
)
from factory.decontamination.hits import Hits
from factory.decontamination.rules import Thresholds
from factory.deduplication.golds import gold_keys
from factory.text.hashing import BASE, U64, Bytes, Places, distinct, hash_words, mix, ranges
from factory.text.tokens import CLASSES, Kind, Tokens, tokenize_bytes

OTHER, ENGLISH, UNSPACED = 0, 1, 2
"""Languages that are distinguished: by small words, and by scripts without spaces, whose words are pairs of characters."""
_LEAST_CHARACTERS = 5
_LEAST_SMALL, _SMALL_SHARE, _FEW_WORDS = 2, 0.12, 8
"""English is what has small words, or hardly any words: formulas."""
_BEGINNING = 20
"""Bits by which texts are told that have the numbers of no problem."""
_LONGEST_NUMERAL, _TWO = 3, hash_words(["2"])[0]
"""Digits that make a numeral more telling; a 2 tells half as much, it is in every formula."""


_WIDTHS = np.where(np.isin(CLASSES, (Kind.WORD, Kind.NUMBER, Kind.CHARACTER)), 2, 0).astype(np.uint8)
_WIDTHS[0xE3], _WIDTHS[0xE4:0xEA] = 3, 6
_WIDTH = _WIDTHS.tobytes()
"""Half letters of a character, by its first byte: a Chinese one says as much as three Latin letters, a kana as one and a half
(MGSM's translations, by which the medians of ten languages lie within 0.9 and 1.2 of the English length)."""


class Words(NamedTuple):
    """What is compared of texts with the same numbers.

    `words`: 16-bit hashes of different content words; those of text i are `words[offsets[i]:offsets[i + 1]]`. `language`: of
    every text. `spots`, `spot_offsets`: where its numerals in digits stand (but 1s), 0 at its begin and 255 at its end.
    `extent`: of every text, see `extents`.
    """

    words: npt.NDArray[np.uint16]
    offsets: Places
    language: npt.NDArray[np.uint8]
    spots: npt.NDArray[np.uint8]
    spot_offsets: Places
    extent: Places


class Answers(NamedTuple):
    """Gold answers: salted short hashes, equal where they agree (`golds.gold_keys`), 0 for none; and digits of each."""

    keys: npt.NDArray[np.uint32]
    digits: Places


def read_answers(texts: pl.Series | None, count: int) -> Answers:
    """Gold answers as written; None if all `count` of them are unknown."""
    if texts is None:
        return Answers(np.zeros(count, np.uint32), np.zeros(count, np.int64))
    keys = gold_keys(texts)
    short = np.where(keys == 0, np.uint32(0), short_form(mix(keys ^ SALT)) | np.uint32(1))
    digits = texts.fill_null("").str.replace(r"\.0+$", "").str.count_matches(r"\d")
    return Answers(short, digits.to_numpy().astype(np.int64))


def content_words(tokens: Tokens) -> Words:
    """Different content words of every text, by their stems."""
    hashes, word = stem_hashes(tokens)
    character = np.flatnonzero(tokens.kinds == Kind.CHARACTER)
    pair = character[:-1][np.diff(character) == 1]
    rows = tokens.rows
    pair = pair[rows[pair] == rows[pair + 1]]
    size = tokens.offsets.size - 1
    total = np.bincount(rows[word | (tokens.kinds == Kind.WORD) & (tokens.lengths > 1)], minlength=size)
    small = total - np.bincount(rows[word], minlength=size)
    unspaced = np.bincount(rows[character], minlength=size) >= _LEAST_CHARACTERS
    english = (total < _FEW_WORDS) | (small >= _LEAST_SMALL) & (small >= _SMALL_SHARE * total)
    at = np.concatenate([np.flatnonzero(word & (tokens.lengths >= SHORTEST_WORD)), pair])
    values = np.concatenate(
        [hashes[at[: at.size - pair.size]], tokens.hashes[pair] + tokens.hashes[pair + 1] * np.uint64(BASE)]
    )
    names = distinct(rows[at].astype(np.uint64) << np.uint64(16) | mix(values ^ SALT) >> np.uint64(48))
    offsets = np.searchsorted(names, np.arange(size + 1, dtype=np.uint64) << np.uint64(16))
    language = np.where(unspaced, UNSPACED, english * ENGLISH).astype(np.uint8)
    digits = np.flatnonzero((tokens.kinds == Kind.NUMBER) & (tokens.hashes != ONE))
    first, size_of = tokens.bounds[rows[digits]], np.diff(tokens.bounds)[rows[digits]]
    spots = 255 * (tokens.starts[digits] + tokens.lengths[digits] / 2 - first) / size_of
    return Words(
        names.astype(np.uint16),
        offsets,
        language,
        spots.astype(np.uint8),
        np.searchsorted(digits, tokens.offsets),
        extents(tokens.raw, tokens.bounds, np.arange(size)),
    )


class Numerals(NamedTuple):
    """16-bit hashes of the different numerals of texts; those of text i are `hashes[offsets[i]:offsets[i + 1]]`."""

    hashes: npt.NDArray[np.uint16]
    offsets: Places


def distinct_numerals(tokens: Tokens) -> Numerals:
    """The different numerals of every text but 1, number words included."""
    stream: Stream = numerals(tokens)
    size = stream.offsets.size - 1
    rows = np.repeat(np.arange(size, dtype=np.uint64), stream.lengths)
    names = distinct(rows << np.uint64(16) | mix(stream.hashes ^ SALT) >> np.uint64(48))
    offsets = np.searchsorted(names, np.arange(size + 1, dtype=np.uint64) << np.uint64(16))
    return Numerals(names.astype(np.uint16), offsets)


def telling(tokens: Tokens, answer_digits: Places) -> npt.NDArray[np.float64]:
    """How much the different numerals of every text and its answer tell: about one per digit."""
    stream: Stream = numerals(tokens)
    rows = np.repeat(np.arange(answer_digits.size), stream.lengths)
    digits = np.where(
        tokens.kinds[stream.at] == Kind.NUMBER, np.minimum(tokens.lengths[stream.at], _LONGEST_NUMERAL), 1
    )
    weights = np.where(stream.hashes == _TWO, 0.5, digits.astype(np.float64))
    _, first = np.unique(mix(stream.hashes + mix(rows.astype(np.uint64))), return_index=True)
    told = np.bincount(rows[first], weights[first], answer_digits.size)
    return np.asarray(told + np.minimum(answer_digits, _LONGEST_NUMERAL), dtype=np.float64)


class Figures(NamedTuple):
    """What an index knows of the numbers and words of its problems, one row each."""

    figures: npt.NDArray[np.uint32]
    ordered: npt.NDArray[np.uint32]
    answers: npt.NDArray[np.uint32]
    content: Words
    numerals: Numerals
    seen: npt.NDArray[np.bool_]
    """For every possible beginning of a hash of `figures` or `ordered` whether a problem has such a one."""


def beginnings(*hashes: npt.NDArray[np.uint32]) -> npt.NDArray[np.bool_]:
    """See `Figures.seen`."""
    seen = np.zeros(1 << _BEGINNING, dtype=bool)
    for each in hashes:
        seen[each[each != 0] >> np.uint32(32 - _BEGINNING)] = True
    return seen


def _stated(answers: pl.Series | None, asked: npt.NDArray[np.bool_]) -> Answers:
    """The answers of some texts; 0 for the others, which are not read."""
    places = np.flatnonzero(asked)
    found = read_answers(None if answers is None else answers.gather(places), places.size)
    every = read_answers(None, asked.size)
    every.keys[places], every.digits[places] = found
    return every


def decide(
    raw: Bytes,
    bounds: Places,
    golds: pl.Series | None,
    read: U64,
    hits: Hits,
    known: Figures,
    limits: Thresholds,
) -> Hits:
    """What numbers and words decide about the hits by n-grams, and the hits of the tier `numbers`.

    A `TEMPLATE` or `VARIANT` with the problem's numbers is the problem; an `NGRAM` hit in a much longer text, which lacks much
    of the problem's words, is a `TEMPLATE`.

    Args:
        raw: the folded texts of a chunk.
        bounds: where each lies in them.
        golds: their gold answers as written, if there are any.
        read: `Features.figures` and `ordered` of every text, shape (texts, 2).
        hits: what was found in them by n-grams.
        known: the problems.
        limits: the thresholds.

    Returns:
        All hits, several of one text and problem included.
    """
    figures, ordered = np.where(read == 0, np.uint32(0), short_form(read)).T
    asked = (
        known.seen[figures >> np.uint32(32 - _BEGINNING)] | known.seen[ordered >> np.uint32(32 - _BEGINNING)]
    )
    asked[hits.row] = True
    answers = _stated(golds, asked)
    own = answers.keys
    one, other = own[hits.row], known.answers[hits.problem]
    alike = (hits.tier >= rules.TEMPLATE) & (figures[hits.row] != 0)
    alike &= (figures[hits.row] == known.figures[hits.problem]) & ((one == other) | (one == 0) | (other == 0))
    doubtful = hits.tier == rules.NGRAM
    unsure = np.flatnonzero(alike | doubtful)
    longer = _times(raw, bounds, hits.row[unsure], known.content, hits.problem[unsure]) > limits.inside
    same = unsure[alike[unsure] & ~longer]
    tier = _parts(raw, bounds, hits, unsure[doubtful[unsure] & longer], known, limits)
    pairs = [
        _equal(mine, theirs, own, known.answers)
        for mine, theirs in ((figures, known.figures), (ordered, known.ordered))
    ]
    row, problem = (
        np.concatenate(each) for each in zip(*pairs, (hits.row[same], hits.problem[same]), strict=True)
    )
    if not row.size:
        return hits._replace(tier=tier)
    numbered, in_order = row.size - same.size, np.arange(row.size) >= pairs[0][0].size
    chosen = distinct(row)
    tokens = _tokens(raw, bounds[chosen], bounds[chosen + 1])
    ours, place = content_words(tokens), np.searchsorted(chosen, row)
    compared = compare(ours, known.content, place, problem)
    told = telling(tokens, answers.digits[chosen])[place]
    tier[same[told[numbered:] >= limits.telling_numbers[1]]] = rules.NUMBERS
    least = np.array([2.0, *limits.same_words])[np.searchsorted(limits.telling_numbers, told, side="right")]
    enough = (compared.shared >= limits.least_words) | (told >= limits.telling_numbers[-1])
    score = np.where(enough & (compared.dice >= least), compared.dice, 0.0)
    abroad = (score == 0) & ~compared.same_language & in_order & (told >= limits.telling_translation[0])
    abroad[numbered:] = False
    far = np.flatnonzero(abroad)
    times = _times(raw, bounds, row[far], known.content, problem[far])
    abroad[far] = (times <= limits.same_length) & (times * limits.same_length >= 1)
    near = np.flatnonzero(abroad & (told < limits.telling_translation[1]))
    few = np.diff(known.content.spot_offsets)[problem[near]] < limits.least_numerals
    allowed = np.where(few, limits.same_place_few, limits.same_place)
    abroad[near] = _apart(ours, known.content, place[near], problem[near]) <= allowed
    score = np.where(abroad, np.minimum(told / 10, 1.0), score)
    keep = np.flatnonzero(score[:numbered] > 0)
    row, problem = row[keep], problem[keep]
    new = Hits(row, problem, np.full(row.size, rules.NUMBERS), score[keep], bounds[row], bounds[row + 1])
    return Hits(*(np.concatenate(each) for each in zip(hits._replace(tier=tier), new, strict=True)))


def _parts(
    raw: Bytes,
    bounds: Places,
    hits: Hits,
    asked: Places,
    known: Figures,
    limits: Thresholds,
) -> Places:
    """The tiers of all hits; those asked for, in much longer texts, are `TEMPLATE` where the problem's words or numerals are not near."""
    tier = hits.tier.copy()
    if asked.size:
        row, problem = hits.row[asked], hits.problem[asked]
        first = np.maximum(hits.first[asked] - limits.inside_margin, bounds[row])
        last = np.minimum(hits.last[asked] + limits.inside_margin, bounds[row + 1])
        tokens, theirs = _tokens(raw, first, last), known.content
        compared = compare(content_words(tokens), theirs, np.arange(asked.size), problem)
        numbers = _shared(distinct_numerals(tokens), known.numerals, problem)
        kinds = np.searchsorted(limits.inside_least, compared.words, side="right")
        times = _times(raw, bounds, row, theirs, problem)
        steps = np.array([limits.inside_coverage, limits.far_coverage, limits.farthest_coverage])
        needed = steps[np.searchsorted([limits.far, limits.farthest], times), kinds]
        part = (hits.score[asked] < needed) | (compared.words > 0) & (
            compared.contained < limits.inside_words
        )
        part |= numbers.contained < limits.inside_numerals
        part |= (compared.words < limits.least_words) & (numbers.jaccard < limits.formula_numerals)
        response = extents(raw, bounds, row) >= limits.response
        part &= ~response | (compared.words < limits.inside_least[0])
        tier[asked[part]] = rules.TEMPLATE
    return tier


class _Shared(NamedTuple):
    """Share of a problem's different numerals that a text has, 1 if it has none, and their Jaccard similarity."""

    contained: npt.NDArray[np.float64]
    jaccard: npt.NDArray[np.float64]


def _shared(ours: Numerals, theirs: Numerals, problem: Places) -> _Shared:
    """The numerals of texts and of one problem each."""
    one, two = np.diff(ours.offsets), np.diff(theirs.offsets)[problem]
    rows = np.repeat(np.arange(problem.size), one), np.repeat(np.arange(problem.size), two)
    names = np.concatenate(
        [rows[0] << 16 | ours.hashes, rows[1] << 16 | theirs.hashes[ranges(theirs.offsets[problem], two)]]
    )
    names.sort()
    shared = np.bincount(names[1:][names[1:] == names[:-1]] >> 16, minlength=problem.size)
    return _Shared(
        np.where(two > 0, shared / np.maximum(two, 1), 1.0), shared / np.maximum(one + two - shared, 1)
    )


def _tokens(raw: Bytes, first: Places, last: Places) -> Tokens:
    """Tokens of some parts of a buffer of folded texts."""
    sizes = last - first
    return tokenize_bytes(raw[ranges(first, sizes)], np.concatenate([[0], np.cumsum(sizes)]))


def _times(
    raw: Bytes, bounds: Places, row: Places, theirs: Words, problem: Places
) -> npt.NDArray[np.float64]:
    """How many times longer texts are than problems."""
    return extents(raw, bounds, row) / np.maximum(theirs.extent[problem], 1)


def extents(raw: Bytes, bounds: Places, texts: Places) -> Places:
    """Letters and digits of some of the texts, counted so that a translation is about as long (`_WIDTH`)."""
    chosen, place = np.unique(texts, return_inverse=True)
    ends = itertools.pairwise([0, *np.cumsum(bounds[chosen + 1] - bounds[chosen]).tolist()])
    wide = raw[ranges(bounds[chosen], bounds[chosen + 1] - bounds[chosen])].tobytes().translate(_WIDTH)
    widths = np.frombuffer(wide, dtype=np.uint8)
    return np.array([int(widths[a:b].sum()) // 2 for a, b in ends], dtype=np.int64)[place]


def _equal(
    mine: npt.NDArray[np.uint32],
    theirs: npt.NDArray[np.uint32],
    own: npt.NDArray[np.uint32],
    answers: npt.NDArray[np.uint32],
) -> tuple[Places, Places]:
    """Texts and problems of the same numbers and the same answer, both stated."""
    from factory.decontamination.match import equal_pairs

    texts, problems = np.flatnonzero((mine != 0) & (own != 0)), np.flatnonzero((theirs != 0) & (answers != 0))
    many, few = (
        mix(numbers.astype(np.uint64) << np.uint64(32) | said)
        for numbers, said in ((mine[texts], own[texts]), (theirs[problems], answers[problems]))
    )
    row, problem = equal_pairs(many, few)
    return texts[row], problems[problem]


class Compared(NamedTuple):
    """The words of texts and problems, pair by pair.

    How many words the problem has, how many of them the text has, Dice coefficient, share of the problem's words that the text
    has, and whether both are of one language.
    """

    words: Places
    shared: Places
    dice: npt.NDArray[np.float64]
    contained: npt.NDArray[np.float64]
    same_language: npt.NDArray[np.bool_]


def compare(ours: Words, theirs: Words, row: Places, problem: Places) -> Compared:
    """The words of some texts and problems, pair by pair: `row` and `problem` say of which."""
    sizes = np.diff(ours.offsets)[row], np.diff(theirs.offsets)[problem]
    names = np.concatenate(
        [
            np.repeat(np.arange(row.size), size) << 16 | each.words[ranges(each.offsets[at], size)]
            for each, at, size in ((ours, row, sizes[0]), (theirs, problem, sizes[1]))
        ]
    )
    names.sort()
    shared = np.bincount(names[1:][names[1:] == names[:-1]] >> 16, minlength=row.size)
    return Compared(
        np.where(theirs.language[problem] == UNSPACED, sizes[1] // 2, sizes[1]),  # two pairs are a word
        shared,
        2 * shared / np.maximum(sizes[0] + sizes[1], 1),
        shared / np.maximum(sizes[1], 1),
        ours.language[row] == theirs.language[problem],
    )


def _apart(ours: Words, theirs: Words, row: Places, problem: Places) -> Places:
    """How far the numerals of texts and problems that have the same in the same order stand apart at most."""
    counts, also = np.diff(ours.spot_offsets)[row], np.diff(theirs.spot_offsets)[problem]
    counts = np.where(counts == also, counts, 0)  # short hashes may be equal by chance
    one = ours.spots[ranges(ours.spot_offsets[row], counts)]
    other = theirs.spots[ranges(theirs.spot_offsets[problem], counts)]
    apart = np.where(counts > 0, 0, 255)
    np.maximum.at(apart, np.repeat(np.arange(row.size), counts), np.abs(one.astype(np.int64) - other))
    return apart
