"""Students for `factory compare`: `python -m train.arms OUT plan`, then `python -m train.arms OUT WORKER WORKERS`.

`plan` makes the student that all start from and settles how much every one reads: packs of one length, the same number of
steps and of packs a step for all sets, so that tokens and steps are equal. A worker then trains and asks its share of the
students, each in a folder of its own that says when it is done; a stopped student resumes from its last checkpoint.
"""

from __future__ import annotations

import os
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset
from transformers import AutoConfig

from factory.atomic import digest, read_json, write_json
from factory.config.evaluation import EvaluationSection
from factory.config.recipe import Recipe
from factory.config.verify import VerifySection
from factory.errors import FactoryError, UsageError
from factory.run.layout import RunLayout
from factory.run.parts import MANIFEST
from factory.steps import evaluate
from train.data import encode
from train.run import run_stage
from train.say import say_error, silence
from train.student import load_tokenizer

STEP_TOKENS = 2_048
"""Tokens that an optimiser step reads at least."""
MOST_OVER = 0.25
"""Share of a set's rows that may be longer than the student's context."""
LEAST_STEPS = 16
"""Fewer optimiser steps show nothing of a set."""
OWN_RATE, RATE = 4e-4, 1e-5
"""Peak learning rates: of the quickstart's student, and the paper's (docs/paper.md)."""
SAMPLED = 2_000
"""Rows of a set whose lengths are looked at."""


