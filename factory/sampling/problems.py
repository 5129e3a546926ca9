"""From a table of problems to a table of responses."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

import polars as pl

from factory.config import endpoint as caps
from factory.config.endpoint import Access
from factory.config.prompt import Given
from factory.errors import warn
from factory.progress import watch
from factory.sampling.budget import Budget
from factory.sampling.limits import AdaptiveLimit, RateLimiter, RateLimits
from factory.sampling.loop import run_async
from factory.sampling.presets import prices_of
from factory.sampling.prompt import build_messages, check_fields
from factory.sampling.purchase import Tally, addressed, purchase
from factory.sampling.rows import FIRST, INDICES, MESSAGES, MISSING, response_frame, response_row
from factory.sampling.sampler import (
    Completion,
    RemoteSampler,
    Sampler,
    SampleRequest,
    SamplingParams,
)
from factory.sampling.schedule import Schedule
from factory.sampling.store.journal import ResponseStore, Stored, account_key
from factory.sampling.truncation import begun, joined
from factory.verification.check import kind_of

Plan = int | Mapping[str, range]
"""How many samples: the same number for every problem, or the sample indices of each problem by its id."""

LOCKED_SECONDS = 0.2
"""How often a budget that another process spends is looked at again."""
ROWS_AT_ONCE = 2_000
"""Rows that are read back from the store together."""


def sample_problems(
    problems: pl.DataFrame,
    sampler: Sampler,
    plan: Plan,
    params: SamplingParams,
    *,
    prompt: Given,
    system: str | None = None,
    prompts: Mapping[Any, Given] = MappingProxyType({}),
    store: Path | ResponseStore,
    what: str = "sampling",
    schedule: Schedule | None = None,
    budget: Budget | None = None,
    job: str = "",
    batch: int = 64,
) -> pl.DataFrame:
    """Answer problems and return the responses; only what the store lacks is bought.

    Args:
        problems: rows of schemas.PROBLEM; extra columns pass through.
        sampler: who answers.
        plan: samples a problem, or `{problem id: range of sample indices}`; problems that it leaves out are skipped.
        params: how to sample.
        prompt: text or messages with `{problem}` and other fields.
        system: system message.
        prompts: other prompts for problems of some answer kinds.
        store: the response store, or its folder.
        what: name of the operation, for progress.
        schedule: concurrency and rates of a remote sampler.
        budget: caps.
        job: name under which the costs are booked.
        batch: requests that a local sampler gets together.

    Returns:
        Rows of schemas.RESPONSE in the order of the problems, then by sample index. Failed ones are among them.

    Raises:
        Stopped: the budget is spent, or the disk is full.
        UsageError: the endpoint cannot be used as asked, or a problem lacks a field of the prompt.
    """
    wording: dict[str, Any] = {"prompt": prompt, "system": system, "prompts": prompts}
    if MESSAGES not in problems.columns:
        check_asked(iter_problems(problems), **wording)
    with open_store(store) as opened:
        total = plan_size(problems, plan)
        with watch(what, total, "responses") as task:

            def seen(request: SampleRequest, completion: Completion, bought: bool) -> None:
                task.advance(1)

            requests = planned(iter_problems(problems), plan, params, **wording)
            buying = purchase(
                requests, sampler, opened, schedule=schedule, budget=budget, seen=seen, job=job, batch=batch
            )
            run_async(then_hang_up(buying, sampler))
        requests = planned(iter_problems(problems), plan, params, **wording)
        schema = pl.Schema({name: kind for name, kind in problems.schema.items() if name != MESSAGES})
        frames = list(collect(requests, sampler, opened, schema))
    return pl.concat(frames) if frames else response_frame([], schema)


@contextmanager
def budget_of(section: caps.Budget, sampler: Sampler, store: ResponseStore, job: str) -> Iterator[Budget]:
    """The budget of a job on a store, which counts whatever was booked under its name before.

    While it is capped, one process at a time spends it: another one waits until this one is done.
    """
    capped = section.max_usd is not None or section.max_tokens_total is not None
    account = account_key(job)
    while capped and not store.claim(account):
        time.sleep(LOCKED_SECONDS)
    try:
        usd, tokens = store.spent(job)
        prices = prices_of(sampler)
        if capped:
            warn_of_killed(store, job)
        yield Budget(
            section.max_usd, section.max_tokens_total, prices=prices, spent_usd=usd, spent_tokens=tokens
        )
    finally:
        store.release(account)


def warn_of_killed(store: ResponseStore, job: str) -> None:
    """Say what a job's budget holds for requests that a killed process had sent."""
    count, usd, tokens = store.in_flight(job)
    if count:
        warn(
            f"{count:,} requests were in flight when this job was killed; they count with their worst case, "
            f"${usd:,.4f} and {tokens:,} completion tokens"
        )


