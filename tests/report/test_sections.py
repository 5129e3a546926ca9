"""The report's figures are the tables' figures: counted again here by hand."""

from __future__ import annotations

import shutil
from dataclasses import replace

import polars as pl
import pytest

from factory.atomic import read_json, write_json
from factory.errors import FactoryError
from factory.evaluation.stages import stage_scores
from factory.numbers import dollars, percent
from factory.report.blocks import Figure, Fold, Grid, Note, grid, shorten, show
from factory.report.findings import cards, findings, made
from factory.report.sections import training as ladder_section
from factory.report.sections.against import against_findings, against_section
from factory.report.sections.diversity import diversity
from factory.report.sections.gates import gates
from factory.report.sections.lengths import lengths
from factory.report.sections.rows import samples, set_rows
from factory.report.sections.sets import pairs, sets
from factory.report.sections.student import difficulty, solved_bins
from factory.report.sections.training import LADDER, LATER, read_deltas, training
from factory.report.sections.yields import funnel, yields
from factory.report.step_folders import RunTables, StepFolder, open_run, read_metrics
from factory.run.layout import RunLayout
from factory.run.parts import MANIFEST, read_parts
from factory.run.step_writer import StepWriter
from factory.run.tables import dropped_rows


@pytest.fixture(scope="module")
def tables(full_run) -> RunTables:
    return open_run(full_run)


def every(section):
    """All blocks, those behind folds too; a folded table without a caption has the fold's title."""
    for block in getattr(section, "blocks", section):
        yield block
        if isinstance(block, Fold):
            inner = block.blocks
            yield from every(
                [replace(b, caption=b.caption or block.title) if isinstance(b, Grid) else b for b in inner]
            )


def grids(section):
    return {block.caption: block for block in every(section) if isinstance(block, Grid)}


def notes(section):
    return [block.text for block in every(section) if isinstance(block, Note)]


def test_the_figures_of_the_first_screen(tables):
    at = tables.layout
    shown = {what: figure for figure, what, _ in cards(tables)}
    assert shown["clean problems"] == show(read_parts(at.clean_problems).height)
    right = read_parts(at.verdicts).filter(
        (pl.col("verdict") == "correct") & (pl.col("status") == "complete")
    )
    assert shown["verified correct"] == show(right.height)
    assert shown["spent on the teacher"] == dollars(read_parts(at.responses)["usd"].sum())
    titles = [row.title for row in set_rows(tables).blocks]
    for name, what in {"midtrain": "rows", "sft": "rows", "preference": "pairs", "rl": "prompts"}.items():
        rows = read_parts(at.dataset(name)).height
        assert f"{name}: one of {rows} {what}" in titles
        assert f"{name} {rows} rows" in made(tables)
    assert shown["held_out"] == "70.0%"


def test_findings_are_sentences_from_the_tables(tables, make_run, tmp_path):
    frame = read_parts(tables.layout.verdicts)
    right = frame.filter(pl.col("verdict") == "correct").height
    said = findings(tables)
    assert said[0].startswith(
        f"{percent(right, frame.height)} of the {frame.height} responses are verified correct; "
    )
    assert said[1] == "pass@1 on held_out went from 10.0% (base) to 70.0% (rl)."
    run = make_run(tmp_path / "run")
    unique = RunLayout(run).unique_verdicts / "_manifest.json"
    write_json(unique, {**read_json(unique), "dropped": {"exact_duplicate": 66}}, seal=True)
    for stage, solved in {"base": 10, "midtrain": 30, "sft": 31}.items():
        evaluated(run, stage, solved)
    said = findings(open_run(run))
    assert "44.9% of the responses (66) were copies of another one and were dropped." in said
    assert "midtrain +50.0 points; sft brought nothing that 3 samples can show." in said[1]


