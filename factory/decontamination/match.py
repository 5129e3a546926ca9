"""All tiers over the texts of one chunk, in array code: joins of hashes, then the decision on every pair that is left.

`kernels` finds the same hits, many times faster on large inputs. Here the index is probed with the hashes of the texts,
so nothing has to be arranged before the first text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from factory.decontamination import rules
from factory.decontamination.features import SALT, Features, features, short_form
from factory.decontamination.hits import Hits
from factory.decontamination.index import ANCHOR_TOKENS, ARRAYS, LENGTHS, TYPES, Benchmark
from factory.decontamination.rules import BOILERPLATE, Thresholds
from factory.text.hashing import U64, Bytes, distinct, ranges
from factory.text.ngrams import SequenceHasher
from factory.text.tokens import Kind, Places, Tokens, thousands_commas, tokenize_bytes

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Columns(Benchmark):
    """All benchmarks of an index, one after another; problems are numbered through.

    `words_of`: the problem of every n-gram; `word_weights` is 0 for boilerplate, 1 for an n-gram of one problem only.
    """

    words_of: Places
    word_weights: Floats
    number_weights: Floats


def columns(benchmarks: Sequence[Benchmark]) -> Columns:
    """The arrays of all benchmarks together."""
    arrays = {}
    for name in ARRAYS:
        if name.endswith("_offsets"):
            lengths = [np.zeros(1, np.int64), *(np.diff(getattr(b, name)) for b in benchmarks)]
            arrays[name] = np.cumsum(np.concatenate(lengths))
        else:
            kind = np.dtype(np.int64 if name in LENGTHS else TYPES.get(name, np.uint32))
            parts = [np.zeros(0, kind), *(getattr(b, name) for b in benchmarks)]
            arrays[name] = np.concatenate(parts).astype(kind)
    first = np.cumsum([0] + [len(b.ids) for b in benchmarks])[:-1]
    arrays["anchors"]["problem"] += np.repeat(first, [b.anchors.size for b in benchmarks]).astype(np.uint32)
    weights = {
        name: 1 / (1 + np.log(np.maximum(arrays[f"{name}_df"].astype(np.float64), 1)))
        for name in ("words", "numbers")
    }
    weights["words"][arrays["words_df"] >= BOILERPLATE] = 0
    counts = np.diff(arrays["words_offsets"])
    return Columns(
        name="",
        facts={},
        ids=[i for b in benchmarks for i in b.ids],
        **arrays,
        words_of=np.repeat(np.arange(counts.size), counts),
        word_weights=weights["words"],
        number_weights=weights["numbers"],
    )


def match(raw: Bytes, bounds: Places, known: Columns, limits: Thresholds) -> tuple[Hits, U64]:
    """All hits by words in some folded texts, several of a text and problem included, and the numerals of each text."""
    raw = raw[: bounds[-1]]
    tokens = tokenize_bytes(raw, bounds)
    read = features(tokens)
    found = [
        _equal(tokens, read, known, limits),
        _contained(tokens, read, known, limits),
        _covered(tokens, read, known, limits),
    ]
    row, problem, tier, score, first, last = (np.concatenate(each) for each in zip(*found, strict=True))
    # Tokens lie in a buffer without thousands commas, spans in the one with them.
    commas = thousands_commas(raw, bounds)
    before = commas - np.arange(commas.size)
    begin, end = tokens.starts[first], tokens.starts[last] + tokens.lengths[last] - 1
    begin, end = (at + np.searchsorted(before, at, side="right") for at in (begin, end))
    figures = np.stack([read.figures, read.ordered], axis=1)
    return Hits(row, problem, tier, score, begin, end + 1), figures


Found = tuple[Places, Places, Places, Floats, Places, Places]
"""Text, problem, tier, score, first and last token."""


def equal_pairs(
    many: npt.NDArray[np.unsignedinteger[Any]], few: npt.NDArray[np.unsignedinteger[Any]]
) -> tuple[Places, Places]:
    """All pairs of places in two arrays that hold equal hashes, by their place in the first.

    Most of `many` are turned away by one look at a table of the high bits of `few`.
    """
    shift = many.dtype.type(many.dtype.itemsize * 8 - 20)
    table = np.zeros(2**20, dtype=bool)
    table[few >> shift] = True
    maybe = np.flatnonzero(table[many >> shift])
    order = np.argsort(few, kind="stable")
    low = np.searchsorted(few[order], many[maybe], side="left")
    counts = np.searchsorted(few[order], many[maybe], side="right") - low
    return np.repeat(maybe, counts), order[ranges(low, counts)]


def _equal(tokens: Tokens, read: Features, known: Columns, limits: Thresholds) -> Found:
    """Texts that equal a problem by one of their readings, as a whole."""
    full = np.diff(tokens.offsets) > 0
    long = read.letter_bytes >= limits.least_letters
    usable = known.letter_bytes >= limits.least_letters
    readings = (
        (known.letters, usable, read.letters, full & long, np.full(full.size, rules.EXACT)),
        (known.symbols, None, read.symbols_hash, full, np.where(long, rules.RENAMED, rules.EXACT)),
        (known.template, None, read.template_hash, full, np.full(full.size, rules.TEMPLATE)),
        (
            known.bag,
            known.bag != 0,
            read.bag,
            full & (read.content >= limits.least_content),
            np.full(full.size, rules.SHUFFLED),
        ),
    )
    rows, problems, tiers = [], [], []
    for theirs, fit, ours, wanted, tier in readings:
        chosen = np.flatnonzero(wanted)
        problem, place = equal_pairs(theirs, ours[chosen])
        if fit is not None:
            problem, place = problem[fit[problem]], place[fit[problem]]
        rows.append(chosen[place])
        problems.append(problem)
        tiers.append(tier[chosen[place]])
    row = np.concatenate(rows)
    first, last = tokens.offsets[row], tokens.offsets[row + 1] - 1
    return row, np.concatenate(problems), np.concatenate(tiers), np.ones(row.size), first, last


def _contained(tokens: Tokens, read: Features, known: Columns, limits: Thresholds) -> Found:
    """Short problems and stems that stand in a text as a whole."""
    symbols, anchors = read.symbols, known.anchors
    hasher = SequenceHasher(symbols.hashes, SALT)
    runs = np.arange(max(symbols.hashes.size - ANCHOR_TOKENS + 1, 0))
    entry, place = equal_pairs(anchors["anchor"], hasher(runs, ANCHOR_TOKENS))
    start, length = place - anchors["shift"][entry], anchors["length"][entry].astype(np.int64)
    row = np.searchsorted(symbols.offsets, place, side="right") - 1
    inside = (start >= symbols.offsets[row]) & (start + length <= symbols.offsets[row + 1])
    more = symbols.lengths[row] - length
    behind = start + length
    goes_on = behind < symbols.offsets[row + 1]
    goes_on[goes_on] = tokens.kinds[symbols.at[behind[goes_on]]] == Kind.OPERATOR
    inside &= (more <= limits.loose_tokens) & ~goes_on | (length >= limits.firm_tokens)
    row, start, length, entry = row[inside], start[inside], length[inside], entry[inside]
    same = hasher(start, length) == anchors["whole"][entry]
    row, start, length, entry = row[same], start[same], length[same], entry[same]
    tier = np.full(row.size, rules.CONTAINED)
    first, last = symbols.at[start], symbols.at[start + length - 1]
    return row, anchors["problem"][entry].astype(np.int64), tier, np.ones(row.size), first, last


def _covered(tokens: Tokens, read: Features, known: Columns, limits: Thresholds) -> Found:
    """Hits by n-grams: every text and problem of which the text has enough n-grams for a hit to be possible."""
    words = read.words
    grams, row_of = short_form(words.hashes), np.repeat(np.arange(words.lengths.size), words.lengths)
    names = distinct(row_of.astype(np.uint64) << np.uint64(32) | grams)  # every n-gram of a text once
    owners, different_grams = (names >> np.uint64(32)).astype(np.int64), names.astype(np.uint32)
    wanted = distinct(different_grams)
    entry, gram = equal_pairs(known.words, wanted)
    weight = _first_weights(known.word_weights[entry], gram, wanted.size)
    in_index = np.isin(np.arange(wanted.size), gram)
    # An n-gram of the index counts once per text; misses are not distinguished.
    place = np.searchsorted(wanted, different_grams)
    once = np.bincount(owners[in_index[place]], minlength=words.lengths.size)
    repeats = (
        np.bincount(row_of[in_index[np.searchsorted(wanted, grams)]], minlength=words.lengths.size) - once
    )
    different = words.lengths - repeats
    row, problem = _candidates(owners, place, entry, gram, weight, known, different, limits)
    pairs = _pairs(row, problem, names, known)
    tokens_of, many = np.diff(tokens.offsets)[row], different[row]
    possible = _possible(pairs, problem, tokens_of, many, known, limits)
    hits = [
        hit
        for at in np.flatnonzero(possible).tolist()
        if (hit := _decide(at, pairs, read, grams, int(tokens_of[at]), int(many[at]), known, limits))
    ]
    kinds = (np.int64, np.int64, np.int64, np.float64, np.int64, np.int64)
    transposed = zip(*hits, strict=True) if hits else [[]] * len(kinds)
    return tuple(np.array(c, dtype=kind) for c, kind in zip(transposed, kinds, strict=True))  # type: ignore[return-value]


def _first_weights(weights: Floats, gram: Places, count: int) -> Floats:
    """The weight of every n-gram: that of the first benchmark that has it, where they differ."""
    found = np.zeros(count)
    found[gram[::-1]] = weights[::-1]
    return found


def _candidates(
    owners: Places,
    place: Places,
    entry: Places,
    gram: Places,
    weight: Floats,
    known: Columns,
    different: Places,
    limits: Thresholds,
) -> tuple[Places, Places]:
    """Texts and problems that share enough n-grams for a hit to be possible.

    Args:
        owners: the text of every different n-gram of the texts.
        place: which of the wanted n-grams it is.
        entry: n-grams of the index that are wanted.
        gram: which of the wanted n-grams each is.
        weight: of the wanted n-grams; 0 for boilerplate.
        known: the index.
        different: different n-grams of every text.
        limits: the thresholds.
    """
    telling = weight[gram] > 0
    order = np.argsort(gram[telling], kind="stable")
    ours = np.flatnonzero(weight[place] > 0)
    low, high = (np.searchsorted(gram[telling][order], place[ours], side=side) for side in ("left", "right"))
    counts = high - low
    problems = known.words_of[entry[telling][order[ranges(low, counts)]]]
    pairs, share = np.unique(np.repeat(owners[ours], counts) << 32 | problems, return_counts=True)
    row, problem = pairs >> 32, pairs & (2**32 - 1)
    # What at most can be: all boilerplate of the text that is the problem's, and all of the problem's that is in any text.
    theirs = np.bincount(known.words_of[entry[~telling]], minlength=known.tokens.size)
    plain = np.bincount(owners[np.isin(place, gram[~telling])], minlength=different.size)
    kept = np.diff(known.words_offsets)[problem]
    both = share + np.minimum(plain[row], theirs[problem])
    every = known.words_counts[problem]
    covered = (share >= limits.least_grams) & (both >= np.ceil(limits.least_shared * kept - limits.rounding))
    similar = both * every / kept
    similar = similar / np.maximum(every + different[row] - similar, 1.0)
    enough = covered | (similar >= limits.variant_similarity - limits.rounding)
    return row[enough], problem[enough]


class _Pairs(NamedTuple):
    """Texts and problems, with what they share; `weights` are those of the problems' n-grams, one pair after another."""

    row: Places
    problem: Places
    telling: Places
    both: Places
    share: Floats
    weight: Floats
    number_weight: Floats
    offsets: Places
    weights: Floats


