"""What sets the two sides of pairs apart besides being right: length, format, language, leaks."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

LEAK = (
    r"(?i)reference (?:answer|solution)|ground[- ]truth|answer key|official (?:answer|solution)"
    r"|(?:given|provided|expected|supplied|correct) (?:answer|solution) (?:is|says|was) (?:given|provided|known)"
    r"|according to the (?:given |provided )?(?:answer|solution)|标准答案|参考答案"
)
"""Phrases of a model that was shown the answer; ordinary derivations do not need them."""
_COMMAND = r"\\[a-zA-Z]+"
_HAN = r"\p{Han}"
_LATIN = r"[a-zA-Z]"


def cohens_d(one: ArrayLike, other: ArrayLike) -> float:
    """Cohen's d with pooled standard deviation (Cohen 1988); 0 below two values a side or without any spread.

    Without spread but with a difference it is infinite.
    """
    a, b = np.asarray(one, float), np.asarray(other, float)
    if len(a) < 2 or len(b) < 2:
        return 0.0
    pooled = np.sqrt(((len(a) - 1) * a.var(ddof=1) + (len(b) - 1) * b.var(ddof=1)) / (len(a) + len(b) - 2))
    gap = float(a.mean() - b.mean())
    if pooled == 0:
        return 0.0 if gap == 0 else float(np.copysign(np.inf, gap))
    return gap / float(pooled)


def text_of(messages: pl.Series) -> pl.Series:
    """The last message's text, of a column of messages."""
    return messages.list.eval(pl.element().struct.field("content")).list.last()


def in_chinese(texts: pl.Series) -> pl.Series:
    """True where a text is written in Chinese rather than in an alphabet; LaTeX commands do not count as letters.

    One Chinese character says about as much as three letters.
    """
    bare = texts.fill_null("").str.replace_all(_COMMAND, " ")
    return bare.str.count_matches(_HAN) * 3 > bare.str.count_matches(_LATIN)


def format_features(texts: pl.Series, prompts: pl.Series) -> pl.DataFrame:
    """One boolean column a format feature: `boxed`, `reasoning`, `same_language`, `speaks_of_reference`."""
    return pl.DataFrame(
        {
            "boxed": texts.str.contains(r"\boxed", literal=True),
            "reasoning": texts.str.contains("<think>", literal=True),
            "same_language": in_chinese(texts) == in_chinese(prompts),
            "speaks_of_reference": texts.str.contains(LEAK),
        }
    )