def schedule_of(access: Access, max_tokens: int) -> Schedule:
    """Concurrency and rate limits of an endpoint, for completions of at most `max_tokens`."""
    fixed = None if access.concurrency == "auto" else access.concurrency
    limits = RateLimits(access.rpm, access.input_tpm, access.output_tpm)
    return Schedule(limit=AdaptiveLimit(fixed=fixed), rates=RateLimiter(limits, max_tokens))


async def then_hang_up(buying: Coroutine[Any, Any, Tally], sampler: Sampler) -> Tally:
    """A remote sampler's connections belong to this event loop; it opens new ones when it is used again."""
    try:
        return await buying
    finally:
        if isinstance(sampler, RemoteSampler):
            await sampler.aclose()


def plan_size(problems: pl.DataFrame, plan: Plan) -> int:
    """How many requests a plan makes."""
    if isinstance(plan, int):
        return problems.height * plan
    return sum(len(plan.get(str(name), ())) for name in problems["id"])


def planned(
    problems: Iterable[Mapping[str, Any]],
    plan: Plan,
    params: SamplingParams,
    *,
    prompt: Given,
    system: str | None,
    prompts: Mapping[Any, Given] = MappingProxyType({}),
) -> Iterator[SampleRequest]:
    """The requests of a plan, problem by problem; `prompts` are those of some answer kinds.

    A problem that brings its messages (`MESSAGES`, of a function of the user's own) is asked in these.
    """
    for problem in problems:
        indices: Sequence[int]
        if (own := problem.get(INDICES)) is not None:
            indices = own
        elif isinstance(plan, int):
            first = problem.get(FIRST, 0)
            indices = range(first, first + problem.get(MISSING, plan))
        else:
            indices = plan.get(str(problem["id"]), range(0))
        if not indices:
            continue
        messages = problem.get(MESSAGES)
        if messages is None:
            messages = build_messages(problem, _prompt_of(problem, prompt, prompts), system)
        for index in indices:
            yield SampleRequest(str(problem["id"]), index, tuple(messages), params, problem)


def _prompt_of(problem: Mapping[str, Any], prompt: Given, prompts: Mapping[Any, Given]) -> Given:
    return prompts.get(kind_of(problem), prompt) if prompts else prompt


def check_asked(
    problems: Iterable[Mapping[str, Any]],
    *,
    prompt: Given,
    prompts: Mapping[Any, Given],
    system: str | None = None,
) -> None:
    """Refuse prompts that ask for a field which a problem of theirs lacks, before anything is asked.

    Raises:
        UsageError: see `check_fields`.
    """
    if not prompts:
        check_fields([prompt], problems)
        return
    rows = [(kind_of(each), each) for each in problems]
    for kind, own in prompts.items():
        check_fields([own], [each for of, each in rows if of == kind])
    check_fields([prompt], [each for of, each in rows if of not in prompts])


def iter_problems(problems: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """Rows as dicts, without holding them all."""
    for piece in problems.iter_slices(1_000):
        yield from piece.iter_rows(named=True)


def collect(
    requests: Iterable[SampleRequest],
    sampler: Sampler,
    store: ResponseStore,
    schema: pl.Schema,
    *,
    again: Callable[[SampleRequest, Stored], SampleRequest | None] = lambda request, stored: None,
    look: Callable[[Stored], None] = lambda stored: None,
) -> Iterator[pl.DataFrame]:
    """Frames of schemas.RESPONSE with what the store holds of some requests, in their order.

    Args:
        requests: what was asked for. What was never answered is left out; a failed one has status `failed`.
        sampler: who was asked.
        store: where the answers are.
        schema: of the problems' table, for the types of its extra columns.
        again: the request that followed upon an answer (truncation policy); its answer is taken when it is there.
        look: sees each stored response that becomes a row.

    Yields:
        At most `ROWS_AT_ONCE` rows a frame.
    """
    wanted = addressed(requests, sampler)
    while chunk := list(islice(wanted, ROWS_AT_ONCE)):
        found = {stored.key: stored for stored in store.get_many([item.key for item in chunk], failed=True)}
        rows = []
        for item in chunk:
            if (stored := found.get(item.key)) is None:
                continue
            request = item.request
            pieces = [stored]
            while (follow := again(request, pieces[-1])) is not None:
                later = store.get(next(addressed([follow], sampler)).key)
                if later is None:
                    break
                pieces = [*pieces, later] if begun(follow.messages) else [later]
                request = follow
            look(pieces[-1])
            rows.append(response_row(joined(pieces), request.problem, request.sample_index))
        if rows:
            yield response_frame(rows, schema)


@contextmanager
def open_store(store: Path | ResponseStore) -> Iterator[ResponseStore]:
    """A store that is open already stays open; a folder is opened and closed."""
    if isinstance(store, ResponseStore):
        yield store
    else:
        with ResponseStore(store) as opened:
            yield opened