def evaluated(run, stage, solved, questions=40):
    folder = RunLayout(run).evaluation(stage) / "held_out"
    rows = [
        {"problem_id": f"q{i}", "verdict": "correct" if i < solved else "incorrect", "status": "complete"}
        for i in range(questions)
    ]
    with StepWriter(folder, "evaluate") as writer:
        writer.keep(pl.DataFrame(rows))
        writer.finish(rows_in=questions)


def test_limits_that_cut_rows_are_found(make_run, tmp_path):
    run = make_run(tmp_path / "run")
    recipe = (run / "recipe.yaml").read_text() + "train: {sft: {max_length: 128, overlong: drop}}\n"
    (run / "recipe.yaml").write_text(recipe)
    over = [{"problem_id": f"p{i}", "tokens": 129} for i in range(3)]
    facts = {"read": 30, "overlong": over, "lengths": {"p50": 40.0, "p90": 100.0, "p99": 129.0, "max": 129.0}}
    write_json(run / "train" / "sft" / "preflight.json", facts)
    tables = open_run(run)
    assert "Length limits cut rows: sft 10.0% of its rows (longer than 128 tokens)." in findings(tables)
    table = grids(lengths(tables))["What the stages read, in tokens of the student"]
    assert table.rows == (("sft", "30", "40", "100", "129", "129", "128", "3 (10.0%)", "left out"),)
    captions = [block.caption for block in lengths(tables).blocks if isinstance(block, Figure)]
    assert any(
        "the stage's limit, 128 tokens of the student, cuts 10.0% of the rows" in each for each in captions
    )


def test_verdicts_by_method_add_up(tables):
    frame = read_parts(tables.layout.verdicts)
    table = grids(yields(tables))["Verdicts by deciding method"]
    counted = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    for method in ("literal", "math_verify"):
        for verdict in ("correct", "incorrect"):
            expected = frame.filter((pl.col("method") == method) & (pl.col("verdict") == verdict)).height
            assert counted[method.replace("_", " ")][verdict] == show(expected)
    assert sum(int(row["all"].replace(",", "")) for row in counted.values()) == frame.height


def test_yield_by_level_is_counted_from_the_tables(tables):
    frame = read_parts(tables.layout.verdicts)
    kept = read_parts(tables.layout.selected("midtrain"))
    table = grids(yields(tables))["By level"]
    assert [row[0] for row in table.rows] == sorted(
        {row[0] for row in table.rows}, key=lambda level: (-frame.filter(level=level).height, level)
    )
    for level, responses, rate, rows, tokens, price in table.rows:
        mine, won = frame.filter(level=level), kept.filter(level=level).height
        assert responses == show(mine.height) and rows == show(won)
        assert rate == percent(mine.filter(verdict="correct").height, mine.height)
        assert tokens == f"{mine['completion_tokens'].sum() / won:,.0f}"
        assert price == dollars(mine["usd"].sum() / won)


def test_lengths_are_the_tables_lengths(tables):
    frame = read_parts(tables.layout.labelled).filter(pl.col("verdict") == "correct")["completion_tokens"]
    rows = grids(lengths(tables))["Quantiles, as the sampler counted"].rows
    row = next(r for r in rows if r[0] == "responses, correct")
    assert row[1] == show(frame.len())
    assert row[2] == show(round(frame.mean()))
    assert row[-1] == show(frame.max())


def test_the_funnel_shows_every_drop_and_a_broken_chain(make_run, tmp_path):
    run = make_run(tmp_path / "run", until="verdicts")
    table = grids(funnel(open_run(run)))[""]
    by_step = {row[0]: row for row in table.rows}
    assert list(by_step) == [
        "hold out problems",
        "deduplicate problems",
        "decontaminate problems",
        "generate responses",
    ]
    assert by_step["decontaminate problems"][1:3] == ("39", "37")
    assert by_step["decontaminate problems"][4] == "2 contaminated"
    assert "37 of 39 kept" in by_step["decontaminate problems"][3]
    assert "Nothing was dropped by “read problems”, “verify responses”." in notes(funnel(open_run(run)))
    path = RunLayout(run).verdicts / "_manifest.json"
    manifest = read_json(path)
    assert manifest["rows_in"] == manifest["rows_out"] == 147
    write_json(path, {**manifest, "rows_in": 140, "rows_out": 140}, seal=True)
    said = notes(funnel(open_run(run)))
    assert any(
        "“generate responses” gave out 147 rows but “verify responses” took in 140" in each for each in said
    )


