"""Folding: what looks different and means the same becomes the same bytes, before a text is split into tokens."""

from __future__ import annotations

import polars as pl

_SYMBOLS = {
    "×": "*", "⋅": "*", "·": "*", "∙": "*", "∗": "*", "÷": "/", "⁄": "/", "∕": "/",
    "−": "-", "–": "-", "‐": "-", "‑": "-", "—": " ", "…": " \\dots ", "⋯": " \\dots ",
    "≤": " \\le ", "⩽": " \\le ", "≥": " \\ge ", "⩾": " \\ge ", "≠": " \\ne ", "≈": " \\approx ",
    "√": " \\sqrt ", "∞": " \\infty ", "°": " \\circ ", "∈": " \\in ", "∠": " \\angle ",
    "△": " \\triangle ", "∆": " \\triangle ", "∑": " \\sum ", "∏": " \\prod ", "∫": " \\int ",
    "→": " \\rightarrow ", "⊥": " \\perp ", "∥": " \\parallel ", "∪": " \\cup ", "∩": " \\cap ",
    "²": "^2", "³": "^3", "⁴": "^4", "½": " 1/2 ", "¼": " 1/4 ", "¾": " 3/4 ",
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


_ASCII = {key: value for key, value in _SYMBOLS.items() if key.isascii()}


def fold(texts: pl.Series) -> pl.Series:
    """Fold unicode compatibility forms (NFKC), operators, Greek letters and LaTeX newlines. Nulls become "".

    Letter case is left to the tokenizer. Only rows that are not pure ASCII pay for the unicode part.
    """
    texts = texts.cast(pl.String).fill_null("").rename("text")
    if texts.is_empty():
        return texts
    frame = texts.to_frame()
    plain = pl.col("text").str.len_bytes() == pl.col("text").str.len_chars()
    if frame.select(plain.all()).item():
        return _replace(texts, _ASCII)
    other = frame.with_row_index("row").filter(~plain)
    folded = _replace(_replace(other["text"], _table()).str.normalize("NFKC"), _table())
    texts = _replace(texts, _ASCII)
    return texts.scatter(other["row"], folded)


def _replace(texts: pl.Series, table: dict[str, str]) -> pl.Series:
    return texts.str.replace_many(list(table), list(table.values()))
