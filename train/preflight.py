"""Everything that can be found wrong before a weight is loaded. `--dry-run` stops here.

The checks look at the very rows that are trained on, and at the very path that the reward takes: token ids, decoded
without special tokens, answer part, checker.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from typing import Any

import numpy as np
import polars as pl
from transformers import AutoConfig, GenerationConfig

from factory.errors import UsageError
from train.configs import check_server
from train.data import IGNORED, TrainingRows, encode
from train.plan import PROMPTED, dead_groups, eta, memory, plan, teacher_of
from train.rewards import SIGNAL, check
from train.stage import Job
from train.student import load_tokenizer, switch_length
from train.tokens import end_token, opens_thinking, stop_tokens

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
    check_rope(job, rows)
    if job.stage in ("midtrain", "sft"):
        report["end_token_share"] = check_ends(job, tokenizer, rows)
        check_thinking(tokenizer, rows)
        report["sample"] = render(tokenizer, rows.rows[0]["input_ids"], rows.rows[0]["labels"])
    if job.stage == "dpo":
        report |= check_pairs(rows)
    if job.stage in PROMPTED:
        check_server(job.section, config)
    if job.stage == "distill":
        check_teacher(job, tokenizer)
    if job.stage == "rl":
        report["reward"] = try_reward(job, tokenizer, rows)
        report["dead_groups"] = check_signal(job, dead_groups(job))
    report["plan"] = plan(job, rows)
    report["eta"] = eta(job, report["plan"])
    report["memory_gib"] = memory(job, rows)
    return report


def check_teacher(job: Job, tokenizer: Any) -> None:
    """The teacher reads and writes the student's tokens: one vocabulary, one chat template.

    Raises:
        UsageError: it cannot be loaded, or a token or the rendered turn differs; names the first one.
    """
    section = job.section
    other = load_tokenizer(
        section.teacher,
        job.recipe.train.student.chat_template if job.recipe.train else None,
        section.revision,
    )
    mine, theirs = tokenizer.get_vocab(), other.get_vocab()
    size = teacher_of(job).config.get_text_config().vocab_size
    own = AutoConfig.from_pretrained(job.layout.checkpoint(job.parent or "base")).get_text_config().vocab_size
    differs = next(
        (token for token in mine.keys() | theirs.keys() if mine.get(token) != theirs.get(token)), None
    )
    if differs is not None or size != own:
        what = (
            f"token {differs!r} is {mine.get(differs)} for the student and {theirs.get(differs)} for it"
            if differs is not None
            else f"the student's output has {own} tokens, the teacher's {size}"
        )
        raise UsageError(
            f"the teacher {section.teacher} has another vocabulary: {what}",
            do="distill from a model of the same family, or use its answers through factory generate",
        )
    turn = [{"role": "user", "content": "x"}]
    asked = [
        each.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
        for each in (tokenizer, other)
    ]
    if asked[0] != asked[1]:
        raise UsageError(
            f"the teacher {section.teacher} is asked {asked[1]!r}, the student {asked[0]!r}",
            do="set train.student.chat_template, which both then use",
        )


def check_tokens(job: Job, tokenizer: Any) -> None:
    """Padding is no end of a turn, and generation stops at the end of a turn; stage `base` sees to both.

    Raises:
        UsageError: otherwise the student would never learn to stop, or be trained on nothing.
    """
    end = end_token(tokenizer)
    name = tokenizer.convert_ids_to_tokens(end)
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id == end:
        raise UsageError(
            f"the padding token is the end of a turn ({name}), so padding would hide the end from the loss",
            do="train the base stage again, or name a token with train.student.pad_token",
        )
    assert job.parent is not None
    folder = job.layout.checkpoint(job.parent)
    if end not in stop_tokens(GenerationConfig.from_pretrained(folder)) and tokenizer.eos_token_id != end:
        raise UsageError(
            f"{folder}/generation_config.json does not stop at {name} (id {end}), with which the chat template ends "
            "a turn",
            do="add the id to eos_token_id there",
        )


def check_rope(job: Job, rows: TrainingRows) -> None:
    """Refuse rows on both sides of the switch that would be rotated by their neighbours.

    Raises:
        UsageError: names the two ways out.
    """
    assert job.parent is not None
    switch = switch_length(AutoConfig.from_pretrained(job.layout.checkpoint(job.parent)))
    section, shortest, longest = job.section, int(rows.lengths.min()), int(rows.lengths.max())
    if job.stage in PROMPTED:
        longest += section.max_completion_length
    else:
        longest = min(longest, section.max_length)
    alone = job.stage in ("midtrain", "sft") and not section.packing and section.micro_batch_size == 1
    if switch is None or alone or not shortest <= switch < longest:
        return
    raise UsageError(
        f"this LongRoPE model has other rotary factors beyond {switch} tokens, and rows of {shortest} to {longest} tokens "
        "would share a batch: a short row would be rotated by its longest neighbour",
        do="set train.student.long_factors=true (what vLLM does beyond that length)"
        + (
            ""
            if job.stage in ("dpo", *PROMPTED)
            else f", or train.{job.stage}.packing=false with micro_batch_size=1"
        ),
    )


def check_ends(job: Job, tokenizer: Any, rows: TrainingRows) -> float:
    """Share of rows whose last supervised token ends the turn.

    Raises:
        UsageError: it is not 1 although nothing is truncated.
    """
    probe = [{"role": "user", "content": "x"}], [{"role": "assistant", "content": "y"}]
    ids, _ = encode(tokenizer, *probe, loss_on_prompt=True)
    end = end_token(tokenizer)
    tail = ids[::-1].index(end)
    ended = 0
    for batch in rows.rows.select_columns(["labels"]).with_format("arrow").iter(batch_size=1000):
        last = pl.DataFrame(batch)["labels"].list.get(-1 - tail, null_on_oob=True)
        ended += int((last == end).sum())
    share = ended / len(rows.rows)
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
    opened = opens_thinking(tokenizer)
    for row in rows.rows.select(range(min(sample, len(rows.rows)))):
        told = [i for i, label in zip(row["input_ids"], row["labels"], strict=True) if label != IGNORED]
        shown = tokenizer.decode(row["input_ids"], skip_special_tokens=False)
        learnt = tokenizer.decode(told, skip_special_tokens=True)
        for tag in ("<think>", "</think>"):
            if shown.count(tag) > learnt.count(tag) + (opened and tag == "<think>"):
                raise UsageError(
                    f"{tag} is lost between the row and the loss: it is masked, or registered as a special token",
                    do="add think tags to the tokenizer with special=False and keep them out of the prompt",
                )


def check_pairs(rows: TrainingRows) -> dict[str, Any]:
    """Mean lengths of both sides, in the student's tokens.

    Raises:
        UsageError: a pair's sides are the same.
    """
    sums = {"chosen": 0, "rejected": 0}
    for index, row in enumerate(rows.rows):
        if row["chosen_ids"] == row["rejected_ids"]:
            raise UsageError(f"pair {index} has the same text on both sides", do="run the pairs step again")
        for side in sums:
            sums[side] += len(row["prompt_ids"]) + len(row[f"{side}_ids"])
    return {f"{side}_tokens": total / len(rows.rows) for side, total in sums.items()}


def check_signal(job: Job, forecast: dict[str, float] | None) -> dict[str, float] | None:
    """Hand the forecast of groups without signal through when it is bearable.

    Raises:
        UsageError: more than `rl.max_dead` of the groups would give none.
    """
    if forecast is None or forecast["dead"] <= job.section.max_dead:
        return forecast
    cause = max(("all_wrong", "all_right", "too_easy"), key=lambda name: forecast[name])
    more = f"raise train.rl.{'oversample' if job.section.rebalance else 'group_size'}"
    do = {
        "all_wrong": f"leave out the hardest prompts (rl_prompts.low), or {more}",
        "all_right": f"leave out the easiest prompts (rl_prompts.high), or {more}",
        "too_easy": "raise train.rl.max_accuracy, or lower rl_prompts.high below it",
    }
    raise UsageError(
        f"{forecast['dead']:.0%} of the rl groups would give no signal, by the pass rates of the set (most: "
        f"{cause.replace('_', ' ')}, {forecast[cause]:.0%})",
        do=f"{do[cause]}; train.rl.max_dead=1 trains anyway",
    )


def try_reward(job: Job, tokenizer: Any, rows: TrainingRows) -> dict[str, Any]:
    """Score right and wrong answers through the path that training uses.

    Raises:
        UsageError: a right answer does not score +1, or a wrong one does.
    """
    from factory.verification import Verifier

    distinct = {row["problem_id"]: row for row in rows.rows}
    picked = random.Random(job.recipe.seed).sample(list(distinct.values()), min(SCORED, len(distinct)))
    golds, *more = (
        [row[name] for row in picked] for name in ("answer", "answer_kind", "choices", "metadata")
    )
    wrong = [_wrong(gold, kind, options) for gold, kind, options in zip(golds, more[0], more[1], strict=True)]
    opened = opens_thinking(tokenizer)
    with Verifier(job.recipe.verify) as verifier:
        right, bad = (
            check(verifier, [_through(tokenizer, answer) for answer in answers], golds, *more, opened=opened)
            for answers in (golds, wrong)
        )
    # A checker of the user's own may want more than a boxed answer: what it said is reported, and not judged.
    judged = [] if job.recipe.verify.checker else picked
    for row, answer, verdict, other in zip(judged, wrong, right, bad, strict=False):
        problem = f"problem {row['problem_id']}"
        if verdict != "correct":
            raise UsageError(
                f"{problem}: its own answer {row['answer']!r} is judged {verdict}, so no student could ever be rewarded",
                do="drop the problem, or fix its answer (factory why tells where it comes from)",
            )
        if other == "correct":
            raise UsageError(
                f"{problem}: the wrong answer {answer!r} is judged correct (gold {row['answer']!r})"
            )
    return {
        "tried": len(picked),
        "gold": dict(sorted(Counter(right).items())),
        "wrong": dict(sorted(Counter(bad).items())),
        "signals": {verdict: SIGNAL.get(verdict) for verdict in {*right, *bad}},  # type: ignore[call-overload]
    }


def _through(tokenizer: Any, answer: str) -> str:
    """An answer as the reward gets it: written by the student, as tokens, decoded without special tokens."""
    text = f"<think>\nx\n</think>\n\\boxed{{{answer}}}"
    if opens_thinking(tokenizer):
        text = text.removeprefix("<think>\n")
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    back = str(tokenizer.decode(ids, skip_special_tokens=True))
    if any(tag in text and tag not in back for tag in ("<think>", "</think>")):
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
    marks = {True: ("\x1b[32m", "\x1b[0m"), False: ("\x1b[2m", "\x1b[0m")}
    if not colour:
        marks = {True: ("[[", "]]"), False: ("", "")}
    pieces: list[tuple[bool, list[int]]] = []
    for token, label in list(zip(ids, labels, strict=True))[:limit]:
        told = label != IGNORED
        if not pieces or pieces[-1][0] != told:
            pieces.append((told, []))
        pieces[-1][1].append(token)
    shown = ((marks[told], _printable(tokenizer.decode(run))) for told, run in pieces)
    return "".join(before + text + after for (before, after), text in shown)


def _printable(text: str) -> str:
    """Text without control characters: a row is model output and must not drive the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def _lengths(rows: TrainingRows) -> dict[str, float]:
    at = np.percentile(rows.lengths, [50, 90, 99, 100])
    names = ("p50", "p90", "p99", "max")
    return {"mean": float(rows.lengths.mean()), **dict(zip(names, map(float, at), strict=True))}
