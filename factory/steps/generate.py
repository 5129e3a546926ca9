"""Step `generate`: problems in, a teacher's responses out.

Money is spent here. Every response is durable in the store before it counts; the step itself only reads the store
back, in the order of the problems, so it can be stopped at any instant and started again.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from factory.errors import Stopped, UsageError
from factory.recipe.generate import GenerateSection
from factory.recipe.verify import VerifySection
from factory.sampling.job import Job
from factory.sampling.opening import open_sampler
from factory.sampling.presets import LOCAL
from factory.sampling.problems import iter_problems
from factory.sampling.prompt import check_prompt
from factory.sampling.sampler import Sampler
from factory.sampling.serving import served
from factory.sources.problems import read_problems
from factory.store.atomic import digest, read_json, write_json
from factory.store.journal import ResponseStore
from factory.store.parts import finished, input_digest, iter_parts, scan_parts
from factory.store.writer import StepWriter, dropped_rows, step_key
from schemas import RESPONSE, ResponseStatus

STEP = "generate"
NOT_IN_KEY = {"concurrency", "base_url", "api_key_env", "max_usd", "max_tokens_total", "price", "batch"}
"""Settings that do not decide what comes out: where and how fast it is got, and what it may cost."""


def run(
    problems: Path,
    out: Path,
    section: GenerateSection,
    *,
    store: Path,
    seed: int,
    verify: VerifySection | None = None,
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
    )


def up_to_date(
    out: Path, section: GenerateSection, seed: int, inputs: Mapping[str, str]
) -> dict[str, Any] | None:
    """The manifest of a finished folder with these settings and no failed request; None when there is work."""
    manifest = finished(out, step_key(STEP, key_settings(section, seed), inputs))
    return None if manifest is None or manifest["dropped"].get(ResponseStatus.FAILED) else manifest


def key_settings(section: GenerateSection, seed: int) -> dict[str, Any]:
    """The settings that decide what comes out."""
    return {**section.model_dump(mode="json", exclude=NOT_IN_KEY), "seed": seed}


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
    """
    check_prompt(section.prompt)
    with ResponseStore(store) as opened, _terminated(), served(section) as section:
        sampler = teacher(section, seed, store=store)
        job = Job(section, sampler, opened, seed=seed, name=job_name(out), verify=verify)
        try:
            asyncio.run(job.buy(problems, count))
        except KeyboardInterrupt:
            given_up = job.schedule.given_up
            flying = f"{given_up:,} requests in flight were given up, " if given_up else ""
            raise Stopped(
                f"stopped; {flying}what was bought is safe", do="run the same command again to go on"
            ) from None
        finally:
            asyncio.run(sampler.aclose())
        settings = key_settings(section, seed)
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
) -> tuple[dict[str, Any], bool]:
    """The step for problems from files, the Hub or procedural sources.

    Returns:
        The manifest, and False when a finished folder was found instead.
    """
    from factory.steps.problems import source_digests

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
    )
    return manifest, True


def teacher(
    section: GenerateSection, seed: int, *, store: Path | None = None, keyless: bool = False
) -> Sampler:
    """The sampler that a section names.

    Args:
        section: teacher, model, endpoint, prices.
        seed: of the procedural teacher.
        store: the response store, beside which submitted batches are noted; None streams.
        keyless: open it for a look only.

    Raises:
        UsageError: unknown name, no key, no model.
    """
    options: dict[str, Any] = {}
    if section.teacher == "procedural":
        options = {"slip_rate": section.slip_rate, "seed": seed}
    elif section.teacher not in LOCAL and section.price is not None:
        options = {"price": section.price}
    if section.batch and store is not None:
        if section.teacher in LOCAL:
            raise UsageError(f"teacher {section.teacher} has no Batch API", do="leave --batch out")
        options["batches"] = store / "batches"
    if keyless and section.teacher not in LOCAL:
        options["keyless"] = True
    sampler = open_sampler(
        section.teacher,
        model=section.serve or section.model,
        base_url=section.base_url,
        api_key_env=section.api_key_env,
        **options,
    )
    if section.max_usd is not None and section.teacher not in LOCAL and _prices(sampler) is None:
        raise UsageError(
            f"--max-usd needs prices, and teacher {section.teacher} has no price list",
            do="give --price IN,OUT in dollars per million tokens, or cap tokens with --max-tokens-total",
        )
    return sampler


def _prices(sampler: Sampler) -> object:
    return getattr(getattr(sampler, "preset", None), "prices", None)


def job_name(out: Path) -> str:
    """The name under which the store books what an output folder costs; kept in the folder, made at its first use."""
    path = out / "_job.json"
    if path.exists():
        return str(read_json(path)["job"])
    name = digest(uuid.uuid4().hex)[:16]
    write_json(path, {"job": name})
    return name


@contextmanager
def _terminated() -> Iterator[None]:
    """Make SIGTERM stop like Ctrl-C, so that a batch system's warning ends the step cleanly."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
