"""One row of the quickstart's sft set for README: the shortest chain of 200 tokens or more that finds its own mistake.

python -m benchmarks.run long_chain runs/quickstart
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.result import Result

LEAST_TOKENS = 200
AGAIN = "start over|whole thing again"
"""What the procedural teacher says when a check fails."""


def measure(args: list[str]) -> dict[str, Any]:
    """The row, with its verdict, its gold and its length; and the longest of the set."""
    import polars as pl

    from factory.run.layout import RunLayout

    parser = argparse.ArgumentParser(prog="benchmarks.run long_chain")
    parser.add_argument("run", type=Path)
    shards = RunLayout(parser.parse_args(args).run).dataset("sft") / "*.parquet"
    rows = pl.read_parquet(shards).with_columns(
        pl.col("prompt").list.last().struct.field("content").alias("problem"),
        pl.col("completion").list.first().struct.field("content").alias("text"),
    )
    found = rows.filter(pl.col("text").str.contains(AGAIN), pl.col("completion_tokens") >= LEAST_TOKENS)
    shown = ("problem", "text", "answer", "verdict", "method", "completion_tokens", "level", "response_id")
    row = found.sort("completion_tokens", "response_id").select(shown).row(0, named=True)
    return {"row": row, "rows": rows.height, "longest": rows["completion_tokens"].max()}


def render(result: Result) -> dict[str, str]:
    """The block of README.md."""
    row = result.figures["row"]
    return {
        "long_chain": f"```text\n{row['problem']}\n\n{row['text']}\n```\n\n"
        f"`{row['verdict']}` by `{row['method']}`, gold {row['answer']}; {row['completion_tokens']} tokens. The longest of the "
        f"{result.figures['rows']} rows has {result.figures['longest']:,}."
    }
