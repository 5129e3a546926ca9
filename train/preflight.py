"""Everything that can be found wrong before a weight is loaded. `--dry-run` stops here.

The checks look at the very rows that are trained on, and at the very path that the reward takes: token ids, decoded
without special tokens, answer part, checker.
"""

from __future__ import annotations

import random
import sys
from typing import Any

import polars as pl
from transformers import GenerationConfig

from factory.errors import UsageError
from train.data import IGNORED, TrainingRows, encode
from train.manifest import Job
from train.plan import dead_groups, eta, memory, plan
from train.rewards import SIGNAL, check
from train.vllm import check_server

SCORED = 32
"""Prompts on which the reward is tried."""


def preflight(job: Job, config: Any, tokenizer: Any, rows: TrainingRows) -> dict[str, Any]:
    """Check the stage and say what it will do.

    Returns:
        Facts for the manifest: lengths, overlong rows, plan, memory, end-token share, reward trial.

    Raises:
        UsageError: training would fail or teach the wrong thing; names the cause and the remedy.
    """
    report: dict[str, Any] = {"lengths": _lengths(rows), "overlong": len(rows.overlong), "read": rows.read}
    check_tokens(job, tokenizer)
    if job.stage in ("midtrain", "sft"):
        report["end_token_share"] = check_ends(job, tokenizer, rows)
        check_thinking(tokenizer, rows)
        report["sample"] = render(tokenizer, rows.rows[0]["input_ids"], rows.rows[0]["labels"])
    if job.stage == "dpo":
        report |= check_pairs(tokenizer, rows)
    if job.stage == "rl":
        check_server(job.section, config)
        report["reward"] = try_reward(job, tokenizer, rows)
        report["dead_groups"] = dead_groups(job, rows)
    report["plan"] = plan(job, rows)
    report["eta"] = eta(job, report["plan"])
    report["memory_gib"] = memory(job, rows)
    return report


def check_tokens(job: Job, tokenizer: Any) -> None:
    """Pad differs from the end of a turn, and generation stops at the end of a turn.

    Raises:
        UsageError: otherwise the student would never learn to stop, or be trained on nothing.
    """
    probe = [{"role": "user", "content": "x"}]
    answer = [{"role": "assistant", "content": "y"}]
    ids, _ = encode(tokenizer, probe, answer, loss_on_prompt=True)
    end = end_token(tokenizer, ids)
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id == end:
        raise UsageError(
            f"the padding token is the end of a turn ({tokenizer.convert_ids_to_tokens(end)}), so padding would "
            "hide the end from the loss",
            do="give the tokenizer a pad token of its own",
        )
    assert job.parent is not None
    folder = job.layout.checkpoint(job.parent)
    stops = GenerationConfig.from_pretrained(folder).eos_token_id
    stops = stops if isinstance(stops, list) else [stops]
    if end not in stops and tokenizer.eos_token_id != end:
        raise UsageError(
            f"{folder}/generation_config.json does not stop at {tokenizer.convert_ids_to_tokens(end)} (id {end}), "
            "with which the chat template ends a turn",
            do="add the id to eos_token_id there",
        )


def end_token(tokenizer: Any, ids: list[int]) -> int:
    """The token that ends an assistant's turn: the last one that is not blank text."""
    kept = [i for i in ids if tokenizer.decode([i]).strip()]
    return kept[-1]


def check_ends(job: Job, tokenizer: Any, rows: TrainingRows) -> float:
    """Share of rows whose last supervised token ends the turn.

    Raises:
        UsageError: it is not 1 although nothing is truncated.
    """
    ids, _ = encode(
        tokenizer,
        [{"role": "user", "content": "x"}],
        [{"role": "assistant", "content": "y"}],
        loss_on_prompt=True,
    )
    end = end_token(tokenizer, ids)
    tail = len(ids) - 1 - max(i for i, value in enumerate(ids) if value == end)
    labels = pl.DataFrame(rows.rows.select_columns(["labels"]).with_format("arrow")[:])["labels"]
    share = float((labels.list.get(-1 - tail, null_on_oob=True) == end).fill_null(False).mean() or 0.0)  # type: ignore[arg-type]
    if share < 1 and job.section.overlong != "truncate":
        raise UsageError(
            f"{1 - share:.1%} of the rows of {job.data} do not end with a supervised "
            f"{tokenizer.convert_ids_to_tokens(end)}: the student would not learn to stop",
            do="look at the chat template",
        )
    return share


def check_thinking(tokenizer: Any, rows: TrainingRows, sample: int = 64) -> None:
    """Think tags lie inside the loss mask and survive the decoding that the reward uses.

    Raises:
        UsageError: a tag is masked out or is a special token.
    """
    for row in rows.rows.select(range(min(sample, len(rows.rows)))):
        told = [i for i, label in zip(row["input_ids"], row["labels"], strict=True) if label != IGNORED]
        shown = tokenizer.decode(row["input_ids"], skip_special_tokens=False)
        learnt = tokenizer.decode(told, skip_special_tokens=True)
        for tag in ("<think>", "</think>"):
            if shown.count(tag) > learnt.count(tag):
                raise UsageError(
                    f"{tag} is lost between the row and the loss: it is masked, or registered as a special token",
                    do="add think tags to the tokenizer with special=False and keep them out of the prompt",
                )


