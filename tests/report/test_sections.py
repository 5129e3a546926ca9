"""The report's figures are the tables' figures: counted again here by hand."""

from __future__ import annotations

import polars as pl
import pytest

from factory.atomic import file_digest, read_json, write_json
from factory.errors import FactoryError
from factory.evaluation.ladder import read_ladder
from factory.numbers import dollars, percent
from factory.report.blocks import Figure, Grid, Note, grid, shorten, show
from factory.report.build import headline
from factory.report.sections import training as ladder_section
from factory.report.sections.examples import examples
from factory.report.sections.funnel import funnel
from factory.report.sections.gates import contamination, duplicates, facts_grids
from factory.report.sections.responses import cost, lengths, verdicts
from factory.report.sections.sets import pairs
from factory.report.sections.student import difficulty
from factory.report.sections.training import LADDER, LATER, read_deltas, training
from factory.report.step_folders import RunTables, StepFolder, open_run, read_metrics
from factory.run.layout import RunLayout
from factory.run.parts import read_parts
from factory.run.step import StepWriter
from factory.run.tables import dropped_rows


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
    ledger = grids(funnel(open_run(run)))["The ledger, in the order of the steps"]
    by_folder = {row[0]: row for row in ledger.rows}
    assert by_folder["problems/clean"][3:8] == ("39", "37", "2", "contaminated 2", "yes")
    path = RunLayout(run).verdicts / "_manifest.json"
    manifest = read_json(path)
    assert manifest["rows_in"] == manifest["rows_out"] == 147
    write_json(path, {**manifest, "rows_in": 140, "rows_out": 140}, seal=True)
    assert "generate gave out 147 but verify took in 140" in notes(funnel(open_run(run)))[0]


def test_gates_show_benchmark_certificate_and_audit(tables):
    gate = contamination(tables)
    assert grids(gate)["problems/clean: dropped by benchmark"].rows == (("math500", "2"),)
    assert ("hits", "2") in grids(gate)["problems/clean: certificate"].rows
    assert ("largest cluster", "2") in grids(duplicates(tables))["problems/unique: audit"].rows


def test_a_gate_without_benchmarks_is_said(make_run, tmp_path):
    run = make_run(tmp_path / "run", until="problems")
    path = RunLayout(run).clean_problems / "_manifest.json"
    manifest = read_json(path)
    manifest["totals"]["certificate"]["benchmarks"] = []
    write_json(path, manifest, seal=True)
    assert any(
        "names no benchmark, so nothing was checked" in note for note in notes(contamination(open_run(run)))
    )


def test_length_bias_stands_once_with_its_unit(tables, make_run, tmp_path):
    section = pairs(tables)
    lint = grids(section)["Lint of the pairs: every check against its limit"]
    assert lint.rows == (("length bias", "0.12", "0.5", "yes", "", "Cohen's d in characters"),)
    assert str(section).count("Cohen") == 1
    run = make_run(tmp_path / "run")
    path = RunLayout(run).selected("preference") / "_manifest.json"
    write_json(path, {**read_json(path), "totals": {}}, seal=True)
    assert notes(pairs(open_run(run)))[-1] == "The step that made the pairs left no lint."


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
    assert read_ladder(run)[0] == []


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
        "12,345.6",
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


def test_calibration_is_drawn_from_the_runs_rollouts_or_says_why_not(tables, make_run, tmp_path):
    captions = [block.caption for block in difficulty(tables).blocks if isinstance(block, Figure)]
    assert any(caption.startswith("Calibration of the bands over 37 problems") for caption in captions)
    assert any("the problem before one, against that one" in caption for caption in captions)
    run = make_run(tmp_path / "few", count=12)
    section = difficulty(open_run(run))
    said = [note for note in notes(section) if "No calibration is drawn" in note]
    assert len(said) == 1 and "30 are needed" in said[0]
    assert not any("Calibration" in block.caption for block in section.blocks if isinstance(block, Figure))


