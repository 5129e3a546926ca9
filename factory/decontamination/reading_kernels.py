"""Kernels: the readings of one text (`features` says what they mean), without arrays for whole corpora."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

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
from factory.text.jit import kernel
from factory.text.kernels import look_up, mix

_BASE, _SALT = np.uint64(BASE), np.uint64(SALT)
_ZERO, _ONE, _EIGHT = np.uint64(0), np.uint64(1), np.uint64(8)
_VARIABLE, _NUMBER_HASH = np.uint64(VARIABLE_MARK), np.uint64(NUMBER_MARK)
_WORD, _NUMBER, _OPERATOR, _CHARACTER, _COMMAND = 1, 2, 3, 4, 6
_NO_CONTENT, _SMALL, _GREEK = 1, 2, 4
_POINT = 46
_UNSURE = (40, 41, 33, 124)
"""Parentheses, factorials and bars are written in too many ways to count as symbols."""


class Words(NamedTuple):
    """Sets of words in one table: `hashes` in 2**n slots (0 is empty), bits of what each is in `bits`."""

    hashes: U64
    bits: Bytes


class Text(NamedTuple):
    """Room for the readings of one text of at most so many tokens, used again for the next.

    `symbols`, `symbol_at`: masked tokens and where they are; `words`, `word_at`: the same with stems of words and blanks
    for numbers, without small words;
    `numbers`, `number_at`: number tokens.
    """

    symbols: U64
    symbol_at: Places
    words: U64
    word_at: Places
    numbers: U64
    number_at: Places


@kernel
def room(tokens: int) -> Text:
    """Room for a text."""
    return Text(
        np.empty(tokens, np.uint64),
        np.empty(tokens, np.int64),
        np.empty(tokens, np.uint64),
        np.empty(tokens, np.int64),
        np.empty(tokens, np.uint64),
        np.empty(tokens, np.int64),
    )


@kernel
def _capitals(raw: Bytes, start: int, length: int) -> bool:
    """A word begins with capitals only, as far as `LONGEST_POINTS` bytes."""
    count = 0
    while count < min(length, LONGEST_POINTS) and 65 <= raw[start + count] <= 90:
        count += 1
    return count == min(length, LONGEST_POINTS)


@kernel
def _sparse_capitals(
    raw: Bytes, kinds: Bytes, starts: Places, lengths: Places, first: int, last: int
) -> bool:
    """Whether words in capitals are rare enough in a text to be points of a figure."""
    total = shouted = 0
    for i in range(first, last):
        if kinds[i] == _WORD and lengths[i] > 1:
            total += 1
            shouted += _capitals(raw, starts[i], lengths[i])
    return 10 * (total - shouted) > total


@kernel
def _finish(total: np.uint64, length: int, salt: np.uint64) -> np.uint64:
    """`SequenceHasher` of a whole sequence, from the sum of its terms."""
    return mix(total ^ (np.uint64(length + 1) * _BASE ^ salt))


@kernel
def _stem(data: Bytes, start: int, length: int, longest: int) -> np.uint64:
    length = min(length, longest)
    part = _ZERO
    for i in range(length):
        part |= np.uint64(data[start + i]) << (_EIGHT * np.uint64(i))
    return mix(part + np.uint64(length) * _BASE)


@kernel
def _role(
    kind: int,
    value: np.uint64,
    start: int,
    length: int,
    capitals: bool,
    raw: Bytes,
    known_hashes: U64,
    known_bits: Bytes,
) -> tuple[bool, bool, bool]:
    """Whether a token is a variable, is content, and is a small word."""
    if kind in (_NUMBER, _CHARACTER):
        return False, True, False
    slot = look_up(known_hashes, value)
    bits = known_bits[slot] if slot >= 0 else 0
    if kind == _COMMAND:
        return (bits & _GREEK) != 0, False, False
    if length == 1 or (capitals and length <= LONGEST_POINTS and _capitals(raw, start, length)):
        return True, False, False
    return False, length >= SHORTEST_WORD and not bits & _NO_CONTENT, (bits & _SMALL) != 0


@kernel
def _spell(
    raw: Bytes, data: Bytes, start: int, length: int, word: np.uint64, spelled: int, letters: U64
) -> tuple[np.uint64, int]:
    """Add a token to the text's letters, eight bytes at a time: `letters` holds the sum and the next power."""
    for j in range(start, start + length):
        if raw[j] != _POINT:
            word |= np.uint64(data[j]) << (_EIGHT * np.uint64(spelled & 7))
            spelled += 1
            if spelled & 7 == 0:
                letters[0] += mix(word) * letters[1]
                letters[1] *= _BASE
                word = _ZERO
    return word, spelled


@kernel
def read_text(
    raw: Bytes,
    data: Bytes,
    hashes: U64,
    kinds: Bytes,
    starts: Places,
    lengths: Places,
    first: int,
    last: int,
    known: Words,
    text: Text,
    whole: U64,
    sizes: Places,
) -> tuple[int, int, int]:
    """Read the tokens `first..last` of a chunk.

    Writes `text`, the hashes of the whole text into `whole` (letters, symbols, template, bag) and sizes into `sizes`
    (bytes of letters, content words and numbers).

    Returns:
        How many symbols, words and numbers there are.
    """
    # Members of a tuple are looked up and counted anew at every use, which costs more than the use.
    all_symbols, symbol_at, stems, word_at = text.symbols, text.symbol_at, text.words, text.word_at
    all_numbers, number_at, known_hashes, known_bits = text.numbers, text.number_at, known.hashes, known.bits
    capitals = _sparse_capitals(raw, kinds, starts, lengths, first, last)
    symbols = words = numbers = contents = letter_bytes = spelled = commands = 0
    symbol_sum = template_sum = bag = names = word = _ZERO
    power = name_power = _ONE
    letters = whole[2:]
    letters[0], letters[1] = _ZERO, _ONE
    for i in range(first, last):
        kind, value, start, length = kinds[i], hashes[i], starts[i], lengths[i]
        variable = small = False
        if kind == _OPERATOR:
            if raw[start] in _UNSURE:
                continue
        else:
            variable, content, small = _role(
                kind, value, start, length, capitals, raw, known_hashes, known_bits
            )
            contents += content
            letter_bytes += length
            bag += _ZERO if variable else value
        symbol = _VARIABLE if variable else value
        blank = symbol
        if kind == _NUMBER:
            blank = _NUMBER_HASH
            all_numbers[numbers], number_at[numbers] = value, i
            numbers += 1
        if kind == _COMMAND:
            names += value * name_power
            name_power *= _BASE
            commands += 1
        elif kind != _OPERATOR:
            word, spelled = _spell(raw, data, start, length, word, spelled, letters)
        all_symbols[symbols], symbol_at[symbols] = symbol, i
        symbols += 1
        symbol_sum += symbol * power
        template_sum += blank * power
        power *= _BASE
        if not small:
            if kind == _WORD and not variable:
                blank = _stem(data, start, length, WIDE_STEM if data[start] >= 0x80 else STEM)
            stems[words], word_at[words] = blank, i
            words += 1
    total = letters[0] + (mix(word) * letters[1] if spelled & 7 else _ZERO)
    whole[0] = mix(
        _finish(total, (spelled + 7) // 8, _ZERO) ^ mix(np.uint64(spelled)) ^ _finish(names, commands, _SALT)
    )
    whole[1] = _finish(symbol_sum, symbols, _SALT)
    whole[2] = _finish(template_sum, symbols, _SALT)
    whole[3] = mix(bag ^ _SALT)
    sizes[0], sizes[1] = letter_bytes, contents
    return symbols, words, numbers