def check_pairs(tokenizer: Any, rows: TrainingRows) -> dict[str, Any]:
    """Lengths of both sides, in the student's tokens.

    Raises:
        UsageError: a pair's sides are the same.
    """
    sides: dict[str, list[int]] = {"chosen": [], "rejected": []}
    for index, row in enumerate(rows.rows):
        if row["chosen"] == row["rejected"]:
            raise UsageError(f"pair {index} has the same text on both sides", do="run the pairs step again")
        if index < 256:
            for side, lengths in sides.items():
                lengths.append(len(encode(tokenizer, row["prompt"], row[side], loss_on_prompt=True)[0]))
    return {f"{side}_tokens": sum(lengths) / len(lengths) for side, lengths in sides.items()}


def try_reward(job: Job, tokenizer: Any, rows: TrainingRows) -> dict[str, Any]:
    """Score right and wrong answers through the path that training uses.

    Raises:
        UsageError: a right answer does not score +1, or a wrong one does.
    """
    from factory.verification import Verifier

    distinct = {row["problem_id"]: row for row in rows.rows}
    picked = random.Random(job.recipe.seed).sample(list(distinct.values()), min(SCORED, len(distinct)))
    golds = [row["answer"] for row in picked]
    kinds, choices = [r["answer_kind"] for r in picked], [r["choices"] for r in picked]
    metadata = [r["metadata"] for r in picked]
    wrong = [_wrong(gold, kind, options) for gold, kind, options in zip(golds, kinds, choices, strict=True)]
    with Verifier(job.recipe.verify) as verifier:
        verdicts = {
            name: check(verifier, [_through(tokenizer, a) for a in answers], golds, kinds, choices, metadata)
            for name, answers in (("gold", golds), ("wrong", wrong))
        }
    for row, verdict in zip(picked, verdicts["gold"], strict=True):
        if verdict != "correct":
            raise UsageError(
                f"problem {row['problem_id']}: its own answer {row['answer']!r} is judged {verdict}, so no student "
                "could ever be rewarded",
                do="drop the problem, or mend its answer (factory why tells where it comes from)",
            )
    for row, answer, verdict in zip(picked, wrong, verdicts["wrong"], strict=True):
        if verdict == "correct":
            raise UsageError(
                f"problem {row['problem_id']}: the wrong answer {answer!r} is judged correct (gold {row['answer']!r})"
            )
    signals = {v: SIGNAL.get(v) for v in {*verdicts["gold"], *verdicts["wrong"]}}  # type: ignore[call-overload]
    return {
        "tried": len(picked),
        "gold": {v: verdicts["gold"].count(v) for v in sorted(set(verdicts["gold"]))},
        "wrong": {v: verdicts["wrong"].count(v) for v in sorted(set(verdicts["wrong"]))},
        "signals": signals,
    }


def _through(tokenizer: Any, answer: str) -> str:
    """An answer as the reward gets it: written by the student, as tokens, decoded without special tokens."""
    text = f"<think>\nx\n</think>\n\\boxed{{{answer}}}"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    back = str(tokenizer.decode(ids, skip_special_tokens=True))
    if "<think>" not in back or "</think>" not in back:
        raise UsageError(
            "think tags are lost when a completion is decoded for the reward: they are special tokens",
            do="add them to the tokenizer with special=False",
        )
    return back


def _wrong(gold: str, kind: str | None, choices: list[str] | None) -> str:
    """An answer that is certainly not the gold."""
    if choices:
        letters = [chr(ord("A") + i) for i in range(len(choices))]
        return next(letter for letter in letters if letter != gold.strip().upper()[:1])
    try:
        return str(int(gold) + 1)
    except ValueError:
        return "-987654321"


def render(tokenizer: Any, ids: list[int], labels: list[int], limit: int = 400) -> str:
    """A row as text: what gives loss is green, what is masked is dim; `[[ ]]` marks it where there is no colour."""
    colour = sys.stderr.isatty()
    begin = {True: "\x1b[32m" if colour else "[[", False: "\x1b[2m" if colour else ""}
    close = {True: "\x1b[0m" if colour else "]]", False: "\x1b[0m" if colour else ""}
    pieces: list[tuple[bool, list[int]]] = []
    for token, label in list(zip(ids, labels, strict=True))[:limit]:
        told = label != IGNORED
        if not pieces or pieces[-1][0] != told:
            pieces.append((told, []))
        pieces[-1][1].append(token)
    return "".join(begin[told] + _printable(tokenizer.decode(run)) + close[told] for told, run in pieces)


def _printable(text: str) -> str:
    """Text without control characters: a row is model output and must not drive the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def _lengths(rows: TrainingRows) -> dict[str, float]:
    import numpy as np

    at = np.percentile(rows.lengths, [50, 90, 99, 100])
    return {
        "mean": float(rows.lengths.mean()),
        **dict(zip(("p50", "p90", "p99", "max"), map(float, at), strict=True)),
    }
