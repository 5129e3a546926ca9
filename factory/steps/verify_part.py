"""What a worker does in step `verify`: the verdicts of one part, and what the whole step's totals need of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from factory.config.verify import VerifySection
from factory.engines.engine import share
from factory.run.parts import iter_part
from factory.run.writer import Writer
from factory.steps.judge_verdicts import JudgeBooks, judge_verdicts
from factory.verification import Verifier, verify_responses
from factory.verification.gold import Vote, audit_gold, fill_gold, tally
from factory.verification.responses import Flips, as_responses

FRAME_ROWS = 10_000
"""Rows verified and written at a time."""
FLAGS = {"id": pl.String, "flag": pl.String, "detail": pl.String}
ANSWERS = {name: pl.String for name in ("problem_id", "answer", "extracted", "verdict")}
VOTES = {"problem_id": pl.String, "answer": pl.String, "votes": pl.Int64, "samples": pl.Int64}


def open_verifier(section: VerifySection) -> Verifier:
    """The checker processes of one worker: one in a worker process, as many as wanted elsewhere."""
    workers = min(section.workers or share(), share())
    return Verifier(section.model_copy(update={"workers": workers}))


def verify_part(
    section: VerifySection, votes: Path | None, store: Path, path: Path, part: Writer
) -> dict[str, Any]:
    """Verify a part's responses.

    Args:
        section: seconds, judge.
        votes: Parquet file of `VOTES`, the majority answers of problems without gold.
        store: response store of the judge's replies.
        path: the part.
        part: gets every response with its verdict, and beside it `flags` (doubtful golds) and `answers`.

    Returns:
        Counts of verdicts and methods, flips, the judge's books, checker processes replaced, tries of one's own checker.
    """
    verdicts: Counter[str] = Counter()
    methods: Counter[str] = Counter()
    flips, books = Flips(), JudgeBooks()
    flags, answers = [pl.DataFrame(schema=FLAGS)], [pl.DataFrame(schema=ANSWERS)]
    seen: set[str] = set()
    with open_verifier(section) as verifier:
        for rows in _responses(path, section):
            filled = fill_gold(rows, _votes_for(rows, votes)) if votes else rows
            checked = verify_responses(filled, section, verifier=verifier)
            if section.judge:
                checked = judge_verdicts(checked, section.judge, store, books)
            part.keep(checked)
            verdicts.update(checked.get_column("verdict").to_list())
            methods.update(checked.get_column("method").to_list())
            flips.add(rows, checked)
            if not section.checker and {"problem_id", "answer", "problem"} <= set(checked.columns):
                flags.append(_flags(checked, seen))
                answered = pl.col("verdict").is_in(["correct", "incorrect"])
                answers.append(checked.filter(answered).select(pl.col(*ANSWERS).cast(pl.String)))
        replaced = verifier.replaced + (verifier.own.replaced if verifier.own else 0)
        tries = verifier.tries.as_json()
    part.aside("flags", pl.concat(flags))
    part.aside("answers", pl.concat(answers))
    return {
        "verdicts": dict(verdicts),
        "methods": dict(methods),
        "workers_replaced": replaced,
        "flips": flips.totals().get("flips"),
        "judge": books.totals(),
        "own": tries,
    }


def tally_part(section: VerifySection, item: tuple[Path, Path]) -> Path:
    """Count the answers to problems without gold in one part; from the first path into the second."""
    path, out = item
    with open_verifier(section) as verifier:
        tally(_without_gold(_responses(path, section)), verifier).write_parquet(out)
    return out


def tally_answers(section: VerifySection, suspects: Path, item: tuple[Path, Path]) -> Path:
    """Count the answers given to some problems, from a part's `answers` (first path) into the second path."""
    path, out = item
    wanted = pl.scan_parquet(path).join(pl.scan_parquet(suspects), on="problem_id", how="semi")
    rows = wanted.collect().with_columns(content="\\boxed{" + pl.col("extracted") + "}")
    with open_verifier(section) as verifier:
        tally([rows], verifier).write_parquet(out)
    return out


def _responses(path: Path, section: VerifySection) -> Iterator[pl.DataFrame]:
    """A part's rows, gold and response under the names that verification reads."""
    for rows in iter_part(path, FRAME_ROWS):
        yield as_responses(rows, needs_gold=section.checker is None)


def _votes_for(rows: pl.DataFrame, votes: Path) -> dict[str, Vote]:
    """The votes on the problems of these rows."""
    problems = rows.select(pl.col("problem_id").unique()).lazy()
    found = pl.scan_parquet(votes).join(problems, on="problem_id", how="semi").collect()
    return {problem: Vote(*rest) for problem, *rest in found.select(list(VOTES)).iter_rows()}


def _without_gold(frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    for rows in frames:
        if "problem_id" in rows.columns:
            yield rows.filter(pl.col("answer").is_null() | (pl.col("answer").str.strip_chars() == ""))


def _flags(checked: pl.DataFrame, seen: set[str]) -> pl.DataFrame:
    """Doubtful golds among the problems that were not there before."""
    names = ("problem", "answer", "choices", "answer_kind", "metadata")
    fresh = checked.filter(~pl.col("problem_id").is_in(list(seen))).unique("problem_id", maintain_order=True)
    seen.update(fresh.get_column("problem_id"))
    there = [name for name in names if name in fresh.columns]
    return audit_gold(fresh.select(pl.col("problem_id").alias("id"), *there))
