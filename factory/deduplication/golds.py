r"""Gold answers of one cluster: rows whose golds contradict each other are not duplicates of each other.

Two golds contradict if they differ as numbers, or as canonical text where one of them is no number; units, boxes and names
(`x=`) do not matter. `1/2`, `0.5` and `\frac12` agree; `2x` and `x+x` count as contradicting, so both rows are kept.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import polars as pl

from factory.text.canonical import canonical_text
from factory.text.hashing import U64
from factory.text.ngrams import text_hashes
from factory.text.tokens import Places, text_bytes

_BOXED = re.compile(r"\\boxed\s*\{(.*)\}", re.DOTALL)
_UNITS = re.compile(
    r"\\(?:text|textrm|textbf|mathrm|mbox)\s*\{[^{}]*\}|\^\s*\{?\s*\\circ\s*\}?|°|\\?%|\\?\$|\\[,;:!]|\\ |"
    r"(?<=\d)\s*(?:mm|cm|km|mg|kg|ml)\s*$|(?<=\d)\s+(?:[A-Za-z]{3,}|[mgsh])\s*\.?$"
)
_NAMED = re.compile(r"^\s*[A-Za-z]\w*\s*(?:\([a-z]\))?\s*=")
_FRACTION = re.compile(r"(-?)\s*\\[dt]?frac\s*(?:\{(\d+)\}|(\d))\s*(?:\{(\d+)\}|(\d))")
_LONGEST = 64
"""Characters of the longest answer that is read; a longer one counts as it stands."""


def gold_keys(answers: pl.Series) -> U64:
    """Equal for answers that agree; 0 for rows without one."""
    texts = answers.cast(pl.String).fill_null("").str.strip_chars()
    known = texts.unique(maintain_order=True)
    read = [_read(text) if len(text) <= _LONGEST else (text, None) for text in known]
    words = canonical_text(pl.Series([bare for bare, number in read if number is None], dtype=pl.String))
    word = iter(words.to_list())
    said = [number or next(word) or raw for (_, number), raw in zip(read, known, strict=True)]
    keys = text_hashes(*text_bytes(pl.Series(said, dtype=pl.String))) | np.uint64(1)
    table = pl.DataFrame({"text": known, "key": np.where(known == "", np.uint64(0), keys)})
    return texts.to_frame("text").join(table, on="text", maintain_order="left", how="left")["key"].to_numpy()


@lru_cache(maxsize=1 << 16)
def _read(text: str) -> tuple[str, str | None]:
    """A short answer without what does not matter, and as a number; kept, because the same numbers come again and again."""
    bare = _bare(text)
    return bare, _number(bare)


def _bare(text: str) -> str:
    """An answer without box, dollars, units, layout and the name of what is asked; itself if nothing is left."""
    if boxed := _BOXED.search(text):
        text = boxed[1]
    bare = _NAMED.sub("", _UNITS.sub(" ", text)).strip().rstrip(".")
    return bare or text


def _number(text: str) -> str | None:
    """A number as a fraction, None for other texts."""
    if match := _FRACTION.fullmatch(text):
        text = f"{match[1]}{match[2] or match[3]}/{match[4] or match[5]}"
    try:
        return f"={Fraction(text.replace(' ', '').replace('{,}', '').replace(',', ''))}"
    except (ValueError, ZeroDivisionError):
        return None


def split_by_gold(labels: Places, golds: U64, ranks: Places) -> tuple[Places, npt.NDArray[np.bool_]]:
    """Clusters whose rows agree: rows without a gold stay with the best-ranked row that has one.

    Args:
        labels: the smallest row of every row's cluster.
        golds: `gold_keys` of the rows.
        ranks: which row of a cluster is preferred, 0 first.

    Returns:
        The smallest row of every row's part of its cluster, and which rows are in a cluster with contradicting golds.
    """
    stated = np.flatnonzero(golds)
    order = stated[np.lexsort((golds[stated], labels[stated]))]
    differs = (labels[order][1:] == labels[order][:-1]) & (golds[order][1:] != golds[order][:-1])
    torn = np.zeros(labels.size, dtype=bool)
    torn[labels[order][1:][differs]] = True
    torn = torn[labels]
    if not torn.any():
        return labels, torn
    own = golds.copy()
    best = stated[np.argsort(ranks[stated])][::-1]  # the last one written is the best-ranked
    leading = np.zeros(labels.size, dtype=np.uint64)
    leading[labels[best]] = golds[best]
    own[torn & (golds == 0)] = leading[labels][torn & (golds == 0)]
    rows = np.flatnonzero(torn)
    order = rows[np.lexsort((rows, own[rows], labels[rows]))]
    fresh = np.ones(order.size, dtype=bool)
    fresh[1:] = (labels[order][1:] != labels[order][:-1]) | (own[order][1:] != own[order][:-1])
    split = labels.copy()
    split[order] = order[fresh][np.cumsum(fresh) - 1]
    return split, torn


def leading_parts(labels: Places, parts: Places, golds: U64, torn: npt.NDArray[np.bool_]) -> Places:
    """For every row of a torn cluster the part whose gold most of its rows state, or its own part where two lead.

    Args:
        labels: the smallest row of every row's cluster.
        parts: the smallest row of every row's part of it (`split_by_gold`).
        golds: `gold_keys` of the rows; only stated ones count.
        torn: which rows are in a cluster with contradicting golds.
    """
    counts = np.bincount(parts, torn & (golds != 0), parts.size)
    heads = np.flatnonzero(torn & (parts == np.arange(parts.size)))
    heads = heads[np.lexsort((-counts[heads], labels[heads]))]
    first = np.ones(heads.size, dtype=bool)
    first[1:] = labels[heads][1:] != labels[heads][:-1]
    follows = np.flatnonzero(first) + 1  # every torn cluster has two parts and more
    leads = counts[heads[first]] > counts[heads[follows]]
    chosen = parts.copy()
    winner = np.full(parts.size, -1)
    winner[labels[heads[first]][leads]] = heads[first][leads]
    won = torn & (winner[labels] >= 0)
    chosen[won] = winner[labels][won]
    return chosen
