"""Verdicts on planted truth by domain, and right answers among the rejected sides of the pairs made from them.

    python -m benchmarks.run planted [--seed 1] [--problems 120] [--pairs 300]

Golds are those of shared benchmark files and of reasoning-gym tasks; responses are written by rule, right and wrong, in the
ways models state answers. Pairs go the whole way: a file of responses, `factory verify`, `factory pairs`.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from benchmarks.markdown import table
from benchmarks.planted_code import planted as planted_code
from benchmarks.result import SHARED, Result

Row = dict[str, Any]
SCIENCE = (
    "The correct answer is {letter}.", "The correct answer is **{letter}**.", "**Answer: {letter}**", r"So the answer is $\boxed{{{letter}}}$.", r"\boxed{{\text{{{letter}}}}}", "Option {letter} is correct.",
    "Therefore, option ({letter}) is the best choice.", "({letter}) {text}", "{letter}. {text}", "The answer is ({letter}) {text}.", "Hence the correct option is {letter}) {text}", "It must be {letter}.", "I would choose {letter}.",
    "<answer>{letter}</answer>", "#### {letter}", "Answer: {lower}", r"\boxed{{{letter}) {text}}}", r"\boxed{{\text{{{text}}}}}", "The answer is: {text}", "{letter}", "**{letter}) {text}**", "So {letter} is the right answer.", "Thus, the answer is option {letter}: {text}.",
    "The best answer is choice {letter}.", "Final answer: ({letter})", "That leaves {letter} as the only correct statement.",
)  # fmt: skip
SCIENCE_LEADS = (
    "",
    "Let us look at the options.\n\n",
    "Option {other} looks plausible at first, but it does not hold.\n\n",
    "{other} is wrong because it confuses cause and effect.\n\nWe compare the rest.\n\n",
)
CHINESE = (
    "故选：{letter}", "故选{letter}.", "答案是{letter}。", "所以答案为{letter}。", "正确答案是 {letter}", "因此选择({letter})。", "选项{letter}正确。", "答案：{letter}．", "综上所述，应选{letter}。", r"\boxed{{{letter}}}", "所以正确选项是{letter}。", "故答案为：{letter}", "【答案】{letter}",
    "{letter}", "选{letter}", "因此，正确的选项是 ({letter}) {text}。", "答案是 {letter}. {text}", "所以选{letter}项。", "**答案：{letter}**", r"所以答案是 $\boxed{{\text{{{letter}}}}}$。", "本题选{letter}。",
)  # fmt: skip
CHINESE_LEADS = ("", "我们逐项分析。\n\n", "{other}项错误，因为它不符合题意。\n\n", "经过计算可得结果。\n\n")
APE = (
    "答案是{x}。", "答：一共是{x}{unit}。", "所以答案是{x}{unit}。", r"所以 $\boxed{{{latex}}}$", "答案：{x}", "因此，结果为 ${latex}$ {unit}。", "解：设为x，则x={x}。", "最终答案是 **{x}{unit}**。", r"\boxed{{{latex}\text{{{unit}}}}}", "综上，答案为{x}{unit}。", "故答案为：{x}", "x={x}", "{x}{unit}",
    "答：需要{x}{unit}。", "所以，还剩{x}{unit}。", r"\[ x = {latex} \]",
)  # fmt: skip
APE_LEADS = ("", "先求总数，再平均分。\n\n", "第一步：分成3份。\n第二步：求出结果。\n\n")
UNITS = ("个", "元", "米", "千克", "人", "本", "天", "平方米", "千米", "页", "吨", "岁")
TASKS = (
    "chain_sum", "word_sorting", "knights_knaves", "simple_equations", "countdown", "mini_sudoku", "base_conversion", "letter_counting", "number_sorting", "spell_backward",
    "gcd", "lcm", "leg_counting", "matrix_transform", "game_of_life", "calendar_arithmetic", "prime_factorization", "fraction_simplification", "caesar_cipher", "number_sequence",
    "basic_arithmetic", "decimal_arithmetic", "time_intervals", "syllogism", "propositional_logic", "binary_matrix", "rotate_matrix", "spiral_matrix", "word_ladder", "tower_of_hanoi",
)  # fmt: skip
GYM = (
    "{x}",
    "<answer>{x}</answer>",
    "The answer is {x}",
    "After some work.\n\n<answer>\n{x}\n</answer>",
    "Therefore:\n\n{x}",
    "**Final answer:** {x}",
    "```\n{x}\n```",
    r"\boxed{{{x}}}",
    r"\boxed{{\text{{{x}}}}}",
    "So the answer is:\n{x}",
)


def read(name: str) -> list[Row]:
    """Rows of a shared benchmark file."""
    with (SHARED / "benchmarks" / f"{name}.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _choice(
    name: str, forms: tuple[str, ...], leads: tuple[str, ...], seed: int, count: int
) -> Iterator[Row]:
    draw = random.Random(f"{seed} {name}")
    rows = [row for row in read(name) if str(row["answer"]) in "ABCDE" and len(str(row["answer"])) == 1]
    for row in draw.sample(rows, min(count, len(rows))):
        options = row.get("choices") or row.get("options")
        texts = (
            [str(options[key]) for key in sorted(options)]
            if isinstance(options, dict)
            else list(map(str, options))
        )
        right = ord(row["answer"]) - 65
        if len({text.strip().lower() for text in texts}) < len(texts) or not 0 <= right < len(texts):
            continue
        wrong = [place for place in range(len(texts)) if place != right]
        for _ in range(4):
            for place, label in ((right, 1), (draw.choice(wrong), 0)):
                apart = draw.choice([p for p in range(len(texts)) if p != place])
                values = {
                    "letter": chr(65 + place),
                    "lower": chr(97 + place),
                    "text": texts[place].strip().rstrip("."),
                    "other": chr(65 + apart),
                }
                content = (draw.choice(leads) + draw.choice(forms)).format(**values)
                yield _row(
                    row["id"], row["problem"], row["answer"], content, label, kind="choice", choices=texts
                )


def _row(problem_id: str, problem: str, answer: Any, content: str, label: int, *, kind: str | None = None, choices: list[str] | None = None, metadata: str | None = None) -> Row:  # fmt: skip
    return {"problem_id": problem_id, "problem": problem, "answer": answer, "content": content, "answer_kind": kind, "metadata": metadata, "choices": choices, "label": label}  # fmt: skip


def science(seed: int, count: int) -> Iterator[Row]:
    """Choices of MMLU's sciences."""
    yield from _choice("mmlu_stem", SCIENCE, SCIENCE_LEADS, seed, count)


