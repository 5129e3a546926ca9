"""Canonical text: the tokens of a text with one space between them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa

from factory.text.hashing import hash_words
from factory.text.tokens import ALIASES, Tokens, tokenize

_TARGETS = sorted(set(ALIASES.values()))


def canonical_text(texts: pl.Series) -> pl.Series:
    r"""Fold a column of texts to what they say: case, unicode forms, spacing and LaTeX layout do not matter.

    `\dfrac{1}{2} + X`, `\frac 12 +x` differ in 12 against 1 2 only; `3 \times 4`, `3×4` and `3 * 4` are equal.
    Nulls become the empty string.
    """
    parts = [_join(tokens) for tokens in tokenize(texts)]
    if not parts:
        return pl.Series(texts.name, [], dtype=pl.String)
    joined = pl.concat([pl.Series(part) for part in parts]).rename(texts.name)
    return joined.cast(pl.String)


def _join(tokens: Tokens) -> pa.Array:
    """The texts of one chunk, as an Arrow array of large strings."""
    starts, lengths, data = tokens.starts.copy(), tokens.lengths.copy(), tokens.data
    hashes = hash_words(_TARGETS)
    order = np.argsort(hashes)
    place = np.minimum(np.searchsorted(hashes[order], tokens.hashes), hashes.size - 1)
    named = hashes[order][place] == tokens.hashes
    tail_lengths = np.array([len(name) for name in _TARGETS])
    tail_starts = data.size + np.concatenate([[0], np.cumsum(tail_lengths)[:-1]])
    target = order[place[named]]
    starts[named], lengths[named] = tail_starts[target], tail_lengths[target]
    data = np.concatenate([data, np.frombuffer("".join(_TARGETS).encode(), dtype=np.uint8)])

    places = np.concatenate([[0], np.cumsum(lengths + 1)])
    out = np.full(int(places[-1]), ord(" "), dtype=np.uint8)
    within = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    out[np.repeat(places[:-1], lengths) + within] = data[np.repeat(starts, lengths) + within]
    # The space after a text's last token belongs to nobody: the text's string ends one byte before the next begins.
    begin = places[tokens.offsets[:-1]]
    end = np.maximum(places[tokens.offsets[1:]] - 1, begin)
    keep = np.ones(out.size, dtype=bool)
    full = np.diff(tokens.offsets) > 0
    keep[end[full]] = False
    bounds = np.concatenate([[0], np.cumsum(end - begin)]).astype(np.int64)
    out = out[keep]
    return pa.LargeStringArray.from_buffers(bounds.size - 1, pa.py_buffer(bounds), pa.py_buffer(out))
