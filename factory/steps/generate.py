"""Step `generate`: problems in, a teacher's responses out.

Money is spent here. Every response is durable in the store before it counts; the step itself only reads the store
back, in the order of the problems, so it can be stopped at any instant and started again.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from factory.atomic import digest, read_json, write_json
from factory.config.generate import GenerateSection
from factory.config.verify import VerifySection
from factory.engines.engine import Engine
from factory.errors import FactoryError, Stopped, UsageError
from factory.progress import note
from factory.run.keys import deciding
from factory.run.parts import JOB, note_path
from factory.run.step import Step, StepResult, sums
from factory.run.step_writer import StepWriter
from factory.run.tables import dropped_rows
from factory.sampling.job import Job
from factory.sampling.loop import run_async
from factory.sampling.presets import LOCAL
from factory.sampling.problems import budget_of, iter_problems
from factory.sampling.rows import INDICES
from factory.sampling.serving import served
from factory.sampling.session import Session, session_lines, together
from factory.sampling.store.journal import ResponseStore
from factory.signals import terminated
from factory.sources.problems import read_problems
from factory.steps.generate_problems import Problems, Rows, asked, read_folder, with_reuse
from factory.steps.generate_shares import shared_out, summed, teachers_of
from factory.steps.generate_workers import buy_spread
from factory.steps.own_prompt import prompt_settings
from factory.steps.reuse import keep_reused
from factory.steps.source import open_source
from factory.steps.teacher import teacher
from factory.verification.result import checking
from schemas import RESPONSE, ResponseStatus

STEP = "generate"


@dataclass(frozen=True, slots=True)
class Generated:
    """Tokens and dollars of the rows (whoever paid for them), statuses, the teacher, and alarms."""

    prompt_tokens: int
    completion_tokens: int
    usd: float
    statuses: dict[str, int]
    teacher: str
    model: str
    alarms: list[str]
    served_models: dict[str, int]
    reused: int | None = None
    """Responses that were there already."""
    spared: int | None = None
    """Requests of `samples` per problem that those made needless."""
    usd_spared: float | None = None
    """What they would have cost, at the mean price of the requested ones."""
    loop_tokens_saved: int | None = None
    accepted: int | None = None
    candidates: int | None = None


def run(
    problems: Path,
    out: Path,
    section: GenerateSection,
    *,
    store: Path,
    seed: int,
    verify: VerifySection | None = None,
    need_reasoning: bool = False,
    engine: Engine | None = None,
    workers: int | None = None,
) -> StepResult[Generated]:
    """Have a teacher answer every problem of a step's folder.

    Args:
        problems: folder of PROBLEM parts.
        out: folder for RESPONSE parts; requests that failed in the end are dropped, and tried again when the step
            runs again.
        section: teacher, sampling and budgets.
        store: the response store.
        seed: of samplers that can be seeded.
        verify: how answers are checked for `accept`.
        need_reasoning: a response of `section.reuse` without reasoning does not count as a sample.
        engine: where workers buy, each into a journal of its own; None buys in this process.
        workers: how many; by default one per node, and one alone for `accept`, `batch` and local models.

    Raises:
        Stopped: the budget is spent or the disk is full; the same call resumes.
        UsageError: no key, no endpoint, unknown teacher, a problem without a field of the prompt, a prompt of the user's
            own that fails.
    """

    def read(writer: StepWriter) -> Problems:
        return with_reuse(read_folder(problems), section, writer, need_reasoning=need_reasoning)

    step = _step(out, section, seed, {"rows": problems}, verify)
    if section.reuse and need_reasoning:
        step.settings["need_reasoning"] = True
    return _generate(
        step, read, section, store=store, seed=seed, verify=verify, engine=engine, workers=workers
    )


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
) -> StepResult[Generated]:
    """The step for problems from files, the Hub or procedural sources."""
    from factory.sources.paths import refuse_own_input
    from factory.sources.problems import source_digests

    refuse_own_input(out, patterns)
    reading: dict[str, Any] = {"problem_field": problem_field, "answer_field": answer_field, "limit": limit}
    inputs = source_digests(patterns) | {name: str(value) for name, value in reading.items()}
    step = _step(out, section, seed, inputs, None)

    def read(writer: StepWriter) -> Problems:
        if section.serve is None:
            teacher(section, seed)
        found = read_problems(patterns, seed=seed, **reading)
        if not found.rows.height and not found.dropped.height and limit != 0:
            raise UsageError(f"{', '.join(patterns)} holds no rows")
        problems = Problems(
            lambda: iter_problems(found.rows), found.rows.height, found.rows.schema, found.dropped
        )
        return with_reuse(problems, section, writer)

    return _generate(step, read, section, store=store, seed=seed, engine=engine, workers=workers)


def _step(
    out: Path,
    section: GenerateSection,
    seed: int,
    inputs: dict[str, Path | str],
    verify: VerifySection | None,
) -> Step[Generated]:
    settings = {**deciding(section, without=["reuse"]), "seed": seed, **prompt_settings(section)}
    if section.reuse:
        inputs |= {
            name.replace("rows", "reuse"): each
            for name, each in open_source(section.reuse, out).inputs.items()
        }
    if section.accept is not None:
        settings["verify"] = checking(verify or VerifySection())
    return Step(STEP, out, Generated, settings=settings, inputs=inputs, schema=RESPONSE, unit="responses")


def _generate(
    step: Step[Generated],
    read: Callable[[StepWriter], Problems],
    section: GenerateSection,
    *,
    store: Path,
    seed: int,
    verify: VerifySection | None = None,
    engine: Engine | None = None,
    workers: int | None = None,
) -> StepResult[Generated]:
    done = step.finished()
    if done and not done.manifest["dropped"].get(ResponseStatus.FAILED):
        return done
    if (
        workers is not None
        and workers > 1
        and (section.accept is not None or section.batch or section.others)
    ):
        what = "--accept" if section.accept is not None else "--batch" if section.batch else "generate.others"
        raise UsageError(f"{what} works with one worker only", do="leave --workers out")
    return step.run(
        partial(_buy_and_collect, read, section, store, seed, verify, engine, workers), again=done is not None
    )


def _buy_and_collect(
    read: Callable[[StepWriter], Problems],
    section: GenerateSection,
    store: Path,
    seed: int,
    verify: VerifySection | None,
    engine: Engine | None,
    workers: int | None,
    writer: StepWriter,
) -> Generated:
    problems, began = asked(read(writer), section), Session()
    if section.others:
        return _of_several(problems, section, store, seed, verify, writer)
    expected = problems.requests(section.samples)
    of = workers or _workers(engine, section)
    spread = engine is not None and of > 1
    with terminated(), served(section) as section:
        if engine is not None and spread:
            bought = buy_spread(
                engine, of, problems.rows, expected, problems.asked_schema, writer.scratch, section,
                store=store, job=section.account or job_name(writer.out), seed=seed,
            )  # fmt: skip
        with ResponseStore(store) as opened:
            name = section.account or job_name(writer.out)
            sampler = teacher(section, seed, store=store)
            with budget_of(section, sampler, opened, name) as budget:
                job = Job(section, sampler, opened, seed=seed, name=name, verify=verify, budget=budget)
                if not spread:
                    _buy(job, problems.rows, expected)
            done = [each.session for each in bought] if spread else [job.schedule.session]
            writer.session = together([began, *done]).facts()
            return _collect([job], problems, [problems.rows], writer)


def _of_several(
    problems: Problems,
    section: GenerateSection,
    store: Path,
    seed: int,
    verify: VerifySection | None,
    writer: StepWriter,
) -> Generated:
    """Every teacher in turn is asked for its share; all spend from one account."""
    name = section.account or job_name(writer.out)
    owns = teachers_of(section)
    rows = [partial(shared_out, problems.rows, section, place) for place in range(len(owns))]
    with terminated(), ResponseStore(store) as opened:
        jobs = []
        for own, mine in zip(owns, rows, strict=True):
            sampler = teacher(own, seed, store=store)
            with budget_of(own, sampler, opened, name) as budget:
                jobs.append(Job(own, sampler, opened, seed=seed, name=name, verify=verify, budget=budget))
                _buy(jobs[-1], mine, sum(len(each[INDICES]) for each in mine()))
        writer.session = together([each.schedule.session for each in jobs]).facts()
        return _collect(jobs, problems, rows, writer)


def _workers(engine: Engine | None, section: GenerateSection) -> int:
    """How many buy when nobody says: one per node, since one process keeps an endpoint busy.

    One alone where many would be refused, or would each load the same model.
    """
    alone = section.accept is not None or section.batch
    alone = alone or (section.teacher in LOCAL and section.teacher != "procedural")
    return 1 if engine is None or alone else engine.nodes


def _buy(job: Job, problems: Callable[[], Iterator[dict[str, Any]]], expected: int) -> None:
    """Buy in this process."""
    try:
        run_async(job.buy(problems, expected))
    except (KeyboardInterrupt, Stopped) as stopped:
        for line in session_lines(job.schedule.session.facts()):
            note(line)
        if isinstance(stopped, Stopped):
            raise
        given_up = job.schedule.given_up
        flying = f"{given_up:,} requests in flight were given up, " if given_up else ""
        raise Stopped(
            f"stopped; {flying}what was bought is safe", do="run the same command again to go on"
        ) from None
    finally:
        run_async(job.sampler.aclose())


def _collect(
    jobs: Sequence[Job], problems: Problems, asked_of: Sequence[Rows], writer: StepWriter
) -> Generated:
    """Read the jobs' rows back from the store, in order, into the step's folder.

    Args:
        jobs: one per teacher.
        problems: what was asked.
        asked_of: the problems as each job was asked them.
        writer: the step's folder.

    Raises:
        FactoryError: there are not as many as were asked for.
    """
    reused = keep_reused(problems.reuse, writer)
    rows = 0
    for place, (job, own) in enumerate(zip(jobs, asked_of, strict=True)):
        counted = own() if place else _counted(own, writer)
        for frame in job.collected(counted, problems.schema):
            rows += frame.height
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
    job, plan = jobs[0], jobs[0].plan
    expected = problems.requests(plan) if isinstance(plan, int) else sum(map(len, plan.values()))
    writer.rows_in = expected + writer.read["reuse"]
    if rows != expected:
        raise FactoryError(
            f"{expected - rows:,} of {expected:,} responses are not in {job.store.folder}",
            do="run the same command again",
        )
    if rows and sum(each.counts[ResponseStatus.FAILED] for each in jobs) == rows:
        raise FactoryError(
            f"all {rows:,} requests failed, one of them with: {job.last_error}",
            do="look at the endpoint and its options, then run the same command again",
        )
    if problems.dropped is not None:
        writer.drop_unread(problems.dropped)
    totals = summed([each.totals() for each in jobs])
    totals["statuses"] = sums([totals["statuses"], reused])
    if problems.reuse is None:
        return Generated(**totals)
    spared = problems.count * job.section.samples - expected
    usd = spared * totals["usd"] / rows if rows and totals["usd"] else None
    return Generated(**totals, reused=sum(reused.values()), spared=spared, usd_spared=usd)


def _counted(
    problems: Callable[[], Iterator[dict[str, Any]]], writer: StepWriter
) -> Iterator[dict[str, Any]]:
    """The problems, counted as they are read."""
    for problem in problems():
        writer.read["rows"] += 1
        yield problem


def job_name(out: Path) -> str:
    """The name under which the store books what an output folder costs; kept in the folder, made at its first use."""
    path = note_path(out, JOB)
    if path.exists():
        return str(read_json(path)["job"])
    name = digest(uuid.uuid4().hex)[:16]
    write_json(path, {"job": name}, seal=True)
    return name
