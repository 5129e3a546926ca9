"""Tables of other makers and of earlier versions lack columns: the report is built all the same, and no section is lost."""

from __future__ import annotations

import json
import random
import re
import shutil
from datetime import date, timedelta
from decimal import Decimal

import polars as pl
import pytest

from factory.report import build, build_report
from factory.run.layout import RunLayout
from tests.support.marks import mostly_long

NEEDED = {"problem_id", "response_id", "id"}


@pytest.fixture(scope="module", autouse=True)
def without_plots():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("factory.report.svg.can_draw", lambda: False)
        yield


def folders(run):
    at = RunLayout(run)
    return [
        at.problems, at.clean_problems, at.responses, at.verdicts, at.unique_verdicts, at.labelled, at.rollouts, at.difficulty,
        at.selected("midtrain"), at.selected("preference"), *map(at.dataset, ("midtrain", "sft", "preference", "rl")),
    ]  # fmt: skip


def faults(run):
    html = build_report(run).read_text("utf-8")
    return re.findall(r"section [\w ]+ cannot be made[^<]*", html)


@pytest.mark.parametrize("seed", mostly_long(range(8), quick=2))
def test_any_columns_may_be_missing(make_run, rewrite, tmp_path, seed):
    run, rng = make_run(tmp_path / "run", count=16, seed=seed), random.Random(seed)
    share = rng.choice((0.1, 0.3, 0.6))
    for folder in folders(run):
        lost = []
        rewrite(
            folder,
            lambda frame: frame.drop(
                lost or [c for c in frame.columns if c not in NEEDED and rng.random() < share]
            ),
        )
    assert faults(run) == []


@pytest.mark.parametrize(
    "kept", [NEEDED, NEEDED | {"verdict"}, NEEDED | {"prompt", "completion", "chosen", "rejected"}, set()]
)
def test_tables_with_hardly_a_column(make_run, rewrite, tmp_path, kept):
    run = make_run(tmp_path / "run", count=16)
    for folder in folders(run):
        rewrite(
            folder, lambda frame: frame.select([c for c in frame.columns if c in kept] or frame.columns[:1])
        )
    assert faults(run) == []


def test_columns_of_another_type(make_run, rewrite, tmp_path):
    """Numbers as text, text as numbers, lists where texts were."""
    run = make_run(tmp_path / "run", count=16)
    strange = {
        "completion_tokens": pl.lit("many"), "usd": pl.lit("0.5"), "domain": pl.lit(7), "level": pl.lit(True), "pass_rate": pl.lit("half"),
        "attempts": pl.lit(4.0), "reasoning": pl.lit(None), "prompt": pl.lit("text"), "verdict": pl.lit([1, 2]), "source": pl.lit(["a"]),
    }  # fmt: skip
    for folder in folders(run):
        rewrite(
            folder,
            lambda frame: frame.with_columns(
                value.alias(name) for name, value in strange.items() if name in frame.columns
            ),
        )
    assert faults(run) == []


ODD = (
    pl.lit(float("nan")), pl.lit(float("inf")), pl.lit(-1), pl.lit(2**62), pl.lit(None), pl.lit(""), pl.lit("\x1b[2J\u202e" * 50),
    pl.lit(True), pl.lit(b"\xff\x00"), pl.lit(date(1, 1, 1)), pl.lit(timedelta(-1)), pl.lit(Decimal("1e9")), pl.lit([["a"], []]),
    pl.struct(pl.lit(1).alias("content"), pl.lit("x").alias("role")), pl.lit("x", pl.Categorical), pl.lit([], pl.List(pl.Null)),
)  # fmt: skip
"""What a column may hold instead of what it should."""
ODD_FACTS = (None, -1, 0, 1.5, float("nan"), "x", [], [None], {}, {"a": None}, [{}], True, "\x1b[2J", 10**30)
"""What a fact of a manifest may be instead of what it should."""


@pytest.mark.parametrize("seed", mostly_long(range(8), quick=2))
def test_columns_of_odd_types_and_values(make_run, rewrite, tmp_path, seed):
    run, rng = make_run(tmp_path / "run", count=12, seed=seed), random.Random(seed)
    share = rng.choice((0.05, 0.2, 0.5))
    for folder in folders(run):
        change = {}
        rewrite(
            folder,
            lambda frame: frame.with_columns(
                change.setdefault(name, rng.choice(ODD)).alias(name)
                for name in frame.columns
                if name in change or rng.random() < share
            ),
        )
    assert faults(run) == []


@pytest.mark.parametrize("seed", mostly_long(range(8), quick=2))
def test_manifests_and_recipes_with_odd_facts(make_run, tmp_path, seed):
    run, rng = make_run(tmp_path / "run", count=12, seed=seed), random.Random(seed)

    def odd(facts, depth=0):
        if isinstance(facts, dict):
            return {
                key: odd(each, depth + 1) if rng.random() < 0.8 else rng.choice(ODD_FACTS)
                for key, each in facts.items()
            }
        if isinstance(facts, list):
            return [odd(each, depth + 1) for each in facts]
        return rng.choice(ODD_FACTS) if rng.random() < 0.15 else facts

    for path in sorted(run.rglob("*.json")):
        facts = json.loads(path.read_text("utf-8"))
        path.write_text(
            json.dumps({**odd(facts), **({"files": facts["files"]} if "files" in facts else {})}), "utf-8"
        )
    for stage in ("sft", "rl"):
        lines = [
            json.dumps({"step": rng.choice(ODD_FACTS), "loss": rng.choice(ODD_FACTS), "reward": n})
            for n in range(9)
        ]
        (run / "train" / stage / "metrics.jsonl").write_text("\n".join(lines), "utf-8")
    recipe = {
        "name": None,
        "train": {"sft": {"max_length": "x"}, "midtrain": 3},
        "generate": {"max_tokens": []},
        "seed": {},
    }
    (run / "recipe.yaml").write_text(json.dumps(odd(recipe)), "utf-8")
    assert faults(run) == []


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("findings", KeyError("x")), ("cards", MemoryError()), ("set_rows", ValueError("two\nlines")), ("yields", TypeError("\x1b[2J")),
        ("training", ZeroDivisionError()), ("gates", AttributeError("'int' has no attribute")), ("steps", RecursionError()),
    ],
)  # fmt: skip
def test_a_part_that_fails_costs_no_other(full_run, tmp_path, monkeypatch, name, error):
    def broken(*_):
        raise error

    broken.__name__ = name
    monkeypatch.setattr(build, name, broken)
    monkeypatch.setattr(
        build, "SECTIONS", tuple(broken if each.__name__ == name else each for each in build.SECTIONS)
    )
    html = build_report(full_run, out=tmp_path / "report.html").read_text("utf-8")
    (said,) = re.findall(r"section [\w ]+ cannot be made[^<]*", html)
    assert said.startswith(f"section {name.replace('_', ' ')} cannot be made: {type(error).__name__}: ")
    assert "\n" not in said and "\x1b" not in said
    sections = [each.__name__ for each in build.SECTIONS]
    assert html.count("<section id=") == len(sections) - (name in sections)


@pytest.mark.parametrize("table", mostly_long(range(14), quick=4))
def test_any_table_may_be_missing(make_run, tmp_path, table):
    run = make_run(tmp_path / "run", count=12)
    shutil.rmtree(folders(run)[table])
    assert faults(run) == []
