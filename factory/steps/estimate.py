"""A pilot of a generation job, bought into the job's own store, and the forecast made from it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from factory.atomic import write_json
from factory.config.generate import GenerateSection
from factory.config.verify import VerifySection
from factory.errors import FactoryError
from factory.run.out_folder import OutFolder
from factory.run.parts import note_path
from factory.sampling.estimate import Estimate, forecast
from factory.sampling.opening import prices_of
from factory.sampling.problems import budget_of, sample_problems
from factory.sampling.sampler import Completion, RemoteSampler, Sampler, SampleRequest, SamplingParams
from factory.sampling.store.journal import ResponseStore
from factory.sources.problems import read_problems
from factory.steps.generate import STEP, job_name
from factory.steps.teacher import teacher

FILE = "_estimate.json"
IN_FLIGHT = 64
"""Requests in flight that are assumed for `auto`; most endpoints allow more."""


def run(
    patterns: list[str],
    out: Path,
    section: GenerateSection,
    *,
    store: Path,
    seed: int,
    pilot: int,
    **reading: Any,
) -> Estimate:
    """Buy a pilot and forecast the job. The pilot's answers are the job's own first answers, so none is wasted.

    Args:
        patterns: where the problems are.
        out: the job's output folder; the forecast is kept there, and the job compares itself with it at its end.
        section: teacher, sampling and budgets (which the pilot keeps to).
        store: the job's store.
        seed: of the draw and of the sampler.
        pilot: problems that are asked once.
        **reading: `problem_field`, `answer_field`, `limit`.

    Raises:
        UsageError: the job's folder holds files of others.
        FactoryError: no request of the pilot was answered.
    """
    OutFolder(out, STEP, key="").check()
    rows = read_problems(patterns, seed=seed, **reading).rows
    drawn = sorted(random.Random(f"pilot|{seed}").sample(range(rows.height), min(pilot, rows.height)))
    timed = _Timed(teacher(section, seed))
    params = SamplingParams(section.temperature, section.top_p, section.max_tokens, seed)
    prices = prices_of(timed.inner)
    job = job_name(out)
    with ResponseStore(store) as opened, budget_of(section, timed.inner, opened, job) as budget:
        answers = sample_problems(
            rows[drawn],
            timed.sampler(),
            1,
            params,
            prompt=section.prompt,
            system=section.system,
            store=opened,
            what="pilot",
            budget=budget,
            job=job,
        )
    answers = answers.filter(pl.col("status") != "failed")
    if not answers.height:
        raise FactoryError(
            "no request of the pilot was answered", do="see the errors with `factory generate`"
        )
    found = forecast(
        _verified(answers),
        rows.height * section.samples,
        prices=prices,
        seconds=timed.seconds,
        concurrency=IN_FLIGHT if section.concurrency == "auto" else section.concurrency,
        seed=seed,
    )
    write_json(note_path(out, FILE), found.as_json())
    return found


def _verified(answers: pl.DataFrame) -> pl.DataFrame:
    if answers["answer"].null_count() == answers.height:
        return answers
    from factory.verification import verify_responses

    return verify_responses(answers, VerifySection())


class _Timed:
    """Notes how long a remote sampler's requests take."""

    def __init__(self, inner: Sampler) -> None:
        self.inner = inner
        self.seconds: list[float] = []

    def sampler(self) -> Sampler:
        return _TimedRemote(self.inner, self.seconds) if isinstance(self.inner, RemoteSampler) else self.inner


class _TimedRemote:
    """A remote sampler with a stopwatch."""

    def __init__(self, inner: RemoteSampler, seconds: list[float]) -> None:
        self.inner, self.seconds = inner, seconds
        self.name, self.model, self.revision = inner.name, inner.model, inner.revision

    def wire_request(self, request: SampleRequest) -> dict[str, Any]:
        return self.inner.wire_request(request)

    async def ask(self, request: SampleRequest, started: Callable[[], None] | None = None) -> Completion:
        began = time.monotonic()
        completion = await self.inner.ask(request, started)
        self.seconds.append(time.monotonic() - began)
        return completion

    async def aclose(self) -> None:
        await self.inner.aclose()


__all__ = ["FILE", "run"]
