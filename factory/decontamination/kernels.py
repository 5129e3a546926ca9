"""Kernels: all tiers over the texts of one chunk, each text read once from its bytes; `match` says the same in arrays.

The index is arranged for them by `arrange`. What is done for every text is inlined: that costs less than passing arrays.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from factory.decontamination import rules
from factory.decontamination.arrange import (
    BOILERPLATE,
    COVERED,
    LEFT_OUT,
    TELLING,
    Index,
    Problems,
    Room,
    Sequences,
    Table,
    Whole,
)
from factory.decontamination.features import SALT, WORDS
from factory.decontamination.reading_kernels import (
    CONTENT,
    LETTER_BYTES,
    NUMBER_COUNT,
    SYMBOL_COUNT,
    TOKEN_COUNT,
    WORD_COUNT,
    Counters,
    Language,
    Text,
    finish,
    read_text,
)
from factory.decontamination.rules import (
    CONTAINED,
    EXACT,
    FAR,
    RENAMED,
    SHUFFLED,
    TEMPLATE,
    VARIANT,
    Thresholds,
)
from factory.text.compiled import inlined, kernel
from factory.text.hashing import BASE, U64, Bytes, Places
from factory.text.kernels import mix
from factory.text.tokens import Kind

U = np.uint64
Found = npt.NDArray[np.float64]
"""Hits, one row each: text, problem, tier, score, first byte, the one after the last."""
_BASE, _SALT = U(BASE), U(SALT)
_OPERATOR = int(Kind.OPERATOR)
_ZERO, _ONE, _TWO, _HALF = U(0), U(1), U(2), U(32)
_EQUAL = (EXACT, RENAMED, TEMPLATE, SHUFFLED)
"""Tier of an equal text by the readings of `Text.whole`."""
_alike, _needed, _judge = inlined(rules.alike), inlined(rules.needed), inlined(rules.judge)
_reach, _densest = inlined(rules.reach), inlined(rules.densest)
_shared_numbers = inlined(rules.shared_numbers)


@kernel
def fill(table: Table) -> None:
    """Enter all keys of a table whose slots are -1 and whose filter is 0."""
    mask = U(table.slots.size - 1)
    for place in range(table.keys.size):
        key = U(table.keys[place])
        slot = key >> table.slot_shift
        while table.slots[slot] >= 0:
            slot = (slot + _ONE) & mask
        table.slots[slot] = place
        bit = key >> table.filter_shift
        table.filter[bit >> U(6)] |= _ONE << (bit & U(63))


@inlined
def _find(table: Table, key: U) -> np.int64:
    """Where `key` is among the table's keys, or -1."""
    bit = key >> table.filter_shift
    if ((table.filter[bit >> U(6)] >> (bit & U(63))) & _ONE) == 0:
        return np.int64(-1)
    mask = U(table.slots.size - 1)
    slot = key >> table.slot_shift
    while True:
        place = table.slots[slot]
        if place < 0 or U(table.keys[U(place)]) == key:
            return np.int64(place)
        slot = (slot + _ONE) & mask


@inlined
def _push(hits: Found, count: int, row: int, problem: int, tier: int, score: float, first: U, last: U) -> int:
    """Write a hit if there is room; it counts in any case."""
    if count < hits.shape[0]:
        hits[count, 0], hits[count, 1], hits[count, 2] = row, problem, tier
        hits[count, 3], hits[count, 4], hits[count, 5] = score, first, last
    return count + 1


@inlined
def _equal(
    row: int, reading: int, text: Text, known: Whole, limits: Thresholds, hits: Found, count: int
) -> int:
    """Problems that equal a text by one of the readings of `Text.whole`."""
    place = _find(known.table, text.whole[reading])
    if place < 0:
        return count
    tier = _EQUAL[reading]
    if text.sizes[LETTER_BYTES] < limits.least_letters:
        if reading == 0:
            return count
        if reading == 1:
            tier = EXACT
    if reading == 3 and text.sizes[CONTENT] < limits.least_content:
        return count
    first, last = text.starts[0], text.ends[text.sizes[TOKEN_COUNT] - _ONE]
    for j in range(known.with_hash.offsets[place], known.with_hash.offsets[place + 1]):
        count = _push(hits, count, row, known.with_hash.entries[j], tier, 1.0, first, last)
    return count


