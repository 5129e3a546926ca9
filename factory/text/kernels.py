"""Kernels of the text room: folding, and tokens and hashes of n-grams straight from folded bytes.

They give what `fold`, `tokens`, `hashing` and `ngrams` give in array code (`tests/oracle` compares them). Places are
unsigned, so that no index is tested for counting from the end. `words` is always the buffer as `byte_view` shows it.
"""

from __future__ import annotations

import numpy as np

from factory.text.compiled import inlined, kernel
from factory.text.fold import COPY, HARD, LENGTH_BITS, FoldTable
from factory.text.hashing import BASE, U64, Bytes, Places

U = np.uint64
_BASE, _INVERSE = U(BASE), U(pow(BASE, -1, 2**64))
_0, _1, _3, _4, _8 = U(0), U(1), U(3), U(4), U(8)
MASKS: U64 = np.array([(1 << (8 * n)) - 1 for n in range(9)], dtype=np.uint64)
_WORD, _NUMBER, _OPERATOR, _CHARACTER, _COMMAND, _CONTINUATION = 1, 2, 3, 4, 6, 64
_BAR, _BACKSLASH, _COMMA, _POINT, _OPEN, _CLOSE, _BLANK = 124, 92, 44, 46, 123, 125, 32
_EVERY, _HIGH, _LOW_SEVEN = U(0x0101010101010101), U(0x8080808080808080), U(0x7F7F7F7F7F7F7F7F)
_SMALL = U(0x2020202020202020)
_TO_A, _BEYOND_Z = U(0x3F3F3F3F3F3F3F3F), U(0x2525252525252525)
"""Added to a byte below 128, they set its high bit where it is at least "A", or beyond "Z"."""


def byte_view(data: Bytes) -> U64:
    """The eight bytes from every position of `data` on as one little-endian number; a view that ends seven earlier."""
    return np.ndarray((max(data.size - 7, 0),), dtype="<u8", buffer=data, strides=(1,))


@inlined
def _code_point(text: Bytes, at: U) -> tuple[U, U]:
    """The character beyond ASCII that begins at `at`, and its bytes."""
    lead, one = U(text[at]), U(text[at + _1]) & U(63)
    if lead < U(0xE0):
        return (lead & U(31)) << U(6) | one, U(2)
    two = U(text[at + U(2)]) & U(63)
    if lead < U(0xF0):
        return (lead & U(15)) << U(12) | one << U(6) | two, _3
    return (lead & U(7)) << U(18) | one << U(12) | two << U(6) | U(text[at + _3]) & U(63), _4


@kernel
def hard_texts(text: Bytes, words: U64, bounds: Places, table: FoldTable, pool: Bytes, hard: Bytes) -> int:
    """Mark the texts with a character that cannot be folded by itself; returns by how many bytes the others may grow."""
    growth = 0
    for row in range(bounds.size - 1):
        first, last = U(bounds[row]), U(bounds[row + 1])
        at = first
        while at < last:
            if at + _8 <= last and words[at] & _HIGH == _0:
                at += _8
                continue
            if text[at] < 0x80:
                at += _1
                continue
            code, size = _code_point(text, at)
            entry = table[code] if code < U(table.size) else np.int32(HARD)
            # A comma of another script between braces becomes {,} by folding, which is folded again.
            comma = entry >= 0 and pool[entry >> LENGTH_BITS] == _COMMA
            if entry == HARD or (comma and at > first and text[at - _1] == _OPEN):
                hard[row] = 1
                break
            if entry >= 0:
                growth += int(entry) & ((1 << LENGTH_BITS) - 1)
            at += size
    return growth


@inlined
def _zero_bytes(word: U) -> U:
    """The high bit of every byte that is zero."""
    return ~(((word & _LOW_SEVEN) + _LOW_SEVEN) | word) & _HIGH


@inlined
def _plain_bytes(word: U) -> U:
    """How many of eight bytes, from the lowest on, are copied as they are: none, seven or all.

    None if a part of a longer character, two backslashes, or an opening brace and a comma are among them; seven if that
    depends on the byte that follows.
    """
    slash, brace = _zero_bytes(word ^ U(_BACKSLASH) * _EVERY), _zero_bytes(word ^ U(_OPEN) * _EVERY)
    if word & _HIGH | slash | brace == _0:
        return _8
    comma = _zero_bytes(word ^ U(_COMMA) * _EVERY)
    if word & _HIGH | slash & slash >> _8 | brace & comma >> _8 != _0:
        return _0
    return U(7) if (slash | brace) >> U(63) != _0 else _8