def test_gates_show_benchmark_certificate_and_audit(tables):
    section = gates(tables)
    assert grids(section)["decontaminate problems: dropped by benchmark"].rows == (("math500", "2"),)
    assert next(row[:4] for row in grids(section)[""].rows if row[0] == "decontaminate problems") == (
        "decontaminate problems", "39", "2", "5.1%",
    )  # fmt: skip
    assert "math500" in str(grids(section)["decontaminate problems: evidence of 2 of 2 dropped rows"].rows)


def test_an_audit_is_told_in_a_sentence(make_run, tmp_path):
    run = make_run(tmp_path / "run", until="problems")
    path = RunLayout(run).unique_problems / "_manifest.json"
    audit = {"audit_rows": 3942, "audit_pairs": 16, "audit_found": 15, "threshold": 0.8}
    write_json(path, {**read_json(path), "totals": audit}, seal=True)
    assert grids(gates(open_run(run)))[""].rows[1][4] == (
        "3,942 rows with one another exactly: 16 pairs above a similarity of 0.8; the index had 15 of them (93.8%)"
    )


def test_a_gate_without_benchmarks_is_said(make_run, tmp_path):
    run = make_run(tmp_path / "run", until="problems")
    path = RunLayout(run).clean_problems / "_manifest.json"
    manifest = read_json(path)
    manifest["totals"]["certificate"]["benchmarks"] = []
    write_json(path, manifest, seal=True)
    assert any("names no benchmark, so nothing was checked" in note for note in notes(gates(open_run(run))))


def test_length_bias_stands_once_with_its_meaning(tables, make_run, tmp_path):
    blocks = pairs(tables)
    lint = grids(blocks)["The pairs passed 1 check: each against its limit"]
    assert lint.rows == (("length bias", "0.12", "0.5", "yes", "Cohen's d in characters"),)
    assert str(blocks).count("Cohen") == 1
    run = make_run(tmp_path / "run")
    path = RunLayout(run).selected("preference") / "_manifest.json"
    write_json(path, {**read_json(path), "totals": {}}, seal=True)
    assert notes(pairs(open_run(run)))[-1] == "The step that made the pairs left no lint."


def test_rows_of_the_sets_by_level(tables):
    table = grids(sets(tables))["Rows by level"]
    for level, midtrain, *_ in table.rows:
        assert midtrain == show(read_parts(tables.layout.dataset("midtrain")).filter(level=level).height)
    assert table.columns == ("level", "midtrain", "sft", "pairs", "rl")


def test_difficulty_shows_raw_counts_and_what_is_undecided(tables):
    frame = read_parts(tables.layout.difficulty)
    table = next(g for caption, g in grids(difficulty(tables)).items() if caption.startswith("Raw counts"))
    for right, problems, raw, _, undecided, *bands in table.rows:
        k = int(right[0])
        mine = frame.filter(pl.col("correct") == k)
        assert (right, problems, raw) == (f"{k} of 4", show(mine.height), percent(k, 4))
        assert undecided == show(mine.height) and set(bands) == {"0"}, "0.9 is below the asked confidence"
    levels = grids(difficulty(tables))["By level"]
    useful = sum(int(row[-2]) for row in levels.rows)
    assert useful == frame.filter(pl.col("band") == "useful").height