def _pairs(row: Places, problem: Places, names: U64, known: Columns) -> _Pairs:
    """Count and weigh what texts and problems share; `names`: every n-gram of a text once, after its text's number.

    Sums are added in the order of a problem's n-grams, as kernels do: other orders differ in the last bits.
    """
    kept = np.diff(known.words_offsets)[problem]
    pair, theirs = (
        np.repeat(np.arange(row.size), kept),
        known.words[ranges(known.words_offsets[problem], kept)],
    )
    every = distinct(theirs)
    entry, gram = equal_pairs(known.words, every)
    weights = _first_weights(known.word_weights[entry], gram, every.size)[np.searchsorted(every, theirs)]
    name = row[pair].astype(np.uint64) << np.uint64(32) | theirs
    marked = (
        names[np.minimum(np.searchsorted(names, name), names.size - 1)] == name if names.size else name > name
    )

    def sums(pair: Places, values: Floats) -> Floats:
        return np.bincount(pair, values, row.size).astype(np.float64)

    number_counts = np.diff(known.numbers_offsets)[problem]
    numbers = known.number_weights[ranges(known.numbers_offsets[problem], number_counts)]
    return _Pairs(
        row,
        problem,
        telling=np.bincount(pair[marked & (weights > 0)], minlength=row.size),
        both=np.bincount(pair[marked], minlength=row.size),
        share=sums(pair[marked], weights[marked]),
        weight=sums(pair, weights),
        number_weight=sums(np.repeat(np.arange(row.size), number_counts), numbers),
        offsets=np.concatenate([[0], np.cumsum(kept)]),
        weights=weights,
    )


