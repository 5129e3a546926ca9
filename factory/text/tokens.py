r"""Splitting many texts into tokens at once, on one flat byte buffer.

A token is a run of letters, a number (with its decimal point; thousands commas are taken out), the name of a LaTeX
command, one operator, or one character of a script that is written without spaces. Layout is left out: white space,
braces, dollars, `\left`, `\text`, `\quad`, quotes, commas. So `\dfrac{1}{2}` , `\frac 1 2` and `\frac{ 1 }{2}` give
the same tokens. Everything is lower-cased.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from factory.text.fold import fold
from factory.text.hashing import U64, Bytes, HashSet, Places, byte_words, hash_words, range_hashes

CHUNK_BYTES = 2**19
"""Bytes that are worked on at a time: the working arrays of one chunk stay near the processor's cache."""

FORMATTING = (
    "left right big bigg bigl bigr biggl biggr text textbf textit textrm textnormal mathrm mathbf mathit mathsf "
    "mathbb mathcal mathfrak operatorname displaystyle textstyle limits quad qquad hspace vspace space hfill "
    "phantom hphantom vphantom boldsymbol rm bf it mbox hbox middle nonumber notag label tag em sc emph "
    "underline item par noindent newline allowbreak nobreak thinspace enspace mathop mathstrut"
)
"""LaTeX commands that change the look only."""

ALIASES = {
    "dfrac": "frac", "tfrac": "frac", "cfrac": "frac", "leq": "le", "leqslant": "le", "leqq": "le", "geq": "ge",
    "geqslant": "ge", "geqq": "ge", "neq": "ne", "cdot": "*", "times": "*", "ast": "*", "div": "/", "lvert": "|",
    "rvert": "|", "vert": "|", "mid": "|", "to": "rightarrow", "longrightarrow": "rightarrow", "ldots": "dots",
    "cdots": "dots", "dotsc": "dots", "dotsb": "dots", "degree": "circ", "degrees": "circ", "lt": "<", "gt": ">",
    "varepsilon": "epsilon", "vartheta": "theta", "varphi": "phi", "overrightarrow": "vec", "widehat": "hat",
    "dbinom": "binom", "tbinom": "binom", "vartriangle": "triangle",
}  # fmt: skip
"""LaTeX commands that mean the same."""

OPERATORS = b"+-*/=<>^|!()"


class Kind(IntEnum):
    """What a token is."""

    WORD = 1
    NUMBER = 2
    OPERATOR = 3
    CHARACTER = 4
    """One character of Chinese, Japanese, Thai, an Indian script, or an emoji."""
    COMMAND = 6


_CONTINUATION = 5


def _classes() -> npt.NDArray[np.uint8]:
    """The class of each byte: a `Kind`, 0 for layout, `_CONTINUATION` for the later bytes of a character."""
    table = np.zeros(256, dtype=np.uint8)
    for low, high in (("a", "z"), ("A", "Z")):
        table[ord(low) : ord(high) + 1] = Kind.WORD
    table[ord("0") : ord("9") + 1] = Kind.NUMBER
    table[np.frombuffer(OPERATORS, dtype=np.uint8)] = Kind.OPERATOR
    table[0x80:0xC0] = _CONTINUATION
    table[0xC3:0xE0] = Kind.WORD
    table[0xE0:0xF8] = Kind.CHARACTER
    table[0xE1] = Kind.WORD  # Vietnamese and Georgian letters, Latin extensions
    table[0xE2] = 0  # punctuation, arrows and signs that folding does not know
    table[0xEA:0xEE] = Kind.WORD  # Hangul, which is written with spaces
    table[0xEF] = 0  # full-width punctuation that NFKC leaves, byte order marks
    return table


CLASSES = _classes()
LOWER = np.arange(256, dtype=np.uint8)
LOWER[ord("A") : ord("Z") + 1] += 32
BACKSLASH = ord("\\")
RUNS = np.isin(np.arange(8), [Kind.WORD, Kind.NUMBER])
"""Kinds whose neighbouring bytes make one token."""

