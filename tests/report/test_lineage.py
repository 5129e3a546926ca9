"""`factory why`: the life of every id agrees with the tables, whatever happened to it."""

from __future__ import annotations

import sys

import polars as pl
import pytest
from click.testing import CliRunner

from factory.cli import main
from factory.cli.main import build_app
from factory.errors import UsageError
from factory.redaction import printable
from factory.report.lineage import Outcome, trace
from factory.report.step_folders import open_run
from factory.run.folder import newest_run
from factory.run.layout import RunLayout
from factory.run.parts import read_dropped, read_parts
from factory.run.review import add_review


@pytest.fixture(scope="module")
def tables(full_run):
    return open_run(full_run)


def outcomes(life):
    return {(event.folder, event.outcome) for event in life.events}


def test_a_duplicate_problem_names_its_survivor(tables):
    life = trace(tables, "p-0000000000000007")
    assert life.kind == "problem"
    last = [event for event in life.events if event.outcome == Outcome.DROPPED]
    assert [(e.folder, e.what) for e in last] == [("problems/unique", "near_duplicate")]
    assert '"survivor": "p-0000000000000006"' in last[0].evidence


def test_a_contaminated_problem_shows_the_matched_benchmark(tables, full_run):
    row = read_dropped(RunLayout(full_run).clean_problems).row(0, named=True)
    life = trace(tables, row["row_id"])
    dropped = [event for event in life.events if event.outcome == Outcome.DROPPED]
    assert dropped[0].folder == "problems/clean"
    assert dropped[0].evidence == row["evidence"]


def test_every_response_has_a_life_that_agrees_with_the_sets(tables, full_run):
    at = RunLayout(full_run)
    midtrain = set(read_parts(at.dataset("midtrain"))["response_id"])
    sft = set(read_parts(at.dataset("sft"))["response_id"])
    for response_id in read_parts(at.responses)["response_id"].to_list()[::13]:
        found = outcomes(trace(tables, response_id))
        for name, members in (("midtrain", midtrain), ("sft", sft)):
            expected = Outcome.KEPT if response_id in members else Outcome.NOT_HERE
            assert (f"datasets/{name}", expected) in found
        assert ("problems/clean", Outcome.KEPT) in found


def test_a_response_that_failed_is_known_by_its_dropped_row(tables, full_run):
    row = read_dropped(RunLayout(full_run).responses).row(0, named=True)
    life = trace(tables, row["row_id"])
    assert (life.kind, life.problem_id) == ("response", row["problem_id"])
    assert ("responses/teacher", Outcome.DROPPED) in outcomes(life)


def test_a_pair_says_which_side(tables, full_run):
    pair = read_parts(RunLayout(full_run).dataset("preference")).row(0, named=True)
    for side in ("chosen", "rejected"):
        events = {e.folder: e.what for e in trace(tables, pair[f"{side}_response_id"]).events}
        other = "rejected" if side == "chosen" else "chosen"
        against = "over" if side == "chosen" else "under"
        assert events["datasets/preference"] == f"{side} in 1 pair, {against} {pair[f'{other}_response_id']}"


def test_facts_are_told_once(tables, full_run):
    response = read_parts(RunLayout(full_run).labelled)["response_id"][3]
    names = [name for event in trace(tables, response).events for name, _ in event.facts]
    assert names.count("verdict") == 1
    assert names.count("completion_tokens") == 1


def test_a_line_of_input_that_could_not_be_read(make_run, tmp_path):
    from factory.run.step_writer import StepWriter
    from schemas import DROPPED, PROBLEM

    run = make_run(tmp_path / "run", until="problems")
    bad = pl.DataFrame(
        [{"step": "problems", "row_id": "data/x.jsonl:17", "problem_id": None, "reason": "malformed", "detail": "not JSON", "evidence": None, "row": "{oops"}],
        schema={name: pl.String for name in DROPPED.names},
    )  # fmt: skip
    with StepWriter(RunLayout(run).problems, "problems", PROBLEM) as writer:
        writer.drop(bad)
        writer.finish(rows_in=1)
    life = trace(open_run(run), "data/x")
    assert life.id == "data/x.jsonl:17"
    assert (life.kind, life.problem_id) == ("row", None)
    assert [(e.outcome, e.what) for e in life.events] == [(Outcome.DROPPED, "malformed (not JSON)")]


