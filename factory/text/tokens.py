r"""Splitting many texts into tokens at once, on one flat byte buffer.

A token is a run of letters, a number (with its decimal point; thousands commas are taken out), the name of a LaTeX
command, one operator, or one character of a script that is written without spaces. Layout is left out: white space,
braces, dollars, `\left`, `\text`, `\quad`, quotes, commas. So `\dfrac{1}{2}` , `\frac 1 2` and `\frac{ 1 }{2}` give
the same tokens. Everything is lower-cased.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from factory.text import compiled
from factory.text.fold import fold, fold_table
from factory.text.hashing import U64, Bytes, HashSet, Places, byte_words, hash_words, open_table, range_hashes

_T = TypeVar("_T")

CHUNK_BYTES = 2**20
"""Bytes that are worked on at a time: the working arrays of one chunk stay near the processor's cache."""
LARGEST_CHUNK = 4
"""Kernels read one text at a time, so their chunks may be so many times larger: what is done once per chunk then costs less."""
CHUNKS_PER_WORKER = 4
"""Chunks are no larger than leaves so many to each thread."""

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

PADDING = 64
"""Bytes behind a buffer that kernels may read."""

OPERATORS = b"+-*/=<>^|!()"


class Kind(IntEnum):
    """The type of a token."""

    WORD = 1
    NUMBER = 2
    OPERATOR = 3
    CHARACTER = 4
    """One character of Chinese, Japanese, Thai, an Indian script, or an emoji."""
    COMMAND = 6


CONTINUATION = 64
"""Class of the later bytes of a character; they take the class of the first."""


def _classes() -> Bytes:
    """The class of each byte: a `Kind`, `CONTINUATION`, or 0 for layout."""
    table = np.zeros(256, dtype=np.uint8)
    for low, high in (("a", "z"), ("A", "Z")):
        table[ord(low) : ord(high) + 1] = Kind.WORD
    table[ord("0") : ord("9") + 1] = Kind.NUMBER
    table[np.frombuffer(OPERATORS, dtype=np.uint8)] = Kind.OPERATOR
    table[0x80:0xC0] = CONTINUATION
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
NAMES = open_table([*FORMATTING.split(), *ALIASES], [""] * len(FORMATTING.split()) + list(ALIASES.values()))
"""Command names that folding changes, and their meaning; "" for none."""
_FORMATTING, _ALIASED = HashSet(FORMATTING.split()), HashSet(list(ALIASES))
_ORDER = np.argsort(hash_words(list(ALIASES)))
_ALIAS_HASHES = hash_words(list(ALIASES))[_ORDER]
_ALIAS_TARGETS = hash_words(list(ALIASES.values()))[_ORDER]
_BACKSLASH, _BAR, _COMMA, _POINT = b"\\|,."


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
    for piece in pieces(texts):
        yield tokenize_bytes(*flat(piece))


