"""Verdicts of the verifier and of plain math-verify on labelled files, and their speed on whole responses.

    python -m benchmarks.verifier [--data FOLDER] [--write docs/verifier.md]

Both see the same gold and prediction texts. Plain math-verify is its documented loop: `parse` both, `verify`; a gold
without delimiters is put in `$...$`, as its own readme does, and so is a prediction that is a bare answer. Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path

from factory.config.verify import VerifySection
from factory.verification import CHECKER_VERSION, CheckRequest, Verifier

ROOT = Path(__file__).resolve().parents[1]
TRACES = 400
DATA = ROOT.parent / "shared" / "data"


def read(path: Path) -> list[dict]:
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def ours(rows: list[dict], workers: int) -> tuple[list[bool], list[str], float]:
    requests = [CheckRequest(r["prediction"], r["gold"], problem=r.get("question")) for r in rows]
    with Verifier(VerifySection(workers=workers)) as verifier:
        warm = [
            CheckRequest(f"\\boxed{{\\int_0^{i} x dx}}", f"\\int_0^{i} y dy")
            for i in range(2, 2 + 2 * workers)
        ]
        verifier.check_many(warm)
        began = time.perf_counter()
        results = verifier.check_many(requests)
        seconds = time.perf_counter() - began
    return [r.correct for r in results], [str(r.verdict) for r in results], seconds


def plain(rows: list[dict]) -> tuple[list[bool], float]:
    from math_verify import parse, verify

    logging.disable(logging.CRITICAL)
    wrapped = [
        (_wrap(r["gold"]), r["prediction"] if r.get("prediction_kind") else _wrap(r["prediction"]))
        for r in rows
    ]
    parse("$1$")
    began = time.perf_counter()
    said = []
    for gold, prediction in wrapped:
        try:
            said.append(bool(verify(parse(gold), parse(prediction))))
        except Exception:
            said.append(False)
    return said, time.perf_counter() - began


def _wrap(text: str) -> str:
    return text if "$" in text or "\\boxed" in text or "\\(" in text or "\\[" in text else f"${text}$"


def scores(labels: list[bool], said: list[bool]) -> dict:
    right = sum(a and b for a, b in zip(labels, said, strict=True))
    return {
        "accuracy": sum(a == b for a, b in zip(labels, said, strict=True)) / len(labels),
        "precision": right / sum(said) if any(said) else None,
        "recall": right / sum(labels) if any(labels) else None,
        "false_correct": sum(said) - right,
    }


def measure(data: Path, workers: int) -> dict:
    files = {}
    load = os.getloadavg()[0]
    for path in sorted((data / "verifier").glob("*.jsonl")):
        rows = read(path)
        labels = [bool(r["label"]) for r in rows]
        said, verdicts, seconds = ours(rows, workers)
        theirs, plain_seconds = plain(rows)
        decided = sum(v in ("correct", "incorrect") for v in verdicts)
        files[path.stem] = {
            "rows": len(rows),
            "ours": {**scores(labels, said), "coverage": decided / len(rows), "seconds": seconds},
            "math_verify": {**scores(labels, theirs), "seconds": plain_seconds},
        }
    timings = speed(data, workers, files["gsm8k_openai_solutions"])
    return {
        "checker": CHECKER_VERSION,
        "math_verify": version("math-verify"),
        "python": platform.python_version(),
        "workers": workers,
        "files": files,
        "speed": timings,
        "load": (load, os.getloadavg()[0]),
    }


def speed(data: Path, workers: int, solutions: dict) -> dict:
    """Throughput on whole responses: real long traces and GSM8K solutions."""
    traces = [
        {"gold": row["answer"], "prediction": row["response"], "prediction_kind": "full_output"}
        for row in read(data / "traces" / "mip_overthinking_long_cot.jsonl")[:TRACES]
        if row.get("answer")
    ]
    timings = {
        "traces/mip_overthinking_long_cot": _beside(traces, workers),
        "verifier/gsm8k_openai_solutions": (
            solutions["rows"],
            solutions["ours"]["seconds"],
            solutions["math_verify"]["seconds"],
        ),
    }
    return {
        name: {
            "responses": count,
            "ours_per_second": count / mine,
            "math_verify_per_second": count / theirs,
            "ratio": theirs / mine,
        }
        for name, (count, mine, theirs) in timings.items()
    }


def _beside(rows: list[dict], workers: int) -> tuple[int, float, float]:
    """Wall-clock seconds of both over the same rows, one after the other."""
    return len(rows), ours(rows, workers)[2], plain(rows)[1]


def page(result: dict) -> str:
    """The measured figures as docs/verifier.md."""
    lines = [
        "# The verifier, measured",
        "",
        f"Made by `python -m benchmarks.verifier --write docs/verifier.md` (checker {result['checker']}, "
        f"math-verify {result['math_verify']}, Python {result['python']}, {result['workers']} workers). Do not edit.",
        "",
        "Accuracy counts a verdict as right when `correct` agrees with the label. Coverage is the share of rows with",
        "a `correct` or `incorrect` verdict. *Wrong* is the number of rows called correct against the label.",
        "",
        "| file | rows | accuracy | precision | recall | coverage | wrong | math-verify: accuracy | precision | recall | wrong |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, row in result["files"].items():
        a, b = row["ours"], row["math_verify"]
        cells = [
            name,
            str(row["rows"]),
            _f(a["accuracy"]),
            _f(a["precision"]),
            _f(a["recall"]),
            _f(a["coverage"]),
        ]
        cells += [
            str(a["false_correct"]),
            _f(b["accuracy"]),
            _f(b["precision"]),
            _f(b["recall"]),
            str(b["false_correct"]),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        f"Throughput over whole responses by the wall clock, in one run, workers and libraries loaded: ours with "
        f"{result['workers']} workers, plain math-verify as its documented loop in one process "
        f"(load of the machine, which has {os.cpu_count()} cores, before and after: {result['load'][0]:.1f}, {result['load'][1]:.1f}):",
        "",
        "| responses | count | verdicts/s | math-verify, verdicts/s | ratio |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, row in result["speed"].items():
        ratio = f"{row['ratio']:.1f}"
        rates = f"{row['ours_per_second']:,.0f} | {row['math_verify_per_second']:,.0f}"
        lines.append(f"| {name} | {row['responses']:,} | {rates} | {ratio} |")
    return "\n".join([*lines, "", NOTES])


NOTES = """These files were used while the checker was written, so the figures are no estimate for other answers. The pairs in
`tests/verification/test_tricky_pairs.py` were made up without them, but the checker was then corrected on those too.

