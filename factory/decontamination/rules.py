"""When a text counts as holding a benchmark problem: the thresholds, and the decision on one text and problem.

The functions are plain arithmetic on numbers and arrays. Array code calls them as they are (`match`), kernels compile
them (`kernels`), so both decide alike.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Thresholds(NamedTuple):
    """All numbers that decide what counts as a hit. Tiers are explained in `hits.Tier`."""

    coverage: float = 0.45
    """Share of a long problem's n-grams, weighted, that makes a hit (`decontamination.coverage` in a recipe)."""
    least_letters: int = 20
    """Texts of fewer letters and digits must agree in their signs as well to count as equal."""
    least_content: int = 8
    """Content words and numbers from which texts with the same words in another order count as shuffled."""
    loose_tokens: int = 60
    """A short sequence counts as contained when the text has at most so many further tokens, and goes on with no operator, which
    would make it a part of a formula ..."""
    firm_tokens: int = 15
    """... or when the sequence itself is this long."""
    least_grams: int = 3
    """Different telling n-grams of a problem that a text must have in one place: one or two are no evidence."""
    least_for_ngram: int = 5
    """The same for the tier that is dropped. A problem of fewer is found as a whole sequence, or not at all: all three of
    "How many three-digit positive integers are there?" stand in many a longer problem."""
    least_shared: float = 0.45
    """Share of all n-grams of a problem, boilerplate too, that a text must have in one place: of a problem that is mostly
    boilerplate, the telling n-grams alone are too few to go by."""
    short: int = 12
    long: int = 40
    """Problems of at most `short` n-grams must be covered to `short_coverage`, of `long` and more to `coverage`, others to
    a share in between."""
    short_coverage: float = 0.7
    same_numbers: float = 0.5
    """Share of a problem's number pairs that a text must have to count as the same problem, not as its template."""
    inside: float = 1.7
    inside_margin: int = 200
    inside_words: float = 0.75
    inside_least: tuple[int, ...] = (6, 12)
    inside_coverage: tuple[float, ...] = (0.98, 0.7, 0.0)
    far: float = 2.7
    far_coverage: tuple[float, ...] = (0.98, 0.8, 0.6)
    farthest: float = 4.0
    farthest_coverage: tuple[float, ...] = (0.98, 0.9, 0.9)
    inside_numerals: float = 0.8
    formula_numerals: float = 0.5
    """In a text of more than `inside` times a problem's letters, within so many bytes of the hit, so much of the problem's words
    must stand, its question among them, and so many of its n-grams: the more the fewer words it has (`inside_least`), because
    some formulas stand in many a problem, and the more in a text of more than `far` or `farthest` times its letters. So must
    `inside_numerals` of its numerals; and if it has fewer than `least_words` words, its numerals must be `formula_numerals` of all that
    are there: formulas have the same small numbers."""
    response: int = 900
    """A text of so many letters is no problem but a response, which says again what is asked piece by piece: of a problem of
    six words and more nothing more is demanded."""
    option_words: float = 0.45
    option_few: float = 0.75
    """Of a multiple-choice problem's words, without those that a text has among its options only, so many must stand before the
    text's options (`option_few` if those are less than half of the problem's words): different questions have the same options."""
    premise_words: int = 5
    """Different content words of a statement before a contained problem that makes it another problem, if the golds contradict."""
    template_coverage: float = 0.5
    """Share of a problem's n-grams that a text with other numbers must have to count as its template."""
    variant_similarity: float = 0.4
    """Jaccard similarity of the n-grams of a text and a problem from which the text counts as a variant."""
    telling_numbers: tuple[float, ...] = (2.5, 3.5, 5.0, 7.0)
    same_words: tuple[float, ...] = (0.65, 0.5, 0.3, 0.2)
    least_words: int = 3
    """How much the numerals and the answer of a problem must tell (`figures.telling`), and how alike the words of a text with
    the same ones must be (Dice coefficient): few digits need many words, `least_words` at least."""
    telling_translation: tuple[float, float] = (4.5, 9.0)
    telling_pairs: float = 5.5
    least_numerals: int = 3
    same_place_few: int = 20
    same_length: float = 1.5
    same_place: int = 38
    """The same for a text in another language, of which no words can be compared: the numerals in digits must stand in the same
    order and, in a text not `same_length` times as long or short, each within 38/255 of the text's length of where it stands in
    the problem, or within 20/255 if there are fewer than `least_numerals`. Those that tell twice as much may stand anywhere:
    clauses change places. Of those that tell less than `telling_pairs` the pairs of successive numbers must be the same, 1s included."""
    meaning: float = 0.75
    meaning_told: float = 5.0
    meaning_few: float = 0.85
    meaning_numbers: float = 0.3
    meaning_words: int = 2
    meaning_dice: float = 0.1
    meaning_pairs: float = 0.25
    meaning_few_pairs: int = 4
    """What a text with a problem's answer must have of it to count as the same problem in other words: the cosine of their
    embeddings (`meaning_few` if numerals and answer tell less than `meaning_told`), the Jaccard similarity of their different numerals (and one has all of the other's), and words in common, how
    many and as a Dice coefficient. If it has a numeral more, so many of the problem's pairs of successive numbers, if these are
    `meaning_few_pairs` and more."""
    margin: int = 10
    """Tokens around the window of words in which numbers count."""
    crumb: float = 1e-6
    """Tie-breaker: what every n-gram adds to the weight of a window, so that of two of equal weight the fuller is taken."""
    rounding: float = 1e-9
    """What sums of weights, added in another order, may differ by."""


