"""Labels by a model: a sampler preset reads the problem and answers with one line of JSON.

What it says is untrusted: only known domains and levels are taken, anything else falls back to the offline labels.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl

from factory.config.endpoint import Judge
from factory.datasets.labels import Domain
from schemas import Level

PROMPT = (
    "Label the mathematics problem below. Do not solve it.\n"
    f"domain: one of {', '.join(domain.value for domain in Domain)}\n"
    f"level: the school level at which it is first set, one of {', '.join(level.value for level in Level)}\n"
    'Answer with one line of JSON and nothing else: {{"domain": "...", "level": "..."}}\n\n'
    "Problem:\n{problem}"
)
_OBJECT = re.compile(r"\{[^{}]{0,400}\}")


def judge_problems(problems: pl.DataFrame, judge: Judge, store: Path) -> pl.DataFrame:
    """Ask the judge once per problem; answers come from the store when they are there.

    Args:
        problems: `problem_id`, `problem`.
        judge: preset, model, endpoint and budget.
        store: the response store.

    Returns:
        `problem_id`, `domain`, `level`, `usd`; null where the judge's answer cannot be read.
    """
    from factory.sampling.judge import ask_judge

    questions = dict(zip(problems["problem_id"], problems["problem"], strict=True))
    answers = ask_judge(judge, questions, prompt=PROMPT, seed=0, store=store, what="label by judge")
    read = [read_labels(text or "") for text in answers["content"]]
    return pl.DataFrame(
        {
            "problem_id": answers["problem_id"],
            "domain": pl.Series([domain for domain, _ in read], dtype=pl.String),
            "level": pl.Series([level for _, level in read], dtype=pl.String),
            "usd": answers["usd"],
        }
    )


def read_labels(text: str) -> tuple[str | None, str | None]:
    """Domain and level from the last JSON object of an answer; None for what is absent or unknown."""
    for match in reversed(_OBJECT.findall(text)):
        try:
            value = json.loads(match)
        except ValueError:
            continue
        domain, level = (
            str(value.get(key, "")).strip().lower().replace(" ", "_") for key in ("domain", "level")
        )
        known = domain in set(Domain), level in set(Level)
        return (domain if known[0] else None), (level if known[1] else None)
    return None, None
