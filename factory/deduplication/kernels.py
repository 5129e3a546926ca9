"""Kernels of deduplication: MinHash straight from bytes, sets of n-grams, exact similarity, buckets, components."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from factory.text.hashing import BASE, U64, Bytes, Places
from factory.text.jit import kernel, load_word
from factory.text.kernels import U, classify, look_up, mix, run_hashes, sequence_hash, split

U32 = npt.NDArray[np.uint32]
_BASE = U(BASE)
_0, _1, _8, _32 = U(0), U(1), U(8), U(32)
_MOST = np.uint32(2**32 - 1)
_WORD, _NUMBER = 1, 2


@kernel
def _bytes_hash(data: Bytes, size: U, words: U64) -> U:
    """`ngrams.text_hashes` of one text; `data` has seven bytes more, `words` room for a number for every eight bytes."""
    count = (size + U(7)) // _8
    for place in range(count):
        at = U(place) * _8
        word = load_word(data, at)
        left = min(size - at, _8)
        words[place] = mix(word & (U(2**64 - 1) >> (U(64) - _8 * left)))
    return sequence_hash(words, _0, count, _0) ^ mix(size)


@kernel
def _numbers_hash(hashes: U64, kinds: Bytes, count: U, words: U64, minus: U, numbers: U64) -> U:
    """One hash of a text's numbers in order, with their minus signs; number words (table `words`) count."""
    found = _0
    for place in range(count):
        i = U(place)
        if kinds[i] == _NUMBER or (kinds[i] == _WORD and look_up(words, hashes[i]) >= 0):
            numbers[found] = hashes[i]
            if place > 0 and hashes[i - _1] == minus:
                numbers[found] += _1
            found += _1
    return sequence_hash(numbers, _0, found, _0)


@kernel
def _lower(least: U32, factors: U32, terms: U32, grams: U32, at: int) -> None:
    """Lower the minimum of every permutation to the least of four n-grams: one loop of whole vectors."""
    one, two, three, four = grams[at], grams[at + 1], grams[at + 2], grams[at + 3]
    for k in range(least.size):
        factor, term = factors[k], terms[k]
        first = min(np.uint32(factor * one + term), np.uint32(factor * two + term))
        second = min(np.uint32(factor * three + term), np.uint32(factor * four + term))
        least[k] = min(least[k], min(first, second))


@kernel
def sign_texts(
    text: Bytes,
    bounds: Places,
    table: Bytes,
    lower: Bytes,
    names: U64,
    number_words: U64,
    minus: U,
    n: U,
    factors: U32,
    terms: U32,
    width: int,
    exact: U64,
    guard: U64,
    counts: npt.NDArray[np.int32],
    draw: U32,
    keys: U64,
) -> None:
    """Read folded texts once and write what is kept of each; see `signatures.Signed`.

    `number_words` is an empty table when numbers do not matter. `guard` comes with what must be equal besides. `keys`:
    shape (bands, texts); every band takes `width` permutations, and `draw` the one after them.
    """
    longest = 0
    for row in range(bounds.size - 1):
        longest = max(longest, int(bounds[row + 1] - bounds[row]))
    data, classes = np.empty(longest + 8, np.uint8), np.empty(longest + 8, np.uint8)
    raw, places = np.empty(0, np.uint8), np.empty(0, np.int64)
    kinds, hashes, grams = (
        np.empty(longest, np.uint8),
        np.empty(longest, np.uint64),
        np.empty(longest, np.uint64),
    )
    high, least = np.empty(longest + 3, np.uint32), np.empty(factors.size, np.uint32)
    for row in range(bounds.size - 1):
        end = classify(text, U(bounds[row]), U(bounds[row + 1]), table, lower, raw, data, classes, _0)
        count = split(data, classes, _0, end, names, hashes, kinds, places, places, _0)
        exact[row] = sequence_hash(hashes, _0, count, _0) if count > _0 else _bytes_hash(data, end, grams)
        if number_words.size:
            guard[row] ^= _numbers_hash(hashes, kinds, count, number_words, minus, grams)
        found = np.int64(run_hashes(hashes, _0, count, n, _0, grams, _0))
        counts[row] = found
        if found == 0:
            continue
        for i in range(found):
            high[i] = np.uint32(grams[i] >> _32)
        for i in range(found, found + 3):
            high[i] = high[0]
        least[:] = _MOST
        for i in range(0, found, 4):
            _lower(least, factors, terms, high, i)
        for band in range(keys.shape[0]):
            key = guard[row] ^ U(band + 1)
            for k in range(band * width, (band + 1) * width):
                key = key * _BASE + U(least[k])
            keys[band, row] = mix(key)
        draw[row] = np.uint32(mix(U(least[keys.shape[0] * width])) >> _32)


