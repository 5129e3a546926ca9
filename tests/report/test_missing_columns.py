"""Tables of other makers and of earlier versions lack columns: the report is built all the same, and no section is lost."""

from __future__ import annotations

import random
import re
import shutil

import polars as pl
import pytest

from factory.report import build_report
from factory.run.layout import RunLayout

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
    return re.findall(r"section \w+ cannot be computed[^<]*", html)


@pytest.mark.parametrize("seed", range(8))
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


@pytest.mark.parametrize("table", range(14))
def test_any_table_may_be_missing(make_run, tmp_path, table):
    run = make_run(tmp_path / "run", count=12)
    shutil.rmtree(folders(run)[table])
    assert faults(run) == []
