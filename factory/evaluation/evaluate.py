"""Samples a benchmark's questions, grades the responses and summarises them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from factory.config.endpoint import Access, Budget
from factory.config.evaluation import EvaluationSection
from factory.config.generate import GenerateSection
from factory.config.prompt import Given
from factory.config.verify import VerifySection
from factory.evaluation.summary import summarise
from factory.sampling import sample_problems
from factory.sampling.problems import budget_of, open_store, schedule_of
from factory.sampling.sampler import Sampler, SamplingParams
from factory.verification import verify_responses

PROMPT: str = GenerateSection.model_fields["prompt"].default
"""The prompt of the authors' later evaluation (docs/paper.md, Evaluation protocol)."""

JOB = "evaluation"
"""Name under which the response store books what evaluations cost."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Graded responses (VERDICT rows) of one benchmark, and its figures (`summarise`)."""

    graded: pl.DataFrame
    summary: dict[str, Any]


def evaluate(
    sampler: Sampler,
    questions: pl.DataFrame,
    section: EvaluationSection,
    verify: VerifySection,
    *,
    store: Path,
    seed: int,
    prompt: Given = PROMPT,
    system: str | None = None,
    access: Access | None = None,
    caps: Budget | None = None,
) -> Evaluation:
    """Ask every question `section.samples` times and grade the answers.

    Responses go through the store: a stopped evaluation resumes, and a larger K requests only the missing samples.

    Args:
        sampler: any sampler; a checkpoint, an endpoint, the procedural teacher.
        questions: PROBLEM rows with answers.
        section: samples per question, temperature, nucleus, budget.
        verify: how answers are checked.
        store: folder of the response store.
        seed: of the samples.
        prompt: text or messages with `{problem}`.
        system: system message.
        access: concurrency and rate limits of an endpoint.
        caps: what may be spent on it.
    """
    params = SamplingParams(section.temperature, section.top_p, section.max_tokens, seed)
    with open_store(store) as opened, budget_of(caps or Budget(), sampler, opened, JOB) as budget:
        responses = sample_problems(
            questions,
            sampler,
            section.samples,
            params,
            prompt=prompt,
            system=system,
            store=opened,
            what="evaluation",
            schedule=schedule_of(access or Access(), section.max_tokens),
            budget=budget,
            job=JOB,
        )
    graded = verify_responses(responses, verify)
    return Evaluation(graded, summarise(graded))
