"""Written by `python -m tests.docs.api_stub` from factory/api and the sections of the recipe."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import polars as pl

from factory.api.result import Deduplication as Deduplication
from factory.api.result import Export as Export
from factory.api.result import Import as Import
from factory.api.result import Result as Result
from factory.api.rows import Rows
from factory.api.runs import Run as Run
from factory.evaluation.comparison import Comparison, Worth
from factory.steps.estimate import Estimate
from factory.steps.pilot import Piloted

__version__: str

def compare(
    sets: dict[str, Rows] | Sequence[Rows],
    out: str | Path | None = None,
    *,
    student: str = ...,
    revision: str | None = ...,
    questions: str | None = ...,
    limit: int = ...,
    seeds: int = ...,
    budget_tokens: int = ...,
    learning_rate: float | None = ...,
    match_lengths: bool = ...,
    max_tokens: int | None = ...,
    prompt: str | Sequence[dict[str, Any]] = ...,
    system: str | None = ...,
    seed: int = ...,
) -> Comparison: ...

def decontaminate(
    rows: Rows,
    against: str | Sequence[str] = 'paper',
    out: str | Path | None = None,
    *,
    field: str | Sequence[str] = 'problem',
    drop_templates: bool = ...,
    drop_variants: bool = ...,
    decisions: str | None = ...,
    sources_until: str | None = ...,
    embedding: Any | None = ...,
) -> Result: ...

def dedup(
    rows: Rows,
    out: str | Path | None = None,
    *,
    field: str = 'problem',
    threshold: float = ...,
    numbers_differ: bool = ...,
    keep: Sequence[Any] = ...,
    conflicts: Any = ...,
    sources: Sequence[str] = ...,
    against: Sequence[str] = ...,
    ngram: int = ...,
    across_problems: bool = ...,
) -> Deduplication: ...

def difficulty(
    problems: Rows,
    out: str | Path | None = None,
    *,
    student: str,
    store: str | Path | None = None,
    seed: int = 0,
    max_usd: float | None = ...,
    max_tokens_total: int | None = ...,
    model: str | None = ...,
    base_url: str | None = ...,
    api_key_env: str | None = ...,
    price: Sequence[float] | None = ...,
    min_samples: int = ...,
    max_samples: int = ...,
    low: float = ...,
    high: float = ...,
    temperature: float = ...,
    max_tokens: int = ...,
    batch_size: int = ...,
    prompt: str | Sequence[dict[str, Any]] = ...,
    system: str | None = ...,
) -> Result: ...

def export(
    source: Result | str | Path,
    trainer: str,
    out: str | Path | None = None,
    *,
    reasoning: Literal['tags', 'field', 'none'] | None = None,
    system: str | None = None,
    student: str | None = None,
) -> Export: ...

def generate(
    problems: Rows,
    out: str | Path | None = None,
    *,
    store: str | Path | None = None,
    seed: int = 0,
    limit: int | None = None,
    slip_rate: float = ...,
    skip_rate: float = ...,
    max_usd: float | None = ...,
    max_tokens_total: int | None = ...,
    model: str | None = ...,
    base_url: str | None = ...,
    api_key_env: str | None = ...,
    price: Sequence[float] | None = ...,
    concurrency: int | Literal['auto'] = ...,
    rpm: int | None = ...,
    input_tpm: int | None = ...,
    output_tpm: int | None = ...,
    teacher: str = ...,
    others: Sequence[Any] = ...,
    samples: int = ...,
    temperature: float = ...,
    top_p: float = ...,
    max_tokens: int = ...,
    prompt: str | Sequence[dict[str, Any]] | Callable[..., Any] = ...,
    prompts: dict[str, Any] = ...,
    system: str | None = ...,
    reuse: Sequence[str] = ...,
    accept: int | None = ...,
    max_candidates: int | None = ...,
    batch: bool = ...,
    serve: str | None = ...,
    truncation: Literal['keep', 'continue', 'larger'] = ...,
) -> Result: ...

def import_(
    source: Rows,
    out: str | Path | None = None,
    *,
    fields: dict[str, str] | None = None,
    layout: str | None = ...,
    model: str | None = ...,
    name: str | None = ...,
    licence: str | None = ...,
    limit: int | None = ...,
    split: str | None = ...,
    config: str | None = ...,
    revision: str | None = ...,
    weight: float = ...,
) -> Import: ...

def ladder(
    recipe: str | Path,
    out: str | Path | None = None,
    *,
    changes: Sequence[str] = (),
    store: str | Path | None = None,
    student: str = ...,
    revision: str | None = ...,
    questions: str | None = ...,
    limit: int = ...,
    seeds: int = ...,
    budget_tokens: int = ...,
    learning_rate: float | None = ...,
    match_lengths: bool = ...,
    max_tokens: int | None = ...,
    prompt: str | Sequence[dict[str, Any]] = ...,
    system: str | None = ...,
    seed: int = ...,
    change: Sequence[str] = ...,
    dataset: Literal['sft', 'midtrain'] = ...,
) -> list[Worth]: ...

def open_run(
    run: str | Path | None = None,
) -> Run: ...

def pairs(
    verdicts: Rows,
    out: str | Path | None = None,
    *,
    rollouts: Rows | None = None,
    seed: int = 0,
    chosen_from: Literal['teacher', 'student', 'both'] = ...,
    rejected_from: Literal['teacher', 'student', 'both', 'delta'] = ...,
    per_problem: int = ...,
    rule: Literal['nearest_length', 'hardest_negative', 'most_different', 'longest_chosen'] = ...,
    allow_truncated: bool = ...,
    max_pairs: int | None = ...,
    match_length: bool = ...,
    max_length_bias: float = ...,
    max_format_bias: float = ...,
    max_duplicates: float = ...,
    prompt: str | Sequence[dict[str, Any]] = ...,
    system: str | None = ...,
) -> Result: ...

def pilot(
    given: Rows,
    teachers: Sequence[str] = (),
    out: str | Path | None = None,
    *,
    problems: int = 100,
    student: str | None = None,
    store: str | Path | None = None,
    seed: int = 0,
    slip_rate: float = ...,
    skip_rate: float = ...,
    max_usd: float | None = ...,
    max_tokens_total: int | None = ...,
    model: str | None = ...,
    base_url: str | None = ...,
    api_key_env: str | None = ...,
    price: Sequence[float] | None = ...,
    concurrency: int | Literal['auto'] = ...,
    rpm: int | None = ...,
    input_tpm: int | None = ...,
    output_tpm: int | None = ...,
    teacher: str = ...,
    others: Sequence[Any] = ...,
    samples: int = ...,
    temperature: float = ...,
    top_p: float = ...,
    max_tokens: int = ...,
    prompt: str | Sequence[dict[str, Any]] = ...,
    prompts: dict[str, Any] = ...,
    system: str | None = ...,
    reuse: Sequence[str] = ...,
    accept: int | None = ...,
    max_candidates: int | None = ...,
    batch: bool = ...,
    serve: str | None = ...,
    truncation: Literal['keep', 'continue', 'larger'] = ...,
) -> list[Piloted]: ...

def preview(
    problems: Rows,
    n: int = 3,
    out: str | Path | None = None,
    *,
    store: str | Path | None = None,
    seed: int = 0,
    limit: int | None = None,
    slip_rate: float = ...,
    skip_rate: float = ...,
    max_usd: float | None = ...,
    max_tokens_total: int | None = ...,
    model: str | None = ...,
    base_url: str | None = ...,
    api_key_env: str | None = ...,
    price: Sequence[float] | None = ...,
    concurrency: int | Literal['auto'] = ...,
    rpm: int | None = ...,
    input_tpm: int | None = ...,
    output_tpm: int | None = ...,
    teacher: str = ...,
    others: Sequence[Any] = ...,
    samples: int = ...,
    temperature: float = ...,
    top_p: float = ...,
    max_tokens: int = ...,
    prompt: str | Sequence[dict[str, Any]] | Callable[..., Any] = ...,
    prompts: dict[str, Any] = ...,
    system: str | None = ...,
    reuse: Sequence[str] = ...,
    accept: int | None = ...,
    max_candidates: int | None = ...,
    batch: bool = ...,
    serve: str | None = ...,
    truncation: Literal['keep', 'continue', 'larger'] = ...,
) -> tuple[pl.DataFrame, Estimate]: ...

def run_recipe(
    recipe: str | Path,
    out: str | Path | None = None,
    *,
    until: str | None = None,
    **overrides: Any,
) -> Run: ...

def select(
    verdicts: Rows,
    dataset: Literal['midtrain', 'sft', 'preference', 'rl'] = 'sft',
    out: str | Path | None = None,
    *,
    seed: int = 0,
    judge: Any | None = ...,
    label: str | None | Callable[..., Any] = ...,
    filter: str | None | Callable[..., Any] = ...,
    prompt: str | Sequence[dict[str, Any]] = ...,
    system: str | None = ...,
    midtrain_per_problem: int | None = ...,
    keep: Literal['correct', 'all', 'majority'] = ...,
    min_tokens: int | None = ...,
    max_tokens: int | None = ...,
    same_language: bool = ...,
    shortened: float = ...,
    sft_rows: int | None = ...,
    sft_per_problem: int = ...,
    max_pass_rate: float | None = ...,
    sft_order: Literal['hardest', 'random'] = ...,
    balance: Sequence[str] = ...,
    need_reasoning: bool = ...,
) -> Result: ...

def verify(
    responses: Rows,
    out: str | Path | None = None,
    *,
    workers: int | None = ...,
    seconds: float = ...,
    majority: bool = ...,
    judge: Any | None = ...,
    checker: str | None | Callable[..., Any] = ...,
) -> Result: ...
