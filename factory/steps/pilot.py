"""A pilot: which of several teachers gives most for its price, on a few problems or on traces that are there already."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from factory.config.generate import GenerateSection
from factory.config.pilot import PilotSection, read_teacher
from factory.config.problems import SourceSection
from factory.config.verify import VerifySection
from factory.datasets.render import render_completion
from factory.datasets.selection import TOKEN_BYTES
from factory.errors import UsageError
from factory.evaluation.benchmarks import draw
from factory.evaluation.paired import paired_delta
from factory.evaluation.statistics import pass_at_1
from factory.evaluation.summary import question_table
from factory.run.parts import read_parts
from factory.run.step import Step
from factory.run.step_writer import StepWriter
from factory.sources.paths import refuse_own_input
from factory.sources.problems import read_problems, source_digests
from factory.steps import generate, imports, verify
from factory.steps.teacher import teacher
from schemas import PROBLEM
from schemas.outcome import complete, solved, truncated

WORDS = 4
"""Length of the phrases that `diversity` counts."""


@dataclass(frozen=True, slots=True)
class Counted:
    """How many."""

    count: int


@dataclass(frozen=True, slots=True)
class Piloted:
    """One teacher. Shares are of its responses; `accepted` are those that are complete and verified correct."""

    teacher: str
    problems: int
    responses: int
    accepted: int
    yield_: float
    """pass@1: the mean over problems of the share of right answers among those that could be judged."""
    low: float
    high: float
    truncated: float
    tokens: float
    """Mean completion tokens; by four bytes a token where the trace came without a count."""
    counted: bool
    """The tokens were counted by the provider."""
    usd: float | None
    usd_per_accepted: float | None
    diversity: float
    """Share of different phrases of four words, among as many words of each teacher."""
    surprisal: float | None
    """Nats a token under the student."""
    rank_surprisal_ratio: float | None
    """Lower suits the student better (arXiv 2601.14249)."""
    behind: str
    """What the best one has before it, on the problems that both answered."""


def run(
    given: Sequence[str],
    out: Path,
    section: GenerateSection,
    asked: PilotSection,
    *,
    store: Path,
    seed: int,
) -> list[Piloted]:
    """Ask every teacher the same problems once, or take the traces that `given` holds, and count.

    Args:
        given: problems; or, without teachers, traces of several models.
        out: folder.
        section: how the teachers are asked, and what they may cost together.
        asked: the teachers, how many problems, the student.
        store: response store.
        seed: of the draw, and of samplers that can be seeded.

    Returns:
        The teachers, the one with the highest yield first.

    Raises:
        UsageError: there are no problems with answers, or no traces.
        Stopped: the budget is spent; the same call resumes.
    """
    refuse_own_input(out, given)
    student = Path(asked.student) if asked.student else None
    if student and not (student / "config.json").is_file():
        raise UsageError(f"{student} is not a checkpoint folder", do="name a folder with config.json")
    if asked.teachers:
        tables = _answers(given, out, section, asked, store, seed)
    else:
        tables = _recorded(given, out, asked.problems, seed)
    tables = {name: rows for name, rows in sorted(tables.items()) if question_table(rows).height}
    if not tables:
        raise UsageError("no response could be judged", do="give problems with gold answers")
    fewest = min(_words(rows) for rows in tables.values())
    rates = {name: _rate(rows) for name, rows in tables.items()}
    best = max(rates, key=lambda name: rates[name])
    found = [
        _count(name, rows, tables[best] if name != best else None, fewest, student)
        for name, rows in tables.items()
    ]
    return sorted(found, key=lambda each: -each.yield_)


def _answers(
    given: Sequence[str], out: Path, section: GenerateSection, asked: PilotSection, store: Path, seed: int
) -> dict[str, pl.DataFrame]:
    teachers = [read_teacher(each) for each in asked.teachers]
    names = [each.name for each in teachers]
    if len(set(names)) != len(names):
        raise UsageError("a teacher is named twice", do="name each once, or give them different models")
    # One account: the caps hold for all teachers together. Every one of them is known before the first is asked.
    shared = section.within(section, generate.job_name(out))
    owns = [shared.model_copy(update=each.model_dump()) for each in teachers]
    for own in owns:
        teacher(own, seed)
    problems = asked.problems
    step = Step(
        "pilot-problems", out / "problems", Counted,
        settings={"problems": problems, "seed": seed}, inputs=source_digests(list(given)), schema=PROBLEM,
    )  # fmt: skip

    def make(writer: StepWriter) -> Counted:
        rows = read_problems(list(given), seed=seed).rows
        chosen = draw(rows.filter(pl.col("answer").is_not_null()), problems, seed)
        if not chosen.height:
            raise UsageError("none of the problems has an answer", do="give problems with gold answers")
        writer.rows_in = chosen.height
        writer.keep(chosen)
        return Counted(chosen.height)

    step.run(make)
    tables = {}
    for name, own in zip(names, owns, strict=True):
        generate.run(out / "problems", out / name / "responses", own, store=store, seed=seed)
        verify.run(out / name / "responses", out / name / "verdicts", VerifySection())
        tables[name] = read_parts(out / name / "verdicts")
    return tables


def _recorded(given: Sequence[str], out: Path, problems: int, seed: int) -> dict[str, pl.DataFrame]:
    """Traces that are there, by model; at most so many problems, drawn by seed."""
    sources = [SourceSection(path=each) for each in given]
    done = imports.run(sources, out / "recorded" / "problems", out / "recorded" / "responses")
    if len(done) < 2:
        raise UsageError(
            f"{', '.join(given)}: there are no traces in it",
            do="name teachers to ask: --teacher NAME --teacher NAME",
        )
    verify.run(out / "recorded" / "responses", out / "recorded" / "verdicts", VerifySection())
    rows = read_parts(out / "recorded" / "verdicts")
    known = rows.filter(pl.col("answer").is_not_null())["problem_id"].unique().sort()
    chosen = draw(pl.DataFrame({"problem_id": known}), problems, seed)["problem_id"]
    rows = rows.filter(pl.col("problem_id").is_in(chosen.to_list()))
    return {str(name): each for (name,), each in rows.partition_by("model", as_dict=True).items()}


def _rate(rows: pl.DataFrame) -> float:
    questions = question_table(rows)
    return float((questions["correct"] / questions["scored"]).mean() or 0.0)  # type: ignore[arg-type]


def _count(
    name: str, rows: pl.DataFrame, best: pl.DataFrame | None, words: int, student: Path | None
) -> Piloted:
    questions = question_table(rows)
    rate = pass_at_1(questions["correct"].to_numpy(), questions["scored"].to_numpy())
    accepted = int(rows.select(solved().sum()).item())
    known = rows["completion_tokens"].drop_nulls()
    sizes = rows.select(
        pl.sum_horizontal(pl.col("reasoning", "content").str.len_bytes().fill_null(0)) / TOKEN_BYTES
    )
    usd = None if rows["usd"].null_count() else float(rows["usd"].sum())
    nature = _natural(rows, student) if student else None
    mean: Any = known.mean() if known.len() == rows.height else sizes.to_series().mean()
    return Piloted(
        name,
        rows["problem_id"].n_unique(),
        rows.height,
        accepted,
        rate.value,
        rate.low,
        rate.high,
        float(rows.select(truncated().mean()).item() or 0.0),
        float(mean or 0.0),
        known.len() == rows.height,
        usd,
        None if usd is None or not accepted else usd / accepted,
        _diversity(rows, words),
        nature[0] if nature else None,
        nature[1] if nature else None,
        "" if best is None else _behind(best, rows),
    )


def _behind(best: pl.DataFrame, rows: pl.DataFrame) -> str:
    try:
        change = paired_delta(rows, best)
    except UsageError:
        return "no problem in common"
    said = f"{100 * change.delta:+.1f} ({100 * change.low:+.1f} to {100 * change.high:+.1f}) on {change.questions}"
    return said if change.risen else f"no significant difference: {said}"


def _texts(rows: pl.DataFrame) -> list[str]:
    chosen = rows.filter(complete()).sort("response_id")
    pairs = zip(chosen["reasoning"], chosen["content"], strict=True)
    return [render_completion(reasoning, content) for reasoning, content in pairs]


def _words(rows: pl.DataFrame) -> int:
    return sum(len(re.findall(r"\w+", text)) for text in _texts(rows))


def _diversity(rows: pl.DataFrame, most: int) -> float:
    """Different phrases over all phrases, in the first `most` words, so that more text does not look like repetition."""
    seen: set[tuple[str, ...]] = set()
    count, left = 0, most
    for text in _texts(rows):
        words = re.findall(r"\w+", text.lower())[:left]
        left -= len(words)
        for at in range(len(words) - WORDS + 1):
            seen.add(tuple(words[at : at + WORDS]))
            count += 1
        if left <= 0:
            break
    return len(seen) / count if count else 0.0


def _natural(rows: pl.DataFrame, student: Path) -> tuple[float, float]:
    from factory.sampling.likelihood import naturalness

    chosen = rows.filter(complete()).sort("response_id")
    found = naturalness(student, chosen["problem"].to_list(), _texts(rows))
    return float(np.mean(found.surprisal)), found.rank_surprisal_ratio
