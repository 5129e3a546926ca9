"""Diversity of the responses: how they begin, what they repeat, in which script they are, how many are copies."""

from __future__ import annotations

import random
import re
from collections import Counter
from pathlib import Path

import polars as pl

from factory.datasets.scripts import main_script
from factory.numbers import percent
from factory.report.blocks import Block, Fold, Note, Section, grid, shorten, show
from factory.report.step_folders import RunTables, as_type, scan_columns

READ, LONGEST = 1_000, 6_000
"""Responses drawn at random, and characters read of each."""
OPENING, NGRAM = 5, 8
"""Words (or marks) that count as an opening, and that make a repeated stretch."""
SHOWN = 5
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[^\w\s]")
_MOVES = {
    "check themselves (verify, check, confirm)": r"(?i)\b(?:verify|check|confirm)|验证|检查",
    "turn round (wait, hmm, actually)": r"(?i)\b(?:wait|hmm|actually)\b|等等",
    "try another way (alternatively, another way)": r"(?i)\balternative(?:ly)?\b|\banother (?:way|approach)\b|另一种",
}
"""What reasoning does besides going on, and the words that show it."""


def diversity(run: RunTables) -> Section | None:
    """Openings, stretches that many responses share, reasoning moves and scripts, over a random sample."""
    table = run.first(run.layout.verdicts, run.layout.labelled, run.layout.responses)
    texts = _texts(table.parts) if table.readable else pl.DataFrame()
    if not texts.height:
        return None
    words = [_words(text[:LONGEST]) for text in texts["text"]]
    openings = Counter(_join(each[:OPENING]) for each in words)
    stretches = Counter(gram for each in words for gram in set(_ngrams(each)))
    blocks: list[Block] = [Note(" ".join(_said(texts, openings, stretches)))]
    tables: list[Block] = []
    for caption, found in (
        ("Most frequent openings", openings),
        (f"Stretches of {NGRAM} words that most responses share", stretches),
    ):
        rows = [
            (shorten(text, 90), count, percent(count, texts.height))
            for text, count in _apart(found)
            if count > 1
        ]
        if rows:
            tables.append(grid(("text", "responses", "share"), rows, caption))
    if tables:
        blocks.append(Fold("What most responses begin with and repeat", tuple(tables)))
    return Section(
        "diversity", "Diversity", f"{table.name}, {texts.height:,} responses drawn at random", tuple(blocks)
    )


def _texts(parts: tuple[Path, ...]) -> pl.DataFrame:
    scan = scan_columns(parts, ["reasoning", "content", "problem"])
    height = scan.select(pl.len()).collect().item()
    places = sorted(random.Random(0).sample(range(height), min(height, READ)))
    rows = scan.with_row_index("at").filter(pl.col("at").is_in(places)).collect(engine="streaming").sort("at")
    texts = rows.select(as_type(rows[name], pl.String) for name in ("reasoning", "content", "problem"))
    text = pl.coalesce("reasoning", "content").alias("text")
    return texts.select(text, "problem").filter(pl.col("text").str.len_chars() > 0)


def _words(text: str) -> list[str]:
    """Words and marks, each with the space before it."""
    return [
        " " * (found.start() > 0 and text[found.start() - 1].isspace()) + found[0]
        for found in _WORD.finditer(text)
    ]


def _join(words: list[str]) -> str:
    return "".join(words).strip()


def _ngrams(words: list[str]) -> list[str]:
    return [_join(words[i : i + NGRAM]) for i in range(len(words) - NGRAM + 1)]


def _apart(found: Counter[str]) -> list[tuple[str, int]]:
    """The commonest texts, without those that are mostly a shifted window of one already taken."""
    taken: list[tuple[str, int]] = []
    for text, count in sorted(found.most_common(200), key=lambda pair: (-pair[1], pair[0])):
        words = text.split()
        half = " ".join(words[: max(1, len(words) // 2)]), " ".join(words[len(words) // 2 :])
        if not any(part in other for other, _ in taken for part in half):
            taken.append((text, count))
        if len(taken) == SHOWN:
            break
    return taken


def _said(texts: pl.DataFrame, openings: Counter[str], stretches: Counter[str]) -> list[str]:
    n = texts.height
    (opening, top), *_ = _apart(openings)
    said = [
        f"{len(openings):,} different openings of {OPENING} words in {n:,} responses; the commonest, "
        f"“{show(shorten(opening, 60))}”, begins {percent(top, n)}."
    ]
    if stretches:
        often = sum(count > max(1, n // 20) for count in stretches.values())
        (stretch, most), *_ = _apart(stretches)
        said.append(
            f"{often:,} stretches of {NGRAM} words stand in more than one response of twenty; the commonest, "
            f"“{show(shorten(stretch, 90))}”, in {percent(most, n)}."
        )
    scripts = main_script(texts["text"]), main_script(texts["problem"])
    names = Counter(name for name in scripts[0] if name)
    if names:
        said.append(
            "Script: "
            + ", ".join(f"{name} {percent(count, n)}" for name, count in names.most_common(3))
            + "."
        )
    other = int((scripts[0] != scripts[1]).fill_null(False).sum())
    if other:
        said.append(f"{percent(other, n)} are in another script than their problem.")
    moves = [
        f"{percent(int(texts['text'].str.contains(words).sum()), n)} {move}" for move, words in _MOVES.items()
    ]
    return [*said, f"Of the responses {', '.join(moves)}."]
