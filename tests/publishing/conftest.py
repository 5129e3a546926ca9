"""Small real training sets, as the steps before export leave them."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from factory.config.load import save_recipe
from factory.config.recipe import Recipe
from factory.run.layout import RunLayout
from factory.run.ledger import close_ledger
from factory.run.step_writer import StepWriter
from factory.steps import export
from schemas import (
    COMPLETION,
    DIFFICULTY,
    LABELLED,
    PREFERENCE,
    PROBLEM,
    RESPONSE,
    RL_PROMPT,
    VERDICT,
    TableSchema,
)

sys.path.insert(0, str(Path(__file__).parent))  # hub_server.py, a helper of test_hub.py


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
    """Write rows as a step does, `chunk` rows at a time, in place of what another step wrote there."""
    shutil.rmtree(folder, ignore_errors=True)
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


def problem_rows(count: int) -> list[dict]:
    return [
        {
            "id": f"p-{i:06d}",
            "problem": f"A farmer has {i + 3} sheep and buys {2 * i + 5} goats. How many animals are on the farm now?",
            "answer": str(3 * i + 8),
            "answer_kind": "math",
            "source": "gsm8k" if i % 2 else "procedural:farm",
            "licence": "MIT",
            "domain": "arithmetic" if i % 3 else "algebra",
            "level": "elementary",
        }
        for i in range(count)
    ]


def verdict_rows(problems: list[dict], *, samples: int = 2, sampler: str = "procedural") -> list[dict]:
    """Every second response is wrong."""
    return [
        {
            **{key: value for key, value in problem.items() if key != "id"},
            "problem_id": problem["id"],
            "response_id": f"r-{sampler}-{problem['id']}-{sample}",
            "sample_index": sample,
            "reasoning": f"Add them up, carefully. {problem['answer']} it is.",
            "content": f"\\boxed{{{problem['answer'] if sample % 2 == 0 else '-1'}}}",
            "status": "complete",
            "sampler": sampler,
            "model": sampler,
            "request_key": f"k-{problem['id']}",
            "completion_tokens": 40 + sample,
            "usd": 0.0,
            "verdict": "correct" if sample % 2 == 0 else "incorrect",
            "method": "literal" if sample % 2 == 0 else "math_verify",
            "checker_version": "1",
            "verify_seconds": 0.001 * sample,
            "loop_score": 0.0,
            "repetitive": False,
        }
        for problem in problems
        for sample in range(samples)
    ]


def _step(
    folder: Path, step: str, schema: TableSchema, rows: list[dict], dropped: list[dict] = (), **totals
) -> None:
    with StepWriter(folder, step, schema) as writer:
        writer.keep(pl.DataFrame(rows, infer_schema_length=None))
        if dropped:
            writer.drop(pl.DataFrame(dropped, infer_schema_length=None))
        writer.finish(rows_in=len(rows) + len(dropped), totals=totals)


def _drop(step: str, problem: dict, reason: str) -> dict:
    return {
        "step": step,
        "row_id": problem["id"],
        "problem_id": problem["id"],
        "reason": reason,
        "detail": f"{reason}: {problem['problem'][:20]}",
        "evidence": json.dumps({"span": problem["problem"]}),
        "row": json.dumps(problem),
    }


def build_run(run: Path, *, problems: int = 30, **recipe: object) -> Path:
    """A small finished run, as the pipeline leaves it, made without any model."""
    at = RunLayout(run)
    asked = problem_rows(problems + 4)
    kept, twin, leaked, held = (
        asked[:problems],
        asked[problems : problems + 2],
        asked[problems + 2],
        asked[problems + 3],
    )
    _step(at.problems, "problems", PROBLEM, [*kept, *twin, leaked])
    _step(at.held_out, "held_out", PROBLEM, [held])
    doubles = [_drop("dedup", row, "near_duplicate") for row in twin]
    _step(
        at.unique_problems,
        "dedup",
        PROBLEM,
        [*kept, leaked],
        doubles,
        audit={"pairs_checked": 40, "threshold": 0.8},
    )
    hit = [_drop("decontaminate", leaked, "exact")]
    _step(
        at.clean_problems,
        "decontaminate",
        PROBLEM,
        kept,
        hit,
        certificate=_CERTIFICATE,
    )
    verdicts = verdict_rows(kept)
    tokens = sum(row["completion_tokens"] for row in verdicts)
    responses = [{k: row[k] for k in RESPONSE.names if k in row} for row in verdicts]
    _step(
        at.responses, "generate", RESPONSE, responses, usd=0.25, completion_tokens=tokens, prompt_tokens=900
    )
    _step(at.verdicts, "verify", VERDICT, verdicts)
    _step(at.labelled, "label", LABELLED, verdicts)
    rollouts = verdict_rows(kept, sampler="student")
    _step(at.rollouts, "rollouts", VERDICT, rollouts)
    _step(at.difficulty, "difficulty", DIFFICULTY, [{**row, **_POSTERIOR} for row in kept])
    message = lambda role, text: [{"role": role, "content": text}]  # noqa: E731
    think = lambda row: message("assistant", f"<think>\n{row['reasoning']}\n</think>\n\n{row['content']}")  # noqa: E731
    right = [row for row in verdicts if row["verdict"] == "correct"]
    wrong = {row["problem_id"]: row for row in rollouts if row["verdict"] == "incorrect"}
    sft = [
        {
            **{k: row[k] for k in COMPLETION.names if k in row},
            "prompt": message("user", row["problem"]),
            "completion": think(row),
            "teacher": row["sampler"],
        }
        for row in right
    ]
    pairs = [
        {
            **{k: row[k] for k in PREFERENCE.names if k in row},
            "prompt": message("user", row["problem"]),
            "chosen": think(row),
            "rejected": think(wrong[row["problem_id"]]),
            "chosen_response_id": row["response_id"],
            "rejected_response_id": wrong[row["problem_id"]]["response_id"],
            "chosen_sampler": "procedural",
            "rejected_sampler": "student",
            "chosen_tokens": row["completion_tokens"],
            "pair_rule": "nearest_length",
        }
        for row in right
    ]
    prompts = [
        {**{k: row[k] for k in RL_PROMPT.names if k in row}, "problem_id": row["id"], "bucket": 0}
        | {"prompt": message("user", row["problem"])}
        for row in reversed(kept)
    ]
    sets = {"midtrain": (sft, COMPLETION), "sft": (sft[::3], COMPLETION)}
    sets |= {"preference": (pairs, PREFERENCE), "rl": (prompts, RL_PROMPT)}
    for name, (rows, schema) in sets.items():
        _step(at.selected(name), f"select-{name}", schema, rows)
        export.run(at.selected(name), at.dataset(name), schema)
    settings = {"problems": {"sources": ["problems.jsonl"]}, "decontamination": {"against": ["gsm8k_test"]}}
    settings |= {"generate": {"teacher": "procedural", "samples": 2}, "name": "farm", "train": None}
    save_recipe(Recipe.model_validate(settings | recipe), at.recipe)
    close_ledger(run)
    return run


_CERTIFICATE = {
    "benchmarks": [{"name": "gsm8k_test", "rows": 1319, "revision": "3101c7d", "licence": "MIT"}],
    "rows": 31,
    "rows_found": {"gsm8k_test": {"exact": 1}},
}
_POSTERIOR = {
    "attempts": 4,
    "correct": 1,
    "pass_rate": 0.3,
    "pass_rate_low": 0.1,
    "pass_rate_high": 0.6,
    "alpha": 2.0,
    "beta": 4.0,
    "band": "useful",
    "band_probability": 0.9,
    "student": "student",
    "truncated": 0,
}


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run that nobody may change."""
    return build_run(tmp_path_factory.mktemp("runs") / "farm")


@pytest.fixture
def run(finished_run: Path, tmp_path: Path) -> Path:
    """A finished run of one's own."""
    return Path(shutil.copytree(finished_run, tmp_path / "run"))