def _possible(
    pairs: _Pairs, problem: Places, tokens: Places, different: Places, known: Columns, limits: Thresholds
) -> npt.NDArray[np.bool_]:
    """Where a hit is possible: what at most can be are all n-grams in one place, with all numbers."""
    kept, every = np.diff(known.words_offsets)[problem], known.words_counts[problem]
    slack = 2 * limits.rounding
    shared = (pairs.telling >= limits.least_grams) & (pairs.both / kept >= limits.least_shared)
    template = pairs.share + slack >= limits.template_coverage * pairs.weight
    needed = np.interp(every, [limits.short, limits.long], [limits.short_coverage, limits.coverage])
    together = (pairs.share + pairs.number_weight) / (pairs.weight + pairs.number_weight)
    ngram = (pairs.telling >= limits.least_for_ngram) & (together + slack >= needed)
    similar = pairs.both * every / kept
    similar = similar / np.maximum(every + different - similar, 1.0)
    alike = (tokens <= rules.reach(known.tokens[problem])) & (similar + slack >= limits.variant_similarity)
    return (pairs.telling > 0) & ((shared & (template | ngram)) | alike)


def _decide(
    at: int,
    pairs: _Pairs,
    read: Features,
    grams: npt.NDArray[np.uint32],
    tokens: int,
    different: int,
    known: Columns,
    limits: Thresholds,
) -> tuple[int, int, int, float, int, int] | None:
    """The hit of one pair, or None. `grams`: short forms of all n-grams of the texts."""
    row, problem = int(pairs.row[at]), int(pairs.problem[at])
    weight, number_weight = float(pairs.weight[at]), float(pairs.number_weight[at])
    low, high = known.words_offsets[problem : problem + 2].tolist()
    theirs, kept, every = known.words[low:high], high - low, int(known.words_counts[problem])
    begin, end = read.words.offsets[row : row + 2].tolist()
    own = np.minimum(np.searchsorted(theirs, grams[begin:end]), kept - 1)
    here = np.flatnonzero(theirs[own] == grams[begin:end])
    reach = rules.reach(int(known.tokens[problem]))
    whole = tokens <= reach
    telling, shared, share, first, last = rules.densest(
        here.size,
        own[here].tolist(),
        read.words.at[begin + here].tolist(),
        read.word_ends[begin + here].tolist(),
        pairs.weights[pairs.offsets[at] : pairs.offsets[at + 1]].tolist(),
        [0] * kept,
        rules.FAR if whole else reach,
        limits,
    )
    low, high = known.numbers_offsets[problem : problem + 2].tolist()
    number_begin, number_end = read.numbers.offsets[row : row + 2].tolist()
    numbers = rules.shared_numbers(
        0,
        high - low,
        known.numbers[low:high].tolist(),
        known.number_weights[low:high].tolist(),
        short_form(read.numbers.hashes[number_begin:number_end]).tolist(),
        number_end - number_begin,
        read.numbers.at[number_begin:number_end].tolist(),
        0 if whole else first - limits.margin,
        rules.FAR if whole else last + limits.margin,
    )
    enough = rules.needed(every, limits)
    tier, score = rules.judge(telling, share, shared / kept, numbers, weight, number_weight, enough, limits)
    if tier < 0 and whole:
        similarity = rules.alike(int(pairs.both[at]), every, kept, different)
        if similarity >= limits.variant_similarity:
            tier, score = rules.VARIANT, similarity
            first, last = int(read.words.at[begin]), int(read.word_ends[end - 1])
    return (row, problem, tier, score, first, last) if tier >= 0 else None
