"""Rows of the three training sets, with what trips exports: systems, cut traces, several scripts, golds in LaTeX."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from factory.publishing.shards import SORT_KEYS
from factory.steps import export
from schemas import COMPLETION, PREFERENCE, RL_PROMPT

GOLDS = ["42", "-3", r"\frac{1}{2}", "0.5", "1,200", r"x^2+1", "(1,2)", r"2\sqrt{3}", r"\text{Monday}", "007"]
SYSTEM = "Think first, then answer."


def prompt(i):
    system = [{"role": "system", "content": SYSTEM}] if i % 2 else []
    return [
        *system,
        {"role": "user", "content": f"Problem {i}: what is a_{i}? 数 é <b> {{x}} \\boxed\n\n  end"},
    ]


def reply(i, gold, word="so"):
    """Reasoning and answer; every fifth reasoning quotes code and braces."""
    trace = f"First, {word} {i}.\n\nThen {{'a': {i}}} & \\alpha \"quoted\" 数\tend"
    return f"<think>\n{trace}\n</think>\n\nThe answer is \\boxed{{{gold}}}."


def common(i):
    return {
        "problem_id": f"p{i}",
        "source": "set/α",
        "licence": None if i % 3 else "cc-by-4.0",
        "domain": "algebra",
    }


def completions():
    return [
        {
            "prompt": prompt(i),
            "completion": [{"role": "assistant", "content": reply(i, gold)}],
            **common(i),
            "response_id": f"r{i}",
            "teacher": "t",
            "model": "m",
            "answer": gold,
        }
        for i, gold in enumerate(GOLDS)
    ]


def pairs():
    return [
        {
            "prompt": prompt(i),
            "chosen": [{"role": "assistant", "content": reply(i, gold)}],
            "rejected": [
                {"role": "assistant", "content": f"<think>\ncut {i}" if i == 4 else reply(i, f"9{i}", "but")}
            ],
            **common(i),
            **{
                f"{side}_{name}": f"{side}{i}"
                for side in ("chosen", "rejected")
                for name in ("response_id", "sampler")
            },
            "pair_rule": "longest",
            "answer": gold,
        }
        for i, gold in enumerate(GOLDS)
    ]


def rl_prompts():
    """Math, one choice, one text, one code with pairs, one code with asserts, one reasoning-gym, one without a gold."""
    rows = [
        {"prompt": prompt(i), "answer": gold, "answer_kind": "math", **common(i)}
        for i, gold in enumerate(GOLDS)
    ]
    code = {"input_output": json.dumps({"inputs": ["1\n", "2\n"], "outputs": ["2\n", "4\n"]})}
    more = [
        {"answer": "B", "answer_kind": "choice", "choices": ["red", "green", "blue"]},
        {"answer": "Paris", "answer_kind": "text"},
        {"answer": None, "answer_kind": "code", "metadata": json.dumps(code)},
        {"answer": None, "answer_kind": "code", "metadata": json.dumps({"test_list": ["assert f(1) == 2"]})},
        {"answer": None, "answer_kind": "reasoning_gym", "metadata": "{}"},
        {"answer": None, "answer_kind": "math"},
    ]
    return rows + [{"prompt": prompt(i), **row, **common(i)} for i, row in enumerate(more, 100)]


SETS = {
    "sft": (COMPLETION, completions),
    "preference": (PREFERENCE, pairs),
    "rl": (RL_PROMPT, rl_prompts),
}


def write_set(folder: Path, name: str) -> Path:
    """A set as `factory run` leaves it."""
    schema, rows = SETS[name]
    declared = pa.schema([pa.field(c.name, c.type) for c in schema.columns])
    folder.parent.mkdir(parents=True, exist_ok=True)
    given = folder.parent / f"{name}.parquet"
    pq.write_table(pa.Table.from_pylist(rows(), declared), given)
    export.run(given, folder, schema)
    given.unlink()
    return folder


def read_set(name: str, kinds=None) -> list[dict]:
    """The rows in the order in which a set holds them; those of an rl set whose answers a reward of `kinds` can grade."""
    schema, rows = SETS[name]
    found = sorted(rows(), key=lambda row: [row[column] for column in SORT_KEYS[schema.name]])
    return [
        r
        for r in found
        if kinds is None or (r["answer_kind"] in kinds and (r["answer"] or "outputs" in str(r)))
    ]
