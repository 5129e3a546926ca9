"""Tables of responses, written as a step's folder."""

import polars as pl
import pytest

from factory.run.step_writer import StepWriter
from schemas import LABELLED, VERDICT

BASE = {
    "sample_index": 0,
    "status": "complete",
    "sampler": "t",
    "model": "m",
    "request_key": "k",
    "source": "s",
    "verdict": "correct",
    "checker_version": "1",
    "content": r"\boxed{1}",
    "reasoning": "well",
}


def filler(number, sample):
    """A length that varies from row to row, in no relation to who is right."""
    return 4 + (number * 7 + sample * 5) % 13


def response(number, sample, verdict="correct", **changes):
    """One LABELLED row; texts differ from row to row."""
    row = {
        "response_id": f"r-{number}-{sample}-{changes.get('sampler', 'teacher')}",
        "problem_id": f"p-{number}",
        "sample_index": sample,
        "reasoning": f"Consider case {number} attempt {sample}. "
        + "Then we go on. " * filler(number, sample),
        "content": rf"So it is \boxed{{{7 if verdict == 'correct' else 8}}}.",
        "status": "complete",
        "sampler": "teacher",
        "model": "m",
        "request_key": "k",
        "completion_tokens": 100 + sample,
        "problem": f"What is the value of thing number {number} in the list of things?",
        "answer": "7",
        "answer_kind": "math",
        "source": "test",
        "licence": "CC0-1.0",
        "domain": "algebra",
        "level": "college",
        "verdict": verdict,
        "extracted": "7" if verdict == "correct" else "8",
        "checker_version": "1",
        "loop_score": 0.0,
        "repetitive": False,
    }
    return {**row, **changes}


def write(folder, rows, schema=LABELLED):
    with StepWriter(folder, "made", schema) as writer:
        writer.keep(schema.empty() if not rows else pl.DataFrame(rows, infer_schema_length=None))
        writer.finish(rows_in=len(rows))
    return folder


@pytest.fixture
def make():
    return response


@pytest.fixture
def other():
    """A wrong response in other words."""

    def made(number, sample, verdict="incorrect", **changes):
        words = f"Perhaps thing {number} is so on try {sample}. " + "And so it is. " * filler(number, sample)
        return response(number, sample, verdict, **{"reasoning": words, **changes})

    return made


@pytest.fixture
def labelled(tmp_path):
    return lambda rows, name="labelled": write(tmp_path / name, rows)


@pytest.fixture
def verdicts(tmp_path):
    drop = ("loop_score", "repetitive")
    return lambda rows, name="rollouts": write(
        tmp_path / name, [{k: v for k, v in row.items() if k not in drop} for row in rows], VERDICT
    )


@pytest.fixture
def verdict_rows(tmp_path):
    """Writes VERDICT rows of which only some columns are given."""
    return lambda rows: write(tmp_path / "v", [{**BASE, **row} for row in rows], VERDICT)