def test_an_ambiguous_beginning_names_some(tables):
    with pytest.raises(UsageError, match="more than one id begins with p-00000000000000") as error:
        trace(tables, "p-00000000000000")
    assert "give more of it" in str(error.value)


def test_an_unknown_id_is_a_users_mistake(tables):
    for unknown in ("r-nobody", "x", ""):
        with pytest.raises(UsageError, match="knows"):
            trace(tables, unknown)


def test_an_unfinished_and_a_damaged_step_are_not_read_as_absence(make_run, tmp_path):
    run = make_run(tmp_path / "run")
    at = RunLayout(run)
    (at.verdicts / "_manifest.json").unlink()
    part = at.labelled / "part-00000.parquet"
    part.write_bytes(part.read_bytes()[:-7])
    found = outcomes(trace(open_run(run), read_parts(at.responses)["response_id"][0]))
    assert ("verdicts/teacher", Outcome.UNKNOWN) in found
    assert ("verdicts/labelled", Outcome.UNKNOWN) in found


def run_factory(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["factory", *words])
    code = 0
    try:
        main.main()
    except SystemExit as stop:
        code = stop.code or 0
    return code, capsys.readouterr()


def test_why_on_the_command_line(monkeypatch, capsys, full_run):
    code, said = run_factory(monkeypatch, capsys, "why", "p-0000000000000007", "--run", str(full_run))
    assert code == 0
    assert "dropped   problems/unique" in said.out
    assert '"survivor": "p-0000000000000006"' in said.out
    code, said = run_factory(monkeypatch, capsys, "why", "p-nobody", "--run", str(full_run))
    assert code == 2
    assert said.err.count("\n") == 1


def test_why_takes_the_newest_run_and_tells_the_mark(make_run, tmp_path, monkeypatch):
    import os

    runs = tmp_path / "runs"
    for name, age in (("old", 900), ("new", 0)):
        run = make_run(runs / name, until="problems")
        for path in (run / "recipe.yaml", *run.glob("*/*/_manifest.json")):
            stamp = path.stat().st_mtime - age
            os.utime(path, (stamp, stamp))
    assert newest_run(runs) == runs / "new"
    add_review(runs / "new", "p-0000000000000003", "reject", "ambiguous \x1b[31m")
    monkeypatch.chdir(tmp_path)
    answer = CliRunner().invoke(build_app(("why", "report")), ["why", "p-0000000000000003"])
    assert answer.exit_code == 0, answer.output
    assert "reviewed: reject ambiguous \\x1b[31m" in answer.output
    assert "\x1b[31m" not in answer.output
    with pytest.raises(UsageError, match="no run below"):
        newest_run(tmp_path / "elsewhere")


def test_text_cannot_steer_the_terminal():
    assert printable("a\x1b]0;owned\x07b\u202ec\ud800\nd") == "a\\x1b]0;owned\\x07b\\u202ec\\ud800 d"
    assert printable("几何 ∑ ½") == "几何 ∑ ½"


def test_a_set_that_lacks_a_row_says_why(tables, full_run):
    at = RunLayout(full_run)

    def why(row_id):
        return {e.folder: e.what for e in trace(tables, row_id).events if e.outcome == Outcome.NOT_HERE}

    wrong = read_dropped(at.selected("midtrain"))
    assert (
        why(wrong["row_id"][0])["datasets/midtrain"] == f"left out by selected/midtrain: {wrong['reason'][0]}"
    )
    double = read_dropped(at.unique_problems)
    said = why(double["row_id"][0])
    assert set(said) == {f"datasets/{name}" for name in ("midtrain", "sft", "preference", "rl")}
    assert set(said.values()) == {f"left out by problems/unique: {double['reason'][0]}"}
    pair = read_parts(at.dataset("preference")).row(0, named=True)
    same = read_parts(at.labelled).filter(problem_id=pair["problem_id"])["response_id"].to_list()
    outside = next(r for r in same if r not in (pair["chosen_response_id"], pair["rejected_response_id"]))
    expected = f"its problem's pair is {pair['chosen_response_id']} over {pair['rejected_response_id']}"
    assert why(outside)["datasets/preference"] == expected
