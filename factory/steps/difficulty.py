"""Difficulty: student rollouts until every problem's pass rate is known well enough."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from factory.config.difficulty import DifficultySection
from factory.config.verify import VerifySection
from factory.datasets.posterior import Prior, difficulty_table, fit_prior
from factory.datasets.rollouts import StoppingRule
from factory.datasets.selection import seeded_order
from factory.engines.engine import Engine, EngineName, open_engine
from factory.errors import FactoryError
from factory.progress import watch
from factory.run.by_part import Done, run_by_part
from factory.run.parts import finished, input_digest, read_parts, scan_parts
from factory.run.writer import StepWriter, dropped_rows, step_key
from factory.sampling.store.journals import leave_shared_memory
from factory.steps.difficulty_part import (
    CHECKPOINTS,
    FirstRound,
    Student,
    first_round,
    roll_part,
    student_sampler,
)
from schemas import DIFFICULTY, VERDICT, Band
from schemas.outcome import solved, truncated

STEP = "difficulty"
SPREAD = (*CHECKPOINTS, "procedural")
"""Students that are rolled out by many workers."""
SHARD_PROBLEMS = 1_000
"""Problems that a worker rolls out at a time; their rollouts (at most `max_samples` each) are in memory together."""
LIGHT = ["problem_id", "status", "verdict", "completion_tokens", "sampler", "model", "model_revision"]
"""What the table needs of the rollouts."""


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
    prompt: str,
    system: str | None = None,
    engine: Engine | None = None,
) -> dict[str, Any]:
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
        prompt: prompt template with `{problem}`.
        system: system message.
        engine: where the shards of problems are rolled out; on Ray a student that is loaded from its checkpoint gets
            a GPU each. A student behind an endpoint is asked from this process, which keeps the endpoint busy.

    Returns:
        The manifest of `out`; `totals` has the bands, rollouts, tokens and what early stopping saved.

    Raises:
        FactoryError: no problem, no rollout with a signal, or nothing but truncated rollouts.
    """
    settings = {
        **section.model_dump(mode="json"),
        "verify": verify.model_dump(mode="json", exclude={"workers"}),
    }
    settings |= {"seed": seed, "prompt": prompt, "system": system}
    inputs = {"problems": input_digest(problems), **_student_input(model)}
    key = step_key(STEP, settings, inputs)
    rolled = finished(rollouts_out, step_key("rollouts", settings, inputs))
    if (done := finished(out, key)) and rolled:
        return done
    every = read_parts(problems)
    chosen = _draw(every, section.problems, seed)
    if chosen.height == 0:
        raise FactoryError(
            f"{problems} holds no problems to roll out on", do="look at what the steps before dropped"
        )
    rule = StoppingRule(
        section.low, section.high, section.confidence, section.min_samples, section.max_samples
    )
    if rolled is None:
        spread = engine is not None and engine.name == EngineName.RAY and section.student in SPREAD
        student = Student(
            section.model_dump_json(),
            verify.model_dump_json(),
            str(Path(model).resolve()) if model and Path(model).exists() else model,
            store.resolve(),
            seed,
            prompt,
            system,
            spread,
        )
        with nullcontext(engine) if spread and engine else open_engine("local", 1) as where:
            rolled = _roll(chosen, rollouts_out, rule, student, section, settings, inputs, where)
    prior = Prior(**rolled["totals"]["prior"])
    light = scan_parts(rollouts_out).select(LIGHT).collect()
    table = difficulty_table(chosen, light, low=section.low, high=section.high, prior=prior)
    with StepWriter(out, STEP, DIFFICULTY, settings=settings, inputs=inputs) as writer:
        writer.keep(table)
        mute = chosen.join(table.select("id"), on="id", how="anti", maintain_order="left")
        writer.drop(dropped_rows(mute, step=STEP, reason="no_signal", detail="no rollout could be verified"))
        left = every.join(chosen.select("id"), on="id", how="anti", maintain_order="left")
        writer.drop(dropped_rows(left, step=STEP, reason="not_drawn", detail="beyond difficulty.problems"))
        return writer.finish(rows_in=every.height, totals=_totals(table, light, prior, rule))


def _roll(
    problems: pl.DataFrame,
    out: Path,
    rule: StoppingRule,
    student: Student,
    section: DifficultySection,
    settings: Mapping[str, Any],
    inputs: Mapping[str, str],
    engine: Engine,
) -> dict[str, Any]:
    """The rollouts of all problems as VERDICT parts, one a shard; returns their manifest, which has the prior."""
    out.mkdir(parents=True, exist_ok=True)
    gpu = section.student in CHECKPOINTS
    if student.spread:
        student.store.mkdir(parents=True, exist_ok=True)
        leave_shared_memory(student.store)
    with tempfile.TemporaryDirectory(dir=out, prefix=".shards-") as folder:
        shards = [
            _write_shard(Path(folder).resolve() / f"part-{number:05d}.parquet", shard)
            for number, shard in enumerate(problems.iter_slices(SHARD_PROBLEMS))
        ]
        try:
            rounds = _first_rounds(student, shards, engine, gpu)
            _check_rollouts(rounds, section)
            prior = fit_prior((tried, right) for each in rounds for _, tried, right in each.counts)
            return run_by_part(
                shards,
                out,
                "rollouts",
                partial(roll_part, student, rule, prior),
                schema=VERDICT,
                settings=settings,
                inputs=inputs,
                engine=engine,
                unit="rollouts",
                makes_rows=True,
                gpu=gpu,
                watching=student.spread,
                close=lambda done: {**_spent(done), "prior": {"alpha": prior.alpha, "beta": prior.beta}},
            )
        finally:
            student_sampler.cache_clear()


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


def _student_input(model: str | None) -> dict[str, str]:
    """Digest of a checkpoint folder, or the model's id."""
    if model is None:
        return {}
    path = Path(model)
    return {"student": input_digest(path) if path.exists() else model}


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


def _spent(done: Done) -> dict[str, Any]:
    names = ("prompt_tokens", "completion_tokens", "usd")
    return {name: sum(books.notes[name] for books in done.books) for name in names}


def _totals(table: pl.DataFrame, rollouts: pl.DataFrame, prior: Prior, rule: StoppingRule) -> dict[str, Any]:
    bands = dict(table.group_by("band").len().iter_rows())
    asked = rollouts["problem_id"].n_unique()
    sure = table.filter(pl.col("band_probability") >= rule.confidence).height
    return {
        "bands": {band.value: bands.get(band.value, 0) for band in Band},
        "rollouts": rollouts.height,
        "rollouts_fixed": asked * rule.max_samples,
        "saved": 1 - rollouts.height / (asked * rule.max_samples),
        "sure": sure,
        "unsure": table.height - sure,
        "correct": int(rollouts.select(solved().sum()).item()),
        "truncated": int(rollouts.select(truncated().sum()).item()),
        "prior": {"alpha": prior.alpha, "beta": prior.beta},
    }