def test_problems_by_how_many_tries_are_right():
    same = pl.DataFrame({"right": [0, 0, 2], "tried": [2, 2, 2]})
    assert solved_bins(same) == ({"0 of 2": 2, "1 of 2": 0, "2 of 2": 1}, "")
    mixed = pl.DataFrame({"right": [0, 1, 4, 10, 16], "tried": [4, 8, 8, 12, 16]})
    assert solved_bins(mixed)[0] == {"none": 1, "≤25%": 1, "≤50%": 1, "≤75%": 0, "<100%": 1, "all": 1}
    nearly = pl.DataFrame({"right": [1] * 19 + [0], "tried": [2] * 19 + [1]})
    assert solved_bins(nearly) == (
        {"0 of 2": 0, "1 of 2": 19, "2 of 2": 0}, "; 1 problems with other numbers of tries are left out",
    )  # fmt: skip


def test_diversity_counts_openings_stretches_and_moves(tables):
    frame = read_parts(tables.layout.verdicts)
    section = diversity(tables)
    openings = grids(section)["Most frequent openings"].rows
    assert openings[0][0] == "First add the numbers,"
    assert (
        int(openings[0][1])
        == frame.filter(pl.col("reasoning").str.starts_with("First add the numbers,")).height
    )
    assert "Script: latin" in notes(section)[0] and "check themselves" in notes(section)[0]


def test_the_ladder_stands_beside_the_papers(tables):
    section = training(tables)
    beside = next(
        block
        for caption, block in grids(section).items()
        if caption.startswith("Phi-4-Mini-Reasoning (arXiv")
    )
    assert beside.rows[4][1:] == ("held_out 70.0", "+ RL", "57.5", "94.6", "52.0")
    assert beside.rows[5][3:] == ("48.13", "91.20", "44.51")
    assert next(scores for _, _, scores in LADDER) == (10.0, 71.8, 36.9)
    assert LATER[1] == (48.13, 91.20, 44.51)
    changes = grids(section)["Points that the paper's stages changed"].rows
    assert changes[0] == ("base to midtrain", "+20.0", "+11.1", "+5.7")


def test_curves_of_rl_show_the_live_share(make_run, tmp_path):
    run = make_run(tmp_path / "run")
    lines = [f'{{"step": {n}, "dead_groups": {n / 10}}}' for n in range(1, 6)]
    (RunLayout(run).stage("rl") / "metrics.jsonl").write_text("\n".join(lines))
    assert ladder_section._panels(read_metrics(RunLayout(run).stage("rl") / "metrics.jsonl"))[
        ladder_section.LIVE
    ][1] == [1 - n / 10 for n in range(1, 6)]
    captions = [block.caption for block in training(open_run(run)).blocks if isinstance(block, Figure)]
    assert "rl: live share: groups with a signal" in captions
    lines = [f'{{"step": {n}, "dead_groups": {n / 10}, "reward": {n}, "loss": 1}}' for n in range(1, 6)]
    (run / "recipe.yaml").write_text(
        (run / "recipe.yaml").read_text() + "train: {distill: {enabled: true, teacher: t}}\n"
    )
    for stage in ("rl", "distill"):
        RunLayout(run).stage(stage).mkdir(exist_ok=True)
        (RunLayout(run).stage(stage) / "metrics.jsonl").write_text("\n".join(lines))
    captions = [block.caption for block in every(training(open_run(run))) if isinstance(block, Figure)]
    assert {"rl: reward and live share: groups with a signal", "loss: midtrain, sft, distill"} <= set(
        captions
    )
    assert {"rl: loss", "distill: reward"} <= set(captions), "what is not chief is behind the fold"