def pieces(texts: pl.Series, workers: int = 0) -> Iterator[pl.Series]:
    """`texts` in slices, each at least one text. Covers every text exactly once.

    Slices have about `CHUNK_BYTES`; up to `LARGEST_CHUNK` times as much for kernels in so many `workers`, if there are any.
    """
    ends = texts.cast(pl.String).str.len_bytes().fill_null(0).cast(pl.Int64).cum_sum().to_numpy()
    size = CHUNK_BYTES
    if workers and ends.size and compiled.active():
        size = int(np.clip(ends[-1] // (CHUNKS_PER_WORKER * workers), size, LARGEST_CHUNK * size))
    first = 0
    while first < ends.size:
        done = int(ends[first - 1]) if first else 0
        last = max(int(np.searchsorted(ends, done + size, side="right")), first + 1)
        yield texts.slice(first, last - first)
        first = last


def flat(texts: pl.Series) -> tuple[Bytes, Places]:
    """The folded bytes of some texts, one after another, and the offsets of the texts in them.

    Where kernels are used, `PADDING` bytes more lie behind the last text.
    """
    texts = texts.cast(pl.String)
    if texts.null_count():  # filling copies all texts
        texts = texts.fill_null("")
    return _flat_compiled(texts) if compiled.active() else text_bytes(fold(texts))


def _flat_compiled(texts: pl.Series) -> tuple[Bytes, Places]:
    from factory.text import kernels

    (data, bounds), (table, pool) = text_bytes(texts), fold_table()
    hard = np.zeros(len(texts), dtype=np.uint8)
    growth = kernels.hard_texts(data, kernels.byte_view(data), bounds, table, pool, hard)
    if hard.any():
        rows = pl.Series(np.flatnonzero(hard))
        data, bounds = text_bytes(texts.scatter(rows, fold(texts.gather(rows))))
    out, folded = np.empty(data.size + growth + PADDING, dtype=np.uint8), np.zeros_like(bounds)
    kernels.fold_texts(
        data, kernels.byte_view(data), bounds, table, pool, hard, out, kernels.byte_view(out), folded
    )
    return out[: folded[-1] + PADDING], folded


def text_bytes(texts: pl.Series) -> tuple[Bytes, Places]:
    """The UTF-8 bytes of texts without nulls, and the offsets of the texts in them."""
    array = texts.to_arrow().cast(pa.large_string())
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    _, offset_buffer, data_buffer = array.buffers()
    offsets = np.frombuffer(offset_buffer, dtype=np.int64)[array.offset : array.offset + len(array) + 1]
    data = np.frombuffer(data_buffer, dtype=np.uint8) if data_buffer else np.zeros(0, np.uint8)
    return data[offsets[0] : offsets[-1]], offsets - offsets[0]


def in_threads(
    work: Callable[[pl.Series, int], _T], texts: pl.Series, threads: int | None = None
) -> Iterator[_T]:
    """`work` on every piece of `texts` and the number of its first text, in order, in threads.

    There are as many threads as polars has unless `threads` says otherwise.

    A few pieces are worked on ahead of the one that is asked for, never all of them.
    """
    workers = threads or pl.thread_pool_size()
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[_T]] = deque()
        first = 0
        for piece in pieces(texts, workers):
            waiting.append(pool.submit(work, piece, first))
            first += len(piece)
            if len(waiting) > workers + 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def tokenize_bytes(raw: Bytes, bounds: Places) -> Tokens:
    """Tokens of one buffer of folded texts; `bounds` are the offsets of the texts in it."""
    raw = raw[: bounds[-1]]
    commas = thousands_commas(raw, bounds)
    if commas.size:
        raw, bounds = np.delete(raw, commas), bounds - np.searchsorted(commas, bounds)
    # `bytes.translate` is a table look-up of one byte a step; `take` would widen every byte to an index first.
    data = np.frombuffer(raw.tobytes().translate(LOWER.tobytes()), dtype=np.uint8)
    classes = np.frombuffer(bytearray(raw).translate(CLASSES.tobytes()), dtype=np.uint8)
    first = _firsts(raw, bounds)
    later, after_backslash = _resolve(raw, classes, first)
    first = first[: raw.size]
    begins = classes != 0
    joins = (classes[1:] == classes[:-1]) & (classes[1:] <= Kind.NUMBER) & ~first[1:]
    begins[1:] &= ~joins
    begins[later] = False
    last = classes != 0
    last[:-1] &= begins[1:] | (classes[1:] == 0)
    starts, ends = np.flatnonzero(begins), np.flatnonzero(last) + 1
    hashes, kinds = range_hashes(byte_words(data), starts, ends - starts), classes[starts]
    named = np.zeros(raw.size, dtype=bool)
    named[after_backslash] = True
    commands = np.flatnonzero(named[starts])
    commands = commands[kinds[commands] == Kind.WORD]
    kinds[commands] = Kind.COMMAND
    names = hashes[commands]
    aliased = _ALIASED.positions(names)
    hashes[commands[aliased]] = _ALIAS_TARGETS[np.searchsorted(_ALIAS_HASHES, names[aliased])]
    offsets = np.searchsorted(starts, bounds)
    tokens = Tokens(data, raw, classes, hashes, kinds, starts, ends - starts, offsets, bounds)
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


def _resolve(raw: Bytes, classes: Bytes, first: npt.NDArray[np.bool_]) -> tuple[Places, Places]:
    """Give continuation bytes the class of their character, join decimal points to numbers, drop escaped signs.

    Returns:
        Positions of the continuation bytes, and of the bytes after a backslash.
    """
    later = np.flatnonzero(classes == CONTINUATION)
    for _ in range(3 if later.size else 0):
        classes[later] = classes[later - 1]
    points = np.flatnonzero(raw[1:-1] == _POINT) + 1
    points = points[~first[points] & ~first[points + 1]]
    points = points[(classes[points - 1] == Kind.NUMBER) & (classes[points + 1] == Kind.NUMBER)]
    classes[points] = Kind.NUMBER
    escaped = np.flatnonzero(raw[:-1] == _BACKSLASH) + 1
    escaped = escaped[~first[escaped]]
    classes[escaped[(classes[escaped] == Kind.OPERATOR) & (raw[escaped] != _BAR)]] = 0
    return later, escaped


def thousands_commas(raw: Bytes, bounds: Places) -> Places:
    """Where commas are left out, so that 1,234,567 reads 1234567: exactly three digits follow, and a digit stands before."""
    first = _firsts(raw, bounds)
    commas = np.flatnonzero(raw[1:-3] == _COMMA) + 1
    digit = CLASSES == Kind.NUMBER
    for step in (-1, 1, 2, 3):
        commas = commas[digit[raw[commas + step]] & ~first[commas + max(step, 0)]]
    longer = digit[np.append(raw, np.uint8(0))[np.minimum(commas + 4, raw.size)]] & ~first[commas + 4]
    return commas[~longer]
