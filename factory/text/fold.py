"""Folding: what looks different and means the same becomes the same bytes, before a text is split into tokens."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl

from factory.text.hashing import Bytes

_SYMBOLS = {
    "×": "*", "⋅": "*", "·": "*", "∙": "*", "∗": "*", "÷": "/", "⁄": "/", "∕": "/",
    "−": "-", "–": "-", "‐": "-", "‑": "-", "—": " ", "…": " \\dots ", "⋯": " \\dots ",
    "≤": " \\le ", "⩽": " \\le ", "≥": " \\ge ", "⩾": " \\ge ", "≠": " \\ne ", "≈": " \\approx ",
    "√": " \\sqrt ", "∞": " \\infty ", "°": " \\circ ", "∈": " \\in ", "∠": " \\angle ",
    "△": " \\triangle ", "∆": " \\triangle ", "∑": " \\sum ", "∏": " \\prod ", "∫": " \\int ",
    "→": " \\rightarrow ", "⊥": " \\perp ", "∥": " \\parallel ", "∪": " \\cup ", "∩": " \\cap ",
    "²": "^2", "³": "^3", "⁴": "^4", "⁰": "^0", "⁵": "^5", "⁶": "^6", "⁷": "^7", "⁸": "^8", "⁹": "^9", "⁻": "^-", "ⁿ": "^n", "½": " 1/2 ", "¼": " 1/4 ", "¾": " 3/4 ",
    "。": ". ", "、": ", ", "「": " ", "」": " ", "『": " ", "』": " ", "《": " ", "》": " ", "〈": " ", "〉": " ",
    "【": " ", "】": " ", "〔": " ", "〕": " ", "\u3000": " ", "\\\\": " ", "{,}": ",",
}  # fmt: skip
"""Unicode operators to their ASCII or LaTeX forms; the LaTeX newline and the LaTeX thousands comma."""

_GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho sigma tau upsilon "
    "phi chi psi omega"
)
_LETTERS = "αβγδεζηθικλμνξοπρστυφχψω"


_CAPITALS = {
    chr(code): chr(code).lower()
    for block in (range(0xC0, 0x250), range(0x400, 0x530))
    for code in block
    if chr(code).isupper() and len(chr(code).lower()) == 1
}
"""Latin letters with marks and Cyrillic letters; plain capitals are left alone, they may be points of a figure."""


def _table() -> dict[str, str]:
    table = _SYMBOLS | _CAPITALS
    for letter, name in zip(_LETTERS, _GREEK.split(), strict=True):
        table[letter] = f" \\{name} "
        table[letter.upper()] = f" \\{name} "
    return table


TABLE = _table()
_ASCII = {key: value for key, value in _SYMBOLS.items() if key.isascii()}


STABLE = (
    (0x00, 0x7F), (0xC0, 0x131), (0x391, 0x3A1), (0x3B1, 0x3C9), (0x410, 0x44F), (0x2018, 0x201D), (0x2600, 0x27BF),
    (0x3041, 0x3096), (0x30A1, 0x30FA), (0x4E00, 0x9FFF), (0x1F300, 0x1F64F),
)  # fmt: skip
"""Common characters that NFKC leaves as they are, whatever stands beside them: texts of these alone are not normalised,
which costs more than all the rest of folding."""
_UNSTABLE = "[^" + "".join(f"\\x{{{low:X}}}-\\x{{{high:X}}}" for low, high in STABLE) + "]"


def fold(texts: pl.Series) -> pl.Series:
    """Fold unicode compatibility forms (NFKC), operators, Greek letters and LaTeX newlines. Nulls become "".

    Letter case is left to the tokenizer. Only rows that are not pure ASCII pay for the unicode part.
    """
    texts = texts.cast(pl.String).fill_null("").rename("text")
    if texts.is_empty():
        return texts
    plain = texts.str.len_bytes() == texts.str.len_chars()
    telling = pl.Series(np.zeros(len(texts), dtype=bool))
    for symbol in _ASCII:
        telling = telling | texts.str.contains(symbol, literal=True)
    texts = _rows(texts, plain & telling, lambda t: _replace(t, _ASCII))
    return _rows(texts, ~plain, _fold_unicode)


def _fold_unicode(texts: pl.Series) -> pl.Series:
    texts = _replace(texts, TABLE)
    return _rows(texts, texts.str.contains(_UNSTABLE), lambda t: _replace(t.str.normalize("NFKC"), TABLE))


def _rows(texts: pl.Series, chosen: pl.Series, change: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """Change some rows only; most rows of most corpora need nothing."""
    rows = chosen.arg_true()
    if rows.is_empty():
        return texts
    if len(rows) == len(texts):
        return change(texts)
    return texts.scatter(rows, change(texts.gather(rows)))


def _replace(texts: pl.Series, table: dict[str, str]) -> pl.Series:
    return texts.str.replace_many(list(table), list(table.values()))


FoldTable = npt.NDArray[np.int32]
COPY, HARD = -1, -2
"""In a `FoldTable`: the character stays as it is; texts with it are folded by `fold`."""
LENGTH_BITS = 5
"""Other entries: the place of the folded bytes in a pool, and in so many low bits their number."""
_ALONE = (
    (0x80, 0x3400), (0xA000, 0xA4D0), (0xAC00, 0xD7A4), (0xF900, 0xFB50), (0xFE30, 0xFFF0), (0x1D400, 0x1D800),
)  # fmt: skip
_JAMO = range(0x1100, 0x1200)


@lru_cache(maxsize=1)
def fold_table() -> tuple[FoldTable, Bytes]:
    r"""What `fold` makes of every character, for `kernels.fold_texts`: a table by code point, and a pool of folded bytes.

    A character is `HARD` if NFKC may join it with the one before it (combining marks, Hangul vowels), or if it folds to
    a part of `\\` or `{,}`. Forms of characters that Unicode 3.2 knew are fixed for good (the normalisation stability
    policy); later characters are left to `fold`, so that hashes do not depend on the version of Python.
    """
    table = np.full(0x20000, HARD, dtype=np.int32)
    for low, high in STABLE:
        table[low : high + 1] = COPY
    pool = bytearray()
    for code in (code for low, high in _ALONE for code in range(low, high)):
        character = chr(code)
        if table[code] == COPY and character not in TABLE:
            continue
        folded = _folded_alone(character)
        table[code] = HARD if folded is None else COPY if folded == character else len(pool) << LENGTH_BITS
        if table[code] >= 0 and folded is not None:
            table[code] |= len(folded.encode())
            pool += folded.encode()
    return table, np.frombuffer(bytes(pool), dtype=np.uint8)


def _folded_alone(character: str) -> str | None:
    """What `fold` makes of it in any text without combining characters; None when that cannot be said."""
    first = TABLE.get(character, character)
    normal = unicodedata.normalize("NFKC", first)
    if not _by_itself(character) or not all(map(_by_itself, normal)):
        return None
    if normal != first and not {"\\", "{", "}"}.isdisjoint(normal):
        return None
    folded = "".join(TABLE.get(c, c) for c in normal)
    return folded if len(folded.encode()) < 16 else None


def _by_itself(character: str) -> bool:
    kind = unicodedata.ucd_3_2_0.category(character)
    return kind not in ("Cn", "Cs", "Co") and kind[0] != "M" and ord(character) not in _JAMO