@kernel
def _slots(count: np.int64) -> int:
    """Slots of an open table of so many entries: a power of two, at most half full."""
    slots = 16
    while slots < 2 * count:
        slots *= 2
    return slots


@kernel
def _insert(table: U64, mask: int, value: U) -> bool:
    """Put a hash into an open table; whether it is new there."""
    slot = np.int64(value & U(mask))
    while table[slot] != _0:
        if table[slot] == value:
            return False
        slot = np.int64((slot + 1) & mask)
    table[slot] = value
    return True


@kernel
def _contains(table: U64, mask: int, value: U) -> bool:
    slot = np.int64(value & U(mask))
    while table[slot] != _0:
        if table[slot] == value:
            return True
        slot = np.int64((slot + 1) & mask)
    return False


@kernel
def gram_sets(
    text: Bytes, bounds: Places, table: Bytes, lower: Bytes, names: U64, n: U, grams: U64, offsets: Places
) -> None:
    """Write the different n-gram hashes of folded texts, in the order in which they first stand there; none is 0."""
    longest = 0
    for row in range(bounds.size - 1):
        longest = max(longest, int(bounds[row + 1] - bounds[row]))
    data, classes = np.empty(longest + 8, np.uint8), np.empty(longest + 8, np.uint8)
    raw, places = np.empty(0, np.uint8), np.empty(0, np.int64)
    kinds, hashes, found = (
        np.empty(longest, np.uint8),
        np.empty(longest, np.uint64),
        np.empty(longest, np.uint64),
    )
    seen = np.empty(_slots(np.int64(longest)), np.uint64)
    to = 0
    offsets[0] = 0
    for row in range(bounds.size - 1):
        end = classify(text, U(bounds[row]), U(bounds[row + 1]), table, lower, raw, data, classes, _0)
        count = split(data, classes, _0, end, names, hashes, kinds, places, places, _0)
        runs = np.int64(run_hashes(hashes, _0, count, n, _0, found, _0))
        slots = _slots(runs)
        seen[:slots] = _0
        for i in range(runs):
            value = max(found[i], _1)
            if _insert(seen, slots - 1, value):
                grams[to] = value
                to += 1
        offsets[row + 1] = to


@kernel
def jaccard_of_pairs(
    grams: U64, offsets: Places, left: Places, right: Places, result: npt.NDArray[np.float64]
) -> None:
    """Exact Jaccard similarity of pairs of sets; quick when pairs with the same left set follow each other."""
    largest = 0
    for row in range(offsets.size - 1):
        largest = max(largest, int(offsets[row + 1] - offsets[row]))
    table = np.empty(_slots(np.int64(largest)), np.uint64)
    mask, built = 0, -1
    for pair in range(left.size):
        one, other = left[pair], right[pair]
        if one != built:
            slots = _slots(offsets[one + 1] - offsets[one])
            mask, built = slots - 1, one
            table[:slots] = _0
            for i in range(offsets[one], offsets[one + 1]):
                _insert(table, mask, grams[i])
        shared = 0
        for i in range(offsets[other], offsets[other + 1]):
            if _contains(table, mask, grams[i]):
                shared += 1
        union = offsets[one + 1] - offsets[one] + offsets[other + 1] - offsets[other] - shared
        result[pair] = shared / union if union > 0 else 0.0