## Limits

A check may use `verify.seconds` (5 by default) of processor time, kept by the kernel, so that a busy machine turns no
verdict into a timeout. Behind it lies a wall-clock backstop of 12 times as much, at least 30 s, for what waits instead
of computing. A unit test of a code answer has 3 s of processor time and 30 s of wall-clock time of its own.

## Where we differ from the labels on purpose

- `qwen_math_cot_100`: the gold `10{,}000` and the answer `10000` are labelled different by the grader that made the
  file; they are the same number (and the problem's answer): an error of the label, which we do not follow.
- `math_verify_tests` records what that library does. We refuse `1 + 1/e` for `1 - 1/e`, `f(y)` for `f(x)` and `0.33`
  for `1/3`, which it labels right.
- `hardverify_math`: labels accept an open for a closed interval, `1.3%` for `1.27%` and `2.65` for `2.653`; we do not.
- Labels of `mip_overthinking_gpt4o_judged`, `prmbench_qwq_human` and `mr_gsm8k_subset` judge the solution or come from
  a model; some rows with the gold answer are labelled wrong there.
"""


def _f(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    result = measure(options.data, options.workers)
    print(json.dumps(result, indent=2))
    if options.write:
        options.write.write_text(page(result), "utf-8")


if __name__ == "__main__":
    main()
