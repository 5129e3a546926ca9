"""A small run folder, written with the real writer and schemas, with hostile and awkward rows in it."""

from __future__ import annotations

import json
import random
from pathlib import Path

import polars as pl

from factory.atomic import file_digest, read_json, write_json
from factory.run.layout import RunLayout
from factory.run.step_writer import StepWriter
from factory.run.tables import dropped_rows
from schemas import COMPLETION, DIFFICULTY, LABELLED, PREFERENCE, PROBLEM, RESPONSE, RL_PROMPT, VERDICT

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>{{7*7}}"
CHINESE = "有两个正整数，它们的和是一百，差是二十，求这两个数的乘积。" * 40
LATEX = r"Let $f(x)=\frac{x^2-1}{\sqrt{x+1}}$. Find \[\int_0^1 f(x)\,dx\] and \(\sum_{k=1}^n k\). Costs $5 and $6."
SAMPLES = 4
LEVELS = ("elementary", "middle", "high_school", "college")
DOMAINS = ("algebra", "geometry", "number_theory", "几何<b>")


def problems(count: int) -> pl.DataFrame:
    rows = []
    for i in range(count):
        text = {0: HOSTILE, 1: CHINESE, 2: LATEX}.get(i, f"What is {i} + {i * 3}? Show your work, part {i}.")
        rows.append(
            {
                "id": f"p-{i:016x}",
                "problem": text,
                "answer": str(i * 4),
                "answer_kind": "math",
                "answer_source": "given",
                "source": HOSTILE if i == 3 else f"source_{i % 3}",
                "licence": "MIT",
                "domain": DOMAINS[i % len(DOMAINS)],
                "level": LEVELS[i % len(LEVELS)],
            }
        )
    return pl.DataFrame(rows)


def responses(clean: pl.DataFrame, rng: random.Random, sampler: str = "deepseek-r1") -> pl.DataFrame:
    rows = []
    for problem in clean.iter_rows(named=True):
        for k in range(SAMPLES):
            index = len(rows)
            reasoning = f"First add the numbers, sample {k}. " * rng.randint(3, 60)
            if index == 5:
                reasoning = "Wait, let me check that again. \n" * 3300
            if index == 0:
                reasoning = HOSTILE * 3
            right = rng.random() < 0.2 + 0.7 * (int(problem["id"][2:], 16) % 10) / 10
            value = problem["answer"] if right else "17"
            content = (
                rf"The answer is $\boxed{{{value}}}$."
                + (rf" So \boxed{{\frac{{{value}}}{{1}}}}." if index == 1 else "")
                + (HOSTILE if index in (0, 2) else "")
            )
            status = "cut_in_reasoning" if index % 17 == 16 else "complete"
            rows.append(
                {
                    "response_id": f"r-{sampler[:1]}{index:031x}",
                    "problem_id": problem["id"],
                    "sample_index": k,
                    "reasoning": reasoning,
                    "content": None if status != "complete" else content,
                    "status": status,
                    "finish_reason": "stop",
                    "sampler": sampler,
                    "model": "R1",
                    "request_key": f"{index // SAMPLES:064x}",
                    "temperature": 0.6,
                    "prompt_tokens": 40,
                    "completion_tokens": len(reasoning) // 4 + 20,
                    "usd": len(reasoning) * 5e-7,
                    **{key: problem[key] for key in problem if key != "id"},
                }
            )
    return pl.DataFrame(rows)


def verdicts(frame: pl.DataFrame) -> pl.DataFrame:
    cut = pl.col("status") != "complete"
    right = pl.col("content").str.contains(pl.lit("boxed{") + pl.col("answer") + pl.lit("}"), literal=True)
    verdict = (
        pl.when(cut)
        .then(pl.lit("no_answer"))
        .when(right)
        .then(pl.lit("correct"))
        .otherwise(pl.lit("incorrect"))
    )
    return frame.with_columns(
        verdict=verdict,
        extracted=pl.col("content").str.extract(r"boxed\{(\d+)\}"),
        method=pl.when(cut).then(None).when(right).then(pl.lit("literal")).otherwise(pl.lit("math_verify")),
        verdict_reason=pl.when(~right).then(pl.lit("17 is not the gold " + HOSTILE)),
        checker_version=pl.lit("1"),
        judged=pl.lit(False),
        verify_seconds=pl.lit(0.01),
    )


def message(role: str, text: pl.Expr) -> pl.Expr:
    return pl.concat_list(pl.struct(pl.lit(role).alias("role"), text.alias("content")))


def write(out, step, schema, kept, dropped=(), totals=None, extra_in=0, settings=None):
    with StepWriter(out, step, schema, settings=settings) as writer:
        writer.keep(kept)
        lost = 0
        for frame in dropped:
            writer.drop(frame)
            lost += frame.height
        return writer.finish(rows_in=kept.height + lost + extra_in, totals=totals)


