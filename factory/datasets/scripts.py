"""In which script a text is written: as much of its language as can be told without a model."""

from __future__ import annotations

import polars as pl

_COMMAND = r"\\[a-zA-Z]+|```[\s\S]*?```"
"""LaTeX commands and code say nothing of the language around them."""
SCRIPTS = {
    "latin": (r"\p{Latin}{3,}", 5),
    "han": (r"\p{Han}", 3),
    "kana": (r"[\p{Hiragana}\p{Katakana}]", 3),
    "hangul": (r"\p{Hangul}", 2),
    "cyrillic": (r"\p{Cyrillic}", 1),
    "arabic": (r"\p{Arabic}", 1),
    "hebrew": (r"\p{Hebrew}", 1),
    "devanagari": (r"\p{Devanagari}", 1),
    "thai": (r"\p{Thai}", 1),
}
"""What is counted of each script, and how many letters of an alphabet it stands for. Of Latin it is words of three letters or
more, as shorter ones are names of variables; Greek letters are symbols."""
KANA = 0.2
"""Share of kana among a Japanese text's letters, at least; Chinese has none."""


def main_script(texts: pl.Series) -> pl.Series:
    """The script that most of each text is written in; null for a text without letters."""
    bare = texts.fill_null("").str.replace_all(_COMMAND, " ")
    counts = pl.DataFrame(
        {name: bare.str.count_matches(letters) * weight for name, (letters, weight) in SCRIPTS.items()}
    )
    japanese = pl.col("kana") > KANA * (pl.col("kana") + pl.col("han"))
    both = pl.col("kana") + pl.col("han")
    counts = counts.with_columns(
        kana=pl.when(japanese).then(both).otherwise(0), han=pl.when(japanese).then(0).otherwise("han")
    )
    most = pl.max_horizontal(*SCRIPTS)
    found = pl.coalesce(pl.when(pl.col(name) == most).then(pl.lit(name)) for name in SCRIPTS)
    return counts.select(pl.when(most > 0).then(found)).to_series()


def other_script(texts: pl.Series, problems: pl.Series) -> pl.Series:
    """True where a text is in another script than its problem; a text or problem without letters is in none."""
    return (main_script(texts) != main_script(problems)).fill_null(False)
