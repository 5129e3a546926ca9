"""What a worker does in step `difficulty`: roll the student out on one shard of problems.

A problem's rollouts depend on its own former rollouts and on the prior alone, so shards are rolled out apart and come
to what all problems together would come to. Only the prior is of all: it is fitted to everybody's first round, and
then the shards go on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl

from factory.config.difficulty import DifficultySection
from factory.config.endpoint import Access
from factory.config.verify import VerifySection
from factory.datasets.posterior import Prior
from factory.datasets.rollouts import Sample, StoppingRule, count_signals, roll_out
from factory.run.writer import Writer
from factory.sampling.sampler import Sampler
from factory.sampling.store.journal import ResponseStore
from factory.sampling.store.journals import journal_name
from factory.sampling.store.worker_locks import take_first_seat
from factory.steps.verify_part import open_verifier
from schemas.outcome import scored, truncated

JOB = "student"
"""The name under which the store books what rollouts cost, where a run does not book them under its own."""

CHECKPOINTS = ("student", "transformers", "vllm-offline")
"""Samplers that load a checkpoint into their own process; for others `model` names what an endpoint serves."""


@dataclass(frozen=True, slots=True)
class Student:
    """Who rolls out and how; sections as JSON, so that equal students are one and the same to a worker."""

    section: str
    verify: str
    model: str | None
    store: Path
    seed: int
    prompt: str
    """As JSON."""
    system: str | None
    spread: bool
    """Several processes roll out at a time, each with a journal of its own."""
    account: str = ""
    """`Budget.account` of the section."""


@dataclass(frozen=True, slots=True)
class FirstRound:
    """What a shard's first round came to: (problem, attempts, correct) each, and how the rollouts ended."""

    counts: list[tuple[str, int, int]]
    rollouts: int
    cut: int
    signals: int
    ends: list[tuple[str, str, int]]


def first_round(student: Student, path: Path) -> FirstRound:
    """Sample every problem of a shard the least number of times; the rollouts stay in the store."""
    problems = pl.read_parquet(path)
    section = DifficultySection.model_validate_json(student.section)
    least = min(section.min_samples, section.max_samples)
    with sampling(student) as sample:
        rows = sample(problems, dict.fromkeys(problems["id"].to_list(), range(least)))
    ends = rows.group_by("verdict", "status").len().sort("verdict", "status")
    return FirstRound(
        count_signals(rows),
        rows.height,
        int(rows.select(truncated().sum()).item()),
        int(rows.select(scored().sum()).item() or 0),
        ends.rows(),
    )


def roll_part(student: Student, rule: StoppingRule, prior: Prior, path: Path, part: Writer) -> dict[str, Any]:
    """Roll out on a shard's problems until each is decided; the first round comes from the store.

    `rows_in` are the rollouts that were asked for, to be held against those that came.
    """
    asked = 0
    with sampling(student) as sample:

        def counted(wanted: pl.DataFrame, plan: Mapping[str, range]) -> pl.DataFrame:
            nonlocal asked
            asked += sum(map(len, plan.values()))
            return sample(wanted, plan)

        rows = roll_out(pl.read_parquet(path), rule, counted, prior=prior).rows
    part.keep(rows)
    return {
        "rows_in": asked,
        "prompt_tokens": int(rows["prompt_tokens"].sum() or 0),
        "completion_tokens": int(rows["completion_tokens"].sum() or 0),
        "usd": float(rows["usd"].sum() or 0.0),
    }


@contextmanager
def sampling(student: Student) -> Iterator[Sample]:
    """What samples and verifies rollouts."""
    from factory.sampling import sample_problems
    from factory.sampling.problems import budget_of, schedule_of
    from factory.sampling.sampler import SamplingParams
    from factory.verification import verify_responses

    section = DifficultySection.model_validate_json(student.section)
    verify = VerifySection.model_validate_json(student.verify)
    params = SamplingParams(
        temperature=section.temperature, top_p=section.top_p, max_tokens=section.max_tokens, seed=student.seed
    )
    sampler, job = student_sampler(student), student.account or JOB
    with (
        open_verifier(verify) as verifier,
        _journal(student) as store,
        budget_of(section, sampler, store, job) as budget,
    ):

        def sample(wanted: pl.DataFrame, plan: Mapping[str, range]) -> pl.DataFrame:
            rows = sample_problems(
                wanted,
                sampler,
                plan,
                params,
                prompt=json.loads(student.prompt),
                system=student.system,
                store=store,
                what="rollouts",
                batch=section.batch_size,
                schedule=schedule_of(Access(), section.max_tokens),
                budget=budget,
                job=job,
            )
            return verify_responses(rows, verify, verifier=verifier)

        yield sample


@lru_cache(maxsize=1)
def student_sampler(student: Student) -> Sampler:
    """The student's sampler, opened (and its checkpoint loaded) once a process."""
    from factory.sampling.presets import open_endpoint

    section = DifficultySection.model_validate_json(student.section)
    model = student.model if section.student in CHECKPOINTS else section.model
    return open_endpoint(section.endpoint.model_copy(update={"model": model}), section)


@contextmanager
def _journal(student: Student) -> Iterator[ResponseStore]:
    """The response store; of several processes each writes the first journal that nobody else writes."""
    if not student.spread:
        with ResponseStore(student.store) as store:
            yield store
        return
    student.store.mkdir(parents=True, exist_ok=True)
    journal, seat = take_first_seat(student.store, map(journal_name, count()))
    with seat, ResponseStore(student.store, journal) as store:
        yield store
