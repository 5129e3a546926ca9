"""Steps `rollouts` and `difficulty`: student rollouts until every problem's pass rate is known well enough."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import polars as pl

from factory.config.difficulty import DifficultySection
from factory.config.prompt import Given
from factory.config.verify import VerifySection
from factory.datasets.overlap import problem_texts, used_by
from factory.datasets.posterior import Prior, difficulty_table, fit_prior
from factory.datasets.rollouts import StoppingRule
from factory.datasets.selection import seeded_order
from factory.engines.engine import Engine, EngineName, open_engine
from factory.errors import FactoryError
from factory.progress import watch
from factory.run.keys import deciding
from factory.run.parts import read_parts, scan_parts
from factory.run.step import Step, StepResult
from factory.run.step_writer import StepWriter
from factory.run.tables import dropped_rows
from factory.sampling.store.journals import leave_shared_memory
from factory.steps.difficulty_part import (
    CHECKPOINTS,
    FirstRound,
    Student,
    first_round,
    roll_part,
    student_sampler,
)
from factory.verification.result import checking
from schemas import DIFFICULTY, PROBLEM, VERDICT, Band
from schemas.outcome import scored, solved, truncated

STEP = "difficulty"
ROLLOUTS = "rollouts"
VERSION = 2
"""Rises when the same settings give other rollouts or other bands."""
SPREAD = (*CHECKPOINTS, "procedural")
"""Students that are rolled out by many workers."""
SHARD_PROBLEMS = 1_000
"""Problems that a worker rolls out at a time; their rollouts (at most `max_samples` each) are in memory together."""
LIGHT = [
    "problem_id",
    "status",
    "verdict",
    "completion_tokens",
    "sampler",
    "model",
    "model_revision",
    "answer_kind",
]
"""What the table needs of the rollouts."""


@dataclass(frozen=True, slots=True)
class RolledOut:
    """What the rollouts cost, and the prior that was fitted to the first of them."""

    prompt_tokens: int
    completion_tokens: int
    usd: float
    prior: dict[str, float]


@dataclass(frozen=True, slots=True)
class Measured:
    """Problems by band; rollouts, and how many a fixed number per problem would have been; how sure the bands are."""

    bands: dict[str, int]
    rollouts: int
    rollouts_fixed: int
    saved: float
    sure: int
    unsure: int
    correct: int
    truncated: int
    prior: dict[str, float]


def run(
    problems: Path,
    out: Path,
    rollouts_out: Path,
    section: DifficultySection,
    verify: VerifySection,
    *,
    model: str | None,
    store: Path,
    seed: int,
    prompt: Given,
    system: str | None = None,
    exclude: Sequence[Path] = (),
    engine: Engine | None = None,
) -> StepResult[Measured]:
    """Roll the student out on problems and write the posterior of each pass rate, and the rollouts themselves.

    Args:
        problems: folder of PROBLEM parts.
        out: folder of DIFFICULTY parts.
        rollouts_out: folder of VERDICT parts: every rollout, for pairs; nothing is sampled again for them.
        section: bounds, confidence and sampling.
        verify: how answers are checked.
        model: the student's checkpoint folder or model id.
        store: the response store; a rollout that is in it is not sampled again.
        seed: decides which problems are drawn and every rollout.
        prompt: text or messages with `{problem}`.
        system: system message.
        exclude: folders whose problems are left out: same id, same canonical text, or a near-duplicate.
        engine: where the shards of problems are rolled out; on Ray a student that is loaded from its checkpoint gets
            a GPU each. A student behind an endpoint is asked from this process, which keeps the endpoint busy.

    Raises:
        FactoryError: no problem, no rollout with a signal, or nothing but truncated rollouts.
    """
    settings = {**deciding(section), "verify": checking(verify), "version": VERSION}
    settings |= {"seed": seed, "prompt": prompt, "system": system}
    inputs: dict[str, Path | str] = {"rows": problems}
    if model is not None:
        inputs["student"] = Path(model) if Path(model).exists() else model
    inputs |= {f"exclude:{i}": path for i, path in enumerate(exclude)}
    step = Step(STEP, out, Measured, settings=settings, inputs=inputs, schema=DIFFICULTY)
    rolling = Step(
        ROLLOUTS, rollouts_out, RolledOut, settings=settings, inputs=inputs, schema=VERDICT, unit="rollouts"
    )
    if (done := step.finished()) and rolling.finished():
        return done
    step.check_out()  # the rollouts come first, and would be paid for
    every = read_parts(problems)
    used = used_by(problem_texts(every), exclude)
    chosen = _draw(every.filter(used.is_null()), section.problems, seed)
    if chosen.height == 0:
        raise FactoryError(
            f"{problems} holds no problems to roll out on" + (" that no set holds yet" if exclude else ""),
            do="add problems, or make the sets before smaller"
            if exclude
            else "look at what the steps before dropped",
        )
    rule = StoppingRule(
        section.low, section.high, section.confidence, section.min_samples, section.max_samples
    )
    spread = engine is not None and engine.name == EngineName.RAY and section.student in SPREAD
    student = Student(
        section.model_dump_json(),
        verify.model_dump_json(),
        str(Path(model).resolve()) if model and Path(model).exists() else model,
        store.resolve(),
        seed,
        json.dumps(prompt),
        system,
        spread,
        section.account,
    )

    def roll(writer: StepWriter) -> RolledOut:
        with nullcontext(engine) if spread and engine else open_engine("local", 1) as where:
            return _roll(chosen, rule, student, section, where, writer)

    rolled = rolling.run(roll)

    def make(writer: StepWriter) -> Measured:
        writer.read["rows"] += every.height
        prior = Prior(**rolled.summary.prior)
        light = scan_parts(rollouts_out).select(LIGHT).collect()
        table = _measure(writer, every, chosen, light, section, prior, used)
        return _summary(table, light, prior, light["problem_id"].n_unique() * rule.max_samples)

    return step.run(make)


def run_given(
    problems: Path | None, verdicts: Path, out: Path, section: DifficultySection, *, seed: int
) -> StepResult[Measured]:
    """Write the posterior of each pass rate of responses that are there; nothing is sampled.

    Args:
        problems: folder of PROBLEM parts; None for those of the responses.
        verdicts: folder of VERDICT parts.
        out: folder of DIFFICULTY parts.
        section: the bounds of the bands.
        seed: decides which problems are drawn.

    Raises:
        FactoryError: no response has a verdict that says something.
    """
    settings = {name: getattr(section, name) for name in ("student", "problems", "low", "high")}
    inputs: dict[str, Path | str] = {"verdicts": verdicts}
    if problems:
        inputs["rows"] = problems
    step = Step(
        STEP,
        out,
        Measured,
        settings=settings | {"seed": seed, "version": VERSION},
        inputs=inputs,
        schema=DIFFICULTY,
    )

    def make(writer: StepWriter) -> Measured:
        every = read_parts(problems) if problems else _answered(verdicts)
        writer.read["rows"] += every.height
        chosen = _draw(every, section.problems, seed)
        light = scan_parts(verdicts).select(LIGHT).collect()
        light = light.join(chosen.select(problem_id="id"), on="problem_id", how="semi")
        counts = light.group_by("problem_id").agg(tried=scored().sum(), right=solved().sum())
        if not counts["tried"].sum():
            raise FactoryError(
                "no response to any problem could be verified", do="check that the problems have answers"
            )
        prior = fit_prior(counts.sort("problem_id").select("tried", "right").iter_rows())
        table = _measure(writer, every, chosen, light, section, prior)
        return _summary(table, light, prior, light.height)

    return step.run(make)


def _answered(verdicts: Path) -> pl.DataFrame:
    """The problems that responses belong to."""
    rows = scan_parts(verdicts)
    there = rows.collect_schema().names()
    names = [name for name in PROBLEM.names if name != "id" and name in there]
    return (
        rows.select(pl.col("problem_id").alias("id"), *names)
        .unique("id", keep="first", maintain_order=True)
        .collect()
    )


def _measure(
    writer: StepWriter,
    every: pl.DataFrame,
    chosen: pl.DataFrame,
    light: pl.DataFrame,
    section: DifficultySection,
    prior: Prior,
    used: pl.Series | None = None,
) -> pl.DataFrame:
    """Keep the problems with a pass rate, drop the others. `used` names, per row of `every`, the set that holds it."""
    table = difficulty_table(chosen, light, low=section.low, high=section.high, prior=prior)
    writer.keep(table)
    mute = chosen.join(table.select("id"), on="id", how="anti", maintain_order="left")
    writer.drop(dropped_rows(mute, step=STEP, reason="no_signal", detail="no rollout could be verified"))
    taken = every.filter(used.is_not_null()) if used is not None else every.clear()
    where = pl.lit("used in ") + pl.lit(used.drop_nulls()) if used is not None else None
    writer.drop(dropped_rows(taken, step=STEP, reason="already_used", detail=where))
    left = every.join(
        pl.concat([chosen.select("id"), taken.select("id")]), on="id", how="anti", maintain_order="left"
    )
    writer.drop(dropped_rows(left, step=STEP, reason="not_drawn", detail="beyond difficulty.problems"))
    return table


def _roll(
    problems: pl.DataFrame,
    rule: StoppingRule,
    student: Student,
    section: DifficultySection,
    engine: Engine,
    writer: StepWriter,
) -> RolledOut:
    """The rollouts of all problems as VERDICT parts, one per shard."""
    gpu = section.student in CHECKPOINTS
    if student.spread:
        student.store.mkdir(parents=True, exist_ok=True)
        leave_shared_memory(student.store)
    shards = [
        _write_shard(writer.scratch / f"part-{number:05d}.parquet", shard)
        for number, shard in enumerate(problems.iter_slices(SHARD_PROBLEMS))
    ]
    try:
        rounds = _first_rounds(student, shards, engine, gpu)
        _check_rollouts(rounds, section)
        prior = fit_prior((tried, right) for each in rounds for _, tried, right in each.counts)
        records = writer.map(
            partial(roll_part, student, rule, prior),
            shards,
            engine=engine,
            unit=ROLLOUTS,
            source="problems",
            gpu=gpu,
            watching=student.spread,
            counts=False,
        )
    finally:
        student_sampler.cache_clear()
    costs = {
        name: sum(each.notes[name] for each in records)
        for name in ("prompt_tokens", "completion_tokens", "usd")
    }
    return RolledOut(**costs, prior={"alpha": prior.alpha, "beta": prior.beta})


def _first_rounds(student: Student, shards: list[Path], engine: Engine, gpu: bool) -> list[FirstRound]:
    found = engine.map(partial(first_round, student), shards, gpu=gpu)
    if not student.spread:
        return list(found)
    rounds = []
    with watch("first rollouts", len(shards), "shards") as task:
        for each in found:
            rounds.append(each)
            task.advance(1, rollouts=sum(r.rollouts for r in rounds))
    return rounds


def _write_shard(path: Path, problems: pl.DataFrame) -> Path:
    problems.write_parquet(path)
    return path


def _draw(problems: pl.DataFrame, limit: int | None, seed: int) -> pl.DataFrame:
    """At most `limit` problems, drawn by seed, in their order."""
    if limit is None or problems.height <= limit:
        return problems
    drawn = problems.with_columns(_draw=seeded_order(problems["id"], seed)).with_row_index("_row")
    return drawn.sort("_draw").head(limit).sort("_row").drop("_row", "_draw")


def _check_rollouts(rounds: Sequence[FirstRound], section: DifficultySection) -> None:
    """Stop after the first round when no further round could bring a pass rate."""
    rollouts, cut = sum(each.rollouts for each in rounds), sum(each.cut for each in rounds)
    if rollouts and cut == rollouts:
        raise FactoryError(
            f"all {cut:,} rollouts were cut at {section.max_tokens:,} tokens",
            do="raise difficulty.max_tokens, or train the student longer: it never ends its answer",
        )
    if not any(each.signals for each in rounds):
        ends: Counter[tuple[str, str]] = Counter()
        for each in rounds:
            ends.update({(verdict, status): n for verdict, status, n in each.ends})
        seen = ", ".join(f"{n:,} {verdict} ({status})" for (verdict, status), n in ends.most_common())
        raise FactoryError(
            f"no rollout could be verified: {seen or 'there are none'}",
            do="check that the problems have answers and that the student's endpoint replies",
        )


def _summary(table: pl.DataFrame, rollouts: pl.DataFrame, prior: Prior, fixed: int) -> Measured:
    bands = dict(table.group_by("band").len().iter_rows())
    sure = table.filter(pl.col("band_probability") >= DifficultySection.confidence).height
    return Measured(
        bands={band.value: bands.get(band.value, 0) for band in Band},
        rollouts=rollouts.height,
        rollouts_fixed=fixed,
        saved=1 - rollouts.height / fixed,
        sure=sure,
        unsure=table.height - sure,
        correct=int(rollouts.select(solved().sum()).item()),
        truncated=int(rollouts.select(truncated().sum()).item()),
        prior={"alpha": prior.alpha, "beta": prior.beta},
    )
