"""Asking a judge: a model that decides on single rows, for every step that has one.

Replies go through the response store, so none is paid for twice. All judges on a store are booked under one job, in a
run under that of the teacher, so a cap covers frames, restarts, steps and verbs together; one process at a time spends a
capped budget. The text
under examination is data from elsewhere: its tags are taken out, and a reply in any other form than the one asked for
decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from factory.config.endpoint import Access, Judge
from factory.errors import FactoryError
from factory.sampling.presets import open_endpoint
from factory.sampling.problems import budget_of, open_store, sample_problems, schedule_of
from factory.sampling.sampler import SamplingParams
from schemas import ResponseStatus

JOB = "judge"
"""The name under which every judge's costs are booked, where a run does not book them under its own."""
_VERDICT = re.compile(r"VERDICT:\s*(SAME|DIFFERENT|UNSURE)")


def ask_judge(
    judge: Judge,
    questions: Mapping[str, str],
    *,
    store: Path,
    what: str,
    prompt: str = "{problem}",
    system: str | None = None,
    seed: int | None = None,
) -> pl.DataFrame:
    """Put questions to a judge.

    Args:
        judge: preset, model, endpoint, price and budget.
        questions: id to text; the id is not part of the address.
        store: folder of the response store.
        what: name of the operation, for progress.
        prompt: text with `{problem}`, where a question goes.
        system: system message.
        seed: of endpoints that take one.

    Returns:
        Rows of schemas.RESPONSE, one per question, in their order.

    Raises:
        UsageError: unknown preset, no key, no model, or a cap in dollars without a price.
        FactoryError: every request failed.
        Stopped: the budget is spent; the same call resumes.
    """
    sampler, job = open_endpoint(judge, judge), judge.account or JOB
    rows = pl.DataFrame({"id": list(questions), "problem": list(questions.values()), "source": "judge"})
    with open_store(store) as opened, budget_of(judge, sampler, opened, job) as budget:
        replies = sample_problems(
            rows,
            sampler,
            1,
            SamplingParams(temperature=0.0, top_p=1.0, max_tokens=judge.max_tokens, seed=seed),
            prompt=prompt,
            system=system,
            store=opened,
            what=what,
            schedule=schedule_of(Access(), judge.max_tokens),
            budget=budget,
            job=job,
        )
    if replies.height and (replies["status"] == ResponseStatus.FAILED).all():
        raise FactoryError(
            f"all {replies.height:,} requests to the judge failed, one of them with: {replies['error'][-1]}",
            do="look at the judge's endpoint, then run the same command again",
        )
    return replies


def read_verdict(content: str | None) -> str | None:
    """SAME, DIFFERENT or UNSURE, when the last line holds exactly one in the form asked for."""
    lines = (content or "").strip().splitlines()
    match = _VERDICT.fullmatch(lines[-1].strip().strip("*")) if lines else None
    return match[1] if match else None


def without_tags(text: str, *names: str) -> str:
    """A text without anything that opens or closes one of these tags."""
    return re.sub(rf"</?\s*(?:{'|'.join(names)})\s*>", " ", text, flags=re.IGNORECASE)
