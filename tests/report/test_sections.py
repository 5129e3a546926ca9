"""The report's figures are the tables' figures: counted again here by hand."""

from __future__ import annotations

import random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.layout import RunLayout
from factory.report.blocks import Grid, Note, dollars, grid, percent, shorten, show
from factory.report.paper import LADDER, LATER
from factory.report.sections.funnel import funnel
from factory.report.sections.gates import contamination, duplicates, facts_grids
from factory.report.sections.headline import headline
from factory.report.sections.responses import cost, lengths, verdicts
from factory.report.sections.sets import cohens_d, pairs
from factory.report.sections.student import difficulty, split_half
from factory.report.sections.training import read_ladder, training
from factory.report.tables import RunTables, open_run, read_metrics
from factory.store.atomic import write_json
from factory.store.parts import read_parts


@pytest.fixture(scope="module")
def tables(full_run) -> RunTables:
    return open_run(full_run)


def grids(section):
    return {block.caption: block for block in section.blocks if isinstance(block, Grid)}


def notes(section):
    return [block.text for block in section.blocks if isinstance(block, Note)]


def test_headline_figures(tables):
    at = tables.layout
    cards = {what: figure for figure, what, _ in headline(tables)}
    assert cards["clean problems"] == show(read_parts(at.clean_problems).height)
    assert cards["verified correct"] == show(
        read_parts(at.verdicts).filter(pl.col("verdict") == "correct").height
    )
    assert cards["spent on the teacher"] == dollars(read_parts(at.responses)["usd"].sum())
    for name in ("midtrain", "sft", "preference", "rl"):
        assert cards[f"{name} rows"] == show(read_parts(at.dataset(name)).height)
    assert cards["held_out"] == "70.0%"


def test_verdicts_by_method_add_up(tables):
    frame = read_parts(tables.layout.verdicts)
    table = grids(verdicts(tables))["Verdicts by deciding method: the numbers"]
    counted = {row[0]: row[1:] for row in table.rows}
    for method in ("literal", "math_verify"):
        for place, verdict in enumerate(("correct", "incorrect")):
            expected = frame.filter((pl.col("method") == method) & (pl.col("verdict") == verdict)).height
            assert counted[method][place] == show(expected)
    assert sum(int(row[-1].replace(",", "")) for row in counted.values()) == frame.height


def test_lengths_are_the_tables_lengths(tables):
    frame = read_parts(tables.layout.labelled).filter(pl.col("verdict") == "correct")["completion_tokens"]
    row = next(r for r in grids(lengths(tables))["Length quantiles"].rows if r[0] == "responses, correct")
    assert row[1] == show(frame.len())
    assert row[2] == show(round(frame.mean()))
    assert row[-1] == show(frame.max())


def test_cost_a_correct_response(tables):
    frame = read_parts(tables.layout.verdicts)
    right = frame.filter(pl.col("verdict") == "correct").height
    assert notes(cost(tables))[0].startswith(dollars(frame["usd"].sum() / right))


def test_the_funnel_shows_every_drop_and_a_broken_chain(make_run, tmp_path):
    run = make_run(tmp_path / "run", until="verdicts")
    ledger = grids(funnel(open_run(run)))["The ledger, oldest step first"]
    by_folder = {row[0]: row for row in ledger.rows}
    assert by_folder["problems/clean"][3:8] == ("39", "37", "2", "contaminated 2", "yes")
    path = RunLayout(run).verdicts / "_manifest.json"
    text = (
        path.read_text("utf-8")
        .replace('"rows_in": 147', '"rows_in": 140')
        .replace('"rows_out": 147', '"rows_out": 140')
    )
    path.write_text(text, "utf-8")
    assert "generate gave out 147 but verify took in 140" in notes(funnel(open_run(run)))[0]


def test_gates_show_benchmark_certificate_and_audit(tables):
    gate = contamination(tables)
    assert grids(gate)["problems/clean: dropped by benchmark"].rows == (("math500", "2"),)
    assert ("hits", "2") in grids(gate)["problems/clean: certificate"].rows
    assert ("largest cluster", "2") in grids(duplicates(tables))["problems/unique: audit"].rows


def test_a_gate_without_benchmarks_is_said(make_run, tmp_path):
    run = make_run(tmp_path / "run", until="problems")
    path = RunLayout(run).clean_problems / "_manifest.json"
    path.write_text(
        path.read_text("utf-8").replace('"certificate": {', '"certificate": {"benchmarks": [], '), "utf-8"
    )
    assert any(
        "names no benchmark, so nothing was checked" in note for note in notes(contamination(open_run(run)))
    )