@kernel
def count_bucket_pairs(ordered: U64, bits: U, neighbours: int) -> int:
    """How many pairs `bucket_pairs` writes."""
    total, start = 0, 0
    for i in range(1, ordered.size + 1):
        if i == ordered.size or ordered[i] >> bits != ordered[start] >> bits:
            for place in range(1, i - start):
                total += min(place, neighbours) + (1 if place > neighbours else 0)
            start = i
    return total


@kernel
def bucket_pairs(ordered: U64, bits: U, neighbours: int, rows: Places, codes: U64) -> None:
    """Write `left << 32 | right` for the pairs of rows in one bucket; `ordered`: bucket, then `bits` of place, sorted."""
    count, start = 0, 0
    mask = (_1 << bits) - _1
    for i in range(1, ordered.size + 1):
        if i == ordered.size or ordered[i] >> bits != ordered[start] >> bits:
            for place in range(start + 1, i):
                own = U(rows[ordered[place] & mask])
                if place - start > neighbours:
                    codes[count] = U(rows[ordered[start] & mask]) << _32 | own
                    count += 1
                for other in range(max(start, place - neighbours), place):
                    codes[count] = U(rows[ordered[other] & mask]) << _32 | own
                    count += 1
            start = i


@kernel
def mark_repeated(values: U64, repeated: Bytes) -> None:
    """Mark the values (none is 0) that occur more than once."""
    slots = _slots(np.int64(values.size))
    table, owner = np.zeros(slots, np.uint64), np.empty(slots, np.uint32)
    mask = slots - 1
    for i in range(values.size):
        slot = np.int64(values[i] & U(mask))
        while table[slot] != _0 and table[slot] != values[i]:
            slot = np.int64((slot + 1) & mask)
        if table[slot] == _0:
            table[slot] = values[i]
            owner[slot] = i
        else:
            repeated[i] = 1
            repeated[owner[slot]] = 1


@kernel
def occurrences(values: U64, counts: Places) -> None:
    """How often each value (none is 0) occurs."""
    slots = _slots(np.int64(values.size))
    table, times = np.zeros(slots, np.uint64), np.zeros(slots, np.int64)
    places = np.empty(values.size, np.int64)
    mask = slots - 1
    for i in range(values.size):
        slot = np.int64(values[i] & U(mask))
        while table[slot] != _0 and table[slot] != values[i]:
            slot = np.int64((slot + 1) & mask)
        table[slot] = values[i]
        times[slot] += 1
        places[i] = slot
    for i in range(values.size):
        counts[i] = times[places[i]]


@kernel
def cut_blocks(left: Places, right: Places, counts: npt.NDArray[np.int32], limit: int, block: Places) -> None:
    """Number the blocks of consecutive pairs whose different rows have at most `limit` n-grams, or of one pair."""
    seen = np.full(counts.size, -1, np.int64)
    number, load = 0, 0
    for pair in range(left.size):
        more = 0
        for row in (left[pair], right[pair]):
            if seen[row] != number:
                more += counts[row]
        if load > 0 and load + more > limit:
            number += 1
            load, more = 0, np.int64(counts[left[pair]]) + counts[right[pair]]
        load += more
        seen[left[pair]] = seen[right[pair]] = number
        block[pair] = number


@kernel
def gather_ranges(source: U64, starts: Places, lengths: Places, out: U64) -> None:
    """Copy ranges one after another."""
    to = 0
    for i in range(starts.size):
        for place in range(starts[i], starts[i] + lengths[i]):
            out[to] = source[place]
            to += 1


@kernel
def join(left: Places, right: Places, labels: Places) -> None:
    """Union-find: `labels` (0, 1, 2, ... at first) get the smallest row of every row's component."""
    for i in range(left.size):
        one, other = left[i], right[i]
        while labels[one] != one:
            labels[one] = labels[labels[one]]
            one = labels[one]
        while labels[other] != other:
            labels[other] = labels[labels[other]]
            other = labels[other]
        if one < other:
            labels[other] = one
        else:
            labels[one] = other
    for row in range(labels.size):
        labels[row] = labels[labels[row]]