@kernel
def fold_texts(
    text: Bytes,
    words: U64,
    bounds: Places,
    table: FoldTable,
    pool: Bytes,
    done: Bytes,
    out: Bytes,
    out_words: U64,
    new_bounds: Places,
) -> None:
    """Write the folded texts one after another; those that are `done` are copied."""
    to = _0
    for row in range(bounds.size - 1):
        at, last = U(bounds[row]), U(bounds[row + 1])
        verbatim = done[row] != 0
        while at < last:
            if at + _8 <= last:
                plain = _8 if verbatim else _plain_bytes(words[at])
                if plain != _0:
                    out_words[to] = words[at]
                    at, to = at + plain, to + plain
                    continue
            byte = text[at]
            if byte < 0x80 or verbatim:
                size, follows = _1, text[at + _1] if at + _1 < last and not verbatim else np.uint8(0)
                if byte == _BACKSLASH and follows == _BACKSLASH:
                    byte, size = np.uint8(_BLANK), U(2)
                elif byte == _OPEN and follows == _COMMA and at + U(2) < last and text[at + U(2)] == _CLOSE:
                    byte, size = np.uint8(_COMMA), _3
                out[to] = byte
                at, to = at + size, to + _1
                continue
            code, size = _code_point(text, at)
            entry = table[code]
            if entry == COPY:
                for i in range(_0, size):
                    out[to + i] = text[at + i]
                to += size
            else:
                start, length = U(entry >> LENGTH_BITS), U(entry & ((1 << LENGTH_BITS) - 1))
                for i in range(_0, length):
                    out[to + i] = pool[start + i]
                to += length
            at += size
        new_bounds[row + 1] = to


@inlined
def mix(value: U) -> U:
    """`hashing.mix` of one number."""
    value ^= value >> U(30)
    value *= U(0xBF58476D1CE4E5B9)
    value ^= value >> U(27)
    value *= U(0x94D049BB133111EB)
    return value ^ (value >> U(31))


@inlined
def lowered(word: U) -> U:
    """Eight bytes with ASCII capitals in lower case."""
    low = word & _LOW_SEVEN
    return word | ((low + _TO_A) & ~(low + _BEYOND_Z) & ~word & _HIGH) >> U(2)


@inlined
def is_digit(byte: int) -> bool:
    """Whether a byte is an ASCII digit."""
    return 48 <= byte <= 57


@inlined
def is_thousands_comma(text: Bytes, at: U, first: U, last: U) -> bool:
    """A digit before it, exactly three behind it."""
    if at == first or at + _3 >= last or not is_digit(text[at - _1]):
        return False
    if not (is_digit(text[at + _1]) and is_digit(text[at + U(2)]) and is_digit(text[at + _3])):
        return False
    return bool(at + _4 >= last) or not is_digit(text[at + _4])


@inlined
def range_hash(words: U64, start: U, length: U) -> U:
    """`hashing.range_hashes` of one range in lower case."""
    value = length * _BASE
    if length <= _8:
        return mix(value + (lowered(words[start]) & MASKS[length]))
    value += lowered(words[start])
    done = _8
    while done < length:
        value = mix(value) * _BASE + (lowered(words[start + done]) & MASKS[min(length - done, _8)])
        done += _8
    return mix(value)


@inlined
def _letters(word: U) -> U:
    """How many of eight bytes, from the lowest on, are ASCII letters."""
    low = (word | _SMALL) & _LOW_SEVEN
    others = ~((low + _TO_A - _SMALL) & ~(low + _BEYOND_Z - _SMALL) & ~word) & _HIGH
    first = others >> U(7)
    first &= ~first + _1  # the lowest bit alone; the ones below it count whole bytes
    return ((first - _1) & _EVERY) * _EVERY >> U(56)


@inlined
def _word(text: Bytes, words: U64, start: U, last: U, table: Bytes) -> tuple[U, U]:
    """Where a word ends that begins at `start`, and its hash."""
    at = start + _letters(words[start])
    if at == start + _8:
        more = _8
        while more == _8 and at < last:
            more = _letters(words[at])
            at += more
    at = max(min(at, last), start + _1)
    if at < last and text[at] >= 0x80:
        while at < last and (table[text[at]] == _WORD or table[text[at]] == _CONTINUATION):
            at += _1
    elif at - start <= _8:
        return at, mix((at - start) * _BASE + ((words[start] | _SMALL) & MASKS[at - start]))
    return at, range_hash(words, start, at - start)


@inlined
def look_up(keys: U64, key: U) -> np.int64:
    """The slot of `key` in an open table of `2**n` slots with some empty (0) ones, or -1."""
    mask = keys.size - 1
    slot = np.int64(key >> U(40)) & mask
    while keys[slot] != _0:
        if keys[slot] == key:
            return slot
        slot = np.int64((slot + 1) & mask)
    return np.int64(-1)


@inlined
def _number(text: Bytes, first: U, start: U, last: U) -> tuple[U, U]:
    """Where a number ends that begins with a digit at `start`, and how many thousands commas it has."""
    at, commas = start + _1, _0
    while at < last:
        byte = text[at]
        if is_digit(byte):
            at += _1
        elif byte == _POINT:
            if not is_digit(text[at - _1]) or at + _1 >= last or not is_digit(text[at + _1]):
                break
            at += _1
        elif byte == _COMMA and is_thousands_comma(text, at, first, last):
            commas += _1
            at += _1
        else:
            break
    return at, commas


