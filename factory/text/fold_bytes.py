r"""Folding many texts at once on their bytes: a table from code points to folded bytes, where that is enough.

This gives the bytes that `fold.fold` gives, without its passes over every text that is not ASCII. It is enough unless a text has a character that NFKC may join with the one before it (combining marks, Hangul vowels),
that the table leaves out, or that folds to a part of `\\` or `{,}`. Such texts are folded whole, by `fold.fold`.
Forms of characters that Unicode 3.2 knew are fixed for good (the normalisation stability policy); later characters are
left to `fold.fold`, so that hashes do not depend on the version of Python.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from factory.text.fold import STABLE, TABLE
from factory.text.hashing import Bytes, Places, ranges

FoldTable = npt.NDArray[np.int32]
COPY, HARD = -1, -2
"""In a `FoldTable`: the character stays as it is; texts with it are folded whole."""
LENGTH_BITS = 5
"""Other entries: the place of the folded bytes in a pool, and in so many low bits their number."""
_LONGEST = 15
_BACKSLASH, _OPEN, _COMMA, _CLOSE, _BLANK = b"\\{,} "

_RANGES = (
    (0x80, 0x3400),
    (0xA000, 0xA4D0),
    (0xAC00, 0xD7A4),
    (0xF900, 0xFB50),
    (0xFE30, 0xFFF0),
    (0x1D400, 0x1D800),
)
_SIZE = 0x20000
_JAMO = range(0x1100, 0x1200)
_TELLING = frozenset("\\{}")


@lru_cache(maxsize=1)
def fold_table() -> tuple[FoldTable, Bytes]:
    """The table by code point, and the pool of folded bytes."""
    table = np.full(_SIZE, HARD, dtype=np.int32)
    for low, high in STABLE:
        table[low : high + 1] = COPY
    pool = bytearray()
    for low, high in _RANGES:
        for code in range(low, high):
            character = chr(code)
            if table[code] == COPY and character not in TABLE:
                continue
            folded = _folded(character)
            if folded is None:
                table[code] = HARD
            elif folded == character:
                table[code] = COPY
            else:
                data = folded.encode()
                table[code] = len(pool) << LENGTH_BITS | len(data) if len(data) <= _LONGEST else HARD
                pool += data
    return table, np.frombuffer(bytes(pool), dtype=np.uint8)


def _folded(character: str) -> str | None:
    """What `fold.fold` makes of it, in any text without combining characters; None when that cannot be said."""
    first = TABLE.get(character, character)
    normal = unicodedata.normalize("NFKC", first)
    if not _by_itself(character) or not all(map(_by_itself, normal)):
        return None
    if normal != first and not _TELLING.isdisjoint(normal):
        return None
    return "".join(TABLE.get(c, c) for c in normal)


def _by_itself(character: str) -> bool:
    kind = unicodedata.ucd_3_2_0.category(character)
    return kind not in ("Cn", "Cs", "Co") and kind[0] != "M" and ord(character) not in _JAMO


def fold_bytes(
    data: Bytes, bounds: Places, done: npt.NDArray[np.bool_] | None = None
) -> tuple[Bytes, Places, Places]:
    """Fold texts that lie one after another, except those that are `done`.

    Returns:
        The folded bytes, the offsets of the texts in them, and the texts that must be folded by `fold.fold` instead.
    """
    table, pool = fold_table()
    leads = np.flatnonzero(data >= 0xC0)
    codes, sizes = _code_points(data, leads)
    entries = np.where(codes < table.size, table[np.minimum(codes, table.size - 1)], HARD)
    # A comma of another script between braces becomes {,} by folding, which is folded again.
    begins = np.zeros(data.size + 1, dtype=bool)
    begins[bounds] = True
    comma = (pool[np.maximum(entries, 0) >> LENGTH_BITS] == _COMMA) & (entries >= 0)
    comma &= (data[np.maximum(leads - 1, 0)] == _OPEN) & ~begins[leads]
    hard = np.unique(np.searchsorted(bounds, leads[comma | (entries == HARD)], side="right") - 1)
    changed = entries >= 0
    newlines, commas = _newlines(data, begins), _latex_commas(data, begins)
    at = np.concatenate([leads[changed], newlines, commas])
    removed = np.concatenate([sizes[changed], np.full(newlines.size, 2), np.full(commas.size, 3)])
    folded = entries[changed]
    own = np.concatenate(
        [folded >> LENGTH_BITS, np.full(newlines.size, pool.size), np.full(commas.size, pool.size + 1)]
    )
    lengths = np.concatenate(
        [folded & ((1 << LENGTH_BITS) - 1), np.ones(newlines.size + commas.size, np.int64)]
    )
    order = np.argsort(at)
    if done is not None:
        order = order[~done[np.searchsorted(bounds, at[order], side="right") - 1]]
    at, removed, own, lengths = at[order], removed[order], own[order], lengths[order]
    if not at.size:
        return data, bounds, hard
    growth = np.concatenate([[0], np.cumsum(lengths - removed)])
    keep = np.ones(data.size, dtype=bool)
    keep[ranges(at, removed)] = False
    copied = np.ones(data.size + int(growth[-1]), dtype=bool)
    written = ranges(at + growth[:-1], lengths)
    copied[written] = False
    out = np.empty(copied.size, dtype=np.uint8)
    out[copied] = data[keep]
    out[written] = np.concatenate([pool, np.array([_BLANK, _COMMA], np.uint8)])[ranges(own, lengths)]
    return out, bounds + growth[np.searchsorted(at, bounds)], hard


def _code_points(data: Bytes, leads: Places) -> tuple[Places, Places]:
    """The characters that begin at some places, and their bytes."""
    first = data[leads].astype(np.int64)
    sizes = 2 + (first >= 0xE0) + (first >= 0xF0)
    codes = first & (0x7F >> sizes)
    for step in (1, 2, 3):
        longer = sizes > step
        codes[longer] = codes[longer] << 6 | (data[leads[longer] + step] & 63)
    return codes, sizes


def _newlines(data: Bytes, begins: npt.NDArray[np.bool_]) -> Places:
    """Where two backslashes stand together, from the left of every run of them."""
    slashes = np.flatnonzero(data == _BACKSLASH)
    fresh = np.ones(slashes.size, dtype=bool)
    fresh[1:] = (np.diff(slashes) > 1) | begins[slashes[1:]]
    firsts = np.flatnonzero(fresh)
    place = np.arange(slashes.size) - np.repeat(firsts, np.diff(np.append(firsts, slashes.size)))
    second = np.flatnonzero(place % 2 == 1)
    return slashes[second - 1]


def _latex_commas(data: Bytes, begins: npt.NDArray[np.bool_]) -> Places:
    """Where {,} stands."""
    commas = np.flatnonzero(data[1:-1] == _COMMA) + 1
    commas = commas[(data[commas - 1] == _OPEN) & (data[commas + 1] == _CLOSE)]
    return commas[~begins[commas] & ~begins[commas + 1]] - 1
