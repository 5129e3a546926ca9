"""A tiny run on disk: training sets of short sums, made in code, and a recipe that trains on them in seconds."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import polars as pl
import pytest

os.environ.setdefault("FACTORY_PROGRESS", "off")

sys.path.insert(0, str(Path(__file__).parent))

from factory.config.recipe import Recipe
from factory.run.layout import RunLayout
from schemas import COMPLETION, PREFERENCE, RL_PROMPT


def sums(count: int, seed: int = 0) -> list[dict]:
    """Sums of two digits with a line of reasoning."""
    rng = random.Random(seed)
    rows = []
    for i in range(count):
        a, b = rng.randrange(10), rng.randrange(10)
        rows.append({"id": f"p-{i}", "problem": f"What is {a} + {b}?", "answer": str(a + b), "a": a, "b": b})
    return rows


def said(row: dict, answer: str) -> list[dict]:
    """An assistant message that reasons and answers."""
    text = f"<think>\n{row['a']} + {row['b']} = {answer}\n</think>\n\\boxed{{{answer}}}"
    return [{"role": "assistant", "content": text}]


def write_set(layout: RunLayout, name: str, rows: list[dict], schema) -> None:
    folder = layout.dataset(name)
    folder.mkdir(parents=True, exist_ok=True)
    table = schema.conform(pl.DataFrame(rows).to_arrow())
    import pyarrow.parquet as pq

    pq.write_table(table, folder / "train-00000-of-00001.parquet")


def write_sets(layout: RunLayout, count: int = 48, seed: int = 0) -> None:
    """All four training sets of a run."""
    problems = sums(count, seed)
    asked = [
        {
            "problem_id": row["id"],
            "source": "sums",
            "prompt": [{"role": "user", "content": row["problem"]}],
            "answer": row["answer"],
        }
        for row in problems
    ]
    completion = [
        a | {"completion": said(row, row["answer"]), "response_id": f"r-{i}", "teacher": "t", "model": "m"}
        for i, (a, row) in enumerate(zip(asked, problems, strict=True))
    ]
    write_set(layout, "midtrain", completion, COMPLETION)
    write_set(layout, "sft", completion[: count // 2], COMPLETION)
    pairs = [
        a
        | {
            "chosen": said(row, row["answer"]),
            "rejected": said(row, str(int(row["answer"]) + 1)),
            "chosen_response_id": "c",
            "rejected_response_id": "r",
            "chosen_sampler": "t",
            "rejected_sampler": "t",
            "pair_rule": "nearest_length",
        }
        for a, row in zip(asked, problems, strict=True)
    ]
    write_set(layout, "preference", pairs, PREFERENCE)
    prompts = [a | {"answer_kind": "math", "pass_rate": 0.3} for a in asked]
    write_set(layout, "rl", prompts, RL_PROMPT)


def make_recipe(**train) -> Recipe:
    """A recipe of a 2-layer student; keyword arguments are merged over its train section."""
    base = {
        "tracker": "none",
        "student": {"hidden_size": 32, "layers": 2, "heads": 2, "vocabulary": 300, "positions": 256},
        "midtrain": {
            "epochs": 2,
            "learning_rate": 3e-3,
            "batch_size": 4,
            "micro_batch_size": 1,
            "max_length": 128,
        },
        "sft": {
            "epochs": 1,
            "learning_rate": 3e-3,
            "batch_size": 8,
            "micro_batch_size": 8,
            "max_length": 128,
        },
        "dpo": {
            "max_steps": 3,
            "learning_rate": 1e-4,
            "batch_size": 8,
            "micro_batch_size": 4,
            "max_length": 128,
        },
        "rl": {
            "settings": "paper",
            "max_accuracy": 1.0,
            "max_steps": 3,
            "learning_rate": 1e-4,
            "batch_size": 8,
            "micro_batch_size": 4,
            "group_size": 4,
            "max_completion_length": 24,
        },
    }
    for name, section in train.items():
        base[name] = base.get(name, {}) | section if isinstance(section, dict) else section
    return Recipe.model_validate(
        {"name": "tiny", "problems": {"sources": ["none.jsonl"]}, "verify": {"workers": 1}, "train": base}
    )


@pytest.fixture
def layout(tmp_path) -> RunLayout:
    """A run folder with all four training sets."""
    run = RunLayout(tmp_path / "run")
    write_sets(run)
    return run


@pytest.fixture(scope="session")
def trained(tmp_path_factory) -> RunLayout:
    """A run whose base, midtrain and sft stages are trained; tests copy it and never change it."""
    from train.run import run_stage

    run = RunLayout(tmp_path_factory.mktemp("trained"))
    write_sets(run)
    for stage in ("base", "midtrain", "sft"):
        run_stage(make_recipe(), run.run, stage)
    return run


@pytest.fixture(scope="session")
def tiny_recipe():
    """`make_recipe`: a recipe of the tiny run, with changes to its train section as keyword arguments."""
    return make_recipe


@pytest.fixture(scope="session")
def make_sets():
    """`write_sets`: all four training sets of a run."""
    return write_sets
