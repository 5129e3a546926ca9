"""Kernels: the readings of texts (`features` says what they mean), in one pass over their tokens."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from factory.decontamination.features import (
    LONGEST_POINTS,
    NUMBER_MARK,
    SALT,
    SHORTEST_WORD,
    STEM,
    VARIABLE_MARK,
    WIDE_STEM,
)
from factory.text.hashing import BASE, U64, Bytes, Places
from factory.text.jit import kernel, load_word
from factory.text.kernels import look_up, mix

U = np.uint64
_BASE, _SALT = U(BASE), U(SALT)
_ZERO, _ONE, _SEVEN, _EIGHT = U(0), U(1), U(7), U(8)
_MASKS: U64 = np.array([(1 << (8 * n)) - 1 for n in range(9)], dtype=np.uint64)
_VARIABLE, _NUMBER_HASH = U(VARIABLE_MARK), U(NUMBER_MARK)
_WORD, _NUMBER, _OPERATOR, _CHARACTER, _COMMAND = 1, 2, 3, 4, 6
_NO_CONTENT, _SMALL, _GREEK = 1, 2, 4
_POINT = 46
Counters = npt.NDArray[np.int32]


class Words(NamedTuple):
    """Sets of words in one table: `hashes` in 2**n slots (0 is empty), bits of what each is in `bits`."""

    hashes: U64
    bits: Bytes


class Text(NamedTuple):
    """Readings of the texts of a chunk, one after another; the `*_offsets` say where each text begins.

    `symbols`, `symbol_at`: masked tokens and where they are; `words`, `word_at`: the same with stems of words and blanks
    for numbers, without small words; `numbers`, `number_at`: number tokens.
    `whole`: shape (texts, 4), hashes of whole texts: letters, symbols, template, bag. `sizes`: shape (texts, 2), bytes of
    letters, content words and numbers.
    """

    symbols: U64
    symbol_at: Counters
    words: U64
    word_at: Counters
    numbers: U64
    number_at: Counters
    symbol_offsets: Places
    word_offsets: Places
    number_offsets: Places
    whole: U64
    sizes: Places


def room(tokens: int, texts: int) -> Text:
    """Room for the readings of so many texts of so many tokens in all; it may be used again for fewer."""
    return Text(
        symbols=np.empty(tokens, np.uint64),
        symbol_at=np.empty(tokens, np.int32),
        words=np.empty(tokens, np.uint64),
        word_at=np.empty(tokens, np.int32),
        numbers=np.empty(tokens, np.uint64),
        number_at=np.empty(tokens, np.int32),
        symbol_offsets=np.zeros(texts + 1, np.int64),
        word_offsets=np.zeros(texts + 1, np.int64),
        number_offsets=np.zeros(texts + 1, np.int64),
        whole=np.zeros((texts, 4), np.uint64),
        sizes=np.zeros((texts, 2), np.int64),
    )


@kernel
def _capitals(raw: Bytes, start: U, length: U) -> bool:
    """A word begins with capitals only, as far as `LONGEST_POINTS` bytes."""
    last = start + min(length, U(LONGEST_POINTS))
    while start < last and 65 <= raw[start] <= 90:
        start += _ONE
    return start == last


@kernel
def _sparse_capitals(raw: Bytes, kinds: Bytes, starts: Places, lengths: Places, first: U, last: U) -> bool:
    """Whether words in capitals are rare enough in a text to be points of a figure."""
    total = shouted = 0
    for i in range(first, last):
        if kinds[i] == _WORD and lengths[i] > 1:
            total += 1
            shouted += _capitals(raw, U(starts[i]), U(lengths[i]))
    return 10 * (total - shouted) > total


@kernel
def _finish(total: U, length: U, salt: U) -> U:
    """`SequenceHasher` of a whole sequence, from the sum of its terms."""
    return mix(total ^ ((length + _ONE) * _BASE ^ salt))


@kernel
def _stem(data: Bytes, start: U, length: U) -> U:
    """`range_hashes` of a word's first bytes."""
    length = min(length, U(WIDE_STEM) if data[start] >= 0x80 else U(STEM))
    return mix((load_word(data, start) & _MASKS[length]) + length * _BASE)


@kernel
def _spell(data: Bytes, start: U, length: U, word: U, spelled: U, letters: U64) -> tuple[U, U]:
    """Add bytes to a text's letters. `letters`: the sum over the words of eight bytes so far, and the next power.

    Returns:
        The bytes since the last full word, and how many there are of all.
    """
    while length > _ZERO:
        size = min(length, _EIGHT)
        part = load_word(data, start) & _MASKS[size]
        have = spelled & _SEVEN
        word |= part << (_EIGHT * have)
        if have + size >= _EIGHT:
            letters[0] += mix(word) * letters[1]
            letters[1] *= _BASE
            # A shift by all 64 bits would leave the word as it is.
            word = part >> (_EIGHT * (_EIGHT - have)) if have else _ZERO
        spelled += size
        start += size
        length -= size
    return word, spelled


