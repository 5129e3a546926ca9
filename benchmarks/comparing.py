"""`factory compare` on sets whose order is known: degraded copies of a clean set, and the clean set against itself.

    python -m benchmarks.run comparing [--data 1 2 3 4] [--copies 4] [--out FOLDER]

Stopped, it resumes from FOLDER. A set is degraded in one way: a fifth of its answers wrong, half its families, its steps
in any order, half its rows.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.markdown import table
from benchmarks.result import Result

ROWS = 600
MODULI = (7, 8, 9, 10)
DEGRADED = ("wrong answers", "half the families", "shuffled steps", "half the size")
PROBLEMS = (
    "procedural:modular_chain?count={}&seed={}{}&style=terse&levels=middle&steps=3-7&modulus={}&repeats=0"
)
QUESTIONS = "procedural:modular_chain?count=400&seed=999&style=terse&levels=middle&steps=3-7&repeats=0"


def measure(args: list[str]) -> dict[str, Any]:
    """Orders found on each draw of the sets, and false calls among copies of one set."""
    from factory.config.compare import CompareSection
    from factory.evaluation.comparison import Comparison
    from factory.evaluation.crossed import differences
    from factory.pipeline.compare import compare, read_scores

    parser = argparse.ArgumentParser(prog="benchmarks.run comparing")
    parser.add_argument("--data", type=int, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--copies", type=int, default=4)
    parser.add_argument("--out", type=Path, default=Path("runs/comparing"))
    options = parser.parse_args(args)
    section = CompareSection(questions=QUESTIONS)

    def compared(names: list[str], seed: int, out: Path) -> tuple[Comparison, float]:
        paths = [write_set(options.out / "sets" / f"{seed}", name.partition(" #")[0], seed) for name in names]
        began = time.monotonic()
        return compare(
            paths, out, section, [name.replace(" ", "-").replace("#", "") for name in names]
        ), time.monotonic() - began

    draws = []
    for seed in options.data:
        found, seconds = compared(["clean", *DEGRADED], seed, options.out / f"data-{seed}")
        scores = {each.name: each for each in found.sets}
        orders = {}
        for name in DEGRADED:
            dashed = name.replace(" ", "-")
            pair = next(p for p in found.pairs if {p.first, p.second} == {"clean", dashed})
            sign = 1 if pair.first == "clean" else -1
            low, high = sorted((sign * pair.low, sign * pair.high))
            orders[name] = {"delta": sign * pair.value, "low": low, "high": high, "better": pair.better}
        draws.append(
            {
                "data": seed, "seconds": seconds, "pass_at_1": {n: each.pass_at_1 for n, each in scores.items()},
                "seed_spread": {n: each.seed_spread for n, each in scores.items()}, "orders": orders,
                "questions": found.questions, "seeds": found.seeds, "tokens": found.tokens,
            }
        )  # fmt: skip
    copies = []
    for seed in options.data if options.copies else ():
        out = options.out / f"copies-{seed}"
        found, seconds = compared([f"clean #{n}" for n in range(options.copies)], seed, out)
        by_question, _ = read_scores(out, [each.name for each in found.sets], found.seeds, "end")
        pairs = list(combinations(by_question, 2))
        alone = [differences({a: by_question[a], b: by_question[b]})[0] for a, b in pairs]
        spreads = [float((by_question[a][0] - by_question[b][0]).std()) for a, b in pairs]
        copies.append(
            {
                "data": seed, "pairs": len(alone), "false_calls": sum(pair.better is not None for pair in alone),
                "largest": max(pair.value for pair in alone), "half_width": float(np.mean([pair.high - pair.value for pair in alone])),
                "corrected_false_calls": sum(pair.better is not None for pair in found.pairs), "seconds": seconds,
                "seed_spread": float(np.mean([each.seed_spread for each in found.sets])), "question_spread": float(np.mean(spreads)),
            }
        )  # fmt: skip
    return {"rows": ROWS, "draws": draws, "copies": copies}


def write_set(folder: Path, name: str, seed: int) -> str:
    """A planted set as files of traces; returns its path."""
    path = folder / f"{name.replace(' ', '-')}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in planted(name, seed)), "utf-8")
    return str(path)


def planted(name: str, seed: int) -> list[dict[str, str]]:
    """Problems with one trace each; the problems of all sets of a seed are the same as far as they go."""
    from factory.datasets.render import render_completion
    from factory.sampling.procedural import Habits, write_trace
    from factory.sources.families import EVERY_FAMILY
    from factory.sources.procedural import draw_problems

    moduli = MODULI[:2] if name == "half the families" else MODULI
    rows = ROWS // 2 if name == "half the size" else ROWS
    habits = Habits(slip_rate=0.2 if name == "wrong answers" else 0.0, loop_rate=0.0, cut_rate=0.0)
    made = []
    for modulus in moduli:
        for problem in draw_problems(PROBLEMS.format(rows // len(moduli), seed, modulus, modulus)):
            rng = random.Random(f"{seed}|{problem['problem']}")
            params = json.loads(problem["metadata"])["params"]
            trace = write_trace(EVERY_FAMILY["modular_chain"], params, rng, habits, terse=True)
            steps = trace.reasoning.split("; ")
            if name == "shuffled steps":
                rng.shuffle(steps)
            text = render_completion("; ".join(steps), trace.content)
            made.append({"problem": problem["problem"], "answer": problem["answer"], "response": text})
    return made


def render(result: Result) -> dict[str, str]:
    """The table of orders and the sentence on copies."""
    draws, copies = result.figures["draws"], result.figures["copies"]
    rows = [
        [
            f"{draw['data']}",
            name,
            f"{100 * draw['pass_at_1']['clean']:.1f} / {100 * draw['pass_at_1'][name.replace(' ', '-')]:.1f}",
            f"{100 * order['delta']:+.1f} ({100 * order['low']:+.1f} to {100 * order['high']:+.1f})",
            "right" if order["delta"] > 0 else "wrong",
            order["better"] or "no difference found",
        ]
        for draw in draws
        for name, order in draw["orders"].items()
    ]
    heads = ["draw", "against clean", "pass@1 of clean / of it", "points (interval)", "order", "verdict"]
    right = sum(order["delta"] > 0 for draw in draws for order in draw["orders"].values())
    called = sum(order["better"] == "clean" for draw in draws for order in draw["orders"].values())
    against = sum(
        order["better"] not in (None, "clean") for draw in draws for order in draw["orders"].values()
    )
    minutes = ", ".join(f"{draw['seconds'] / 60:.0f}" for draw in draws)
    text = (
        f"Of {len(rows)} orders {right} are right by their points; {called} are called, {against} of them wrongly. Five sets take "
        f"{minutes} minutes."
    )
    if copies:
        pairs, alone, together = (
            sum(each[key] for each in copies) for key in ("pairs", "false_calls", "corrected_false_calls")
        )
        text += (
            f" Of {pairs} pairs of copies of one set (other order, other seeds; {len(copies)} draws, the pairs of a draw overlap) "
            f"{alone} are called different, and {together} when all of a draw are compared together; the largest difference is "
            f"{100 * max(each['largest'] for each in copies):.1f} points, the intervals reach "
            f"{100 * float(np.mean([each['half_width'] for each in copies])):.1f} to each side."
        )
    return {"comparing": "\n\n".join([table(heads, rows), text])}