@inlined
def _sequence(
    row: int,
    end: U,
    place: np.int64,
    text: Text,
    sequences: Sequences,
    limits: Thresholds,
    hits: Found,
    count: int,
) -> int:
    """Sequences whose anchor (`place`) a text has at the symbols up to `end`, and the rest of them too."""
    size, symbols = np.int64(text.sizes[SYMBOL_COUNT]), text.symbols
    for j in range(sequences.with_anchor.offsets[place], sequences.with_anchor.offsets[place + 1]):
        entry = sequences.with_anchor.entries[j]
        start = np.int64(end) - 2 - sequences.shift[entry]
        length = sequences.length[entry]
        if start < 0 or start + length > size:
            continue
        behind = start + length
        goes_on = behind < size and text.kinds[U(text.symbol_at[behind])] == _OPERATOR
        if length < limits.firm_tokens and (goes_on or size - length > limits.loose_tokens):
            continue
        total, power = _ZERO, _ONE
        for k in range(start, start + length):
            total += symbols[k] * power
            power *= _BASE
        if finish(total, U(length), _SALT) == sequences.whole[entry]:
            first = text.starts[text.symbol_at[start]]
            last = text.ends[text.symbol_at[start + length - 1]]
            count = _push(hits, count, row, sequences.problem[entry], CONTAINED, 1.0, first, last)
    return count


@inlined
def _contained(
    row: int, text: Text, sequences: Sequences, limits: Thresholds, hits: Found, count: int
) -> int:
    """Short problems and stems that stand in a text as a whole."""
    symbols = text.symbols
    for at in range(_TWO, max(text.sizes[SYMBOL_COUNT], _TWO)):
        end = U(at)
        run = symbols[end - _TWO] + (symbols[end - _ONE] + symbols[end] * _BASE) * _BASE
        place = _find(sequences.table, finish(run, U(3), _SALT))
        if place >= 0:
            count = _sequence(row, end, place, text, sequences, limits, hits, count)
    return count


@inlined
def _gather(words: U64, count: U, grams: Table, room: Room) -> int:
    """Find the n-grams of a text among those of the problems; writes `Room.place` and `Room.at`, returns how many."""
    found = 0
    for i in range(_TWO, max(count, _TWO)):
        run = (words[i - _TWO] + (words[i - _ONE] + words[i] * _BASE) * _BASE) * _BASE
        place = _find(grams, mix(run ^ _SALT) >> _HALF)
        if place >= 0:
            room.place[found], room.at[found] = place, i
            found += 1
    return found


@inlined
def _mark(found: int, room: Room) -> int:
    """Set `Room.marks` of the n-grams of a text and list each once in `Room.chosen`; returns how many these are."""
    marks, place_of, chosen, many = room.marks, room.place, room.chosen, 0
    for i in range(found):
        chosen[many] = place_of[i]
        many += marks[place_of[i]] == 0
        marks[place_of[i]] = 1
    return many


@inlined
def _candidates(many: int, different: np.int64, of: Problems, limits: Thresholds, room: Room) -> int:
    """Problems of which a text has enough for a hit to be possible, written to `Room.touched`; returns how many.

    `Room.chosen` has its `many` different known n-grams; `different` is how many n-grams it has in all.
    """
    shares, touched, chosen, least = room.shares, room.touched, room.chosen, of.least
    offsets, entries = of.with_gram.offsets, of.with_gram.entries
    count = enough = plain = 0
    for i in range(many):
        place = chosen[i]
        if place >= of.boilerplate:
            plain += 1
            continue
        for j in range(offsets[place], offsets[place + 1]):
            problem = entries[j]
            touched[count] = problem
            count += shares[problem] == 0
            shares[problem] += np.uint8(1)
    for k in range(count):
        problem = touched[k]
        share = np.int64(shares[problem])
        shares[problem] = 0
        # What at most can be: all that was left out, and all boilerplate that both have.
        plains = np.int64(least[problem, BOILERPLATE])
        both = share + np.int64(least[problem, LEFT_OUT]) + (plain if plain < plains else plains)
        covered = both >= least[problem, COVERED] and share >= least[problem, TELLING]
        similarity = _alike(both, of.counts[problem], of.kept[problem], different)
        touched[enough] = problem
        enough += covered or similarity >= limits.variant_similarity
    return enough


@inlined
def _own_grams(problem: int, of: Problems, found: int, word_at: Counters, room: Room) -> int:
    """Write the n-grams of a text that are a problem's (`Room.chosen`, `begin`, `end`, `weights`); returns how many."""
    seen, begins = room.seen, of.place_offsets[problem]
    for j in range(begins, of.place_offsets[problem + 1]):
        seen[of.places[j]] = j - begins + 1
        room.weights[j - begins] = of.weights[of.places[j]]
    many = 0
    for i in range(found):
        own = seen[room.place[i]]
        if own > 0:
            room.chosen[many] = own - 1
            room.begin[many], room.end[many] = word_at[room.at[i] - 2], word_at[room.at[i]]
            many += 1
    for j in range(begins, of.place_offsets[problem + 1]):
        seen[of.places[j]] = 0
    return many