def test_a_run_stands_beside_another(make_run, tmp_path):
    this, that = make_run(tmp_path / "this"), make_run(tmp_path / "that", count=30, seed=2)
    for stage, solved in {"base": 10, "sft": 30}.items():
        evaluated(this, stage, solved)
        evaluated(that, stage, solved - (stage == "sft") * 5)
    one, two = open_run(this), open_run(that)
    tables = grids(against_section(one, two))
    rows = {row[0]: row[1:] for row in tables["Rows after each step"].rows}
    assert rows["decontaminate problems"] == ("37", "27", "+10\u00a0(+37%)")
    facts = {row[0]: row[1:] for row in tables["Responses, difficulty and lengths"].rows}
    frames = [read_parts(each.layout.verdicts) for each in (one, two)]
    shares = [100 * frame.filter(verdict="correct").height / frame.height for frame in frames]
    assert facts["responses verified correct"] == (
        f"{shares[0]:.1f}%", f"{shares[1]:.1f}%", f"{shares[0] - shares[1]:+.1f}\u00a0points",
    )  # fmt: skip
    left = next(g for caption, g in tables.items() if caption.startswith("Pass@1"))
    scores = {row[0]: row[1:] for row in left.rows}
    assert scores["sft, held_out"][2] == "+12.5" and scores["sft, held_out"][4] == "40"
    assert scores["base, held_out"][2] == "+0.0"
    assert scores["rl, held_out"] == ("70.0%", "70.0%", "", "", "")
    rows = [read_parts(each.layout.dataset("sft")).height for each in (one, two)]
    assert scores["rows, sft set"][:2] == (str(rows[0]), str(rows[1]))
    assert ("seed", "1", "2") in tables["Settings of the recipes that differ: 1"].rows
    assert against_findings(one, two) == [
        "Beside that: pass@1 on held_out after rl 70.0% against 70.0%; not compared question by question."
    ]
    shutil.rmtree(this / "eval" / "rl")
    shutil.rmtree(this / "eval" / "dpo")
    (said,) = against_findings(open_run(this), two)
    assert "after sft" in said and "+12.5 points (" in said and said.endswith(", 40 questions).")


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
    assert stage_scores(run)[0] == []


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


def test_calibration_is_drawn_from_the_runs_rollouts_or_says_why_not(tables, make_run, tmp_path):
    captions = [block.caption for block in every(difficulty(tables)) if isinstance(block, Figure)]
    assert any(caption.startswith("Calibration of the bands over 37 problems") for caption in captions)
    assert any("the problem before one, against that one" in caption for caption in captions)
    run = make_run(tmp_path / "few", count=12)
    section = difficulty(open_run(run))
    said = [note for note in notes(section) if "No calibration is drawn" in note]
    assert len(said) == 1 and "30 are needed" in said[0]
    assert not any("Calibration" in block.caption for block in every(section) if isinstance(block, Figure))


def test_what_each_stage_changed(make_run, tmp_path):
    run = make_run(tmp_path / "run")
    right = {"base": 10, "midtrain": 30, "sft": 28}
    for stage, solved in right.items():
        evaluated(run, stage, solved)
    deltas = {(d.before, d.after): d.change for d in read_deltas(open_run(run))[0]}
    assert {pair: (round(c.delta, 6), c.better, c.worse) for pair, c in deltas.items()} == {
        ("base", "midtrain"): (0.5, 20, 0),
        ("midtrain", "sft"): (-0.05, 0, 2),
        ("base", "sft"): (0.45, 18, 0),
    }
    table = next(
        g for caption, g in grids(training(open_run(run))).items() if caption.startswith("What each")
    )
    rows = {row[0].replace("\u00a0", " "): row for row in table.rows}
    assert rows["base to midtrain"][1:2] + rows["base to midtrain"][3:] == ("+50.0", "rise", "20 / 0")
    assert rows["midtrain to sft"][3] == "unclear"
    assert {1, 2} <= table.numeric
    part = next((RunLayout(run).evaluation("midtrain") / "held_out").glob("part-*.parquet"))
    part.write_bytes(part.read_bytes()[:-1])
    left = {(d.before, d.after) for d in read_deltas(open_run(run))[0]}
    assert left == {("base", "sft")}, "a damaged evaluation was compared"


