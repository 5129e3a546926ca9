"""Rows with two traces each, from one Parquet file to problems and responses: rows per second and memory at two sizes.

    python -m benchmarks.run importing [--rows 100000 300000]

Every import runs in its own process, measured from outside.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from benchmarks.markdown import table
from benchmarks.measure import measured
from benchmarks.result import Result

CHARACTERS = 1_500
"""Characters of a trace."""
BATCH = 5_000
WORDS = [
    "so",
    "we",
    "take",
    "the",
    "sum",
    "of",
    "both",
    "sides",
    "and",
    "divide",
    "by",
    "the",
    "common",
    "factor",
    "which",
    "leaves",
    "a",
    "smaller",
    "number",
    "than",
    "before",
]


def measure(args: list[str]) -> dict[str, Any]:
    """Cost of `factory import` by number of rows."""
    parser = argparse.ArgumentParser(prog="benchmarks.run importing")
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 300_000])
    runs = []
    for rows in parser.parse_args(args).rows:
        with TemporaryDirectory() as folder:
            given, out = Path(folder, "given.parquet"), Path(folder, "out")
            _write(given, rows)
            command = [sys.executable, "-m", "factory.cli.main", "import", str(given), "--out", str(out)]
            cost = measured(command)
            del cost["stdout"], cost["peaks_mb"]
            found = {name: _count(out / name) for name in ("problems", "responses")}
            assert found == {"problems": rows, "responses": 2 * rows}, found
            runs.append({"rows": rows, "file_mb": round(given.stat().st_size / 1e6), **found, **cost})
    return {"characters": CHARACTERS, "runs": runs}


def _write(path: Path, rows: int) -> None:
    """Rows in the shape of OpenR1-Math-220k; every text is its own."""
    writer: pq.ParquetWriter | None = None
    for start in range(0, rows, BATCH):
        table = pl.DataFrame([_row(n) for n in range(start, min(start + BATCH, rows))]).to_arrow()
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def _row(number: int) -> dict[str, Any]:
    turned = number % len(WORDS)
    chain = " ".join([*WORDS[turned:], *WORDS[:turned], str(number)])
    traces = [
        f"<think>\n{(f'{chain} {n} ' * 20)[:CHARACTERS]}\n</think>\nIt is \\boxed{{{number}}}."
        for n in range(2)
    ]
    return {
        "problem": f"A farmer has {number} hens and buys {number % 97} more each day. How many after {number % 31} days?",
        "answer": str(number + (number % 97) * (number % 31)),
        "source": f"part {number % 5}",
        "uuid": f"u-{number}",
        "generations": traces,
        "is_reasoning_complete": [True, True],
    }


def _count(folder: Path) -> int:
    return int(pl.scan_parquet(folder / "part-*.parquet").select(pl.len()).collect().item())


def render(result: Result) -> dict[str, str]:
    """The block of docs/start-from-your-data.md."""
    heads = ["rows", "responses", "file MB", "wall s", "processor s", "rows per processor s", "peak MB"]
    rows = [
        (
            f"{run['rows']:,}", f"{run['responses']:,}", run["file_mb"], f"{run['seconds']:.0f}",
            f"{run['cpu_seconds']:.0f}", f"{run['rows'] / run['cpu_seconds']:,.0f}", run["peak_mb"],
        )
        for run in result.figures["runs"]
    ]  # fmt: skip
    intro = f"One Parquet file, two traces of {result.figures['characters']:,} characters per row."
    return {"importing": f"{intro}\n\n{table(heads, rows)}"}
