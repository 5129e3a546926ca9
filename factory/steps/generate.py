"""Step `generate`: problems in, a teacher's responses out.

Money is spent here. Every response is durable in the store before it counts; the step itself only reads the store
back, in the order of the problems, so it can be stopped at any instant and started again.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from factory.atomic import digest, read_json, write_json
from factory.config.endpoint import NOT_IN_KEY
from factory.config.generate import GenerateSection
from factory.config.verify import VerifySection
from factory.engines.engine import Engine
from factory.errors import FactoryError, Stopped
from factory.run.parts import finished, input_digest, iter_parts, scan_parts
from factory.run.writer import StepWriter, dropped_rows, step_key
from factory.sampling.job import Job
from factory.sampling.presets import LOCAL
from factory.sampling.problems import budget_of, iter_problems
from factory.sampling.prompt import check_prompt
from factory.sampling.serving import served
from factory.sampling.signals import terminated
from factory.sampling.store.journal import ResponseStore
from factory.sources.problems import read_problems
from factory.steps.generate_workers import buy_spread
from factory.steps.teacher import teacher
from schemas import RESPONSE, ResponseStatus

STEP = "generate"


def run(
    problems: Path,
    out: Path,
    section: GenerateSection,
    *,
    store: Path,
    seed: int,
    verify: VerifySection | None = None,
    engine: Engine | None = None,
    workers: int | None = None,
) -> dict[str, Any]:
    """Have a teacher answer every problem of a step's folder.

    Args:
        problems: folder of PROBLEM parts.
        out: folder for RESPONSE parts; requests that failed in the end are in its `dropped/`, and are tried again
            when the step runs again.
        section: teacher, sampling and budgets.
        store: the response store.
        seed: of samplers that can be seeded.
        verify: how answers are checked for `accept`.
        engine: where workers buy, each into a journal of its own; None buys in this process.
        workers: how many; by default one a node, and one alone for `accept`, `batch` and local models.

    Returns:
        The manifest; `totals` has tokens, dollars, statuses and alarms.

    Raises:
        Stopped: the budget is spent or the disk is full; the same call goes on.
        UsageError: no key, no endpoint, unknown teacher, unusable prompt.
    """
    inputs = {"problems": input_digest(problems)}
    if manifest := up_to_date(out, section, seed, inputs):
        return manifest
    frame = scan_parts(problems)

    def rows() -> Iterator[dict[str, Any]]:
        for batch in iter_parts(problems, rows=1_000):
            yield from batch.iter_rows(named=True)

    count = int(frame.select(pl.len()).collect().item())
    return generate(
        rows,
        count,
        frame.collect_schema(),
        out,
        section,
        store=store,
        seed=seed,
        inputs=inputs,
        verify=verify,
        engine=engine,
        workers=workers,
    )


def up_to_date(
    out: Path, section: GenerateSection, seed: int, inputs: Mapping[str, str]
) -> dict[str, Any] | None:
    """The manifest of a finished folder with these settings and no failed request; None when there is work."""
    manifest = finished(out, step_key(STEP, key_settings(section, seed), inputs))
    return None if manifest is None or manifest["dropped"].get(ResponseStatus.FAILED) else manifest


def key_settings(section: GenerateSection, seed: int) -> dict[str, Any]:
    """The settings that decide what comes out."""
    return {**section.model_dump(mode="json", exclude={*NOT_IN_KEY, "batch"}), "seed": seed}


def generate(
    problems: Callable[[], Iterator[dict[str, Any]]],
    count: int,
    schema: pl.Schema,
    out: Path,
    section: GenerateSection,
    *,
    store: Path,
    seed: int,
    inputs: Mapping[str, str],
    verify: VerifySection | None = None,
    dropped: pl.DataFrame | None = None,
    engine: Engine | None = None,
    workers: int | None = None,
) -> dict[str, Any]:
    """The step for problems from anywhere.

    Args:
        problems: gives the problems from the start, each time it is called.
        count: how many there are.
        schema: their columns and types.
        out: folder for RESPONSE parts.
        section: teacher, sampling and budgets.
        store: the response store.
        seed: of samplers that can be seeded.
        inputs: digests of what the problems were read from.
        verify: how answers are checked for `accept`.
        dropped: rows of the input that could not be used, in DROPPED form.
        engine: where workers buy; None buys in this process.
        workers: how many; one a node by default. One buys in this process.
    """
    check_prompt(section.prompt)
    name = job_name(out)
    of = workers or _workers(engine, section)
    spread = engine is not None and of > 1
    with terminated(), served(section) as section:
        if engine is not None and spread:
            buy_spread(engine, of, problems, count, schema, out, section, store=store, job=name, seed=seed)
        with ResponseStore(store) as opened:
            sampler = teacher(section, seed, store=store)
            with budget_of(section, sampler, opened, name) as budget:
                job = Job(section, sampler, opened, seed=seed, name=name, verify=verify, budget=budget)
                if not spread:
                    _buy(job, problems, count)
            expected = count * section.samples if spread else None
            return _collect(job, problems, schema, out, expected, seed=seed, inputs=inputs, dropped=dropped)


def _workers(engine: Engine | None, section: GenerateSection) -> int:
    """How many buy when nobody says: one a node, since one process keeps an endpoint busy.

    One alone where many would be refused, or would each load the same model.
    """
    alone = section.accept is not None or section.batch
    alone = alone or (section.teacher in LOCAL and section.teacher != "procedural")
    return 1 if engine is None or alone else engine.nodes


def _buy(job: Job, problems: Callable[[], Iterator[dict[str, Any]]], count: int) -> None:
    """Buy in this process."""
    try:
        asyncio.run(job.buy(problems, count))
    except KeyboardInterrupt:
        given_up = job.schedule.given_up
        flying = f"{given_up:,} requests in flight were given up, " if given_up else ""
        raise Stopped(
            f"stopped; {flying}what was bought is safe", do="run the same command again to go on"
        ) from None
    finally:
        asyncio.run(job.sampler.aclose())


def _collect(
    job: Job,
    problems: Callable[[], Iterator[dict[str, Any]]],
    schema: pl.Schema,
    out: Path,
    expected: int | None,
    *,
    seed: int,
    inputs: Mapping[str, str],
    dropped: pl.DataFrame | None,
) -> dict[str, Any]:
    """Read the job's rows back from the store, in order, into the step's folder.

    Raises:
        FactoryError: there are not as many as `expected`.
    """
    settings = key_settings(job.section, seed)
    with StepWriter(out, STEP, RESPONSE, settings=settings, inputs=inputs) as writer:
        rows_in = 0
        for frame in job.collected(problems(), schema):
            rows_in += frame.height
            broken = frame["status"] == ResponseStatus.FAILED
            writer.keep(frame.filter(~broken))
            if broken.any():
                writer.drop(
                    dropped_rows(
                        frame.filter(broken),
                        step=STEP,
                        reason=ResponseStatus.FAILED.value,
                        id_column="response_id",
                        detail=pl.col("error"),
                    )
                )
        if expected is not None and rows_in != expected:
            raise FactoryError(
                f"{expected - rows_in:,} of {expected:,} responses are not in {job.store.folder}",
                do="run the same command again",
            )
        if dropped is not None:
            writer.drop(dropped)
            rows_in += dropped.height
        return writer.finish(rows_in=rows_in, unit="responses", totals=job.totals())


def run_files(
    patterns: list[str],
    out: Path,
    section: GenerateSection,
    *,
    store: Path,
    seed: int,
    problem_field: str = "problem",
    answer_field: str = "answer",
    limit: int | None = None,
    engine: Engine | None = None,
    workers: int | None = None,
) -> tuple[dict[str, Any], bool]:
    """The step for problems from files, the Hub or procedural sources.

    Returns:
        The manifest, and False when a finished folder was found instead.
    """
    from factory.sources.paths import refuse_own_input
    from factory.steps.problems import source_digests

    refuse_own_input(out, patterns)
    fields = {"problem_field": problem_field, "answer_field": answer_field, "limit": str(limit)}
    inputs = source_digests(patterns) | fields
    if manifest := up_to_date(out, section, seed, inputs):
        return manifest, False
    if section.serve is None:
        teacher(section, seed)
    read = read_problems(
        patterns, problem_field=problem_field, answer_field=answer_field, limit=limit, seed=seed
    )
    rows = read.rows
    manifest = generate(
        lambda: iter_problems(rows),
        rows.height,
        rows.schema,
        out,
        section,
        store=store,
        seed=seed,
        inputs=inputs,
        dropped=read.dropped,
        engine=engine,
        workers=workers,
    )
    return manifest, True


def job_name(out: Path) -> str:
    """The name under which the store books what an output folder costs; kept in the folder, made at its first use."""
    path = out / "_job.json"
    if path.exists():
        return str(read_json(path)["job"])
    name = digest(uuid.uuid4().hex)[:16]
    write_json(path, {"job": name})
    return name
