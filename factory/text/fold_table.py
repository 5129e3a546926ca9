r"""Folding character by character: a table from code points to folded bytes, for the texts where that is enough.

It is enough unless a text has a character that NFKC may join with the one before it (combining marks, Hangul vowels),
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
from factory.text.hashing import Bytes

FoldTable = npt.NDArray[np.int32]
COPY, HARD = -1, -2
"""In a `FoldTable`: the character stays as it is; texts with it are folded whole."""
LENGTH_BITS = 5
"""Other entries: the place of the folded bytes in a pool, and in so many low bits their number."""
_LONGEST = 15
MOST_GROWTH = 8
"""Folding makes no character longer than this many times."""

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
