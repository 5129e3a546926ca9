"""Written by `python -m tests.docs.api_stub` from factory/api and the sections of the recipe."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import polars as pl

from factory.api.result import Deduplication as Deduplication
from factory.api.result import Export as Export
from factory.api.result import Import as Import
from factory.api.result import Result as Result
from factory.api.rows import Rows
from factory.api.runs import Run as Run
from factory.steps.estimate import Estimate

__version__: str

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
) -> Result:
    """The rows that hold no benchmark problem; `folder/__side` holds the certificate (`factory decontaminate`).

    Args:
        rows: any rows, chat columns too (`field="messages"`).
        against: benchmarks by name, `paper`, `all`, or files of one's own.
        out: folder; one below .factory/ by default.
        field: column or columns to look in.
        **settings: keys of `decontamination:`.

    Raises:
        UsageError: there is no such benchmark or column, or a setting is wrong.
    """
    ...

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
) -> Deduplication:
    """One row of every cluster of duplicates (`factory dedup`).

    Args:
        rows: any rows.
        out: folder; one below .factory/ by default.
        field: column to compare by; `reasoning` compares responses.
        **settings: keys of `deduplication:`: threshold, against ...

    Raises:
        UsageError: there is no such column, or a setting is wrong.
    """
    ...

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
    price: Sequence[Any] | None = ...,
    min_samples: int = ...,
    max_samples: int = ...,
    low: float = ...,
    high: float = ...,
    temperature: float = ...,
    max_tokens: int = ...,
    batch_size: int = ...,
    prompt: str = ...,
    system: str | None = ...,
) -> Result:
    """How hard problems are for a student, by its rollouts, which lie in `folder/__rollouts` (`factory difficulty`).

    Args:
        problems: rows with a problem and an answer.
        out: folder; one below .factory/ by default.
        student: a preset, or `transformers` with `model=` a folder.
        store: response store.
        seed: of every random choice.
        **settings: keys of `difficulty:`; `prompt` and `system` as the student sees them.

    Raises:
        UsageError: the student cannot be used, or a setting is wrong.
    """
    ...

def export(
    source: Result | str | Path,
    trainer: str,
    out: str | Path | None = None,
    *,
    reasoning: Literal['tags', 'field', 'none'] | None = None,
    system: str | None = None,
    student: str | None = None,
) -> Export:
    """The sets of a run, or one set, in another trainer's format (`factory export`).

    Args:
        source: a run, or a set's folder or result.
        trainer: see docs/export.md.
        out: folder; one below .factory/ by default.
        reasoning: where traces go; as the trainer takes them by default.
        system: system message of every row; empty for none.
        student: the model to train.

    Raises:
        UsageError: there is no set that this trainer can use.
    """
    ...

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
    price: Sequence[Any] | None = ...,
    concurrency: Any | Literal['auto'] = ...,
    rpm: int | None = ...,
    input_tpm: int | None = ...,
    output_tpm: int | None = ...,
    teacher: str = ...,
    others: Sequence[Any] = ...,
    samples: int = ...,
    temperature: float = ...,
    top_p: float = ...,
    max_tokens: int = ...,
    prompt: str = ...,
    prompts: dict[str, Any] = ...,
    system: str | None = ...,
    reuse: Sequence[str] = ...,
    accept: int | None = ...,
    max_candidates: int | None = ...,
    batch: bool = ...,
    serve: str | None = ...,
    truncation: Literal['keep', 'continue', 'larger'] = ...,
) -> Result:
    """Have a teacher answer problems; only what is missing is asked for (`factory generate`).

    Args:
        problems: rows with a problem and, where there is one, an answer.
        out: folder; one below .factory/ by default.
        store: response store; $FACTORY_STORE, or inside `out`.
        seed: of every random choice.
        limit: first problems only.
        **settings: keys of `generate:`: teacher, samples, max_usd, base_url ...

    Raises:
        UsageError: the endpoint or the settings cannot be used.
        Stopped: the budget is spent; what was bought is safe, and the same call goes on.
    """
    ...

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
) -> Import:
    """Problems, and the traces that came with them, from rows of any layout (`factory import`).

    Args:
        source: see `factory.api.rows.Rows`.
        out: folder; one below .factory/ by default, where the same call finds its result again.
        fields: where a field is, such as {"answer": "reward_model.ground_truth"}.
        **reading: keys of a source: layout, split, config, revision, licence, limit ...

    Raises:
        UsageError: nothing can be read, or nothing says where the problems are.
    """
    ...

def open_run(
    run: str | Path | None = None,
) -> Run:
    """A run that is there; the newest below runs/ by default.

    Raises:
        UsageError: there is none.
    """
    ...

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
    prompt: str = ...,
    system: str | None = ...,
) -> Result:
    """Preference pairs of right and wrong answers to the same problem, and their lint (`factory pairs`).

    Args:
        verdicts: verified responses of the teacher.
        out: folder; one below .factory/ by default.
        rollouts: verified rollouts of the student, whose wrong answers are then rejected too.
        seed: of every random choice.
        **settings: keys of `preference:`; `prompt` and `system` as the student sees them.

    Raises:
        UsageError: columns are missing, or a setting is wrong.
        FactoryError: no pair is left, or the lint finds a bias.
    """
    ...

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
    price: Sequence[Any] | None = ...,
    concurrency: Any | Literal['auto'] = ...,
    rpm: int | None = ...,
    input_tpm: int | None = ...,
    output_tpm: int | None = ...,
    teacher: str = ...,
    others: Sequence[Any] = ...,
    samples: int = ...,
    temperature: float = ...,
    top_p: float = ...,
    max_tokens: int = ...,
    prompt: str = ...,
    prompts: dict[str, Any] = ...,
    system: str | None = ...,
    reuse: Sequence[str] = ...,
    accept: int | None = ...,
    max_candidates: int | None = ...,
    batch: bool = ...,
    serve: str | None = ...,
    truncation: Literal['keep', 'continue', 'larger'] = ...,
) -> tuple[pl.DataFrame, Estimate]:
    """Ask `n` problems once, before the whole job is paid for; `generate` takes their answers over.

    Args:
        problems: as for `generate`, like the other arguments.
        n: problems to ask.
        out: folder of the job.
        store: response store of the job.
        seed: of the draw.
        limit: first problems only.
        **settings: keys of `generate:`.

    Returns:
        The answers with their verdicts, and the forecast of tokens, dollars and hours.

    Raises:
        UsageError: the endpoint or the settings cannot be used.
        FactoryError: nothing was answered.
    """
    ...

def run_recipe(
    recipe: str | Path,
    out: str | Path | None = None,
    *,
    until: str | None = None,
    **overrides: Any,
) -> Run:
    """Run a recipe, or what is missing of it (`factory run`).

    Args:
        recipe: a YAML file, or the name of a shipped one.
        out: the run's folder; runs/NAME by default.
        until: stop after this step.
        **overrides: keys with `__` for the dot: `generate__samples=8`.

    Raises:
        UsageError: the recipe cannot work here.
        FactoryError: a step failed.
    """
    ...

def select(
    verdicts: Rows,
    dataset: Literal['midtrain', 'sft'] = 'sft',
    out: str | Path | None = None,
    *,
    seed: int = 0,
    judge: Any | None = ...,
    prompt: str = ...,
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
) -> Result:
    """A training set of completions from verified responses (`factory select`); `pairs` makes those of preferences.

    Args:
        verdicts: verified responses.
        dataset: midtrain (every eligible response) or sft (a balanced part).
        out: folder; one below .factory/ by default.
        seed: of every draw.
        **settings: keys of `datasets:`.

    Raises:
        UsageError: columns are missing, or a setting is wrong.
        FactoryError: nothing is left; says why.
    """
    ...

def verify(
    responses: Rows,
    out: str | Path | None = None,
    *,
    workers: int | None = ...,
    seconds: float = ...,
    majority: bool = ...,
    judge: Any | None = ...,
) -> Result:
    """A verdict for every response: correct, incorrect, unverifiable, no_answer, timeout (`factory verify`).

    Args:
        responses: rows with a gold and a response, in any layout that `factory verify` reads.
        out: folder; one below .factory/ by default.
        **settings: keys of `verify:`.

    Raises:
        UsageError: a column is missing, or a setting is wrong.
    """
    ...