def rewrite(folder: Path, change) -> None:
    """Change the rows of a step's folder; its manifest then names what is there."""
    for part in folder.glob("*.parquet"):
        change(pl.read_parquet(part)).write_parquet(part)
    manifest = read_json(folder / "_manifest.json")
    for name in manifest["files"]:
        facts = {"sha256": file_digest(folder / name), "bytes": (folder / name).stat().st_size}
        manifest["files"][name] = facts
    write_json(folder / "_manifest.json", manifest, seal=True)


def make_run(run: Path, *, count: int = 40, until: str = "eval", seed: int = 1) -> Path:
    """Write a run as far as `until` (problems, verdicts, datasets, eval)."""
    rng = random.Random(seed)
    at = RunLayout(run)
    run.mkdir(parents=True, exist_ok=True)
    (run / "recipe.yaml").write_text(
        f"name: synthetic\ndescription: 'A run for tests {HOSTILE}'\nseed: {seed}\nproblems: {{sources: [x]}}\n",
        "utf-8",
    )
    read = problems(count)
    write(at.problems, "problems", PROBLEM, read)
    write(at.held_out, "problems", PROBLEM, read.head(0))
    unique, again = read.filter(pl.col("id") != read["id"][7]), read.filter(pl.col("id") == read["id"][7])
    evidence = pl.lit(json.dumps({"survivor": read["id"][6], "similarity": 0.93}))
    write(
        at.unique_problems,
        "dedup",
        PROBLEM,
        unique.with_columns(cluster_id=pl.col("id")),
        [dropped_rows(again, step="dedup", reason="near_duplicate", evidence=evidence)],
        totals={
            "audit": {
                "pairs_checked": 12,
                "largest_cluster": 2,
                "by_source": [{"source": HOSTILE, "rows": 1}],
            }
        },
    )
    dirty = unique.filter(pl.col("id").is_in(unique["id"].to_list()[9:11]))
    clean = unique.filter(~pl.col("id").is_in(dirty["id"].to_list()))
    found = pl.lit(
        json.dumps({"benchmark": "math500", "benchmark_id": "m-1", "method": "ngram", "span": HOSTILE})
    )
    write(
        at.clean_problems,
        "decontaminate",
        PROBLEM,
        clean,
        [
            dropped_rows(
                dirty, step="decontaminate", reason="contaminated", evidence=found, detail="covers 0.92 of it"
            )
        ],
        totals={
            "certificate": {"indexes": [{"name": "math500", "rows": 500, "sha256": "ab" * 32}], "hits": 2}
        },
    )
    if until == "problems":
        return run
    asked = responses(clean, rng)
    failed = asked.filter(pl.col("response_id") == asked["response_id"][33])
    got = asked.filter(pl.col("response_id") != asked["response_id"][33])
    write(
        at.responses,
        "generate",
        RESPONSE,
        got,
        [dropped_rows(failed, step="generate", reason="failed", id_column="response_id")],
        totals={"usd": got["usd"].sum(), "completion_tokens": int(got["completion_tokens"].sum())},
    )
    checked = verdicts(got)
    write(at.verdicts, "verify", VERDICT, checked)
    if until == "verdicts":
        return run
    write(at.unique_verdicts, "dedup_responses", VERDICT, checked)
    write(at.clean_verdicts, "decontaminate_responses", VERDICT, checked)
    labelled = checked.with_columns(
        loop_score=pl.col("sample_index") / 10, repetitive=pl.lit(False), label_source=pl.lit("source")
    )
    write(at.labelled, "label", LABELLED, labelled)
    _datasets(at, labelled)
    _student(at, clean, rng)
    _preference(at, labelled)
    if until == "datasets":
        return run
    _training(at, rng)
    return run


def _datasets(at: RunLayout, labelled: pl.DataFrame) -> None:
    right = labelled.filter(pl.col("verdict") == "correct")
    wrong = labelled.filter(pl.col("verdict") != "correct")
    rows = right.select(
        message("user", pl.col("problem")).alias("prompt"),
        message("assistant", pl.format("<think>{}</think>{}", pl.col("reasoning"), pl.col("content"))).alias("completion"),
        "problem_id", "source", "licence", "domain", "level", "response_id", pl.col("sampler").alias("teacher"), "model", "answer", "method",
        "completion_tokens",
    )  # fmt: skip
    lost = dropped_rows(wrong, step="select_midtrain", reason=pl.col("verdict"), id_column="response_id")
    write(at.selected("midtrain"), "select_midtrain", COMPLETION, rows, [lost])
    write(at.dataset("midtrain"), "export", COMPLETION, rows)
    first = rows.unique("problem_id", keep="first", maintain_order=True)
    write(at.dataset("sft"), "export", COMPLETION, first)