_FORMATTING = HashSet(FORMATTING.split())
_ALIASED = HashSet(list(ALIASES))
_ORDER = np.argsort(hash_words(list(ALIASES)))
_ALIAS_HASHES = hash_words(list(ALIASES))[_ORDER]
_ALIAS_TARGETS = hash_words(list(ALIASES.values()))[_ORDER]


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of consecutive texts.

    `raw` holds the folded bytes (thousands commas out), `data` the same in lower case, `bounds` the offsets of the
    texts in them. `starts` and `lengths` say where a token lies; tokens of text i are `offsets[i]..offsets[i + 1]`.
    `classes` holds the `Kind` of every byte, 0 for layout. Names that mean the same have the same hash (`ALIASES`).
    """

    data: Bytes
    raw: Bytes
    classes: Bytes
    hashes: U64
    kinds: npt.NDArray[np.uint8]
    starts: Places
    lengths: Places
    offsets: Places
    bounds: Places

    def select(self, keep: npt.NDArray[np.bool_]) -> Tokens:
        """Only the tokens where `keep` holds; the texts stay."""
        counts = np.concatenate([[0], np.cumsum(keep)])
        return Tokens(
            self.data,
            self.raw,
            self.classes,
            self.hashes[keep],
            self.kinds[keep],
            self.starts[keep],
            self.lengths[keep],
            counts[self.offsets],
            self.bounds,
        )

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """The text of each token."""
        return np.repeat(np.arange(self.offsets.size - 1), np.diff(self.offsets))


def tokenize(texts: pl.Series) -> Iterator[Tokens]:
    """Tokens of `texts`, in chunks of whole texts of about `CHUNK_BYTES`; their offsets start at 0 in every chunk."""
    for data, bounds in flat_chunks(texts):
        yield tokenize_bytes(data, bounds)


def flat_chunks(texts: pl.Series) -> Iterator[tuple[Bytes, Places]]:
    """The folded bytes of `texts` in chunks, each with the offsets of its texts. Covers every text exactly once."""
    array = fold(texts).to_arrow().cast(pa.large_string())
    for chunk in array.chunks if isinstance(array, pa.ChunkedArray) else [array]:
        _, offset_buffer, data_buffer = chunk.buffers()
        offsets = np.frombuffer(offset_buffer, dtype=np.int64)[chunk.offset : chunk.offset + len(chunk) + 1]
        data = np.frombuffer(data_buffer, dtype=np.uint8) if data_buffer else np.zeros(0, np.uint8)
        first = 0
        while first < len(chunk):
            limit = offsets[first] + CHUNK_BYTES
            last = max(int(np.searchsorted(offsets, limit, side="right")) - 1, first + 1)
            yield data[offsets[first] : offsets[last]], offsets[first : last + 1] - offsets[first]
            first = last


def tokenize_bytes(raw: Bytes, bounds: Places) -> Tokens:
    """Tokens of one buffer of folded texts; `bounds` are the offsets of the texts in it."""
    raw, bounds = _without_thousands_commas(raw, bounds, _firsts(raw, bounds))
    data = LOWER.take(raw)
    classes = CLASSES.take(raw)
    first = _firsts(raw, bounds)
    later = _resolve(raw, classes, first)
    first = first[: raw.size]
    begins = classes != 0
    joins = (classes[1:] == classes[:-1]) & RUNS.take(classes[1:]) & ~first[1:]
    begins[1:] &= ~joins
    begins[later] = False
    last = classes != 0
    last[:-1] &= begins[1:] | (classes[1:] == 0)
    starts, ends = np.flatnonzero(begins), np.flatnonzero(last) + 1
    lengths = ends - starts
    hashes = range_hashes(byte_words(data), starts, lengths)
    kinds = classes[starts]
    offsets = np.searchsorted(starts, bounds)
    commands = np.flatnonzero(raw[starts - 1] == BACKSLASH) if starts.size else starts
    commands = commands[(kinds[commands] == Kind.WORD) & ~first[starts[commands]]]
    kinds[commands] = Kind.COMMAND
    names = hashes[commands]
    aliased = _ALIASED.positions(names)
    hashes[commands[aliased]] = _ALIAS_TARGETS[np.searchsorted(_ALIAS_HASHES, names[aliased])]
    tokens = Tokens(data, raw, classes, hashes, kinds, starts, lengths, offsets, bounds)
    layout = commands[_FORMATTING.positions(names)]
    if not layout.size:
        return tokens
    keep = np.ones(starts.size, dtype=bool)
    keep[layout] = False
    return tokens.select(keep)


def _firsts(raw: Bytes, bounds: Places) -> npt.NDArray[np.bool_]:
    """Where a text begins; a few places longer than the buffer, so that what follows a byte may be asked."""
    first = np.zeros(raw.size + 5, dtype=bool)
    first[bounds] = True
    return first


def _resolve(raw: Bytes, classes: npt.NDArray[np.uint8], first: npt.NDArray[np.bool_]) -> Places:
    """Give continuation bytes the class of their character, join decimal points to numbers, drop escaped signs.

    Returns:
        Positions of the continuation bytes.
    """
    later = np.flatnonzero(classes == _CONTINUATION)
    for _ in range(3):
        classes[later] = classes[later - 1]
    points = np.flatnonzero(raw[1:-1] == ord(".")) + 1
    points = points[~first[points] & ~first[points + 1]]
    points = points[(classes[points - 1] == Kind.NUMBER) & (classes[points + 1] == Kind.NUMBER)]
    classes[points] = Kind.NUMBER
    escaped = np.flatnonzero(raw[:-1] == BACKSLASH) + 1
    escaped = escaped[~first[escaped]]
    classes[escaped[(classes[escaped] == Kind.OPERATOR) & (raw[escaped] != ord("|"))]] = 0
    return later


def _without_thousands_commas(
    raw: Bytes, bounds: Places, first: npt.NDArray[np.bool_]
) -> tuple[Bytes, Places]:
    """Turn 1,234,567 into 1234567: a comma goes when exactly three digits follow it and a digit stands before it."""
    commas = np.flatnonzero(raw[1:-3] == ord(",")) + 1
    digit = CLASSES == Kind.NUMBER
    for step in (-1, 1, 2, 3):
        commas = commas[digit[raw[commas + step]] & ~first[commas + max(step, 0)]]
    if commas.size:
        longer = digit[np.append(raw, np.uint8(0))[commas + 4]] & ~first[commas + 4]
        commas = commas[~longer]
    if not commas.size:
        return raw, bounds
    return np.delete(raw, commas), bounds - np.searchsorted(commas, bounds)
