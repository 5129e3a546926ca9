"""Verdict rows written as a step's folder."""

import polars as pl
import pytest

from factory.run.writer import StepWriter
from schemas import VERDICT

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


@pytest.fixture
def verdicts(tmp_path):
    def write(rows):
        with StepWriter(tmp_path / "v", "verify", VERDICT) as writer:
            full = [{**BASE, **row} for row in rows]
            writer.keep(pl.DataFrame(full, infer_schema_length=None) if rows else VERDICT.empty())
            writer.finish(rows_in=len(rows))
        return tmp_path / "v"

    return write