def chinese(seed: int, count: int) -> Iterator[Row]:
    """Chinese choices of TAL-SCQ5K."""
    yield from _choice("tal_scq5k_ch_test", CHINESE, CHINESE_LEADS, seed, count)


def ape(seed: int, count: int) -> Iterator[Row]:
    """Chinese word problems of Ape210k, whose golds are numbers, fractions, mixed numbers and percentages."""
    draw = random.Random(f"{seed} ape")
    for row in draw.sample(read("ape210k_test"), count):
        value = _value(str(row["answer"]))
        if value is None:
            continue
        for _ in range(3):
            for number, label in ((value, 1), (_another(value, draw), 0)):
                plain, latex = draw.choice(list(_written(number, str(row["answer"]))))
                content = (draw.choice(APE_LEADS) + draw.choice(APE)).format(
                    x=plain, latex=latex, unit=draw.choice(UNITS) if "%" not in str(row["answer"]) else ""
                )
                yield _row(row["id"], row["problem"], row["answer"], content, label)


def _value(gold: str) -> Fraction | None:
    text = gold.strip()
    try:
        if text.endswith("%"):
            return Fraction(text[:-1]) / 100
        head, bracket, rest = text.partition("(")
        if bracket:
            part = Fraction(rest.rstrip(")"))
            return Fraction(head) + part if head else part
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        return None


