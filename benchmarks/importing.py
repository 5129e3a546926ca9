"""Rows with two traces each, from one Parquet file to problems and responses: rows per second and memory at two sizes.

    python -m benchmarks.run importing [--rows 100000 1000000]

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
BATCH = 20_000
CHAIN = "so we take the sum of both sides and divide by the common factor, which leaves a smaller number: {} "
"""What a trace says again and again, with its number."""


def measure(args: list[str]) -> dict[str, Any]:
    """Cost of `factory import` by number of rows."""
    parser = argparse.ArgumentParser(prog="benchmarks.run importing")
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
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
        number = pl.int_range(start, min(start + BATCH, rows))
        table = pl.select(
            problem=pl.format(
                "A farmer has {} hens and buys {} more each day. How many after {} days?",
                number, number % 97, number % 31,
            ),
            answer=(number + (number % 97) * (number % 31)).cast(pl.String),
            source=pl.format("part {}", number % 5),
            uuid=pl.format("u-{}", number),
            generations=pl.concat_list(_trace(number, place) for place in range(2)),
            is_reasoning_complete=pl.concat_list(pl.repeat(True, number.len()) for _ in range(2)),
        ).to_arrow()  # fmt: skip
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def _trace(number: pl.Expr, place: int) -> pl.Expr:
    """The response at a place of each row: `CHARACTERS` of reasoning and an answer."""
    chain = pl.format(CHAIN, number * 2 + place)
    thought = pl.concat_str([chain] * (CHARACTERS // len(CHAIN) + 1)).str.head(CHARACTERS)
    end = [pl.lit("\n</think>\nIt is \\boxed{"), number.cast(pl.String), pl.lit("}.")]
    return pl.concat_str(pl.lit("<think>\n"), thought, *end)


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
