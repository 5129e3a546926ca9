"""How quickly the viewer answers over a table of a million labelled responses.

    python -m benchmarks.viewer_latency [--rows 1000000] [--folder DIR]

Writes the table through the factory's own writer, serves it with the real server on loopback and times whole HTTP
answers. `first_page_cold` is the very first request after the start. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import polars as pl
import uvicorn

from factory.report.lineage import trace
from factory.report.tables import open_run
from factory.report.viewer.app import build_app
from factory.report.viewer.serve import open_socket
from factory.run.layout import RunLayout
from factory.run.writer import StepWriter
from schemas import LABELLED

BATCH = 50_000
COMMON = [
    "the",
    "of",
    "and",
    "number",
    "find",
    "let",
    "x",
    "y",
    "triangle",
    "sum",
    "prime",
    "integer",
    "value",
    "answer",
    "then",
    "so",
]


def make_table(run: Path, rows: int) -> None:
    """`rows` labelled responses, ten a problem: 40 words a problem, 150 of reasoning, 30 of answer."""
    rng = np.random.default_rng(0)
    words = np.array([f"w{n:x}" for n in rng.integers(0, 1 << 32, 20_000)] + COMMON * 300)

    def texts(count: int, length: int) -> list[str]:
        return [" ".join(row) for row in words[rng.integers(0, len(words), (count, length))].tolist()]

    with StepWriter(RunLayout(run).labelled, "label", LABELLED) as writer:
        for start in range(0, rows, BATCH):
            n = min(BATCH, rows - start)
            i = np.arange(start, start + n)
            problems = texts(n // 10 + 1, 40)
            writer.keep(
                pl.DataFrame(
                    {
                        "response_id": [f"r-{(x * 2654435761) % (1 << 64):032x}" for x in i.tolist()],
                        "problem_id": [f"p-{x // 10:016x}" for x in i.tolist()],
                        "sample_index": (i % 10).astype("int32"),
                        "reasoning": texts(n, 150),
                        "content": texts(n, 30),
                        "status": ["complete"] * n,
                        "sampler": ["deepseek-r1"] * n,
                        "model": ["R1"] * n,
                        "request_key": [f"{x // 10:064x}" for x in i.tolist()],
                        "completion_tokens": rng.integers(200, 30_000, n).astype("int32"),
                        "usd": rng.random(n),
                        "problem": [problems[(x - start) // 10] for x in i.tolist()],
                        "answer": [str(x) for x in rng.integers(0, 1000, n)],
                        "source": rng.choice(["a", "b", "c"], n),
                        "domain": rng.choice(["algebra", "geometry"], n),
                        "level": rng.choice(["middle", "college"], n),
                        "verdict": rng.choice(["correct", "incorrect", "no_answer"], n, p=[0.6, 0.35, 0.05]),
                        "extracted": [str(x) for x in rng.integers(0, 1000, n)],
                        "method": rng.choice(["literal", "math_verify"], n),
                        "checker_version": ["1"] * n,
                        "loop_score": rng.random(n),
                        "repetitive": [False] * n,
                    }
                )
            )
        writer.finish(rows_in=rows)


def measure(run: Path, repeats: int = 5) -> dict[str, object]:
    """Milliseconds of whole answers; the median of `repeats`, after one warm-up except for the cold page."""
    tables = open_run(run, check=False)
    sheet = RunLayout(run).labelled.relative_to(run)
    listening = open_socket(0)
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    app = build_app(tables)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True).start()

    def ask(path: str, **query: str) -> float:
        began = time.perf_counter()
        with urllib.request.urlopen(f"{address}{path}?{urlencode(query)}", timeout=120) as answer:
            assert answer.status == 200
            answer.read()
        return 1000 * (time.perf_counter() - began)

    name = str(sheet)
    views: dict[str, tuple[str, dict[str, str]]] = {
        "first_page": ("/table", {"sheet": name}),
        "sorted_page": ("/table", {"sheet": name, "sort": "completion_tokens", "desc": "1"}),
        "filtered_sorted_page": ("/table", {"sheet": name, "sort": "loop_score", "fc": "verdict", "fo": "is", "fv": "incorrect"}),
        "page_10000": ("/table", {"sheet": name, "page": "10000"}),
        "search_common_word": ("/table", {"sheet": name, "q": "triangle"}),
        "search_absent_word": ("/table", {"sheet": name, "q": "zzznowhere"}),
        "search_absent_word_reasoning_too": ("/table", {"sheet": name, "q": "zzznowhere", "deep": "1"}),
        "search_common_word_reasoning_too": ("/table", {"sheet": name, "q": "triangle", "deep": "1"}),
        "search_filter_and_sort": ("/table", {"sheet": name, "q": "triangle", "sort": "usd", "fc": "verdict", "fo": "is", "fv": "correct"}),
        "filter_values": ("/values", {"sheet": name, "column": "verdict"}),
        "problem_page": ("/row", {"id": f"p-{12345:016x}"}),
    }  # fmt: skip
    result: dict[str, object] = {
        "first_page_cold": round(ask(*views["first_page"][:1], **views["first_page"][1]), 1)
    }
    absent = views["search_absent_word"]
    result["search_absent_word_before_the_copy"] = round(ask(absent[0], **absent[1]), 1)
    began = time.perf_counter()
    app.state.sheets.text.wait()
    result["copying_went_on_for"] = round(1000 * (time.perf_counter() - began), 1)
    for label, (path, query) in views.items():
        ask(path, **query)
        result[label] = round(statistics.median(ask(path, **query) for _ in range(repeats)), 1)
    began = time.perf_counter()
    trace(open_run(run, check=False), f"p-{12345:016x}")
    result["why"] = round(1000 * (time.perf_counter() - began), 1)
    server.should_exit = True
    app.state.sheets.close()
    return result


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--folder", type=Path, help="keep the table here and use it again")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        run = given.folder or Path(scratch)
        if not RunLayout(run).labelled.exists():
            make_table(run, given.rows)
        size = sum(path.stat().st_size for path in RunLayout(run).labelled.glob("*.parquet"))
        print(json.dumps({"rows": given.rows, "bytes": size, "milliseconds": measure(run)}, indent=2))


if __name__ == "__main__":
    main()
