"""Verdicts of the verifier and of plain math-verify on labelled answers, and their speed on whole responses.

    python -m benchmarks.run verifier [--data FOLDER] [--workers 2]

FOLDER holds `verifier/*.jsonl` with `gold`, `prediction` and `label` (1 right, 0 wrong), and `traces/`. Both see the
same texts. Plain math-verify is its documented loop: `parse` both, `verify`; a gold without delimiters is put in
`$...$`, as its own readme does, and so is a prediction that is a bare answer. Labels are taken as they are, the
labellers' mistakes included. Rendering also writes `data_cards/verifier_errors.json`, the error rates on data cards.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.markdown import table
from benchmarks.result import SHARED, Result

TRACES = 400


def read(path: Path) -> list[dict]:
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def ours(rows: list[dict], workers: int) -> tuple[list[bool], list[str], float]:
    from factory.config.verify import VerifySection
    from factory.verification import CheckRequest, Verifier

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


def plain_in_parts(rows: list[dict]) -> list[bool]:
    """What plain math-verify says, where nobody looks at its time: parts of the rows side by side."""
    size = max(1, -(-len(rows) // 6))
    with ProcessPoolExecutor(6) as pool:
        parts = pool.map(plain, [rows[at : at + size] for at in range(0, len(rows), size)])
        return [said for part, _ in parts for said in part]


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


def measure(args: list[str]) -> dict[str, Any]:
    """Agreement with every labelled file, then speed."""
    from factory.verification import CHECKER_VERSION

    parser = argparse.ArgumentParser(prog="benchmarks.run verifier")
    parser.add_argument("--data", type=Path, default=SHARED)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--seed", type=int, default=1, help="of the generator of forms; one that nobody used is a blind test"
    )
    parser.add_argument("--rounds", type=int, default=8)
    asked = parser.parse_args(args)
    paths = sorted((asked.data / "verifier").glob("*.jsonl"))
    if not paths:
        raise SystemExit(f"{asked.data / 'verifier'} holds no labelled answers")
    load = os.getloadavg()[0]
    files = {path.stem: of_file(read(path), asked.workers) for path in paths}
    timings = speed(asked.data, asked.workers)
    return {
        "checker": CHECKER_VERSION,
        "workers": asked.workers,
        "files": files,
        "forms": of_forms(asked.seed, asked.rounds, asked.workers),
        "seed": asked.seed,
        "speed": timings,
        "load": [round(load, 1), round(os.getloadavg()[0], 1)],
    }


def of_forms(seed: int, rounds: int, workers: int) -> dict[str, Any]:
    """Both checkers on equal and unequal forms that `tests/verification/answer_forms.py` writes, by kind."""
    from tests.verification.answer_forms import pairs

    found = list(pairs(seed, rounds))
    rows = [{"gold": p.gold, "prediction": p.response, "prediction_kind": "full_output"} for p in found]
    said, _, _ = ours(rows, workers)
    theirs = plain_in_parts(rows)
    kinds: dict[str, Any] = {}
    for kind in dict.fromkeys(pair.kind for pair in found):
        at = [i for i, pair in enumerate(found) if pair.kind == kind]
        labels = [found[i].equal for i in at]
        kinds[kind] = {
            "rows": len(at),
            "ours": scores(labels, [said[i] for i in at]),
            "math_verify": scores(labels, [theirs[i] for i in at]),
        }
    return kinds


def of_file(rows: list[dict], workers: int) -> dict[str, Any]:
    """Both checkers on one labelled file."""
    labels = [bool(row["label"]) for row in rows]
    said, verdicts, _ = ours(rows, workers)
    theirs = plain_in_parts(rows)
    decided = sum(verdict in ("correct", "incorrect") for verdict in verdicts)
    return {
        "rows": len(rows),
        "labelled_right": sum(labels),
        "right_rejected": sum(a and v == "incorrect" for a, v in zip(labels, verdicts, strict=True)),
        "undecided": len(rows) - decided,
        "ours": {**scores(labels, said), "coverage": decided / len(rows)},
        "math_verify": scores(labels, theirs),
    }


def speed(data: Path, workers: int) -> dict[str, Any]:
    """Throughput on whole responses: real long traces and GSM8K solutions."""
    traces = [
        {"gold": row["answer"], "prediction": row["response"], "prediction_kind": "full_output"}
        for row in read(data / "traces" / "mip_overthinking_long_cot.jsonl")[:TRACES]
        if row.get("answer")
    ]
    solutions = read(data / "verifier" / "gsm8k_openai_solutions.jsonl")[: 3 * TRACES]
    timings = {
        "traces/mip_overthinking_long_cot": _beside(traces, workers),
        "verifier/gsm8k_openai_solutions": _beside(solutions, workers),
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


def render(result: Result) -> dict[str, str]:
    """The blocks of docs/verifier.md, and the error rates for data cards."""
    found = result.figures
    heads = ["file", "rows", "accuracy", "precision", "recall", "coverage", "wrong"]
    heads += ["math-verify: accuracy", "precision", "recall", "wrong"]
    rows = []
    for name, row in found["files"].items():
        a, b = row["ours"], row["math_verify"]
        mine = [_f(a[key]) for key in ("accuracy", "precision", "recall", "coverage")]
        theirs = [_f(b[key]) for key in ("accuracy", "precision", "recall")]
        rows.append([name, row["rows"], *mine, a["false_correct"], *theirs, b["false_correct"]])
    speed_rows = [
        [name, r["responses"], f"{r['ours_per_second']:,.0f}", f"{r['math_verify_per_second']:,.0f}", f"{r['ratio']:.1f}"]
        for name, r in found["speed"].items()
    ]  # fmt: skip
    intro = (
        f"Checker {found['checker']}, {found['workers']} workers, beside plain math-verify "
        f"{result.versions.get('math-verify', 'of an unknown version')}:"
    )
    forms_block = {}
    form_rows = []
    for kind, row in found.get("forms", {}).items():
        a, b = row["ours"], row["math_verify"]
        mine = [_f(a["accuracy"]), _f(a["recall"]), a["false_correct"]]
        form_rows.append([kind, row["rows"], *mine, _f(b["accuracy"]), _f(b["recall"]), b["false_correct"]])
    form_heads = ["kind", "pairs", "accuracy", "recall", "wrong", "math-verify: accuracy", "recall", "wrong"]
    forms = f"Seed {found.get('seed')}:\n\n{table(form_heads, form_rows, range(1, 8))}"
    if form_rows:
        forms_block["verifier-forms"] = forms
    before, after = found["load"]
    fast = (
        f"Throughput over whole responses by the wall clock, in one run, with workers and libraries loaded: ours with "
        f"{found['workers']} workers, plain math-verify as its documented loop in one process (load of the machine "
        f"before and after: {before}, {after}):"
    )
    rates = table(
        ["responses", "count", "verdicts/s", "math-verify, verdicts/s", "ratio"], speed_rows, range(1, 5)
    )
    return {
        "verifier-accuracy": f"{intro}\n\n{table(heads, rows, range(1, 11))}",
        **forms_block,
        "verifier-speed": f"{fast}\n\n{rates}",
        "data_cards/verifier_errors.json": json.dumps(errors(found), indent=2) + "\n",
    }


def errors(found: dict[str, Any]) -> dict[str, Any]:
    """Error counts as the data card shows them."""
    rows = [
        {
            "cases": name,
            "labelled_right": row["labelled_right"],
            "labelled_wrong": row["rows"] - row["labelled_right"],
            "wrong_accepted": row["ours"]["false_correct"],
            "right_rejected": row["right_rejected"],
            "undecided": row["undecided"],
        }
        for name, row in found["files"].items()
    ]
    return {"checker": found["checker"], "rows": rows}


def _f(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