@kernel
def _read_text(
    raw: Bytes,
    data: Bytes,
    hashes: U64,
    kinds: Bytes,
    starts: Places,
    lengths: Places,
    first: U,
    last: U,
    capitals: bool,
    known_hashes: U64,
    known_bits: Bytes,
    all_symbols: U64,
    symbol_at: Counters,
    stems: U64,
    word_at: Counters,
    all_numbers: U64,
    number_at: Counters,
    counts: U64,
    letters: U64,
    whole: U64,
    sizes: Places,
) -> None:
    """Read the tokens `first..last`; the streams are written from `counts` on, which moves on."""
    symbols, words, numbers = counts[0], counts[1], counts[2]
    contents = letter_bytes = spelled = commands = _ZERO
    symbol_sum = template_sum = bag = names = word = _ZERO
    power = name_power = _ONE
    letters[0], letters[1] = _ZERO, _ONE
    for i in range(first, last):
        kind, value, start, length = kinds[i], hashes[i], U(starts[i]), U(lengths[i])
        symbol = value
        if kind == _OPERATOR:
            sign = raw[start]
            if sign == 40 or sign == 41 or sign == 33 or sign == 124:
                continue
            stem = value
        elif kind == _NUMBER:
            stem = _NUMBER_HASH
            all_numbers[numbers], number_at[numbers] = value, i
            numbers += _ONE
            contents += _ONE
            letter_bytes += length
            bag += value
            for j in range(start, start + length):
                if raw[j] != _POINT:
                    word, spelled = _spell(data, U(j), _ONE, word, spelled, letters)
        elif kind == _CHARACTER:
            stem = value
            contents += _ONE
            letter_bytes += length
            bag += value
            word, spelled = _spell(data, start, length, word, spelled, letters)
        else:
            letter_bytes += length
            slot = look_up(known_hashes, value)
            bits = known_bits[slot] if slot >= 0 else 0
            if kind == _COMMAND:
                names += value * name_power
                name_power *= _BASE
                commands += _ONE
                variable = (bits & _GREEK) != 0
                stem = symbol = _VARIABLE if variable else value
            else:
                word, spelled = _spell(data, start, length, word, spelled, letters)
                variable = length == _ONE or (
                    capitals and length <= U(LONGEST_POINTS) and _capitals(raw, start, length)
                )
                if variable:
                    stem = symbol = _VARIABLE
                else:
                    contents += U(length >= U(SHORTEST_WORD) and not bits & _NO_CONTENT)
                    stem = _ZERO if bits & _SMALL else _stem(data, start, length)
            if not variable:
                bag += value
        all_symbols[symbols], symbol_at[symbols] = symbol, i
        symbols += _ONE
        symbol_sum += symbol * power
        template_sum += (_NUMBER_HASH if kind == _NUMBER else symbol) * power
        power *= _BASE
        if stem != _ZERO:
            stems[words], word_at[words] = stem, i
            words += _ONE
    total = letters[0] + (mix(word) * letters[1] if spelled & _SEVEN else _ZERO)
    whole[0] = mix(
        _finish(total, (spelled + _SEVEN) >> U(3), _ZERO) ^ mix(spelled) ^ _finish(names, commands, _SALT)
    )
    length = symbols - counts[0]
    whole[1] = _finish(symbol_sum, length, _SALT)
    whole[2] = _finish(template_sum, length, _SALT)
    whole[3] = mix(bag ^ _SALT)
    sizes[0], sizes[1] = letter_bytes, contents
    counts[0], counts[1], counts[2] = symbols, words, numbers


@kernel
def read_texts(
    raw: Bytes,
    data: Bytes,
    hashes: U64,
    kinds: Bytes,
    starts: Places,
    lengths: Places,
    offsets: Places,
    known: Words,
    text: Text,
) -> None:
    """Read all texts of a chunk (`tokens.Tokens`) into `text`."""
    # Members of a tuple are looked up and counted anew at every use, which costs more than the use.
    symbols, symbol_at, words, word_at = text.symbols, text.symbol_at, text.words, text.word_at
    numbers, number_at, known_hashes, known_bits = text.numbers, text.number_at, known.hashes, known.bits
    whole, sizes = text.whole, text.sizes
    ends = text.symbol_offsets, text.word_offsets, text.number_offsets
    counts = np.zeros(3, np.uint64)
    letters = np.zeros(2, np.uint64)
    ends[0][0] = ends[1][0] = ends[2][0] = 0
    for row in range(offsets.size - 1):
        first, last = U(offsets[row]), U(offsets[row + 1])
        capitals = _sparse_capitals(raw, kinds, starts, lengths, first, last)
        _read_text(
            raw, data, hashes, kinds, starts, lengths, first, last, capitals, known_hashes, known_bits,
            symbols, symbol_at, words, word_at, numbers, number_at, counts, letters, whole[row], sizes[row],
        )  # fmt: skip
        ends[0][row + 1], ends[1][row + 1], ends[2][row + 1] = counts[0], counts[1], counts[2]
