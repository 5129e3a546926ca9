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

from factory.text.hashing import BASE, U64, RangeHasher, among, hash_words, mix, powers
from factory.text.ngrams import ngram_hashes, sequence_hashes
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
_NO_CONTENT = np.sort(hash_words(_MATH_WORDS.split()))
_GREEK_HASHES = np.sort(hash_words(_GREEK.split()))
_VARIABLE, _NUMBER = hash_words(["<variable>", "<number>"])
_PARENTHESES = np.sort(hash_words(["(", ")", "!", "|"]))


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
    plain: Stream
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
    word = kinds == Kind.WORD
    variable = _variables(tokens)
    content = (word & (tokens.lengths >= SHORTEST_WORD) & ~variable) | (kinds == Kind.CHARACTER)
    content[content] = ~among(tokens.hashes[content], _NO_CONTENT)

    plain = _stream(tokens, tokens.hashes, kinds != Kind.OPERATOR)
    masked = np.where(variable, _VARIABLE, tokens.hashes)
    operator = kinds == Kind.OPERATOR
    operator[operator] = among(tokens.hashes[operator], _PARENTHESES)
    symbols = _stream(tokens, masked, ~operator)
    blank = np.where(number[symbols.at], _NUMBER, symbols.hashes)
    bagged = np.where(variable, np.uint64(0), mix(tokens.hashes ^ SALT))
    return Features(
        letters=_salted(_letters(tokens)),
        letter_bytes=_sums(np.where(kinds == Kind.OPERATOR, 0, tokens.lengths), tokens.offsets),
        symbols=symbols,
        symbols_hash=_salted(sequence_hashes(symbols.hashes, symbols.offsets)),
        plain=plain,
        template_hash=_salted(sequence_hashes(blank, symbols.offsets)),
        bag=_bags(np.where(kinds == Kind.OPERATOR, np.uint64(0), bagged), tokens.offsets),
        words=_word_grams(tokens, content, number),
        numbers=_number_grams(tokens, number),
        content=_sums(content | number, tokens.offsets),
    )


def short_form(hashes: U64) -> npt.NDArray[np.uint32]:
    """The 32 bits of an n-gram hash that an index keeps."""
    return (hashes >> np.uint64(32)).astype(np.uint32)


def window_hashes(stream: Stream, starts: Places, lengths: Places) -> U64:
    """Salted hashes of the runs of `lengths` tokens from `starts`; equal to the hash of a text of these tokens."""
    forward, inverse = powers(stream.hashes.size + 1)
    sums = np.zeros(stream.hashes.size + 1, dtype=np.uint64)
    np.cumsum(stream.hashes * forward[: stream.hashes.size], out=sums[1:])
    whole = (sums[starts + lengths] - sums[starts]) * inverse[starts]
    return _salted(mix(whole ^ mix(lengths.astype(np.uint64))))


def _salted(hashes: U64) -> U64:
    return mix(hashes ^ SALT)


def _variables(tokens: Tokens) -> npt.NDArray[np.bool_]:
    """Single letters, Greek letters, and runs of up to five capitals in texts that are not all capitals."""
    word = tokens.kinds == Kind.WORD
    variable = word & (tokens.lengths == 1)
    commands = np.flatnonzero(tokens.kinds == Kind.COMMAND)
    variable[commands[among(tokens.hashes[commands], _GREEK_HASHES)]] = True
    upper = word.copy()
    for step in range(LONGEST_POINTS):
        byte = tokens.raw[np.minimum(tokens.starts + step, tokens.raw.size - 1)]
        upper &= (step >= tokens.lengths) | ((byte >= ord("A")) & (byte <= ord("Z")))
    long_words = word & (tokens.lengths > 1)
    shouted = 2 * _sums(upper & long_words, tokens.offsets) > _sums(long_words, tokens.offsets)
    points = upper & long_words & (tokens.lengths <= LONGEST_POINTS)
    points &= ~np.repeat(shouted, np.diff(tokens.offsets))
    return variable | points


def _stream(tokens: Tokens, hashes: U64, keep: npt.NDArray[np.bool_]) -> Stream:
    counts = np.concatenate([[0], np.cumsum(keep)])
    return Stream(hashes[keep], counts[tokens.offsets], np.flatnonzero(keep))


def _sums(values: npt.NDArray[np.generic], offsets: Places) -> Places:
    sums = np.concatenate([[0], np.cumsum(values, dtype=np.int64)])
    return sums[offsets[1:]] - sums[offsets[:-1]]


def _bags(values: U64, offsets: Places) -> U64:
    sums = np.zeros(values.size + 1, dtype=np.uint64)
    np.cumsum(values, out=sums[1:])
    return mix(sums[offsets[1:]] - sums[offsets[:-1]])


def _letters(tokens: Tokens) -> U64:
    """Hash of every text's letters and digits run together, so that how they are split into tokens does not matter.

    Names of LaTeX commands are hashed apart, in order and by what they mean.
    """
    command = tokens.kinds == Kind.COMMAND
    names = _stream(tokens, tokens.hashes, command)
    rest = _stream(tokens, tokens.hashes, ~command & (tokens.kinds != Kind.OPERATOR))
    lengths = tokens.lengths[rest.at]
    starts = np.cumsum(lengths) - lengths
    within = np.arange(int(lengths.sum())) - np.repeat(starts, lengths)
    data = tokens.data[np.repeat(tokens.starts[rest.at], lengths) + within]
    bounds = np.append(starts, data.size)[rest.offsets]
    letters = RangeHasher(data)(bounds[:-1], bounds[1:])
    return mix(letters ^ sequence_hashes(names.hashes, names.offsets))


def _word_grams(tokens: Tokens, content: npt.NDArray[np.bool_], number: npt.NDArray[np.bool_]) -> Stream:
    stream = _stream(tokens, np.where(number, _NUMBER, tokens.hashes), content | number)
    again = np.zeros(stream.hashes.size, dtype=bool)
    again[1:] = (stream.hashes[1:] == _NUMBER) & (stream.hashes[:-1] == _NUMBER)
    again[stream.offsets[:-1][stream.offsets[:-1] < again.size]] = False
    counts = np.concatenate([[0], np.cumsum(~again)])
    stream = Stream(stream.hashes[~again], counts[stream.offsets], stream.at[~again])
    return _grams(stream, WORDS)


def _number_grams(tokens: Tokens, number: npt.NDArray[np.bool_]) -> Stream:
    stream = _stream(tokens, tokens.hashes, number)
    pairs = _grams(Stream(stream.hashes * np.uint64(BASE), stream.offsets, stream.at), 2)
    return pairs


def _grams(stream: Stream, n: int) -> Stream:
    """All n-grams of a stream; texts of fewer than n tokens give one of all of them, if n is 2, else none."""
    hashes, offsets, at = ngram_hashes(stream.hashes, stream.offsets, n)
    if n > 2:
        whole = np.repeat(np.diff(stream.offsets) >= n, np.diff(offsets))
        counts = np.concatenate([[0], np.cumsum(whole)])
        hashes, at, offsets = hashes[whole], at[whole], counts[offsets]
    return Stream(mix(hashes ^ SALT), offsets, stream.at[at])
