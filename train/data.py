"""Training sets as TRL takes them: tokens with the loss mask for midtrain and sft, messages for dpo and rl.

Completions are tokenised here and not by TRL, so that preflight looks at the very rows that are trained on, and so
that rows over the length are counted and handled as the recipe says instead of being cut in silence.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, concatenate_datasets

from factory.errors import UsageError
from train.stage import Job, data_files
from train.tokens import end_token, opens_thinking, render

IGNORED = -100
"""Label of a token that gives no loss."""

ROWS_A_WORKER = 2000
"""Rows of a shard for which another process is worth its start."""


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """A stage's rows, ready for its trainer."""

    rows: Dataset
    read: int
    """Rows in the set."""
    overlong: list[dict[str, Any]] = field(default_factory=list)
    """Rows over the length: problem id and tokens."""
    lengths: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """Tokens of every row in the set (prompt and answer; the longer side of a pair; the prompt alone in rl)."""
    validation: Dataset | None = None
    """Rows of the problems that are held out."""
    pool: Dataset | None = None
    """In rl every prompt once, with `pass_rate` and `bucket`."""


def read_set(
    job: Job,
    tokens: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    keep: Sequence[str] = ("problem_id",),
) -> Dataset:
    """The stage's training set as it was exported; with `tokens`, what that makes of each row beside the columns `keep`.

    Shards are worked through one by one, by all cores, into memory-mapped files: an attempt that was broken off resumes at
    its shard, and what is there already is read.
    """
    cache, shards = str(job.layout.run / "train" / ".cache"), []
    for path in data_files(job):
        rows = Dataset.from_parquet(str(path), cache_dir=cache)
        if tokens is not None:
            workers = min(os.cpu_count() or 1, len(rows) // ROWS_A_WORKER)
            drop = [name for name in rows.column_names if name not in keep]
            rows = rows.map(tokens, remove_columns=drop, num_proc=workers if workers > 1 else None)
        shards.append(rows)
    whole = concatenate_datasets(shards)
    if not len(whole):
        raise UsageError(f"{job.data} holds no rows", do="look at the ledger for what dropped them")
    return whole


def encode(
    tokenizer: Any, prompt: list[dict[str, str]], completion: list[dict[str, str]], *, loss_on_prompt: bool
) -> tuple[list[int], list[int]]:
    """Token ids and labels of one row; prompt tokens are labelled -100 unless `loss_on_prompt`.

    A template that renders the prompt as the beginning of prompt + answer is taken at its word. Others drop the
    reasoning from an answer or open it in the prompt (R1 distills): their rows are the prompt as it is sampled from, the
    answer's text, and the token that ends a turn. That token is added too where a template ends an answer with nothing.

    Raises:
        UsageError: neither form can be built: the prompt itself is rendered in another way, or it has several answers.
    """
    before, ids = render(tokenizer, prompt, prompt=True), render(tokenizer, [*prompt, *completion])
    if ids[: len(before)] != before:
        bare = render(tokenizer, prompt)
        if len(completion) != 1 or ids[: len(bare)] != bare:
            raise UsageError(
                "the chat template renders a prompt differently with and without its answer, so the loss mask "
                "cannot be placed",
                do="give a template that appends only (train.student.chat_template)",
            )
        text = completion[0]["content"]
        if opens_thinking(tokenizer):
            _, opened, rest = text.partition("<think>")
            text = rest.removeprefix("\n") if opened else f"</think>\n{text}"
        ids = before + tokenizer(text, add_special_tokens=False)["input_ids"]
    end = end_token(tokenizer)
    if end not in ids[len(before) :]:
        ids = [*ids, end]  # the template itself ends an answer with nothing
    labels = list(ids) if loss_on_prompt else [IGNORED] * len(before) + ids[len(before) :]
    return ids, labels


def completion_rows(job: Job, tokenizer: Any) -> TrainingRows:
    """`input_ids` and `labels` of the midtrain or sft set."""
    section = job.section

    def tokens(row: dict[str, Any]) -> dict[str, Any]:
        ids, labels = encode(
            tokenizer, row["prompt"], row["completion"], loss_on_prompt=section.loss_on_prompt
        )
        return {
            "input_ids": np.array(ids, np.int32),
            "labels": np.array(labels, np.int32),
            "length": len(ids),
        }

    rows = read_set(job, tokens)
    kept, overlong, lengths = _fit(job, rows, section.max_length, section.overlong)
    if section.overlong == "truncate" and overlong:
        size = section.max_length
        kept = kept.map(lambda row: {"input_ids": row["input_ids"][:size], "labels": row["labels"][:size]})
    kept, held_out = _split(job, kept)
    if not section.packing:
        kept = kept.select(reading_order(job, np.asarray(kept["length"])))
    kept, held_out = (each and each.select_columns(["input_ids", "labels"]) for each in (kept, held_out))
    return TrainingRows(kept, len(rows), overlong, lengths, held_out)


def _split(job: Job, rows: Dataset) -> tuple[Dataset, Dataset | None]:
    """Rows to learn from, and those of the problems that are held out: a problem is wholly on one side.

    Raises:
        UsageError: the share leaves one side empty.
    """
    share = job.section.validation
    if not share:
        return rows, None
    ids = np.asarray(rows["problem_id"])
    names = np.random.default_rng(job.recipe.seed).permutation(np.unique(ids))
    out = np.isin(ids, names[: round(len(names) * share)])
    if not out.any() or out.all():
        raise UsageError(
            f"train.{job.stage}.validation {share:g} of {len(names)} problems leaves one side without any"
        )
    return rows.select(np.flatnonzero(~out)), rows.select(np.flatnonzero(out))


def reading_order(job: Job, lengths: np.ndarray) -> np.ndarray:
    """Row numbers of an unpacked stage in the order in which they are read, all passes one after the other.

    The order is part of the data, not of a sampler, so a resumed run reads on exactly where it stopped; transformers'
    own grouping by length draws from a generator that is not restored. Each stretch of 50 steps is
    sorted by length and its steps are shuffled, so that a step holds rows of similar length, which saves padding.
    """
    section = job.section
    rng = np.random.default_rng(job.recipe.seed)
    size, count = section.batch_size, len(lengths)
    wanted = section.max_steps * size if section.max_steps else round(count * section.epochs)
    passes = [_one_pass(rng, lengths, size) for _ in range(-(-wanted // count))]
    return np.concatenate(passes)[: max(1, wanted)]


def _one_pass(rng: np.random.Generator, lengths: np.ndarray, size: int) -> np.ndarray:
    order = rng.permutation(len(lengths))
    stretches = []
    for start in range(0, len(order), 50 * size):
        stretch = order[start : start + 50 * size]
        stretch = stretch[np.argsort(-lengths[stretch], kind="stable")]
        whole, rest = np.split(stretch, [len(stretch) // size * size])
        steps = whole.reshape(-1, size)
        stretches += [*rng.permutation(steps)]
        stretches.append(rest)
    return np.concatenate(stretches)


def preference_rows(job: Job, tokenizer: Any) -> TrainingRows:
    """`prompt_ids`, `chosen_ids`, `rejected_ids`; the length of a pair is that of its longer side."""
    section = job.section

    def tokens(row: dict[str, Any]) -> dict[str, Any]:
        sides: dict[str, Any] = {}
        for side in ("chosen", "rejected"):
            ids, labels = encode(tokenizer, row["prompt"], row[side], loss_on_prompt=False)
            start = next((i for i, label in enumerate(labels) if label != IGNORED), len(ids))
            sides |= {
                "prompt_ids": np.array(ids[:start], np.int32),
                f"{side}_ids": np.array(ids[start:], np.int32),
            }
        longer = max(len(sides["chosen_ids"]), len(sides["rejected_ids"]))
        return {**sides, "length": len(sides["prompt_ids"]) + longer}

    rows = read_set(job, tokens)
    kept, overlong, lengths = _fit(job, rows, section.max_length, section.overlong)
    columns = ["prompt_ids", "chosen_ids", "rejected_ids"]
    kept, held_out = (each and each.select_columns(columns) for each in _split(job, kept))
    return TrainingRows(kept, len(rows), overlong, lengths, held_out)


def prompt_rows(job: Job, tokenizer: Any) -> TrainingRows:
    """Prompts for rl with the columns that the reward reads, in training order, repeated for every pass.

    TRL replays the first epoch's order when a run is resumed in a later one, so there is only ever one epoch: further
    passes are further rows. Rows that do not fill the last step are left out; `max_steps` below one pass takes rows evenly
    from the whole order, not the first ones, which are the shortest.
    """
    section = job.section

    def length(row: dict[str, Any]) -> dict[str, Any]:
        return {"length": len(render(tokenizer, row["prompt"], prompt=True))}

    columns = ["prompt", "answer", "answer_kind", "choices", "metadata", "problem_id"]
    rows = read_set(job, length, [*columns, "pass_rate", "bucket"])
    pool, overlong, lengths = _fit(job, rows, section.max_prompt_length, "drop")
    kept = pool.select_columns(columns)
    prompts = section.batch_size // section.group_size
    wanted = section.max_steps * prompts if section.max_steps else round(len(kept) * section.epochs)
    wanted = max(prompts, wanted // prompts * prompts)
    if wanted < len(kept):
        kept = kept.select(np.arange(wanted) * len(kept) // wanted)
    repeats = -(-wanted // len(kept))
    repeated = concatenate_datasets([kept] * repeats).select(range(wanted))
    return TrainingRows(repeated, len(rows), overlong, lengths, pool=pool)


def _fit(
    job: Job, rows: Dataset, limit: int, policy: str
) -> tuple[Dataset, list[dict[str, Any]], np.ndarray]:
    lengths = np.asarray(rows["length"], dtype=np.int64)
    over = np.flatnonzero(lengths > limit)
    ids = rows.select_columns(["problem_id"])
    overlong = [{"problem_id": ids[int(i)]["problem_id"], "tokens": int(lengths[i])} for i in over]
    if policy == "raise" and overlong:
        worst = max(overlong, key=lambda row: row["tokens"])
        raise UsageError(
            f"{len(overlong)} of {len(rows)} rows of {job.data} are longer than {limit} tokens "
            f"(the longest: {worst['problem_id']}, {worst['tokens']})",
            do=f"raise train.{job.stage}.max_length, or set train.{job.stage}.overlong to drop",
        )
    kept = rows if policy == "truncate" else rows.select(np.flatnonzero(lengths <= limit))
    if not len(kept):
        raise UsageError(
            f"every row of {job.data} is longer than {limit} tokens",
            do=f"raise the length limit of train.{job.stage}",
        )
    return kept, overlong, lengths


def training_texts(files: list[Path]) -> list[str]:
    """All message texts of a completion set: what the tiny student's vocabulary is learnt from."""
    import polars as pl

    columns = pl.read_parquet(files, columns=["prompt", "completion"]).iter_columns()
    return [message["content"] for column in columns for row in column for message in row.to_list()]