def _student(at: RunLayout, clean: pl.DataFrame, rng: random.Random) -> None:
    rolled = verdicts(responses(clean, rng, "student"))
    write(at.rollouts, "rollouts", VERDICT, rolled)
    counts = rolled.group_by("problem_id", maintain_order=True).agg(
        pl.len().cast(pl.Int32).alias("attempts"),
        (pl.col("verdict") == "correct").sum().cast(pl.Int32).alias("correct"),
    )
    rate = (pl.col("correct") + 0.5) / (pl.col("attempts") + 1)
    rows = clean.join(counts, left_on="id", right_on="problem_id").with_columns(
        pass_rate=rate, pass_rate_low=(rate - 0.3).clip(0, 1), pass_rate_high=(rate + 0.3).clip(0, 1),
        alpha=pl.col("correct") + 0.5, beta=pl.col("attempts") - pl.col("correct") + 0.5,
        band=pl.when(rate < 0.11).then(pl.lit("too_hard")).when(rate > 0.89).then(pl.lit("too_easy")).otherwise(pl.lit("useful")),
        band_probability=pl.lit(0.9), student=pl.lit("student"), truncated=pl.lit(0),
    )  # fmt: skip
    write(at.difficulty, "difficulty", DIFFICULTY, rows, settings={"low": 0.1, "high": 0.9, "min_samples": 4})
    prompts = rows.filter(pl.col("band") == "useful").select(
        message("user", pl.col("problem")).alias("prompt"), "answer", "answer_kind", pl.col("id").alias("problem_id"), "source", "licence",
        "domain", "level", "pass_rate", bucket=pl.lit(0),
    )  # fmt: skip
    write(at.dataset("rl"), "export", RL_PROMPT, prompts)


def _preference(at: RunLayout, labelled: pl.DataFrame) -> None:
    right = labelled.filter(pl.col("verdict") == "correct").unique(
        "problem_id", keep="first", maintain_order=True
    )
    wrong = labelled.filter(pl.col("verdict") == "incorrect").unique(
        "problem_id", keep="first", maintain_order=True
    )
    both = right.join(wrong, on="problem_id", suffix="_bad")
    text = pl.format("<think>{}</think>{}", pl.col("reasoning"), pl.col("content"))
    bad = pl.format("<think>{}</think>{}", pl.col("reasoning_bad"), pl.col("content_bad"))
    pairs = both.select(
        message("user", pl.col("problem")).alias("prompt"), message("assistant", text).alias("chosen"), message("assistant", bad).alias("rejected"),
        "problem_id", "source", "licence", "domain", "level", pl.col("response_id").alias("chosen_response_id"),
        pl.col("response_id_bad").alias("rejected_response_id"), pl.col("sampler").alias("chosen_sampler"),
        pl.col("sampler_bad").alias("rejected_sampler"), pl.col("completion_tokens").alias("chosen_tokens"),
        pl.col("completion_tokens_bad").alias("rejected_tokens"), pl.lit("nearest_length").alias("pair_rule"), "answer",
    )  # fmt: skip
    facts = {
        "name": "length bias",
        "value": 0.12,
        "limit": 0.5,
        "passed": True,
        "meaning": "Cohen's d in characters",
    }
    example = {"problem_id": HOSTILE, "chosen": HOSTILE, "rejected": LATEX, "characters": [2, 1]}
    lint = {"passed": True, "checks": [facts], "worst": [{"check": "length bias", **example}]}
    write(at.selected("preference"), "preference", PREFERENCE, pairs, totals={"lint": lint})
    write(at.dataset("preference"), "export", PREFERENCE, pairs)


def _training(at: RunLayout, rng: random.Random) -> None:
    for n, stage in enumerate(("base", "midtrain", "sft", "dpo", "rl")):
        value = 0.1 + 0.15 * n
        row = {"pass_at_1": value, "low": value - 0.06, "high": value + 0.05, "questions": 200, "samples": 3}
        write_json(at.evaluation(stage) / "summary.json", {"stage": stage, "benchmarks": {"held_out": row}})
        if stage == "base":
            continue
        lines = []
        for step in range(1, 60):
            line = {"step": step, "loss": 2.5 / (1 + step / 9) + rng.random() / 9, "grad_norm": rng.random()}
            if stage == "rl":
                line |= {"reward": -1 + step / 40, "entropy": 1 / (1 + step / 20)}
            lines.append(json.dumps(line))
        path = at.stage(stage) / "metrics.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(lines) + '\n{"step": 60, "lo', "utf-8")