def plan(out: Path) -> dict[str, Any]:
    """Make the student and settle the training, written to `out/plan.json`.

    Returns:
        max_length (tokens a pack), batch_size (packs a step), steps, tokens (of a student); by set tokens_a_row, passes and overlong, the share of rows that are longer than a pack and not read.

    Raises:
        UsageError: the student cannot be used, or the budget is too small for its rows.
    """
    asked = read_json(out / "compare.json")
    base = RunLayout(out / "base")
    run_stage(_recipe(asked, "base", {}), base.run, "base")
    tokenizer = load_tokenizer(base.checkpoint("base"), None)
    lengths = {name: _lengths(out / "sets" / name / "set", tokenizer) for name in asked["sets"]}
    context = AutoConfig.from_pretrained(base.checkpoint("base")).get_text_config().max_position_embeddings
    for name, each in lengths.items():
        # Of a ladder only the recipe's own set must fit: what another one loses is said beside its points.
        over = float((each > context).mean())
        if over > MOST_OVER and asked.get("base", name) == name:
            raise UsageError(
                f"{over:.0%} of the rows of {name} are longer than the {context:,} tokens that {asked['student']} reads",
                do="take a --student with a longer context, or shorter rows",
            )
    longest = max(float(np.percentile(each, 99)) for each in lengths.values())
    length = min(context, max(256, 2 ** int(np.ceil(np.log2(longest)))))
    batch = max(4, STEP_TOKENS // length)
    steps = asked["budget_tokens"] // (batch * length)
    if steps < LEAST_STEPS:
        raise UsageError(
            f"a budget of {asked['budget_tokens']:,} tokens is {steps} steps of {batch} packs of {length} tokens",
            do=f"raise --budget-tokens to {LEAST_STEPS * batch * length:,} at least",
        )
    tokens = steps * batch * length
    rows = {name: read_json(out / "sets" / name / "set" / MANIFEST)["rows_out"] for name in asked["sets"]}
    means = {name: float(each.mean()) for name, each in lengths.items()}
    found = {
        "max_length": length,
        "batch_size": batch,
        "steps": steps,
        "tokens": tokens,
        "tokens_a_row": means,
        "overlong": {name: float((each > length).mean()) for name, each in lengths.items()},
        "passes": {name: tokens / (means[name] * rows[name]) for name in means},
    }
    write_json(out / "plan.json", found)
    return found


def _lengths(folder: Path, tokenizer: Any) -> np.ndarray:
    rows = Dataset.from_parquet([str(path) for path in sorted(folder.glob("*.parquet"))], keep_in_memory=True)
    chosen = np.random.default_rng(0).permutation(len(rows))[:SAMPLED]
    encoded = (
        encode(tokenizer, row["prompt"], row["completion"], loss_on_prompt=False)
        for row in rows.select(chosen)
    )
    return np.asarray([len(ids) for ids, _ in encoded])


def _recipe(asked: dict[str, Any], name: str, stage: dict[str, Any], seed: int = 0) -> Recipe:
    own = asked["student"] in ("tiny", "tiny_base")
    sft = {
        "packing": True,
        "learning_rate": asked["learning_rate"] or (OWN_RATE if own else RATE),
        "trl": {"adam_beta2": 0.98} if own else {},
        **stage,
    }
    return Recipe(
        name=name,
        seed=seed,
        problems={"sources": [asked["questions"]]},  # type: ignore[arg-type]
        train={  # type: ignore[arg-type]
            "tracker": "none",
            "save_every": 0.5,
            "student": {"model": asked["student"], "revision": asked["revision"]},
            "midtrain": {"enabled": False},
            "sft": sft,
        },
    )


def student(out: Path, name: str, number: int) -> None:
    """Train one student, evaluate it halfway and at the end, and write `student.json` into its folder.

    No two students share a seed, also not those of two sets: what they have in common would look like certainty.
    """
    asked, planned = read_json(out / "compare.json"), read_json(out / "plan.json")
    names = list(asked["sets"])
    seed = asked["seed"] + 1 + number * len(names) + names.index(name)
    layout = RunLayout(out / "students" / f"{name}-{number}")
    done = layout.run / "student.json"
    key = digest([asked, planned, seed])
    if done.exists() and read_json(done)["key"] == key:
        return
    for link, target in (("train/base", "base/train/base"), ("datasets/sft", f"sets/{name}/set")):
        path = layout.run / link
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(os.path.relpath(out / target, path.parent))
    stage = {
        "max_length": planned["max_length"],
        "batch_size": planned["batch_size"],
        "micro_batch_size": 2 if planned["max_length"] <= 512 else 1,
        "max_steps": planned["steps"],
    }
    scores = {}
    ask = partial(_ask, layout, asked, planned["max_length"], seed)

    def half_way(checkpoints: Path) -> None:
        first = min(checkpoints.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
        scores["half"] = ask(first, "half")

    run_stage(_recipe(asked, name, stage, seed), layout.run, "sft", resume=True, look=half_way)
    scores["end"] = ask(layout.checkpoint("sft"), "end")
    manifest = read_json(layout.checkpoint("sft") / MANIFEST)["totals"]
    metrics = manifest["metrics"]
    facts = {
        "tokens": metrics.get("last/num_tokens"),
        "loss": metrics.get("train_loss"),
        "seconds": manifest["seconds"],
    }
    write_json(done, {"key": key, "seed": seed, "pass_at_1": scores, **facts})
    for folder in (layout.run / "train", layout.store):
        shutil.rmtree(folder, ignore_errors=True)


def _ask(
    layout: RunLayout, asked: dict[str, Any], length: int, seed: int, model: Path, when: str
) -> float | None:
    section = EvaluationSection(
        benchmarks=[asked["questions"]],
        samples=1,
        temperature=0,
        top_p=1,
        max_tokens=asked["max_tokens"] or length,
        batch_size=512 if asked["student"] in ("tiny", "tiny_base") else 32,
    )
    found = evaluate.run(
        str(model), layout.evaluation(when), section, VerifySection(workers=1), held_out=None, store=layout.store,
        seed=seed, stage=when, prompt=asked["prompt"],
        system=asked["system"],
    )  # fmt: skip
    (figures,) = found.benchmarks.values()
    score: float | None = figures["pass_at_1"]
    return score


def main(words: list[str]) -> int:
    """Run the command line; returns the exit code."""
    out, *which = words
    folder = Path(out)
    silence()
    try:
        if which == ["plan"]:
            plan(folder)
            return 0
        worker, workers = map(int, which)
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // workers))
        asked = read_json(folder / "compare.json")
        todo = [(name, number) for number in range(asked["seeds"]) for name in asked["sets"]]
        for name, number in todo[worker::workers]:
            student(folder, name, number)
    except FactoryError as error:
        say_error(str(error))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