@inlined
def _number_hash(text: Bytes, words: U64, start: U, end: U, commas: U) -> U:
    """`hashing.range_hashes` of a number without its thousands commas."""
    length = end - start - commas
    if commas == _0:
        return range_hash(words, start, length)
    value, word, shift = length * _BASE, _0, _0
    for place in range(start, end):
        byte = text[U(place)]
        if byte == _COMMA:
            continue
        if shift == U(64):
            value, word, shift = mix(value + word) * _BASE, _0, _0
        word |= U(byte) << shift
        shift += _8
    return mix(value + word)


@inlined
def find_tokens(
    text: Bytes,
    words: U64,
    first: U,
    last: U,
    table: Bytes,
    keys: U64,
    meanings: U64,
    hashes: U64,
    kinds: Bytes,
    starts: U64,
    ends: U64,
) -> U:
    """Write the tokens of one folded text: hashes, kinds, and where in `text` they lie; returns their number.

    `text` has `tokens.PADDING` bytes more behind it. `table` is `tokens.CLASSES`; `keys` and `meanings` are the rows of
    `tokens.NAMES`. All arrays have room for one entry per byte and one more; an empty `ends` is not written.
    """
    keep_ends = ends.size > 0
    # First, without a branch, every place where a token may begin; some of these lie within words and numbers.
    many, before = _0, np.uint8(0)
    for place in range(first, last):
        kind = table[text[U(place)]]
        starts[many] = place
        many += U(((kind != before) | (kind > _NUMBER)) & (kind != 0) & (kind != _CONTINUATION))
        before = kind
    count, at = _0, first
    for i in range(many):
        start = starts[U(i)]
        if start < at:
            continue
        kind = table[text[start]]
        if kind == _WORD:
            at, value = _word(text, words, start, last, table)
        elif kind == _NUMBER:
            at, commas = _number(text, first, start, last)
            value = _number_hash(text, words, start, at, commas)
        else:
            at = start + _1
            while kind == _CHARACTER and at < last and table[text[at]] == _CONTINUATION:
                at += _1
            value = range_hash(words, start, at - start)
        if start > first and text[start - _1] == _BACKSLASH:
            if kind == _WORD:
                kind = np.uint8(_COMMAND)
                slot = look_up(keys, value)
                value = meanings[slot] if slot >= 0 else value
                if slot >= 0 and value == _0:
                    continue
            elif kind == _OPERATOR and text[start] != _BAR:
                continue
        hashes[count], kinds[count], starts[count] = value, kind, start
        if keep_ends:
            ends[count] = at
        count += _1
    return count


@inlined
def longest(bounds: Places) -> int:
    """Bytes of the longest text, or entries of the largest set."""
    most = 0
    for row in range(bounds.size - 1):
        most = max(most, int(bounds[row + 1] - bounds[row]))
    return most


@kernel
def run_hashes(values: U64, first: U, last: U, n: U, salt: U, hashes: U64, count: U) -> U:
    """Write the hashes of all runs of `n` of `values[first:last]` from `count` on; returns the number of hashes then.

    See `ngrams.ngram_hashes`. Fewer than `n` values give one hash of all.
    """
    if first == last:
        return count
    width = min(n, last - first)
    top, value = _1, _0
    for i in range(_0, width):
        top *= _BASE
        value += values[first + i] * top
    hashes[count] = mix(value ^ salt)
    count += _1
    for i in range(first + width, last):
        value = (value - values[i - width] * _BASE) * _INVERSE + values[i] * top
        hashes[count] = mix(value ^ salt)
        count += _1
    return count


@kernel
def ngram_hashes(
    text: Bytes, words: U64, bounds: Places, table: Bytes, names: U64, n: U, grams: U64, offsets: Places
) -> None:
    """`ngrams.word_ngram_hashes` of folded texts; `grams` has room for one hash per byte."""
    most, total = longest(bounds), _0
    hashes, starts, kinds = np.empty(most, np.uint64), np.empty(most + 1, np.uint64), np.empty(most, np.uint8)
    keys, meanings, none = names[0], names[1], hashes[:0]
    for row in range(bounds.size - 1):
        first, last = U(bounds[row]), U(bounds[row + 1])
        count = find_tokens(text, words, first, last, table, keys, meanings, hashes, kinds, starts, none)
        total = run_hashes(hashes, _0, count, n, _0, grams, total)
        offsets[row + 1] = total


@inlined
def sequence_hash(values: U64, first: U, last: U, salt: U) -> U:
    """`ngrams.sequence_hashes` of one sequence."""
    value, power = _0, _1
    for i in range(first, last):
        value += values[i] * power
        power *= _BASE
    return mix(value ^ ((last - first + _1) * _BASE ^ salt))