@inlined
def _pair_numbers(numbers: U64, count: np.int64, pairs: U64) -> int:
    """Write the hashes of pairs of successive numbers of a text; a lone number gives one of itself. Returns how many."""
    many = int(count - 1 if count > 1 else count)
    for i in range(many):
        value = numbers[i] * _BASE * _BASE
        if count > 1:
            value += numbers[i + 1] * _BASE * _BASE * _BASE
        pairs[i] = mix(value ^ _SALT) >> _HALF
    return many


@inlined
def _covered(
    row: int, text: Text, of: Problems, limits: Thresholds, room: Room, hits: Found, count: int
) -> int:
    """Hits by n-grams of a text."""
    found = _gather(text.words, text.sizes[WORD_COUNT], of.grams, room)
    known = _mark(found, room)
    tokens, words = np.int64(text.sizes[TOKEN_COUNT]), np.int64(text.sizes[WORD_COUNT])
    different = (words - WORDS + 1 if words >= WORDS else np.int64(0)) - (found - known)
    pairs = -1
    for k in range(_candidates(known, different, of, limits, room)):
        problem = room.touched[k]
        every, kept = of.counts[problem], of.kept[problem]
        weight, number_weight = of.weight[problem], of.number_weight[problem]
        reach, enough = _reach(of.tokens[problem]), _needed(every, limits)
        whole = tokens <= reach
        telling, both, share = 0, 0, 0.0
        for j in range(of.place_offsets[problem], of.place_offsets[problem + 1]):
            if room.marks[of.places[j]]:
                telling += of.weights[of.places[j]] > 0
                both += 1
                share += of.weights[of.places[j]]
        if telling == 0:
            continue
        # What at most can be: all n-grams in one place, with all numbers.
        tier, score = _judge(
            telling, share + limits.rounding, both / kept, number_weight, weight, number_weight,
            enough - limits.rounding, limits,
        )  # fmt: skip
        first, last = 0, 0
        if tier >= 0:
            if pairs < 0:
                pairs = _pair_numbers(text.numbers, np.int64(text.sizes[NUMBER_COUNT]), room.pairs)
            many = _own_grams(problem, of, found, text.word_at, room)
            telling, shared, share, first, last = _densest(
                many,
                room.chosen,
                room.begin,
                room.end,
                room.weights,
                room.counts,
                FAR if whole else reach,
                limits,
            )
            numbers = _shared_numbers(
                of.number_offsets[problem], of.number_offsets[problem + 1], of.numbers, of.number_weights,
                room.pairs, pairs, text.number_at,
                0 if whole else first - limits.margin, FAR if whole else last + limits.margin,
            )  # fmt: skip
            tier, score = _judge(
                telling, share, shared / kept, numbers, weight, number_weight, enough, limits
            )
        similarity = _alike(both, every, kept, different) if whole else 0.0
        if tier < 0 and similarity >= limits.variant_similarity:
            tier, score, first, last = VARIANT, similarity, text.word_at[0], text.word_at[words - 1]
        if tier >= 0:
            count = _push(hits, count, row, problem, tier, score, text.starts[first], text.ends[last])
    for i in range(found):
        room.marks[room.place[i]] = 0
    return count


@inlined
def match_texts(
    raw: Bytes,
    eights: U64,
    bounds: Places,
    language: Language,
    known: Index,
    limits: Thresholds,
    text: Text,
    room: Room,
    figures: U64,
    hits: Found,
) -> int:
    """Read the folded texts of a chunk and look them up, one after another; returns how many hits there are.

    `text` and `room` have space for the longest text. Only as many hits are written as `hits` has rows. `figures`, one row
    per text: its numerals (`features.Features.figures`, `ordered`).
    """
    count = 0
    for row in range(bounds.size - 1):
        first, last = U(bounds[row]), U(bounds[row + 1])
        read_text(raw, eights, first, last, language, known.most_letters, known.most_symbols, text)
        figures[row, 0], figures[row, 1] = text.whole[4], text.whole[5]
        if text.sizes[TOKEN_COUNT] == 0:
            continue
        count = _equal(row, 0, text, known.letters, limits, hits, count)
        count = _equal(row, 1, text, known.symbols, limits, hits, count)
        count = _equal(row, 2, text, known.template, limits, hits, count)
        count = _equal(row, 3, text, known.bag, limits, hits, count)
        count = _contained(row, text, known.sequences, limits, hits, count)
        count = _covered(row, text, known.problems, limits, room, hits, count)
    return count