def test_what_each_stage_changed(make_run, tmp_path):
    run = make_run(tmp_path / "run")
    right = {"base": 10, "midtrain": 30, "sft": 28}
    for stage, solved in right.items():
        folder = RunLayout(run).evaluation(stage) / "held_out"
        rows = [
            {"problem_id": f"q{i}", "verdict": "correct" if i < solved else "incorrect", "status": "complete"}
            for i in range(40)
        ]
        with StepWriter(folder, "evaluate") as writer:
            writer.keep(pl.DataFrame(rows))
            writer.finish(rows_in=40)
    deltas = {(d.before, d.after): d.change for d in read_deltas(open_run(run))[0]}
    assert {pair: (round(c.delta, 6), c.better, c.worse) for pair, c in deltas.items()} == {
        ("base", "midtrain"): (0.5, 20, 0),
        ("midtrain", "sft"): (-0.05, 0, 2),
        ("base", "sft"): (0.45, 18, 0),
    }
    table = next(
        g for caption, g in grids(training(open_run(run))).items() if caption.startswith("What each")
    )
    rows = {row[1].replace("\u00a0", " "): row for row in table.rows}
    assert rows["base to midtrain"][2:3] + rows["base to midtrain"][4:] == (
        "+50.0", "rise", "20 / 0", "+20.0", "+11.1", "+5.7",
    )  # fmt: skip
    assert rows["midtrain to sft"][4] == "unclear"
    assert {2, 3, 6, 7, 8} <= table.numeric
    part = next((RunLayout(run).evaluation("midtrain") / "held_out").glob("part-*.parquet"))
    part.write_bytes(part.read_bytes()[:-1])
    left = {(d.before, d.after) for d in read_deltas(open_run(run))[0]}
    assert left == {("base", "sft")}, "a damaged evaluation was compared"


def test_an_unreadable_evaluation_is_a_fault_on_the_page(make_run, tmp_path):
    run = make_run(tmp_path / "run")
    at = open_run(run).layout
    (at.evaluation("sft") / "summary.json").write_text("{not json")
    ladder, faults = read_ladder(run)
    assert "sft" not in {point.stage for point in ladder}
    assert faults == ["eval/sft/summary.json is unreadable; the evaluation of sft is left out"]
    assert any(
        "eval/sft/summary.json is unreadable" in getattr(b, "text", "")
        for b in training(open_run(run)).blocks
    )


def test_stages_that_cannot_be_compared_are_a_fault(make_run, tmp_path, monkeypatch):
    def broken(*_, **__):
        raise FactoryError("no common question")

    run = open_run(make_run(tmp_path / "run"))
    monkeypatch.setattr(ladder_section, "stage_deltas", broken)
    monkeypatch.setattr(ladder_section, "_complete", lambda *_: True)
    found, faults = read_deltas(run)
    assert not found
    assert faults and all("could not be compared: no common question" in fault for fault in faults)
    assert any("could not be compared" in getattr(block, "text", "") for block in training(run).blocks)


def test_an_endpoint_without_a_price_is_not_priced(make_run, tmp_path):
    run = make_run(tmp_path / "run")
    folder = open_run(run).layout.responses
    for part in folder.glob("part-*.parquet"):
        pl.read_parquet(part).with_columns(usd=pl.lit(None, dtype=pl.Float64)).write_parquet(part)
    manifest = read_json(folder / "_manifest.json")
    for name in manifest["files"]:
        manifest["files"][name] = {
            "sha256": file_digest(folder / name),
            "bytes": (folder / name).stat().st_size,
        }
    write_json(folder / "_manifest.json", manifest, seal=True)
    cards = {what: (figure, remark) for figure, what, remark in headline(open_run(run))}
    assert cards["spent on the teacher"][0] == "not priced"
    assert "have no price" in cards["spent on the teacher"][1]


def test_examples_read_no_row_that_they_do_not_show(tmp_path, monkeypatch):
    """Of ten thousand dropped rows the reasons are read, and the texts of three."""
    rows = pl.DataFrame({"id": [f"x{n}" for n in range(10_000)], "text": ["y" * 800] * 10_000})
    reasons = pl.Series([f"reason {n % 5}" for n in range(10_000)])
    with StepWriter(tmp_path / "out", "made") as writer:
        writer.keep(pl.DataFrame({"id": ["a"]}))
        writer.drop(dropped_rows(rows, step="made", reason=pl.lit(reasons)))
        writer.finish(rows_in=10_001)
    read = []
    whole = StepFolder.dropped_rows
    monkeypatch.setattr(
        StepFolder, "dropped_rows", lambda self, names: read.append(names) or whole(self, names)
    )
    section = examples(open_run(tmp_path / "out"))
    assert [block.title for block in section.blocks] == [f"Dropped by out: reason {n}" for n in range(3)]
    assert [dict(block.facts)["row"] for block in section.blocks] == ["x0", "x1", "x2"]
    assert all("y" * 100 in dict(block.pieces)["row"] for block in section.blocks)
    assert read == [["reason"]]