DEFAULT = Thresholds()
BOILERPLATE = 100
"""An n-gram in so many problems is boilerplate and has no weight. (The largest families of variants of one problem, in
GSM-Plus and the translations of GSM8K, have about twenty members.)"""
EXACT, RENAMED, SHUFFLED, CONTAINED, NGRAM, NUMBERS, TEMPLATE, VARIANT = range(8)
"""Tiers by their position in `hits.Tier`."""
FAR = 2**62
"""Further than any token."""


def reach(tokens: Any) -> Any:
    """Tokens of a text within which a problem of so many tokens must be covered."""
    return 2 * tokens + 30


def alike(shared: Any, every: Any, kept: Any, different: Any) -> float:
    """Jaccard similarity of a problem and a text, by how many different n-grams both have.

    Args:
        shared: n-grams of the text that are among those kept of the problem.
        every: n-grams of the problem.
        kept: those that the index has; what is shared of them stands for more.
        different: n-grams of the text.
    """
    both = shared * every / kept
    return float(both / max(every + different - both, 1.0))


def needed(count: int, rules: Thresholds) -> float:
    """Share of a problem's n-grams that makes a hit, by how many it has."""
    if count <= rules.short:
        return rules.short_coverage
    if count >= rules.long:
        return rules.coverage
    return rules.short_coverage + (rules.coverage - rules.short_coverage) * (count - rules.short) / (
        rules.long - rules.short
    )


def judge(
    grams: int,
    share: float,
    shared: float,
    numbers: float,
    weight: float,
    number_weight: float,
    needed_share: float,
    rules: Thresholds,
) -> tuple[int, float]:
    """Tier and score of some evidence, or tier -1.

    Args:
        grams: how many different telling n-grams of a problem were found in one place.
        share: their weight.
        shared: share of all the problem's n-grams, boilerplate too, that were found there.
        numbers: weight of its number pairs that were found there.
        weight: weight of the problem's n-grams.
        number_weight: weight of its number pairs.
        needed_share: see `needed`.
        rules: the thresholds.
    """
    if grams < rules.least_grams or shared < rules.least_shared:
        return -1, 0.0
    together = (share + numbers) / (weight + number_weight)
    same = numbers / number_weight if number_weight > 0 else 1.0
    if grams >= rules.least_for_ngram and together >= needed_share and same >= rules.same_numbers:
        return NGRAM, together
    if share >= rules.template_coverage * weight:
        return TEMPLATE, share / weight
    return -1, 0.0


def densest(
    many: int,
    gram: Any,
    begin: Any,
    end: Any,
    weights: Any,
    counts: Any,
    reach: int,
    rules: Thresholds,
) -> tuple[int, int, float, int, int]:
    """The window of at most `reach` tokens whose different n-grams of a problem weigh most.

    Args:
        many: how many n-grams of the problem the text has, repeats included.
        gram: which of the problem's n-grams each is, in the order of the text.
        begin: the first token of each.
        end: the last token of each.
        weights: of the problem's n-grams.
        counts: working space, one 0 per n-gram of the problem; 0 again afterwards.
        reach: tokens of the window.
        rules: the thresholds.

    Returns:
        How many different telling n-grams, how many with boilerplate, weight, first and last token.
    """
    grams, shared, best, best_first, best_last = 0, 0, 0.0, 0, 0
    telling, count, total, start = 0, 0, 0.0, 0
    for k in range(many):
        own = gram[k]
        counts[own] += 1
        if counts[own] == 1:
            total += weights[own] + rules.crumb
            telling += weights[own] > 0
            count += 1
        while end[k] - begin[start] > reach:
            gone = gram[start]
            counts[gone] -= 1
            if counts[gone] == 0:
                total -= weights[gone] + rules.crumb
                telling -= weights[gone] > 0
                count -= 1
            start += 1
        if total > best + rules.rounding:
            grams, shared, best = telling, count, total
            best_first, best_last = begin[start], end[k]
    for k in range(many):
        counts[gram[k]] = 0
    return grams, shared, best - rules.crumb * shared, best_first, best_last


def shared_numbers(
    first: int, last: int, wanted: Any, weights: Any, pairs: Any, count: int, at: Any, begin: int, end: int
) -> float:
    """Weight of a problem's number pairs (`wanted[first:last]`) that a text has between the tokens `begin` and `end`."""
    total = 0.0
    for j in range(first, last):
        for i in range(count):
            if pairs[i] == wanted[j] and begin <= at[i] <= end:
                total += weights[j]
                break
    return total
