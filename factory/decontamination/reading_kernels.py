"""Kernels: the readings of one folded text (`features` says what they mean), straight from its bytes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from factory.decontamination.features import (
    LONGEST_POINTS,
    NUMBER_MARK,
    ONE,
    SALT,
    SHORTEST_WORD,
    STEM,
    VARIABLE_MARK,
    WIDE_STEM,
)
from factory.text.compiled import inlined
from factory.text.hashing import BASE, U64, Bytes
from factory.text.kernels import MASKS, byte_view, find_tokens, look_up, lowered, mix

U = np.uint64
Counters = npt.NDArray[np.int32]
_BASE, _SALT = U(BASE), U(SALT)
_ZERO, _ONE, _SEVEN, _EIGHT = U(0), U(1), U(7), U(8)
_VARIABLE, _NUMBER_HASH = U(VARIABLE_MARK), U(NUMBER_MARK)
_WORD, _NUMBER, _OPERATOR, _CHARACTER, _COMMAND = 1, 2, 3, 4, 6
_NO_CONTENT, _SMALL, _GREEK, _FIGURE = 1, 2, 4, 8
_ONE_NUMERAL = U(ONE)
_POINT, _COMMA = 46, 44
TOKEN_COUNT, SYMBOL_COUNT, WORD_COUNT, NUMBER_COUNT, LETTER_BYTES, CONTENT = 0, 1, 2, 3, 4, 5
"""Places in `Text.sizes`."""


class Language(NamedTuple):
    """What tokens are made of (`tokens.CLASSES`, rows of `tokens.NAMES`), and sets of words (`features.word_sets`)."""

    classes: Bytes
    names: U64
    meanings: U64
    words: U64
    word_bits: Bytes
    figures: U64


class Text(NamedTuple):
    """Space for the readings of one text; `sizes` says how much of each there is.

    `hashes`, `kinds`, `starts`, `ends`: its tokens. `symbols`, `symbol_at`: masked tokens and where they are among the
    tokens; `words`, `word_at`: the same with stems of words and blanks for numbers, without small words; `numbers`,
    `number_at`: number tokens. `letters`: its letters and digits one after another, and the same bytes as eight-byte words.
    `whole`: hashes of the whole text: letters, symbols, template, bag, figures, ordered; of the first three 0 where a text is
    longer than any problem. `sizes`: tokens, symbols, words, numbers, bytes of tokens other than operators, content words and numbers.
    """

    hashes: U64
    kinds: Bytes
    starts: U64
    ends: U64
    symbols: U64
    symbol_at: Counters
    words: U64
    word_at: Counters
    numbers: U64
    number_at: Counters
    letters: Bytes
    letter_words: U64
    whole: U64
    sizes: U64


def room(size: int) -> Text:
    """Space for any text of at most so many bytes."""
    letters = np.empty(size + 16, np.uint8)
    return Text(
        hashes=np.empty(size, np.uint64),
        kinds=np.empty(size, np.uint8),
        starts=np.empty(size + 1, np.uint64),
        ends=np.empty(size, np.uint64),
        symbols=np.empty(size, np.uint64),
        symbol_at=np.empty(size, np.int32),
        words=np.empty(size, np.uint64),
        word_at=np.empty(size, np.int32),
        numbers=np.empty(size, np.uint64),
        number_at=np.empty(size, np.int32),
        letters=letters,
        letter_words=byte_view(letters),
        whole=np.zeros(6, np.uint64),
        sizes=np.zeros(6, np.uint64),
    )


@inlined
def _capitals(text: Bytes, start: U, end: U) -> bool:
    """A word begins with capitals only, as far as `LONGEST_POINTS` bytes."""
    last = min(end, start + U(LONGEST_POINTS))
    while start < last and 65 <= text[start] <= 90:
        start += _ONE
    return start == last


@inlined
def _sparse_capitals(text: Bytes, kinds: Bytes, starts: U64, ends: U64, count: U) -> bool:
    """Whether words in capitals are rare enough in a text to be points of a figure."""
    total = shouted = 0
    for i in range(count):
        if kinds[i] == _WORD and ends[i] - starts[i] > _ONE:
            total += 1
            shouted += _capitals(text, starts[i], ends[i])
    return 10 * (total - shouted) > total


@inlined
def finish(total: U, length: U, salt: U) -> U:
    """`SequenceHasher` of a whole sequence, from the sum of its terms."""
    return mix(total ^ ((length + _ONE) * _BASE ^ salt))


@inlined
def _stem(text: Bytes, eights: U64, start: U, length: U) -> U:
    """`range_hashes` of a word's first bytes, in lower case."""
    length = min(length, U(WIDE_STEM) if text[start] >= 0x80 else U(STEM))
    return mix((lowered(eights[start]) & MASKS[length]) + length * _BASE)


@inlined
def _spell(eights: U64, start: U, end: U, letters: U64, spelled: U) -> U:
    """Write a word in lower case from `spelled` on, and up to seven bytes behind it; returns where it ends."""
    length, done = end - start, _ZERO
    while done < length:
        letters[spelled + done] = lowered(eights[start + done])
        done += _EIGHT
    return spelled + length


@inlined
def _hash_letters(letters: U64, spelled: U) -> U:
    """`features._letters` without the names of commands; before mixing these in."""
    total, power, done = _ZERO, _ONE, _ZERO
    while done < spelled:
        total += mix(letters[done] & MASKS[min(spelled - done, _EIGHT)]) * power
        power *= _BASE
        done += _EIGHT
    return finish(total, (spelled + _SEVEN) >> U(3), _ZERO) ^ mix(spelled)