def test_length_bias_of_the_pairs(tables):
    frame = read_parts(tables.layout.selected("preference"))
    d = cohens_d(frame["chosen_tokens"].to_list(), frame["rejected_tokens"].to_list())
    assert f"Cohen's d of the lengths is {d:.2f}" in notes(pairs(tables))[0]


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 99), min_size=2, max_size=9), st.lists(st.integers(0, 99), min_size=2, max_size=9)
)
def test_cohens_d_against_numpy(a, b):
    import numpy as np

    pooled = (
        ((len(a) - 1) * np.var(a, ddof=1) + (len(b) - 1) * np.var(b, ddof=1)) / (len(a) + len(b) - 2)
    ) ** 0.5
    if pooled == 0:
        assert cohens_d(a, b) is None
    else:
        assert cohens_d(a, b) == pytest.approx((np.mean(a) - np.mean(b)) / pooled)


def test_calibration_of_coins_lies_on_the_diagonal(make_run, tmp_path):
    from factory.store.writer import StepWriter

    rng = random.Random(0)
    run = make_run(tmp_path / "run", until="problems")
    rows = []
    for problem in range(3000):
        rate = rng.random()
        for sample in range(40):
            verdict = "correct" if rng.random() < rate else "incorrect"
            rows.append({"problem_id": f"p{problem}", "sample_index": sample, "verdict": verdict})
        rows.append({"problem_id": f"p{problem}", "sample_index": 40, "verdict": "timeout"})
    with StepWriter(RunLayout(run).rollouts, "rollouts") as writer:
        writer.keep(pl.DataFrame(rows))
        writer.finish(rows_in=len(rows))
    points = split_half(open_run(run))
    assert sum(n for _, _, n in points) == 3000
    assert all(abs(predicted - observed) < 0.05 for predicted, observed, _ in points)


def test_difficulty_counts_bands_by_level(tables):
    frame = read_parts(tables.layout.difficulty)
    table = grids(difficulty(tables))["Pass rate by level"]
    useful = sum(int(row[4]) for row in table.rows)
    assert useful == frame.filter(pl.col("band") == "useful").height


def test_the_ladder_stands_beside_the_papers(tables):
    section = training(tables)
    beside = next(
        block for caption, block in grids(section).items() if caption.startswith("Beside the paper")
    )
    assert beside.rows[4][1:] == ("held_out 70.0", "+ RL", "57.5", "94.6", "52.0")
    assert beside.rows[5][3:] == ("48.13", "91.20", "44.51")
    assert next(scores for _, _, scores in LADDER) == (10.0, 71.8, 36.9)
    assert LATER[1] == (48.13, 91.20, 44.51)


@pytest.mark.parametrize(
    "broken",
    [
        "{",
        "[]",
        '{"benchmarks": 3}',
        '{"benchmarks": {"x": {"pass_at_1": null}}}',
        '{"benchmarks": {"x": 1}}',
    ],
)
def test_a_broken_summary_is_left_out(make_run, tmp_path, broken):
    run = make_run(tmp_path / "run", until="problems")
    path = RunLayout(run).evaluation("sft") / "summary.json"
    write_json(path, {})
    path.write_text(broken, "utf-8")
    assert read_ladder(open_run(run)) == []


def test_a_torn_metrics_line_is_left_out(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "loss": 2}\n[1]\n{"step": 2, "lo', "utf-8")
    assert read_metrics(path) == [{"step": 1, "loss": 2}]


def test_cells():
    assert [show(v) for v in (None, True, 1234567, 0.123456, 12345.6, "x")] == [
        "",
        "yes",
        "1,234,567",
        "0.1235",
        "12,346",
        "x",
    ]
    assert percent(1, 0) == "–"
    assert dollars(0.00012) == "$0.00012"
    assert shorten("abcdef", 3) == "abc … (3 more characters)"
    assert grid(("a", "b"), [(1, "x"), (None, "2")]).numeric == frozenset({0})


def test_facts_of_a_manifest_become_tables():
    blocks = facts_grids("x", {"a": {"b": 1}, "rows": [{"k": 1}, {"k": 2, "l": [1]}], "none": []})
    assert blocks[0].rows == (("a · b", "1"), ("none", "[]"))
    assert blocks[1].columns == ("k", "l")
    assert blocks[1].rows == (("1", ""), ("2", "[1]"))
