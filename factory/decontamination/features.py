r"""What two texts are compared by: five readings of the same tokens, all as salted hashes.

letters    every letter and digit, operators and spacing left out (the whole text at once)
symbols    every token, variables masked: "Factor v^2-5v+6"
template   the same with numbers masked too
words      n-grams of content words, a run of numbers counting as one blank: what is said, whatever the figures
numbers    pairs of successive numbers: which figures

Single letters, Greek letters and short runs of capitals (points of a figure) are variables. Names of functions and
signs are no content words, so `\sin`, `sin`, `√` and `sqrt` do not tell texts apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from factory.text.hashing import BASE, U64, HashSet, hash_words, mix
from factory.text.ngrams import ngram_hashes, sequence_hashes, text_hashes
from factory.text.tokens import Kind, Places, Tokens

SALT = hash_words(["cot-factory benchmark index 1"])[0]
"""Part of the index format: hashes of other programs, or of an unsalted table, do not fit."""

WORDS = 3
"""Content words an n-gram."""
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
_NO_CONTENT = HashSet(_MATH_WORDS.split())
_GREEK_LETTERS = HashSet(_GREEK.split())
_VARIABLE, _NUMBER = hash_words(["<variable>", "<number>"])
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
    """n-grams of content words; `at` is the token where each begins."""
    numbers: Stream
    """Pairs of successive numbers (of a text's only number: that number)."""
    content: Places
    """Content words and numbers of every text."""


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

    masked = np.where(variable, _VARIABLE, tokens.hashes)
    bracket = np.flatnonzero(operator)
    symbol = np.ones(kinds.size, dtype=bool)
    symbol[bracket[_PARENTHESES.positions(tokens.hashes[bracket])]] = False
    symbols = _stream(tokens, masked, symbol)
    blank = np.where(number[symbols.at], _NUMBER, symbols.hashes)
    bag = np.where(variable | operator, np.uint64(0), tokens.hashes)
    return Features(
        letters=_letters(tokens),
        letter_bytes=_sums(np.where(operator, 0, tokens.lengths), tokens.offsets),
        symbols=symbols,
        symbols_hash=sequence_hashes(symbols.hashes, symbols.offsets, SALT),
        template_hash=sequence_hashes(blank, symbols.offsets, SALT),
        bag=_bags(bag, tokens.offsets),
        words=_word_grams(tokens, content, number),
        numbers=_grams(_stream(tokens, tokens.hashes * np.uint64(BASE), number), 2),
        content=_sums(content | number, tokens.offsets),
    )


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
    command = tokens.kinds == Kind.COMMAND
    names = _stream(tokens, tokens.hashes, command)
    kept = (tokens.classes != 0) & (tokens.classes != Kind.OPERATOR) & (tokens.raw != ord("."))
    spans = tokens.lengths[names.at]
    within = np.arange(int(spans.sum())) - np.repeat(np.cumsum(spans) - spans, spans)
    kept[np.repeat(tokens.starts[names.at], spans) + within] = False
    places = np.flatnonzero(kept)
    letters = text_hashes(tokens.data[places], np.searchsorted(places, tokens.bounds))
    return mix(letters ^ sequence_hashes(names.hashes, names.offsets, SALT))


def _word_grams(tokens: Tokens, content: npt.NDArray[np.bool_], number: npt.NDArray[np.bool_]) -> Stream:
    stream = _stream(tokens, np.where(number, _NUMBER, tokens.hashes), content | number)
    again = np.zeros(stream.hashes.size, dtype=bool)
    again[1:] = (stream.hashes[1:] == _NUMBER) & (stream.hashes[:-1] == _NUMBER)
    again[stream.offsets[:-1][stream.lengths > 0]] = False
    counts = np.concatenate([[0], np.cumsum(~again)])
    return _grams(Stream(stream.hashes[~again], counts[stream.offsets], stream.at[~again]), WORDS)


def _grams(stream: Stream, n: int) -> Stream:
    """All n-grams of a stream; a text of one token gives one of it if n is 2, other short texts none."""
    hashes, offsets, at = ngram_hashes(stream.hashes, stream.offsets, n, SALT)
    if n > 2:
        short = (stream.lengths > 0) & (stream.lengths < n)
        keep = np.ones(hashes.size, dtype=bool)
        keep[offsets[:-1][short]] = False
        counts = np.concatenate([[0], np.cumsum(keep)])
        hashes, at, offsets = hashes[keep], at[keep], counts[offsets]
    return Stream(hashes, offsets, stream.at[at])