@inlined
def _hash_symbols(symbols: U64, symbol_at: Counters, kinds: Bytes, count: U) -> tuple[U, U]:
    """The text's symbols as one hash, and the same with a blank for every number."""
    symbol_sum, template_sum, power = _ZERO, _ZERO, _ONE
    for i in range(count):
        symbol_sum += symbols[i] * power
        template_sum += (_NUMBER_HASH if kinds[U(symbol_at[i])] == _NUMBER else symbols[i]) * power
        power *= _BASE
    return finish(symbol_sum, count, _SALT), finish(template_sum, count, _SALT)


@inlined
def _spell_number(text: Bytes, start: U, end: U, letters: Bytes, spelled: U) -> tuple[U, U]:
    """Write a number without points and thousands commas; returns where it ends, and its bytes with points."""
    size = _ZERO
    for j in range(start, end):
        byte = text[U(j)]
        letters[spelled] = byte
        spelled += U(byte != _POINT and byte != _COMMA)
        size += U(byte != _COMMA)
    return spelled, size


@inlined
def _figure(slot: np.int64, language: Language) -> U:
    """What a word that is a numeral adds to `features.Features.figures`; 0 for another. `slot`: its place, or -1."""
    return mix(language.figures[slot]) if slot >= 0 and language.word_bits[slot] & _FIGURE else _ZERO


@inlined
def read_text(
    raw: Bytes,
    eights: U64,
    first: U,
    last: U,
    language: Language,
    most_letters: U,
    most_symbols: U,
    text: Text,
) -> None:
    """Read one folded text, `raw[first:last]`, into `text`. Behind all texts lie `tokens.PADDING` bytes more.

    Texts with more than `most_letters` bytes of letters, or `most_symbols`, equal no problem.
    """
    hashes, kinds, starts, ends, letters = text.hashes, text.kinds, text.starts, text.ends, text.letters
    symbols, symbol_at, words, word_at = text.symbols, text.symbol_at, text.words, text.word_at
    numbers, number_at = text.numbers, text.number_at
    known_words, word_bits = language.words, language.word_bits
    count = find_tokens(
        raw,
        eights,
        first,
        last,
        language.classes,
        language.names,
        language.meanings,
        hashes,
        kinds,
        starts,
        ends,
    )
    sparse = -1  # not known yet: most texts have no words in capitals
    symbol_count = word_count = number_count = spelled = letter_bytes = contents = commands = _ZERO
    bag, names, name_power = _ZERO, _ZERO, _ONE
    figure_sum, figure_count, ordered, ordered_count, power = _ZERO, _ZERO, _ZERO, _ZERO, _ONE
    for i in range(count):
        kind, value, start = kinds[i], hashes[i], starts[i]
        length = ends[i] - start
        symbol = stem = value
        if kind == _OPERATOR:
            sign = raw[start]
            if sign == 40 or sign == 41 or sign == 33 or sign == 124:
                continue
        elif kind == _NUMBER:
            stem = _NUMBER_HASH
            numbers[number_count], number_at[number_count] = value, i
            number_count += _ONE
            contents += _ONE
            bag += value
            tells = U(value != _ONE_NUMERAL)
            figure_sum += mix(value) * tells
            figure_count += tells
            ordered += value * power * tells
            power *= _BASE if tells else _ONE
            ordered_count += tells
            spelled, size = _spell_number(raw, start, ends[i], letters, spelled)
            letter_bytes += size
        elif kind == _CHARACTER:
            contents += _ONE
            letter_bytes += length
            bag += value
            spelled = _spell(eights, start, ends[i], text.letter_words, spelled)
            figure = _figure(look_up(known_words, value), language)
            figure_sum += figure
            figure_count += U(figure != _ZERO)
        else:
            letter_bytes += length
            slot = look_up(known_words, value)
            bits = word_bits[slot] if slot >= 0 else np.uint8(0)
            if kind == _COMMAND:
                names += value * name_power
                name_power *= _BASE
                commands += _ONE
                variable = (bits & _GREEK) != 0
            else:
                figure = _figure(slot, language)
                figure_sum += figure
                figure_count += U(figure != _ZERO)
                spelled = _spell(eights, start, ends[i], text.letter_words, spelled)
                variable = length == _ONE
                if length <= U(LONGEST_POINTS) and not variable and _capitals(raw, start, ends[i]):
                    if sparse < 0:
                        sparse = int(_sparse_capitals(raw, kinds, starts, ends, count))
                    variable = sparse == 1
                contents += U(not variable and length >= U(SHORTEST_WORD) and not bits & _NO_CONTENT)
                stem = _ZERO if bits & _SMALL else _stem(raw, eights, start, length)
            if variable:
                stem = symbol = _VARIABLE
            else:
                bag += value
        symbols[symbol_count], symbol_at[symbol_count] = symbol, i
        symbol_count += _ONE
        words[word_count], word_at[word_count] = stem, i
        word_count += U(stem != _ZERO)
    whole, sizes = text.whole, text.sizes
    whole[0] = whole[1] = whole[2] = _ZERO
    if letter_bytes <= most_letters:
        whole[0] = mix(_hash_letters(text.letter_words, spelled) ^ finish(names, commands, _SALT))
    if symbol_count <= most_symbols:
        whole[1], whole[2] = _hash_symbols(symbols, symbol_at, kinds, symbol_count)
    whole[3] = mix(bag ^ _SALT)
    whole[4] = mix(figure_sum ^ _SALT) if figure_count > _ONE else _ZERO
    whole[5] = finish(ordered, ordered_count, _SALT) if ordered_count > _ONE else _ZERO
    sizes[TOKEN_COUNT], sizes[SYMBOL_COUNT] = count, symbol_count
    sizes[WORD_COUNT], sizes[NUMBER_COUNT] = word_count, number_count
    sizes[LETTER_BYTES], sizes[CONTENT] = letter_bytes, contents
