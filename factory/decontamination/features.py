r"""What two texts are compared by: five readings of the same tokens, all as salted hashes.

letters    every letter and digit, operators and spacing left out (the whole text at once)
symbols    every token, variables masked: "Factor v^2-5v+6"
template   the same with numbers masked too
words      runs of three neighbouring symbols, words cut to stems, small words left out, a blank for every number: what
           is said and what the formulas look like, whatever the figures and the endings
numbers    pairs of successive numbers: which figures
figures    all numerals of the text in any order, number words included; ordered: those in digits, in their order

Single letters, Greek letters and short runs of capitals (points of a figure) are variables. Parentheses, bars and
factorials are written in too many ways to count as symbols. Small words are grammar and the words of every exercise
("find", "answer"). Content words are the others of three letters and more, without names of functions and signs.

This is the reading in whole arrays, of which indexes are made; `reading_kernels` reads the texts that are checked, one by
one and many times faster, and a test holds the two against each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from factory.text.hashing import BASE, U64, HashSet, byte_words, hash_words, mix, open_table, range_hashes
from factory.text.ngrams import ngram_hashes, sequence_hashes, text_hashes
from factory.text.tokens import OPERATORS, Kind, Places, Tokens

SALT = hash_words(["cot-factory benchmark index 1"])[0]
"""Part of the index format: hashes of other programs, or of an unsalted table, do not fit."""

WORDS = 3
"""Symbols an n-gram."""
STEM = 5
"""Bytes of a word that count in an n-gram, so that `rotates` is `rotation`."""
WIDE_STEM = 8
"""The same for words of other than Latin letters, of two and three bytes each."""
SHORTEST_WORD = 3
"""Letters (bytes) of the shortest content word."""
LONGEST_POINTS = 5
"""Longest run of capitals that is read as points of a figure."""

_MATH_WORDS = (
    "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln lg exp lim max min sup inf gcd lcm mod det "
    "sqrt frac sum prod int infty pi alpha beta gamma delta epsilon theta lambda mu sigma phi omega rho tau le ge ne "
    "leq geq neq times cdot div pm mp angle triangle circ degree perp parallel rightarrow dots ldots cdots vec hat bar "
    "overline binom begin end pmatrix bmatrix vmatrix matrix array align aligned cases tabular equation hline asy"
)
_GREEK = "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon phi chi psi omega"
_SMALL_WORDS = (
    "the of and for are that this with what which how many much has have had does did you your can its all from such "
    "then than where when will each into only not there been being were was any some one their other both also must "
    "they them his her she who whose these those but may might could should would suppose let given following find "
    "determine compute evaluate calculate solve express enter give form number problem question value answer return "
    "final response within boxed put please step reason think"
)
"""Words that say nothing of a problem: grammar, and the phrases of exercises and of instructions to models."""
_NO_CONTENT = HashSet(_MATH_WORDS.split())
_SMALL = HashSet(_SMALL_WORDS.split())
NOT_TELLING = HashSet([*_SMALL_WORDS.split(), *OPERATORS.decode()])
"""Small words and signs."""
_GREEK_LETTERS = HashSet(_GREEK.split())
_FIGURES = {
    "zero": "0", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9",
    "ten": "10", "eleven": "11", "twelve": "12", "thirteen": "13", "fourteen": "14", "fifteen": "15", "sixteen": "16",
    "seventeen": "17", "eighteen": "18", "nineteen": "19", "twenty": "20", "thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "seventy": "70", "eighty": "80", "ninety": "90",
    "hundred": "100", "thousand": "1000", "million": "1000000", "dozen": "12", "half": "half", "halves": "half",
    "twice": "2", "double": "2", "doubled": "2", "thrice": "3", "triple": "3", "tripled": "3", "third": "3",
    "thirds": "3", "quarter": "4", "quarters": "4", "零": "0", "二": "2", "两": "2", "三": "3", "四": "4", "五": "5",
    "六": "6", "七": "7", "八": "8", "九": "9", "十": "10", "百": "100", "千": "1000", "半": "half",
}  # fmt: skip
"""Number words as numerals. 1 is left out in any form: "one" is a pronoun, and formulas add a 1 or leave it out."""
ONE = hash_words(["1"])[0]
_FIGURE_WORDS, _FIGURE_ORDER = HashSet(list(_FIGURES)), np.argsort(hash_words(list(_FIGURES)))
_FIGURE_HASHES = hash_words(list(_FIGURES))[_FIGURE_ORDER]
FIGURE_VALUES = hash_words(list(_FIGURES.values()))[_FIGURE_ORDER]
VARIABLE_MARK, NUMBER_MARK = hash_words(["<variable>", "<number>"])
"""What stands for every variable and for every number."""
_PARENTHESES = HashSet(["(", ")", "!", "|"])


@dataclass(frozen=True, slots=True)
class Stream:
    """A sequence of token hashes a text; `at` is the token that each came from."""

    hashes: U64
    offsets: Places
    at: Places

    @property
    def lengths(self) -> Places:
        """Tokens of every text."""
        return np.diff(self.offsets)


@dataclass(frozen=True, slots=True)
class Features:
    """The readings of some texts. Hashes are salted."""

    letters: U64
    letter_bytes: Places
    symbols: Stream
    symbols_hash: U64
    template_hash: U64
    bag: U64
    words: Stream
    """n-grams of symbols; `at` is the token where each begins."""
    word_ends: Places
    """The token where each n-gram of `words` ends."""
    numbers: Stream
    """Pairs of successive numbers (of a text's only number: that number)."""
    content: Places
    """Content words and numbers of every text."""
    figures: U64
    """All numerals but 1, number words included, in any order; 0 for texts of fewer than two."""
    ordered: U64
    """The numerals but 1 that are written in digits, in their order; 0 for texts of fewer than two."""


def features(tokens: Tokens) -> Features:
    """Read the tokens of some texts in all ways."""
    kinds = tokens.kinds
    number = kinds == Kind.NUMBER
    operator = kinds == Kind.OPERATOR
    variable = _variables(tokens)
    content = (kinds == Kind.WORD) & (tokens.lengths >= SHORTEST_WORD) & ~variable
    candidates = np.flatnonzero(content)
    content[candidates[_NO_CONTENT.positions(tokens.hashes[candidates])]] = False
    content |= kinds == Kind.CHARACTER

    masked = np.where(variable, VARIABLE_MARK, tokens.hashes)
    bracket = np.flatnonzero(operator)
    symbol = np.ones(kinds.size, dtype=bool)
    symbol[bracket[_PARENTHESES.positions(tokens.hashes[bracket])]] = False
    symbols = _stream(tokens, masked, symbol)
    blank = np.where(number[symbols.at], NUMBER_MARK, symbols.hashes)
    bag = np.where(variable | operator, np.uint64(0), tokens.hashes)
    words, word_ends = _word_grams(_stemmed(tokens, symbols, variable))
    return Features(
        letters=_letters(tokens),
        letter_bytes=_sums(np.where(operator, 0, tokens.lengths), tokens.offsets),
        symbols=symbols,
        symbols_hash=sequence_hashes(symbols.hashes, symbols.offsets, SALT),
        template_hash=sequence_hashes(blank, symbols.offsets, SALT),
        bag=_bags(bag, tokens.offsets),
        words=words,
        word_ends=word_ends,
        numbers=number_pairs(tokens),
        content=_sums(content | number, tokens.offsets),
        figures=_figures(numerals(tokens)),
        ordered=_ordered(_stream(tokens, tokens.hashes, number & (tokens.hashes != ONE))),
    )


def numerals(tokens: Tokens) -> Stream:
    """The numerals of every text but 1, number words among them."""
    found = (tokens.kinds == Kind.NUMBER) & (tokens.hashes != ONE)
    hashes = tokens.hashes.copy()
    words = np.flatnonzero((tokens.kinds == Kind.WORD) | (tokens.kinds == Kind.CHARACTER))
    words = words[_FIGURE_WORDS.positions(hashes[words])]
    hashes[words] = FIGURE_VALUES[np.searchsorted(_FIGURE_HASHES, hashes[words])]
    found[words] = True
    return _stream(tokens, hashes, found)


def _figures(stream: Stream) -> U64:
    sums = np.zeros(stream.hashes.size + 1, dtype=np.uint64)
    np.cumsum(mix(stream.hashes), out=sums[1:])
    total = sums[stream.offsets[1:]] - sums[stream.offsets[:-1]]
    return np.where(stream.lengths > 1, mix(total ^ SALT), np.uint64(0))


def _ordered(stream: Stream) -> U64:
    return np.where(stream.lengths > 1, sequence_hashes(stream.hashes, stream.offsets, SALT), np.uint64(0))


def short_form(hashes: U64) -> npt.NDArray[np.uint32]:
    """The 32 bits of an n-gram hash that an index keeps."""
    return (hashes >> np.uint64(32)).astype(np.uint32)


def _variables(tokens: Tokens) -> npt.NDArray[np.bool_]:
    """Single letters, Greek letters, and runs of up to five capitals in texts that are not all capitals."""
    word = tokens.kinds == Kind.WORD
    variable = word & (tokens.lengths == 1)
    commands = np.flatnonzero(tokens.kinds == Kind.COMMAND)
    variable[commands[_GREEK_LETTERS.positions(tokens.hashes[commands])]] = True
    long_words = word & (tokens.lengths > 1)
    upper = np.flatnonzero(long_words & _is_capital(tokens.raw[tokens.starts]))
    for step in range(1, LONGEST_POINTS):
        byte = tokens.raw[np.minimum(tokens.starts[upper] + step, tokens.raw.size - 1)]
        upper = upper[(step >= tokens.lengths[upper]) | _is_capital(byte)]
    rows = np.searchsorted(tokens.offsets, upper, side="right") - 1
    total = _sums(long_words, tokens.offsets)
    shouted = np.bincount(rows, minlength=total.size)
    points = (tokens.lengths[upper] <= LONGEST_POINTS) & (10 * (total - shouted) > total)[rows]
    variable[upper[points]] = True
    return variable


def _is_capital(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    return (data - np.uint8(ord("A"))) < 26


def _stream(tokens: Tokens, hashes: U64, keep: npt.NDArray[np.bool_]) -> Stream:
    counts = np.concatenate([[0], np.cumsum(keep)])
    return Stream(hashes[keep], counts[tokens.offsets], np.flatnonzero(keep))


def _sums(values: npt.NDArray[np.generic], offsets: Places) -> Places:
    sums = np.concatenate([[0], np.cumsum(values, dtype=np.int64)])
    return sums[offsets[1:]] - sums[offsets[:-1]]


def _bags(values: U64, offsets: Places) -> U64:
    sums = np.zeros(values.size + 1, dtype=np.uint64)
    np.cumsum(values, out=sums[1:])
    return mix(sums[offsets[1:]] - sums[offsets[:-1]] ^ SALT)


def _letters(tokens: Tokens) -> U64:
    """Hash of every text's letters and digits run together, so that how they are split into tokens does not matter.

    Names of LaTeX commands are hashed apart, in order and by what they mean. Decimal points are left out.
    """
    names = _stream(tokens, tokens.hashes, tokens.kinds == Kind.COMMAND)
    spelled = np.flatnonzero((tokens.kinds != Kind.COMMAND) & (tokens.kinds != Kind.OPERATOR))
    spans = tokens.lengths[spelled]
    places = np.repeat(tokens.starts[spelled] - np.cumsum(spans) + spans, spans) + np.arange(int(spans.sum()))
    places = places[tokens.raw[places] != ord(".")]
    letters = text_hashes(tokens.data[places], np.searchsorted(places, tokens.bounds))
    return mix(letters ^ sequence_hashes(names.hashes, names.offsets, SALT))


def stem_hashes(tokens: Tokens) -> tuple[U64, npt.NDArray[np.bool_]]:
    """Hashes of all tokens with words cut to their stems, and which tokens are words other than small words and numerals."""
    word = tokens.kinds == Kind.WORD
    at = np.flatnonzero(word)
    longest = np.where(tokens.data[tokens.starts[at]] >= 0x80, WIDE_STEM, STEM)
    hashes = tokens.hashes.copy()
    hashes[at] = range_hashes(
        byte_words(tokens.data), tokens.starts[at], np.minimum(tokens.lengths[at], longest)
    )
    for small in (_SMALL, _FIGURE_WORDS):
        word[at[small.positions(tokens.hashes[at])]] = False
    return hashes, word


def _stemmed(tokens: Tokens, symbols: Stream, variable: npt.NDArray[np.bool_]) -> Stream:
    """Symbols with words cut to their stems, small words left out and a blank for every number."""
    kinds, lengths, starts = tokens.kinds[symbols.at], tokens.lengths[symbols.at], tokens.starts[symbols.at]
    hashes = np.where(kinds == Kind.NUMBER, NUMBER_MARK, symbols.hashes)
    word = (kinds == Kind.WORD) & ~variable[symbols.at]
    at = np.flatnonzero(word)
    longest = np.where(tokens.data[starts[at]] >= 0x80, WIDE_STEM, STEM)
    hashes[at] = range_hashes(byte_words(tokens.data), starts[at], np.minimum(lengths[at], longest))
    keep = np.ones(hashes.size, dtype=bool)
    keep[at[_SMALL.positions(symbols.hashes[at])]] = False
    counts = np.concatenate([[0], np.cumsum(keep)])
    return Stream(hashes[keep], counts[symbols.offsets], symbols.at[keep])


def _word_grams(stream: Stream) -> tuple[Stream, Places]:
    """All n-grams, and the tokens where they end; texts of fewer tokens have none."""
    hashes, offsets, at = ngram_hashes(stream.hashes, stream.offsets, WORDS, SALT)
    keep = np.ones(hashes.size, dtype=bool)
    keep[offsets[:-1][(stream.lengths > 0) & (stream.lengths < WORDS)]] = False
    counts = np.concatenate([[0], np.cumsum(keep)])
    begins = at[keep]
    return Stream(hashes[keep], counts[offsets], stream.at[begins]), stream.at[begins + WORDS - 1]


def number_pairs(tokens: Tokens) -> Stream:
    """Pairs of successive numbers; a text of one number gives that one."""
    stream = _stream(tokens, tokens.hashes * np.uint64(BASE), tokens.kinds == Kind.NUMBER)
    hashes, offsets, at = ngram_hashes(stream.hashes, stream.offsets, 2, SALT)
    return Stream(hashes, offsets, stream.at[at])


@cache
def word_sets() -> tuple[U64, npt.NDArray[np.uint8], U64]:
    """Marked words for `reading_kernels.Language`.

    Returns:
        An open table of words (`hashing.open_table`); for each, bits: no content (1), small word (2), Greek letter (4), number
        word (8); and the numeral of a number word.
    """
    sets = [*(words.split() for words in (_MATH_WORDS, _SMALL_WORDS, _GREEK)), list(_FIGURES)]
    hashes = open_table(sorted({word for words in sets for word in words}))[0]
    marks = np.zeros(hashes.size, dtype=np.uint8)
    for bit, words in zip((1, 2, 4, 8), sets, strict=True):
        marks[np.isin(hashes, hash_words(words))] |= np.uint8(bit)
    figures = np.zeros(hashes.size, dtype=np.uint64)
    slots = np.flatnonzero(marks & 8)
    figures[slots] = FIGURE_VALUES[np.searchsorted(_FIGURE_HASHES, hashes[slots])]
    return hashes, marks, figures
