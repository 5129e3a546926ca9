"""Export of a training set: speed, memory against size, reproducibility, and what a small change costs on the Hub.

    python -m benchmarks.run publishing [--megabytes 100]

Rows are long traces of random words. Memory is the peak of a process that does nothing else. The cost of a change
is measured as the Hub's storage does: files are cut into chunks by content, chunks that are there already cost
nothing (here with FastCDC-like cuts of 64 KiB in the mean).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from benchmarks.markdown import table
from benchmarks.result import Result

WORDS = 2_600
"""Words a trace: about 16 KB."""


def rows(start: int, count: int, vocabulary: list[str]) -> pl.DataFrame:
    generator = np.random.default_rng(start)
    # Zipf-like words compress about as prose does.
    picks = np.minimum(generator.zipf(1.15, (count, WORDS)), len(vocabulary)) - 1
    texts = [" ".join(line) for line in np.array(vocabulary, dtype=object)[picks].tolist()]
    order = generator.permutation(count)
    return pl.DataFrame(
        {
            "prompt": [
                [{"role": "user", "content": f"Problem {start + i}: what follows?"}] for i in range(count)
            ],
            "completion": [[{"role": "assistant", "content": f"<think>\n{t}\n</think>\n\n7"}] for t in texts],
            "problem_id": [
                f"p-{hashlib.sha256(str(start + i).encode()).hexdigest()[:16]}" for i in order.tolist()
            ],
            "source": "synthetic",
            "licence": "MIT",
            "response_id": [f"r-{start + i:032d}" for i in range(count)],
            "teacher": "none",
            "model": "none",
            "completion_tokens": WORDS,
        },
        schema_overrides={"completion_tokens": pl.Int32},
    )


def make(folder: Path, megabytes: int, vocabulary: list[str]) -> int:
    from factory.run.step_writer import StepWriter
    from schemas import COMPLETION

    batch, total, count = 1_000, 0, 0
    with StepWriter(folder, "select", COMPLETION) as writer:
        while total < megabytes * 2**20:
            frame = rows(count, batch, vocabulary)
            writer.keep(frame)
            total += int(frame.estimated_size())
            count += batch
        writer.finish(rows_in=count)
    return count


def exported(source: Path, out: Path) -> dict:
    """Export in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.publishing", str(source), str(out)],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def child(source: Path, out: Path) -> None:
    from factory.steps import export
    from schemas import COMPLETION

    before = peak_kb()
    began = time.perf_counter()
    manifest = export.run(source, out, COMPLETION).manifest
    seconds = time.perf_counter() - began
    peak = peak_kb()
    facts = {"seconds": round(seconds, 2), "peak_mb": peak // 1024, "imports_mb": before // 1024}
    print(json.dumps(facts | {"digest": manifest["output_digest"], **manifest["totals"]}))


def peak_kb() -> int:
    """Peak resident memory of this process; `getrusage` would carry over the parent's."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def chunks(path: Path) -> dict[str, int]:
    """Content-defined chunks of a file: digest to size. A rolling sum over 48 bytes decides, 64 KiB in the mean."""
    data = np.frombuffer(path.read_bytes(), np.uint8)
    table = np.random.default_rng(7).integers(0, 2**32, 256, dtype=np.uint64)
    sums = np.cumsum(table[data], dtype=np.uint64)
    window = sums[48:] - sums[:-48]
    window ^= window >> np.uint64(17)
    cuts = np.flatnonzero(window * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(48) == 0) + 48
    borders = [0, *cuts.tolist(), len(data)]
    found = {}
    for a, b in pairwise(borders):
        found[hashlib.sha256(data[a:b]).hexdigest()] = b - a
    return found


def change(source: Path, folder: Path, *, content_defined: bool) -> dict[str, float]:
    """Share of a file's bytes that are new to the Hub after a change, by change."""
    rows = pl.read_parquet(sorted(source.glob("part-*.parquet"))).sort("problem_id", "response_id")
    place = pl.int_range(pl.len())
    half = pl.when(place % 2 == 0).then(pl.lit("algebra"))
    changes = {
        "relabelled": (rows, rows.with_columns(domain=half)),
        "tenth_appended": (rows.head(rows.height * 9 // 10), rows),
        "one_in_1000_removed": (rows, rows.filter(place % 1000 != 500)),
        "one_in_100_removed": (rows, rows.filter(place % 100 != 50)),
    }
    shares = {}
    for name, (before, after) in changes.items():
        files = [_written(frame, folder, content_defined) for frame in (before, after)]
        new = sum(size for key, size in files[1].items() if key not in files[0])
        shares[name] = round(new / sum(files[1].values()), 4)
    return shares


def _written(frame: pl.DataFrame, folder: Path, content_defined: bool) -> dict[str, int]:
    """The chunks of the set's one shard, as `write_shards` writes it, or the same without content-defined pages."""
    import pyarrow.parquet as pq

    from factory.publishing.shards import row_groups, write_shards
    from schemas import COMPLETION

    path = folder / "shard.parquet"
    if content_defined:
        path = write_shards(folder / "shards", [frame], COMPLETION).paths[0]
        return chunks(path)
    groups = row_groups([COMPLETION.conform(frame.to_arrow())], COMPLETION)
    first = next(groups)
    with pq.ParquetWriter(path, first.schema, compression="zstd", compression_level=3) as writer:
        for table in (first, *groups):
            writer.write_table(table, row_group_size=table.num_rows)
    return chunks(path)


def measure(args: list[str]) -> dict[str, Any]:
    """Export at every size, then the cost of changes at the smallest."""
    parser = argparse.ArgumentParser(prog="benchmarks.run publishing")
    parser.add_argument("--megabytes", type=int, nargs="+", default=[100])
    sizes = parser.parse_args(args).megabytes
    generator = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    vocabulary = ["".join(generator.choice(letters, generator.integers(2, 9))) for _ in range(20_000)]
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for size in sizes:
            source = Path(scratch) / f"in-{size}"
            count = make(source, size, vocabulary)
            first = exported(source, Path(scratch) / f"out-{size}")
            again = exported(source, Path(scratch) / f"again-{size}")
            same = first["digest"] == again["digest"]
            results.append({"megabytes": size, "rows": count, **first, "same_bytes": same})
        smallest = min(sizes)
        small = Path(scratch) / f"in-{smallest}"
        shares = {
            name: change(small, Path(scratch), content_defined=cdc)
            for name, cdc in (("content_defined", True), ("fixed", False))
        }
    rows = next(result["rows"] for result in results if result["megabytes"] == smallest)
    return {"export": results, "change": {"rows": rows, "share_of_bytes_new": shares}}


def render(result: Result) -> dict[str, str]:
    """The blocks of docs/publishing.md."""
    change_, exports = result.figures["change"], result.figures["export"]
    new = change_["share_of_bytes_new"]
    rows = [
        (name.replace("_", " "), f"{share:.1%}", f"{new['fixed'][name]:.1%}")
        for name, share in new["content_defined"].items()
    ]
    costs = [
        (e["rows"], e["megabytes"], e["seconds"], e["peak_mb"], "yes" if e["same_bytes"] else "NO")
        for e in exports
    ]
    heads = ["rows", "MB in memory", "seconds", "peak MB of the process", "same bytes when run again"]
    return {
        "publishing-change": f"{change_['rows']:,} rows with traces of {WORDS:,} words:\n\n"
        + table(["change", "pages cut by content", "plain Parquet"], rows, (1, 2)),
        "publishing-export": table(heads, costs, range(4)),
    }


if __name__ == "__main__":
    child(Path(sys.argv[1]), Path(sys.argv[2]))
