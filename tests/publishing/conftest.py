"""Small real training sets, as the steps before export leave them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from factory.store.writer import StepWriter
from schemas import COMPLETION, PREFERENCE, RL_PROMPT, TableSchema


def completion_rows(count: int, *, words: int = 20) -> list[dict]:
    """Rows of the sft set in an order that is not their sorted one."""
    return [
        {
            "prompt": [{"role": "user", "content": f"What is {i} + {i}?"}],
            "completion": [
                {"role": "assistant", "content": f"<think>\n{'so ' * words}{i}\n</think>\n\\boxed{{{2 * i}}}"}
            ],
            "problem_id": f"p-{(i * 7919) % 1009:06d}",
            "source": "procedural:sums" if i % 2 else "gsm8k",
            "licence": "MIT",
            "domain": "arithmetic" if i % 3 else "algebra",
            "level": "elementary",
            "response_id": f"r-{i:08d}",
            "teacher": "procedural",
            "model": "procedural",
            "answer": str(2 * i),
            "method": "literal",
            "completion_tokens": words + i % 7,
        }
        for i in range(count)
    ]


def preference_rows(count: int) -> list[dict]:
    message = lambda text: [{"role": "assistant", "content": text}]  # noqa: E731
    return [
        {
            "prompt": [{"role": "user", "content": f"What is {i} + {i}?"}],
            "chosen": message(f"<think>\nadd\n</think>\n{2 * i}"),
            "rejected": message(f"<think>\nadd badly\n</think>\n{2 * i + 1}"),
            "problem_id": f"p-{(i * 7919) % 1009:06d}",
            "source": "gsm8k",
            "licence": "MIT",
            "domain": "arithmetic",
            "level": "elementary",
            "chosen_response_id": f"r-{i:08d}",
            "rejected_response_id": f"r-{i:08d}x",
            "chosen_sampler": "procedural",
            "rejected_sampler": "student",
            "chosen_tokens": 10,
            "rejected_tokens": 12,
            "pair_rule": "nearest_length",
            "answer": str(2 * i),
        }
        for i in range(count)
    ]


def rl_rows(count: int) -> list[dict]:
    return [
        {
            "prompt": [{"role": "user", "content": f"What is {i} + {i}?"}],
            "answer": str(2 * i),
            "answer_kind": "math",
            "choices": None,
            "metadata": None,
            "problem_id": f"p-{(i * 7919) % 1009:06d}",
            "source": "gsm8k",
            "licence": "MIT",
            "domain": "arithmetic",
            "level": "elementary",
            "pass_rate": 0.25,
            "tokens_mean": 100.0 + i,
            "tokens_cv": 0.1,
            "bucket": i * 4 // max(count, 1),
        }
        for i in range(count)
    ]


def step_folder(folder: Path, rows: list[dict], schema: TableSchema, *, chunk: int = 64) -> Path:
    """Write rows as a step does, `chunk` rows at a time."""
    with StepWriter(folder, "select", schema) as writer:
        for start in range(0, len(rows), chunk):
            writer.keep(pl.DataFrame(rows[start : start + chunk], infer_schema_length=None))
        writer.finish(rows_in=len(rows))
    return folder


@pytest.fixture
def make() -> SimpleNamespace:
    """Makers of rows and of step folders."""
    return SimpleNamespace(
        completions=completion_rows, preferences=preference_rows, rl=rl_rows, step_folder=step_folder
    )


@pytest.fixture
def completions(tmp_path: Path) -> Path:
    return step_folder(tmp_path / "selected" / "sft", completion_rows(500), COMPLETION)


@pytest.fixture
def preferences(tmp_path: Path) -> Path:
    return step_folder(tmp_path / "selected" / "preference", preference_rows(50), PREFERENCE)


@pytest.fixture
def rl_prompts(tmp_path: Path) -> Path:
    return step_folder(tmp_path / "selected" / "rl", rl_rows(50), RL_PROMPT)
