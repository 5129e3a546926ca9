"""Answers of one problem in two shared data sets, and answers of different problems: how often the verifier calls them equal.

    python -m benchmarks.run golds [--data FOLDER] [--unlike 4000]

Where the same problem text stands in two files with answers that are written differently, the answers should be equal; some
are not, because one data set is wrong or cut an answer off. Pairs of two plain numbers that differ are errors of a data set
and are left out. The misses of half of the pairs, drawn by a hash, were looked at while rules were written (`seen`); those
of the other half were not (`unseen`). Unlike pairs are answers in LaTeX of two
problems, next to each other in alphabetical order, whose numerals differ.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
from itertools import permutations
from pathlib import Path
from typing import Any

from benchmarks.markdown import table
from benchmarks.result import SHARED, Result

Asked = tuple[str, str, str]
"""Gold, the other answer, the problem."""


def measure(args: list[str]) -> dict[str, Any]:
    """Verdicts on like pairs by half, and on unlike pairs."""
    from factory.config.verify import VerifySection
    from factory.verification import CHECKER_VERSION, CheckRequest, Verifier

    parser = argparse.ArgumentParser(prog="benchmarks.run golds")
    parser.add_argument("--data", type=Path, default=SHARED)
    parser.add_argument("--unlike", type=int, default=4_000)
    asked = parser.parse_args(args)
    problems = read(asked.data)
    halves: dict[str, list[Asked]] = {"seen": [], "unseen": []}
    for key, (answers, text) in problems.items():
        for one, other in permutations(range(len(answers)), 2):
            half = hashlib.sha256(f"{key}{one}{other}".encode()).digest()[0] % 2
            halves["unseen" if half else "seen"].append((answers[one], answers[other], text))
    found: dict[str, Any] = {"checker": CHECKER_VERSION, "problems": len(problems)}
    with Verifier(VerifySection(workers=2)) as verifier:

        def check(pairs: list[Asked]) -> list[Any]:
            return verifier.check_many(
                [CheckRequest(f"\\boxed{{{b}}}", a, problem=text) for a, b, text in pairs]
            )

        for name, pairs in halves.items():
            results = check(pairs)
            apart = sum(r.method == "numeric" and r.verdict == "incorrect" for r in results)
            right = sum(r.correct for r in results)
            found[name] = {"pairs": len(pairs) - apart, "equal": right, "share": right / (len(pairs) - apart)}
        results = check(unlike := others(problems, asked.unlike))
        equal = [pair[:2] for pair, result in zip(unlike, results, strict=True) if result.correct]
    found["unlike"] = {"pairs": len(unlike), "equal": len(equal), "examples": equal[:20]}
    return found


def read(data: Path) -> dict[str, tuple[list[str], str]]:
    """Different answers of each problem, by its text without marks and spaces."""
    found: dict[str, tuple[list[str], str]] = {}
    for path in sorted([*(data / "benchmarks").glob("*.jsonl"), *(data / "seeds").glob("*.jsonl")]):
        if path.stem.startswith("gpqa"):
            continue
        for line in path.open(encoding="utf-8"):
            row = json.loads(line)
            text, answer = (
                str(row.get("problem") or row.get("question") or ""),
                str(row.get("answer") or "").strip(),
            )
            key = re.sub(r"[^a-z0-9\u4e00-\u9fff]+", "", text.lower())
            if answer and len(key) >= 30 and not row.get("choices"):
                answers = found.setdefault(key, ([], text))[0]
                if answer not in answers:
                    answers.append(answer)
    return found


def others(problems: dict[str, tuple[list[str], str]], count: int) -> list[Asked]:
    """LaTeX answers of different problems with other numerals: neighbours in alphabetical order, which are the most alike."""
    rows = sorted((answers[0], text) for answers, text in problems.values() if "\\" in answers[0])
    digits = [re.findall(r"\d+", answer) for answer, _ in rows]
    near = [
        (*pair, rows[at][1])
        for at in range(len(rows) - 1)
        if digits[at] != digits[at + 1]
        for pair in [(rows[at][0], rows[at + 1][0])]
    ]
    return random.Random(0).sample(near, min(count, len(near)))


def render(result: Result) -> dict[str, str]:
    """The block of docs/verifier.md."""
    found = result.figures
    names = {
        "seen": "one problem, half whose misses were looked at",
        "unseen": "one problem, the other half",
        "unlike": "different problems, neighbours in alphabetical order",
    }
    rows = [
        [
            words,
            f"{found[name]['pairs']:,}",
            f"{found[name]['equal']:,}",
            f"{found[name]['equal'] / found[name]['pairs']:.4f}",
        ]
        for name, words in names.items()
    ]
    return {
        "verifier-golds": f"Checker {found['checker']}, {found['problems']:,} problems:\n\n{table(['answers of', 'pairs', 'called equal', 'share'], rows, range(1, 4))}"
    }
