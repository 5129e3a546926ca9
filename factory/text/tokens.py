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

from factory.text.fold import fold
from factory.text.fold_table import MOST_GROWTH, fold_table
from factory.text.hashing import U64, Bytes, Places, open_table

_T = TypeVar("_T")

CHUNK_BYTES = 2**20
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

PADDING = 64
"""Bytes behind a buffer that kernels may read."""

OPERATORS = b"+-*/=<>^|!()"


class Kind(IntEnum):
    """What a token is."""

    WORD = 1
    NUMBER = 2
    OPERATOR = 3
    CHARACTER = 4
    """One character of Chinese, Japanese, Thai, an Indian script, or an emoji."""
    COMMAND = 6


def _classes() -> Bytes:
    """The class of each byte: a `Kind`, 0 for layout, and from 64 on what only its neighbours decide (`kernels`)."""
    table = np.zeros(256, dtype=np.uint8)
    for low, high in (("a", "z"), ("A", "Z")):
        table[ord(low) : ord(high) + 1] = Kind.WORD
    table[ord("0") : ord("9") + 1] = Kind.NUMBER
    table[np.frombuffer(OPERATORS, dtype=np.uint8)] = Kind.OPERATOR
    table[0x80:0xC0] = 64  # the later bytes of a character are of its class
    table[ord(",")] = 65
    table[ord(".")] = 66
    table[0xC3:0xE0] = Kind.WORD
    table[0xE0:0xF8] = Kind.CHARACTER
    table[0xE1] = Kind.WORD  # Vietnamese and Georgian letters, Latin extensions
    table[0xE2] = 0  # punctuation, arrows and signs that folding does not know
    table[0xEA:0xEE] = Kind.WORD  # Hangul, which is written with spaces
    table[0xEF] = 0  # full-width punctuation that NFKC leaves, byte order marks
    return table


def _lower() -> Bytes:
    table = np.arange(256, dtype=np.uint8)
    table[ord("A") : ord("Z") + 1] += 32
    return table


CLASSES, LOWER = _classes(), _lower()
NAMES = open_table([*FORMATTING.split(), *ALIASES], [""] * len(FORMATTING.split()) + list(ALIASES.values()))
"""Command names that folding changes, and what they mean; "" for nothing."""


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


def pieces(texts: pl.Series) -> Iterator[pl.Series]:
    """`texts` in slices of about `CHUNK_BYTES`, each at least one text. Covers every text exactly once."""
    ends = texts.cast(pl.String).str.len_bytes().fill_null(0).cast(pl.Int64).cum_sum().to_numpy()
    first = 0
    while first < ends.size:
        done = int(ends[first - 1]) if first else 0
        last = max(int(np.searchsorted(ends, done + CHUNK_BYTES, side="right")), first + 1)
        yield texts.slice(first, last - first)
        first = last


def flat(texts: pl.Series) -> tuple[Bytes, Places]:
    """The folded bytes of some texts, one after another, and the offsets of the texts in them.

    Behind the bytes lie `PADDING` more.
    """
    from factory.text import fold_kernels

    texts = texts.cast(pl.String)
    if texts.null_count():  # filling copies all texts
        texts = texts.fill_null("")
    data, bounds = text_bytes(texts)
    table, pool = fold_table()
    hard = np.zeros(len(texts), dtype=np.uint8)
    long = int(fold_kernels.hard_texts(data, bounds, table, pool, hard))
    if hard.any():
        rows = pl.Series(np.flatnonzero(hard))
        data, bounds = text_bytes(texts.scatter(rows, fold(texts.gather(rows))))
        long = int(np.count_nonzero(data >= 0x80))
    out = np.empty(data.size + MOST_GROWTH * long + PADDING, dtype=np.uint8)
    folded = np.empty(bounds.size, dtype=np.int64)
    fold_kernels.fold_texts(data, bounds, table, pool, hard, out, folded)
    return out[: folded[-1]], folded


def text_bytes(texts: pl.Series) -> tuple[Bytes, Places]:
    """The UTF-8 bytes of texts without nulls, and the offsets of the texts in them."""
    array = texts.to_arrow().cast(pa.large_string())
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    _, offset_buffer, data_buffer = array.buffers()
    offsets = np.frombuffer(offset_buffer, dtype=np.int64)[array.offset : array.offset + len(array) + 1]
    data = np.frombuffer(data_buffer, dtype=np.uint8) if data_buffer else np.zeros(0, np.uint8)
    return data[offsets[0] : offsets[-1]], offsets - offsets[0]


def in_threads(work: Callable[[pl.Series], _T], texts: pl.Series, threads: int | None = None) -> Iterator[_T]:
    """`work` on every piece of `texts`, in order, in threads: as many as polars has unless `threads` says otherwise.

    A few pieces are worked on ahead of the one that is asked for, never all of them.
    """
    workers = threads or pl.thread_pool_size()
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[_T]] = deque()
        for piece in pieces(texts):
            waiting.append(pool.submit(work, piece))
            if len(waiting) > workers + 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def tokenize_bytes(text: Bytes, bounds: Places) -> Tokens:
    """Tokens of one buffer of folded texts; `bounds` are the offsets of the texts in it."""
    from factory.text import kernels

    size = text.size + PADDING
    # One block: an allocator that has given such a block before gives it again, and its pages are there already.
    block = np.empty(28 * size, dtype=np.uint8)
    hashes = block[: 8 * size].view(np.uint64)
    starts = block[8 * size : 16 * size].view(np.int64)
    lengths = block[16 * size : 24 * size].view(np.int64)
    raw, data, classes, kinds = (block[i * size : (i + 1) * size] for i in range(24, 28))
    new_bounds, offsets = np.empty_like(bounds), np.empty_like(bounds)
    kernels.tokenize_texts(
        text,
        bounds,
        CLASSES,
        LOWER,
        NAMES,
        raw,
        data,
        classes,
        hashes,
        kinds,
        starts,
        lengths,
        new_bounds,
        offsets,
    )
    end, count = int(new_bounds[-1]), int(offsets[-1])
    return Tokens(
        data[:end],
        raw[:end],
        classes[:end],
        hashes[:count],
        kinds[:count],
        starts[:count],
        lengths[:count],
        offsets,
        new_bounds,
    )