def test_stages_that_the_recipe_no_longer_has_are_left_out(make_run, tmp_path):
    run = make_run(tmp_path / "run")
    for stage, solved in {"base": 10, "sft": 28, "dpo": 30, "rl": 35}.items():
        evaluated(run, stage, solved)
    for stage in ("dpo", "rl"):
        (RunLayout(run).stage(stage) / "metrics.jsonl").write_text(
            '{"step": 1, "loss": 1}\n{"step": 2, "loss": 1}'
        )
    assert {"dpo", "rl"} < {score.stage for score in stage_scores(run)[0]}
    (run / "recipe.yaml").write_text((run / "recipe.yaml").read_text() + "train: {dpo: {enabled: false}}\n")
    scores, faults = stage_scores(run)
    assert "dpo" not in {score.stage for score in scores} and "rl" in {score.stage for score in scores}
    assert faults == ["eval/dpo is of a former recipe, which had this stage; it is left out"]
    section = training(open_run(run))
    assert faults[0] in notes(section)
    assert all("dpo" not in f"{d.before}{d.after}" for d in read_deltas(open_run(run))[0])
    captions = [block.caption for block in every(section) if isinstance(block, Figure)]
    assert captions and not any("dpo" in caption for caption in captions)


def test_an_evaluation_of_a_former_checkpoint_is_left_out(make_run, tmp_path):
    run = make_run(tmp_path / "run", until="problems")
    for stage in ("base", "sft"):
        folder = RunLayout(run).evaluation(stage)
        write_json(folder / "summary.json", {"benchmarks": {"x": {"pass_at_1": 0.5}}})
        with StepWriter(folder / "x", "evaluate", inputs={"model": "the first weights"}) as writer:
            writer.keep(pl.DataFrame({"problem_id": ["q"], "verdict": ["correct"], "status": ["complete"]}))
            writer.finish(rows_in=1)
        write_json(RunLayout(run).checkpoint(stage) / MANIFEST, {"output_digest": "the first weights"})
    assert [score.stage for score in stage_scores(run)[0]] == ["base", "sft"]
    write_json(RunLayout(run).checkpoint("sft") / MANIFEST, {"output_digest": "trained again"})
    scores, faults = stage_scores(run)
    assert [score.stage for score in scores] == ["base"]
    assert len(faults) == 1 and "eval/sft is of a former checkpoint" in faults[0]
    (RunLayout(run).checkpoint("sft") / MANIFEST).write_text("{torn")
    assert [score.stage for score in stage_scores(run)[0]] == ["base", "sft"], (
        "what does not say is no reason"
    )


def test_an_unreadable_evaluation_is_a_fault_on_the_page(make_run, tmp_path):
    run = make_run(tmp_path / "run")
    at = open_run(run).layout
    (at.evaluation("sft") / "summary.json").write_text("{not json")
    ladder, faults = stage_scores(run)
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


def test_an_endpoint_without_a_price_is_not_priced(make_run, rewrite, tmp_path):
    run = make_run(tmp_path / "run")
    at = open_run(run).layout
    for folder in (at.responses, at.verdicts):
        rewrite(folder, lambda frame: frame.with_columns(usd=pl.lit(None, dtype=pl.Float64)))
    shown = {what: (figure, remark) for figure, what, remark in cards(open_run(run))}
    assert shown["spent on the teacher"][0] == "not priced"
    assert "have no price" in shown["spent on the teacher"][1]
    assert {row[-1] for row in grids(yields(open_run(run)))["By level"].rows} == {"not priced"}


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
    (fold,) = samples(open_run(tmp_path / "out")).blocks
    assert [block.title for block in fold.blocks] == [f"out: reason {n}" for n in range(3)]
    assert [f"/row?id=x{n}" in dict(block.facts)["row"] for n, block in enumerate(fold.blocks)] == [True] * 3
    assert all("y" * 100 in block.pieces[0].first + block.pieces[0].rest for block in fold.blocks)
    assert read == [["reason"]]
