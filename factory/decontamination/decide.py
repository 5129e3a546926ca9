"""What numbers and words decide: texts with a benchmark problem's numerals and answer are the problem, whatever the wording.

A paraphrase keeps all numerals, number words included; a translation keeps those in digits, in their order. Both keep the
answer. Few digits and a small answer stand in many problems, so the less the numbers tell, the more words must agree.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from factory.decontamination import rules
from factory.decontamination.features import number_pairs, short_form
from factory.decontamination.figures import (
    BEGINNING,
    Answers,
    Figures,
    apart,
    compare,
    compare_pairs,
    content_words,
    read_answers,
    telling,
    times_longer,
    tokens_of,
)
from factory.decontamination.hits import Hits
from factory.decontamination.match import equal_pairs
from factory.decontamination.parts import parts_only
from factory.decontamination.rules import Thresholds
from factory.text.hashing import U64, Bytes, Places, distinct, mix


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
        known.seen[figures >> np.uint32(32 - BEGINNING)] | known.seen[ordered >> np.uint32(32 - BEGINNING)]
    )
    asked[hits.row] = True
    answers = _stated(golds, asked)
    own = answers.keys
    one, other = own[hits.row], known.answers[hits.problem]
    alike = (hits.tier >= rules.TEMPLATE) & (figures[hits.row] != 0)
    alike &= (figures[hits.row] == known.figures[hits.problem]) & ((one == other) | (one == 0) | (other == 0))
    doubtful = hits.tier == rules.NGRAM
    unsure = np.flatnonzero(alike | doubtful)
    longer = times_longer(raw, bounds, hits.row[unsure], known.content, hits.problem[unsure]) > limits.inside
    same = unsure[alike[unsure] & ~longer]
    tier = parts_only(raw, bounds, hits, unsure[doubtful[unsure] & longer], own, known, limits)
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
    tokens = tokens_of(raw, bounds[chosen], bounds[chosen + 1])
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
    times = times_longer(raw, bounds, row[far], known.content, problem[far])
    abroad[far] = (times <= limits.same_length) & (times * limits.same_length >= 1)
    near = np.flatnonzero(abroad & (told < limits.telling_translation[1]))
    few = np.diff(known.content.spot_offsets)[problem[near]] < limits.least_numerals
    allowed = np.where(few, limits.same_place_few, limits.same_place)
    abroad[near] = apart(ours, known.content, place[near], problem[near]) <= allowed
    few_told = np.flatnonzero(abroad & (told < limits.telling_pairs))
    pairs_of = compare_pairs(number_pairs(tokens), known.pairs, place[few_told], problem[few_told])
    abroad[few_told] = (pairs_of.ours == pairs_of.both) & (pairs_of.theirs == pairs_of.both)
    score = np.where(abroad, np.minimum(told / 10, 1.0), score)
    keep = np.flatnonzero(score[:numbered] > 0)
    row, problem = row[keep], problem[keep]
    new = Hits(row, problem, np.full(row.size, rules.NUMBERS), score[keep], bounds[row], bounds[row + 1])
    return Hits(*(np.concatenate(each) for each in zip(hits._replace(tier=tier), new, strict=True)))


def _equal(
    mine: npt.NDArray[np.uint32],
    theirs: npt.NDArray[np.uint32],
    own: npt.NDArray[np.uint32],
    answers: npt.NDArray[np.uint32],
) -> tuple[Places, Places]:
    """Texts and problems of the same numbers and the same answer, both stated."""
    texts, problems = np.flatnonzero((mine != 0) & (own != 0)), np.flatnonzero((theirs != 0) & (answers != 0))
    many, few = (
        mix(numbers.astype(np.uint64) << np.uint64(32) | said)
        for numbers, said in ((mine[texts], own[texts]), (theirs[problems], answers[problems]))
    )
    row, problem = equal_pairs(many, few)
    return texts[row], problems[problem]


def _stated(answers: pl.Series | None, asked: npt.NDArray[np.bool_]) -> Answers:
    """The answers of some texts; 0 for the others, which are not read."""
    places = np.flatnonzero(asked)
    found = read_answers(None if answers is None else answers.gather(places), places.size)
    every = read_answers(None, asked.size)
    every.keys[places], every.digits[places] = found
    return every
