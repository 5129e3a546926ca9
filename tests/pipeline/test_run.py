"""A whole run, data half: it balances, resumes after kill -9, redoes only what changed, and says so when all is done."""

import json
import resource
import signal
import subprocess
import time
from pathlib import Path

import polars as pl
import pytest

from factory.run.layout import RunLayout
from factory.run.parts import read_parts
from tests.support.cli import COMMAND, run_factory, start_factory

RECIPE = """
name: demo
problems:
  sources: ["procedural:modular_chain+linear_equation?count=160&seed=3&style=terse"]
  held_out: 20
generate: {teacher: procedural, samples: 3, max_tokens: 1024, slip_rate: 0.4}
train: null
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "demo.yaml"
    path.write_text(RECIPE)
    return path


def factory(recipe, out, *more):
    return run_factory("run", recipe, "--out", out, *more)


def digests(run):
    return {
        str(path.parent.relative_to(run)): json.loads(path.read_text())["output_digest"]
        for path in sorted(run.rglob("_manifest.json"))
        if "store" not in path.parts
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    path = folder / "demo.yaml"
    path.write_text(RECIPE)
    done = factory(path, folder / "run")
    assert done.returncode == 0, done.stderr
    return path, folder / "run"


def test_every_step_balances(finished):
    _, run = finished
    ledger = json.loads((run / "ledger.json").read_text())
    assert ledger["balanced"]
    for step in ledger["steps"]:
        assert step["rows_in"] == step["rows_out"] + sum(step["dropped"].values()), step["step"]
    assert ledger["sums"]["completion_tokens"] > 0


def test_only_verified_correct_responses_are_trained_on(finished):
    _, run = finished
    at = RunLayout(run)
    verdicts = read_parts(at.labelled)
    correct = set(verdicts.filter(pl.col("verdict") == "correct")["response_id"])
    midtrain = pl.read_parquet(sorted(at.dataset("midtrain").rglob("*.parquet")))
    sft = pl.read_parquet(sorted(at.dataset("sft").rglob("*.parquet")))
    assert set(midtrain["response_id"]) <= correct
    assert set(sft["response_id"]) < set(midtrain["response_id"])
    assert (verdicts["verdict"] == "incorrect").sum() > 20, (
        "the teacher's slips gave later steps nothing to do"
    )
    completion = midtrain["completion"][0][0]["content"]
    assert completion.startswith("<think>\n") and "</think>" in completion


def test_held_out_problems_never_reach_the_teacher(finished):
    _, run = finished
    held_out = set(read_parts(RunLayout(run).held_out)["id"])
    assert len(held_out) == 20
    assert not held_out & set(read_parts(RunLayout(run).responses)["problem_id"])


def test_a_finished_run_does_nothing_and_says_so_quickly(finished):
    recipe, run = finished
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()}
    began = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = start_factory("run", recipe, "--out", run)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = (ended.ru_utime + ended.ru_stime) - (began.ru_utime + began.ru_stime)
    assert done.returncode == 0
    assert "nothing has changed" in done.stdout
    assert seconds < 2
    assert before == {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()}


def test_a_file_in_a_later_step_s_folder_stops_the_run_before_its_first_step(recipe, tmp_path):
    mine = tmp_path / "run" / "selected" / "sft" / "notes.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    done = factory(recipe, tmp_path / "run")
    assert done.returncode == 2 and f"{mine} was not written by step sft-set" in done.stderr
    assert mine.read_text() == "mine" and not (tmp_path / "run" / "problems").exists()


def test_two_runs_give_the_same_bytes(finished, tmp_path):
    recipe, run = finished
    assert factory(recipe, tmp_path / "again", "--set", "verify.workers=1").returncode == 0
    assert digests(tmp_path / "again") == digests(run)


def test_more_samples_buy_only_the_difference(finished, tmp_path):
    recipe, _ = finished
    out = tmp_path / "run"
    assert factory(recipe, out, "--set", "generate.samples=2", "--until", "generate").returncode == 0
    store_before = sum(path.stat().st_size for path in (out / "store").rglob("*") if path.is_file())
    two = read_parts(RunLayout(out).responses)
    assert factory(recipe, out, "--until", "generate").returncode == 0
    three = read_parts(RunLayout(out).responses)
    store_after = sum(path.stat().st_size for path in (out / "store").rglob("*") if path.is_file())
    assert set(two["response_id"]) < set(three["response_id"])
    assert store_after < store_before * 1.8, "the first two samples were stored a second time"


def test_a_second_process_is_turned_away(recipe, tmp_path):
    import fcntl

    out = tmp_path / "run"
    out.mkdir()
    with (out / ".lock").open("a+") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        done = factory(recipe, out)
    assert done.returncode == 2
    assert "in use by process" in done.stderr


def test_ctrl_c_is_exit_3_and_resumable(recipe, tmp_path):
    out = tmp_path / "run"
    process = subprocess.Popen(
        [*COMMAND, "run", recipe, "--out", out], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not (out / "problems").exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 3, said
    assert "again" in said.strip().splitlines()[-1]
    assert "Traceback" not in said
    assert factory(recipe, out).returncode == 0


def test_a_malformed_line_is_dropped_with_its_place(tmp_path):
    source = tmp_path / "problems.jsonl"
    good = [
        json.dumps({"id": f"p{i}", "problem": f"What is {i} + {i}?", "answer": str(2 * i)}) for i in range(4)
    ]
    source.write_text("\n".join([*good[:2], '{"problem": "broken', *good[2:]]) + "\n")
    recipe = tmp_path / "r.yaml"
    recipe.write_text(f"name: r\nproblems: {{sources: ['{source}']}}\ntrain: null\n")
    done = factory(recipe, tmp_path / "run", "--until", "problems")
    assert done.returncode == 0, done.stderr
    dropped = read_parts(RunLayout(tmp_path / "run").problems / "__dropped")
    assert dropped["row_id"].to_list() == [f"{source}:3"] or dropped["row_id"][0].endswith("problems.jsonl:3")


def test_bad_input_is_one_line(tmp_path):
    recipe = tmp_path / "r.yaml"
    recipe.write_text("name: r\nproblems: {sources: [absent.jsonl]}\ntrain: null\n")
    done = factory(recipe, tmp_path / "run")
    assert done.returncode == 2
    assert "absent.jsonl" in done.stderr
    assert "Traceback" not in done.stderr
    (tmp_path / "file").write_text("")
    assert factory(recipe, tmp_path / "file" / "run").returncode == 2


def test_paths_in_the_report_and_card_need_no_network(finished):
    _, run = finished
    html = (run / "report.html").read_text("utf-8")
    assert '<script src="http' not in html and '<link href="http' not in html
    assert Path(run / "recipe.yaml").exists()


def test_an_evaluation_without_questions_is_refused_before_money_is_spent(tmp_path):
    recipe = tmp_path / "r.yaml"
    recipe.write_text("name: r\nproblems: {sources: ['procedural:all?count=5&seed=1']}\n")
    done = factory(recipe, tmp_path / "run")
    assert done.returncode == 2
    assert "problems.held_out is 0" in done.stderr
