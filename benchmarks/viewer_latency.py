"""How quickly the viewer answers over a run of many responses.

    python -m benchmarks.run viewer_latency [--rows 1000000]

Writes the tables through the factory's own writer, serves them with the real server on loopback and times whole HTTP
answers. The problem's page must show all its responses, otherwise the measurement fails.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import polars as pl

from benchmarks.markdown import table
from benchmarks.measure import disk_bytes
from benchmarks.result import Result

SHOWN = {
    "first_page_cold": "first page, the very first request",
    "first_page": "first page",
    "sorted_page": "page sorted by a column",
    "filtered_sorted_page": "page filtered and sorted",
    "deep_page": "a page deep in the table",
    "search_common_word": "search, common word",
    "search_absent_word": "search, absent word",
    "search_common_word_reasoning_too": "search in the reasoning too, common word",
    "search_filter_and_sort": "search with filter and order",
    "first_search_absent": "the first search of a viewer just opened, until every row was searched: an absent word",
    "first_search_rare": "... a rare word",
    "first_search_common": "... a common word",
    "first_search_reasoning": "... an absent word, in the reasoning too",
    "facets": "facets: six columns counted",
    "facets_filtered": "facets of a filtered view",
    "statistics": "statistics of every column",
    "random_row": "a random row, with its page",
    "next_incorrect": "the next incorrect row, with its page",
    "problem_page": "a problem's page with ten responses",
    "trace_1mb": "unfolding a trace of 1 MB in Chromium, until it is drawn where it is seen",
    "trace_1mb_formulas": "... of 1 MB full of formulas",
    "trace_122kb_formulas": "... of 122 KB without a blank line, full of formulas",
    "why": "`factory why` on a problem",
}
"""Figures shown, with what they are."""
UNFOLD = """(async () => {
  const began = performance.now(), fold = document.querySelector('details.reasoning');
  fold.open = true;
  const text = factoryText.shown.get(fold.querySelector('.tex'));
  do await new Promise((r) => requestAnimationFrame(() => setTimeout(r, 0))); while (!text.pieces[0].drawn);
  return performance.now() - began;
})()"""
"""Unfold the reasoning and wait for the frame in which its beginning is drawn."""
BATCH, EACH = 50_000, 10
WORDS, LETTERS = 8_000_000, 7
"""Words of the text that the rows are passages of, and characters of a word with its space."""
PROBLEM = f"p-{12345:016x}"
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


def make_run(run: Path, rows: int) -> None:
    """`rows` responses, ten per problem, as verdicts and as labelled rows: 40 words, 150 of reasoning, 30 of answer.

    A text is a passage of one long random text, which is far longer than what a compressor looks back.
    """
    from factory.run.layout import RunLayout
    from factory.run.step_writer import StepWriter
    from schemas import LABELLED, VERDICT

    at = RunLayout(run)
    rng = np.random.default_rng(0)
    words = np.array([f"w{n:x}" for n in rng.integers(0, 1 << 32, 20_000)] + COMMON * 300)

    book = " ".join(words[rng.integers(0, len(words), WORDS)].tolist())

    def texts(count: int, length: int) -> list[str]:
        starts = rng.integers(0, len(book) - LETTERS * length, count)
        return [book[start : start + LETTERS * length] for start in starts.tolist()]

    names = [column.name for column in VERDICT.columns]
    with (
        StepWriter(at.verdicts, "verify", VERDICT) as verdicts,
        StepWriter(at.labelled, "label", LABELLED) as labelled,
    ):
        for start in range(0, rows, BATCH):
            n = min(BATCH, rows - start)
            i = np.arange(start, start + n)
            problems = texts(n // 10 + 1, 40)
            frame = pl.DataFrame(
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
            verdicts.keep(frame.select(name for name in names if name in frame.columns))
            labelled.keep(frame)
        verdicts.finish(rows_in=rows)
        labelled.finish(rows_in=rows)


@contextmanager
def served(run: Path) -> Iterator[tuple[str, Any]]:
    """A viewer of a run, newly opened, by the real server on loopback: its address and its application."""
    import uvicorn

    from factory.report.step_folders import open_run
    from factory.report.viewer.app import build_app
    from factory.report.viewer.serve import open_socket

    listening = open_socket(0)
    app = build_app(open_run(run, check=False))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", app
    finally:
        server.should_exit = True
        app.state.live.close()


def get(url: str, **query: str) -> tuple[float, str]:
    """Milliseconds of a whole answer, and its text."""
    began = time.perf_counter()
    with urllib.request.urlopen(f"{url}?{urlencode(query)}", timeout=120) as answer:
        assert answer.status == 200
        text = answer.read().decode("utf-8")
    return 1000 * (time.perf_counter() - began), text


def first_searches(run: Path, sheet: str, repeats: int = 3) -> dict[str, float]:
    """Milliseconds of the first search of a viewer that was just opened: its answer, and until every row was searched.

    The median of `repeats` viewers.
    """
    part = sorted((run / sheet).glob("part-*.parquet"))[0]
    rare = pl.scan_parquet(part).select("content").slice(5_000, 1).collect().item().split()
    rare = next(word for word in rare[1:-1] if len(word) > LETTERS)
    found: dict[str, float] = {}
    asked = {"absent": "zzznowhere", "rare": rare, "common": "triangle", "reasoning": "zzznowhere"}
    for label, word in asked.items():
        query = {"sheet": sheet, "q": word} | ({"deep": "1"} if label == "reasoning" else {})
        times = [_first_search(run, query) for _ in range(repeats)]
        for name, each in zip(("_answer", ""), zip(*times, strict=True), strict=True):
            found[f"first_search_{label}{name}"] = statistics.median(each)
    return found


def _first_search(run: Path, query: dict[str, str]) -> tuple[float, float]:
    with served(run) as (address, _):
        get(f"{address}/table", sheet=query["sheet"])
        began = time.perf_counter()
        answered, text = get(f"{address}/table", **query)
        while "data-again" in text:
            _, text = get(f"{address}/table", **query)
        return answered, 1000 * (time.perf_counter() - began)


def latencies(run: Path, name: str, rows: int, repeats: int = 5) -> dict[str, float]:
    """Milliseconds of whole answers; the median of `repeats`, after one warm-up except for the cold page."""
    from factory.report.lineage import trace
    from factory.report.step_folders import open_run

    views: dict[str, tuple[str, dict[str, str]]] = {
        "first_page": ("/table", {"sheet": name}),
        "sorted_page": ("/table", {"sheet": name, "sort": "completion_tokens", "desc": "1"}),
        "filtered_sorted_page": ("/table", {"sheet": name, "sort": "loop_score", "fc": "verdict", "fo": "is", "fv": "incorrect"}),
        "deep_page": ("/table", {"sheet": name, "page": str(rows // 100)}),
        "search_common_word": ("/table", {"sheet": name, "q": "triangle"}),
        "search_absent_word": ("/table", {"sheet": name, "q": "zzznowhere"}),
        "search_absent_word_reasoning_too": ("/table", {"sheet": name, "q": "zzznowhere", "deep": "1"}),
        "search_common_word_reasoning_too": ("/table", {"sheet": name, "q": "triangle", "deep": "1"}),
        "search_filter_and_sort": ("/table", {"sheet": name, "q": "triangle", "sort": "usd", "fc": "verdict", "fo": "is", "fv": "correct"}),
        "facets": ("/facets", {"sheet": name}),
        "facets_filtered": ("/facets", {"sheet": name, "fc": "verdict", "fo": "is", "fv": "incorrect"}),
        "statistics": ("/columns", {"sheet": name}),
        "random_row": ("/random", {"sheet": name, "fc": "verdict", "fo": "is", "fv": "incorrect"}),
        "next_incorrect": ("/next", {"sheet": name, "only": "incorrect", "id": ""}),
        "filter_values": ("/values", {"sheet": name, "column": "verdict"}),
        "problem_page": ("/row", {"id": PROBLEM}),
    }  # fmt: skip
    with served(run) as (address, _):
        result = {"first_page_cold": get(f"{address}/table", sheet=name)[0]}
    result |= first_searches(run, name)
    with served(run) as (address, app):

        def ask(label: str) -> float:
            path, query = views[label]
            return get(f"{address}{path}", **query)[0]

        began = time.perf_counter()
        app.state.live.view().sheets.text.wait()
        result["copied_in"] = 1000 * (time.perf_counter() - began)
        for label in views:
            ask(label)
            result[label] = statistics.median(ask(label) for _ in range(repeats))
        shown = get(f"{address}/row", id=PROBLEM)[1].count('class="response')
    if shown < EACH:
        raise SystemExit(f"the problem's page shows {shown} responses instead of {EACH}")
    began = time.perf_counter()
    trace(open_run(run, check=False), PROBLEM)
    result["why"] = 1000 * (time.perf_counter() - began)
    return {label: round(each, 1) for label, each in result.items()}


def long_traces(out: Path) -> dict[str, float]:
    """Milliseconds in Chromium from unfolding a long trace to its first piece drawn; the median of five."""
    from factory.run.step_writer import StepWriter
    from tests.report.chrome import BINARY, Chrome

    if BINARY is None:
        return {}
    formulas = [rf"So $x_{{{n}}}=\frac{{{n}}}{{7}}$ and **step** {n}." for n in range(30_000)]
    prose = [
        f"Wait, step {n}: 2*{n} = {2 * n}, and so the sum goes on as it did before." for n in range(20_000)
    ]
    texts = {"trace_1mb": "\n\n".join(prose)[: 2**20], "trace_1mb_formulas": "\n\n".join(formulas)[: 2**20]}
    texts["trace_122kb_formulas"] = " ".join(formulas)[:122_000]
    with StepWriter(out, "made") as writer:
        same = {"problem_id": "p", "problem": "x", "content": "y"}
        writer.keep(
            pl.DataFrame(
                [
                    {"response_id": f"r-{name}", "reasoning": text, **same} | {"problem_id": name}
                    for name, text in texts.items()
                ]
            )
        )
        writer.finish(rows_in=len(texts))
    chrome = Chrome()
    found: dict[str, float] = {}
    try:
        with served(out) as (address, _):
            for name in texts:
                times = []
                for _ in range(5):
                    chrome.open(f"{address}/row?id=r-{name}")
                    times.append(chrome.run(UNFOLD))
                found[name] = round(statistics.median(times), 1)
    finally:
        chrome.close()
    return found


def measure(args: list[str]) -> dict[str, Any]:
    """Tables in a scratch folder, then every request."""
    from factory.run.layout import RunLayout

    parser = argparse.ArgumentParser(prog="benchmarks.run viewer_latency")
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args(args).rows
    if rows <= EACH * 12345 + EACH:
        parser.error(f"--rows must be above {EACH * 12346:,}: a problem in the middle is opened")
    with tempfile.TemporaryDirectory() as scratch:
        run = Path(scratch) / "run"
        run.mkdir()
        make_run(run, rows)
        load = round(os.getloadavg()[0], 1)
        found = latencies(run, str(RunLayout(run).labelled.relative_to(run)), rows)
        found |= long_traces(Path(scratch) / "traces")
        return {"rows": rows, "bytes": disk_bytes(run), "load_before": load, "milliseconds": found}


def render(result: Result) -> dict[str, str]:
    """The block of docs/report.md."""
    found = result.figures
    times = found["milliseconds"]
    rows = [(what, f"{times[name]:,.0f}") for name, what in SHOWN.items() if name in times]
    return {
        "viewer_latency": f"{found['rows']:,} responses with verdicts and labels, {found['bytes'] / 1e6:,.0f} MB of "
        f"Parquet (load of the machine before: {found['load_before']}):\n\n"
        f"{table(['request', 'milliseconds'], rows, (1,))}\n\n"
        f"The text copies of both tables took {times['copied_in'] / 1000:.1f} s, at the lowest priority."
    }
