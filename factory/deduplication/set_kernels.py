"""Kernels over hashes: sets of n-grams, exact similarity, buckets, components."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from factory.text.hashing import U64, Bytes, Places
from factory.text.jit import kernel
from factory.text.kernels import U, longest, run_hashes
from factory.text.token_kernels import hash_tokens

_0, _1, _32 = U(0), U(1), U(32)


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
    most = longest(bounds)
    scratch, kinds = np.empty(most + 8, np.uint8), np.empty(most, np.uint8)
    hashes, found = np.empty(most, np.uint64), np.empty(most, np.uint64)
    seen = np.empty(_slots(np.int64(most)), np.uint64)
    to = 0
    offsets[0] = 0
    for row in range(bounds.size - 1):
        first, last = U(bounds[row]), U(bounds[row + 1])
        count = hash_tokens(text, first, last, table, lower, names, scratch, hashes, kinds)
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
    table = np.empty(_slots(np.int64(longest(offsets))), np.uint64)
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