def _another(value: Fraction, draw: random.Random) -> Fraction:
    return draw.choice(
        [value + 1, value * 2, value + 10, value / 2 if value.numerator % 2 == 0 else value * 3, value * 10]
    ) or Fraction(5)


def _written(value: Fraction, gold: str) -> Iterator[tuple[str, str]]:
    whole, rest = divmod(value, 1)
    short = f"{float(value):.10g}"
    if value.denominator == 1:
        yield str(value), str(value)
    elif Fraction(short) == value and "e" not in short:
        yield short, short
        if gold.endswith("%"):
            yield f"{float(value * 100):.10g}%", rf"{float(value * 100):.10g}\%"
    if value.denominator > 1 and "." not in gold:
        yield f"{value.numerator}/{value.denominator}", rf"\frac{{{value.numerator}}}{{{value.denominator}}}"
        if whole > 0:
            yield (
                f"{whole}({rest.numerator}/{rest.denominator})",
                rf"{whole}\frac{{{rest.numerator}}}{{{rest.denominator}}}",
            )
    if value.denominator > 1 and "." in gold:
        yield (
            gold if _value(gold) == value else f"{float(value):.6g}",
            gold if _value(gold) == value else f"{float(value):.6g}",
        )


def gym(seed: int, count: int) -> Iterator[Row]:
    """reasoning-gym tasks; the label is the task's own score of the bare answer."""
    import reasoning_gym

    draw = random.Random(f"{seed} gym")
    for task in TASKS:
        try:
            entries = list(reasoning_gym.create_dataset(task, seed=seed, size=max(4, count // len(TASKS))))
        except Exception:  # a task that this version does not have
            continue
        score = reasoning_gym.get_score_answer_fn(task)
        for number, entry in enumerate(entries):
            wrong = [
                str(e["answer"])
                for e in entries
                if e["answer"] is not None and score(str(e["answer"]), entry) < 1
            ]
            if entry["answer"] is None or score(str(entry["answer"]), entry) < 1 or not wrong:
                continue
            facts = json.dumps(
                {"entry": {**entry, "metadata": {**entry["metadata"], "source_dataset": task}}}, default=str
            )
            for _ in range(2):
                for text, label in ((str(entry["answer"]), 1), (draw.choice(wrong), 0)):
                    forms = (
                        GYM
                        if "\n" not in text
                        else tuple(form for form in GYM if "boxed" not in form and "**" not in form)
                    )
                    content = draw.choice(forms).format(x=text)
                    yield _row(
                        f"gym-{task}-{number}",
                        entry["question"],
                        str(entry["answer"]),
                        content,
                        label,
                        kind="reasoning_gym",
                        metadata=facts,
                    )


def code(seed: int, count: int) -> Iterator[Row]:
    """Programs: see `planted_code`."""
    yield from planted_code(seed)


DOMAINS = {
    "science choice": science,
    "Chinese choice": chinese,
    "Ape210k": ape,
    "code": code,
    "reasoning-gym": gym,
}


def measure(args: list[str]) -> dict[str, Any]:
    """Verdicts by domain, then pairs of all of them."""
    from factory.verification import CHECKER_VERSION

    parser = argparse.ArgumentParser(prog="benchmarks.run planted")
    parser.add_argument(
        "--seed", type=int, default=1, help="one that nobody used is a blind test of forms that are known"
    )
    parser.add_argument("--problems", type=int, default=120)
    parser.add_argument("--pairs", type=int, default=300, help="at least so many problems are paired")
    parser.add_argument("--misses", type=int, default=0, help="print so many misses of each domain instead")
    asked = parser.parse_args(args)
    rows = {name: list(write(asked.seed, asked.problems)) for name, write in DOMAINS.items()}
    found = {name: of_domain(of, asked.misses) for name, of in rows.items()}
    return {"checker": CHECKER_VERSION, "seed": asked.seed, "domains": found, "pairs": of_pairs([row for of in rows.values() for row in of], asked.pairs)}  # fmt: skip


def of_domain(rows: list[Row], misses: int) -> Row:
    """Precision and recall of `correct`, and right answers that were confidently called incorrect."""
    from factory.config.verify import VerifySection
    from factory.verification import CheckRequest, Verifier
    from schemas.verdict import CONFIDENT

    requests = [CheckRequest(r["content"], r["answer"], r["answer_kind"], tuple(r["choices"]) if r["choices"] else None, r["metadata"], r["problem"]) for r in rows]  # fmt: skip
    with Verifier(VerifySection(workers=2)) as verifier:
        results = verifier.check_many(requests)
    pairs = list(zip(rows, results, strict=True))
    for row, result in [p for p in pairs if p[1].correct != bool(p[0]["label"])][:misses]:
        print(
            row["label"],
            repr(row["answer"]),
            repr(row["content"][-300:]),
            result.verdict,
            repr(result.extracted),
            result.reason,
            "|",
            (row["choices"] or "")[:5],
        )
    right = sum(result.correct and bool(row["label"]) for row, result in pairs)
    said, true = sum(result.correct for _, result in pairs), sum(row["label"] for row in rows)
    doubted = sum(row["label"] and r.verdict == "incorrect" and r.confidence >= CONFIDENT for row, r in pairs)
    return {"rows": len(rows), "right": true, "precision": right / max(1, said), "recall": right / max(1, true), "false_correct": said - right, "confident_misses": doubted}  # fmt: skip


def of_pairs(rows: list[Row], wanted: int) -> Row:
    """Pairs made from the planted responses, and how many of them have a right answer on the rejected side or a wrong one chosen."""
    import polars as pl

    from factory.config.preference import PreferenceSection
    from factory.config.verify import VerifySection
    from factory.steps import preference, verify

    whole = [
        {
            **row,
            "response_id": f"r-{at}",
            "sample_index": at,
            "reasoning": f"Let me think about case {at}.",
            "status": "complete",
            "sampler": "planted",
            "model": "planted",
            "request_key": "",
            "source": "planted",
            "completion_tokens": len(row["content"]) // 4,
        }
        for at, row in enumerate(rows)
    ]
    labels = {row["response_id"]: row["label"] for row in whole}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "responses.parquet"
        schema = {
            "choices": pl.List(pl.String),
            "metadata": pl.String,
            "answer": pl.String,
            "answer_kind": pl.String,
        }
        pl.DataFrame(
            [{k: v for k, v in row.items() if k != "label"} for row in whole],
            schema_overrides=schema,
            infer_schema_length=None,
        ).write_parquet(path)
        verify.run([str(path)], Path(folder) / "verdicts", VerifySection())
        section = PreferenceSection(
            rejected_from="teacher", per_problem=2, max_length_bias=9, max_format_bias=1, max_duplicates=1
        )
        made = preference.run(Path(folder) / "verdicts", None, Path(folder) / "pairs", section, seed=0)
        pairs = pl.read_parquet(f"{folder}/pairs/part-*.parquet")
    assert made.summary.problems and pairs.height >= wanted, f"only {pairs.height} pairs"
    return {
        "pairs": pairs.height,
        "right_rejected": sum(labels[name] for name in pairs["rejected_response_id"]),
        "wrong_chosen": sum(not labels[name] for name in pairs["chosen_response_id"]),
    }


def render(result: Result) -> dict[str, str]:
    """The blocks of docs/verifier.md."""
    found = result.figures
    heads = [
        "domain",
        "responses",
        "precision",
        "recall",
        "wrong called correct",
        "right called incorrect with confidence",
    ]
    rows = [[name, d["rows"], f"{d['precision']:.4f}", f"{d['recall']:.4f}", d["false_correct"], d["confident_misses"]] for name, d in found["domains"].items()]  # fmt: skip
    pairs = found["pairs"]
    after = f"Pairs made from these responses by the steps `verify` and `pairs`: {pairs['pairs']:,}; a right answer on the rejected side: {pairs['right_rejected']}, a wrong one chosen: {pairs['wrong_chosen']}."
    return {
        "verifier-planted": f"Checker {found['checker']}, seed {found['seed']}:\n\n{table(heads, rows, range(1, 6))}\n\n{after}"
    }
